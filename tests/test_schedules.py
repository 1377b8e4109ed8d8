"""`examples/schedule`: cron, the DAG and the image say what the projects and the target know."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
import yaml
from documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "examples" / "schedule"
#: Of every example of a project, what jobs and which environments it has.
PROJECTS = {
    path.parent.name: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "examples").glob("*/meltano.yml"))
}
PROJECT = PROJECTS["snowflake"]
JOBS = {job["name"] for job in PROJECT["jobs"]}
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def nightly(tmp_path: Path, meltano: str) -> subprocess.CompletedProcess[str]:
    """Run the script of cron with a program in place of Meltano."""
    program = tmp_path / "meltano"
    program.write_text(f"#!/bin/sh\n{meltano}\n")
    program.chmod(0o755)
    return subprocess.run(
        [FOLDER / "nightly.sh", tmp_path, "audiences"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        check=False,
        text=True,
    )


def test_cron_is_silent_about_success(tmp_path: Path) -> None:
    done = nightly(tmp_path, 'echo "$PWD: $*" | tee called; echo told >&2')

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    called = (tmp_path / "called").read_text()
    assert called == f"{tmp_path}: --environment=production run audiences\n"
    assert {path.name for path in tmp_path.iterdir()} == {"called", "meltano"}


def test_cron_is_told_of_failure_with_the_log(tmp_path: Path) -> None:
    done = nightly(tmp_path, "echo on stdout; echo on stderr >&2; exit 1")

    assert (done.returncode, done.stdout) == (1, "on stdout\non stderr\n")


def test_cron_fails_without_the_project(tmp_path: Path) -> None:
    done = subprocess.run([FOLDER / "nightly.sh", tmp_path / "none", "job"], check=False)

    assert done.returncode != 0


def test_crontab_runs_the_script_with_a_job_of_the_project() -> None:
    (line,) = re.findall(r"^[\d*].*$", (FOLDER / "crontab").read_text(), re.MULTILINE)
    *times, script, folder, job = line.split()

    assert " ".join(times) == PROJECT["schedules"][0]["interval"]
    assert script == f"{folder}/nightly.sh"
    assert job in JOBS


@pytest.mark.parametrize("name", PROJECTS)
def test_every_example_of_a_project_can_be_scheduled(name: str) -> None:
    """The script, the image and the DAG run the same job in the same environment."""
    project = PROJECTS[name]

    assert "audiences" in {job["name"] for job in project["jobs"]}
    assert "production" in {environment["name"] for environment in project["environments"]}
    (command,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == ["--environment=production", "run", "audiences"]


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the DAG asks the pod's operator for, Airflow itself not being here."""
    operator, dag, kubernetes = MagicMock(), MagicMock(), MagicMock()
    modules = {
        "airflow.sdk": {"DAG": dag},
        "airflow.providers.cncf.kubernetes.operators.pod": {"KubernetesPodOperator": operator},
        "kubernetes.client": {"models": kubernetes},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
        for depth in range(1, name.count(".") + 1):
            parent = ".".join(name.split(".")[:depth])
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    runpy.run_path(str(FOLDER / "airflow_dag.py"))
    (call,) = operator.call_args_list
    return {"dag": dag.call_args.kwargs, "models": kubernetes, **call.kwargs}


def test_dag_runs_a_job_of_the_project_once_at_a_time(task: dict[str, Any]) -> None:
    environment, run, job = task["arguments"]

    assert (run, job in JOBS) == ("run", True)
    names = {each["name"] for each in PROJECT["environments"]}
    assert environment.removeprefix("--environment=") in names
    assert task["dag"]["max_active_runs"] == 1
    assert task["dag"]["catchup"] is False
    assert task["dag"]["schedule"] == PROJECT["schedules"][0]["interval"]


def test_pod_gets_its_secrets_from_kubernetes_and_is_not_root(task: dict[str, Any]) -> None:
    task["models"].V1SecretEnvSource.assert_called_once_with(name="audiences")
    task["models"].V1PodSecurityContext.assert_called_once_with(run_as_non_root=True)
    assert "env_vars" not in task


def test_image_is_pinned_and_does_not_run_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    users = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)

    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases[0])
    assert users
    assert users[-1] != "0"
    last = DOCKERFILE.split("FROM ")[-1]
    assert f"--chown={users[-1]}:" in last
    # Kubernetes checks `runAsNonRoot` by number.
    assert last.index("USER ") < last.index("ENTRYPOINT ")


def test_image_leaves_out_secrets_and_environments() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()

    assert {"**/.env", "**/.meltano", "**/.venv*"} <= set(ignored)


def test_image_copies_what_is_there_to_where_it_was_made() -> None:
    """Environments of Python cannot be moved."""
    for source, target in re.findall(
        r"^COPY --from=build.* (\S+) (\S+)$", DOCKERFILE, re.MULTILINE
    ):
        assert source == target
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert name == "${PROJECT}" or (ROOT / name).exists(), name
