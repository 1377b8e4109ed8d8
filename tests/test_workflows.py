"""The workflows test every supported Python, and trust nobody more than they must."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
#: The one that users copy is as careful.
EXAMPLE = ROOT / "examples" / "schedule" / "github_actions.yml"
each_workflow = pytest.mark.parametrize("path", [*WORKFLOWS, EXAMPLE], ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", ())]


@each_workflow
def test_actions_are_pinned_to_a_commit_and_say_which_version_it_is(path: Path) -> None:
    """A tag can be moved to other code; the comment is what tools read that renew the pins."""
    pinned = re.compile(
        r"uses: (\./\.github/workflows/\w+\.yml|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)"
    )
    uses = [line.strip(" -") for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        assert pinned.fullmatch(line), line


@each_workflow
def test_jobs_may_read_the_repository_and_no_more(path: Path) -> None:
    document = read(path)
    assert document["permissions"] in ({}, {"contents": "read"})
    for name, job in document["jobs"].items():
        if (path, name) != (RELEASE, "publish"):
            assert job.get("permissions", {}) in ({}, {"contents": "read"}), name
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_every_supported_python_is_tested_and_installed_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classifiers = " ".join(project["classifiers"])
    supported = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert project["requires-python"] == f">={supported[0]}"

    matrices = [
        job["strategy"]["matrix"]["python-version"]
        for path in WORKFLOWS
        for job in read(path)["jobs"].values()
        if "strategy" in job
    ]
    assert matrices == [supported] * 2


def test_release_publishes_what_was_tested_and_built_by_trust_alone() -> None:
    text = RELEASE.read_text()
    publish = read(RELEASE)["jobs"]["publish"]

    assert set(publish["needs"]) == {"test", "build", "install"}
    assert publish["permissions"] == {"id-token": "write", "attestations": "write"}
    assert publish["environment"] == "release"
    assert "secrets." not in text
    assert publish["steps"][-1]["with"] == {"attestations": True}


@each_workflow
def test_commands_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for step in steps(path):
        for line in step.get("run", "").splitlines():
            for target in re.findall(r"^make (\w+)", line):
                assert f"\n{target}:" in makefile
            if line.startswith(".ci/"):
                assert (ROOT / line).exists()
