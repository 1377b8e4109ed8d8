"""`examples/snowflake`: dbt and tap-snowflake over files, Meltano around them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from meltano_project import PATIENCE_SECONDS, MeltanoProject, copy_example, target_variables
from neighbours import ROOT, TARGET, plain_environment, tool

if TYPE_CHECKING:
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

pytestmark = pytest.mark.realworld

JOB = "audiences-embedded"
USERS = "transform/seeds/users.csv"
OPTED_IN = ["ann", "cem", "eva", "gus", "ida", "kim"]


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> MeltanoProject:
    folder = tmp_path / "project"
    copy_example("snowflake", folder)
    project = MeltanoProject(folder, "embedded", target_variables(sandbox))
    program = [tool(".venv-tap", "python"), str(folder / "embedded" / "embedded_warehouse.py")]
    project.install("dbt-embedded", *program, "dbt")
    project.install("tap-embedded", *program, "tap")
    project.install("target-launchdarkly", *TARGET)
    return project


def test_make_example_ends_with_a_flag_that_turned_on(project: MeltanoProject) -> None:
    tool(".venv-meltano", "meltano")
    shown = subprocess.run(
        [sys.executable, ROOT / "demo" / "example.py", "--no-install", "--project", project.folder],
        env=plain_environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    before, after = shown.stdout.split("\nAfter\n")
    assert "flag beta-users: ann off, ben on" in before
    assert "flag beta-users: ann on, ben off" in after
    # Who is in place stays, who is not listed leaves, and what became empty is emptied.
    assert "  premium-users    ann, cem, dan, gus, hal, kim, lea\n" in after
    assert "  trial-users      -\n" in after
    assert "  plan-pro         ann, cem, hal, kim\n" in after
    assert "  plan-team        -\n" in after
    assert after.splitlines()[-1] == "The flag 'beta-users' turned on for ann and off for ben."


def test_run_follows_the_models(project: MeltanoProject, sandbox: Sandbox) -> None:
    sandbox.delete_segment("beta-users")
    sandbox.add_segment("beta-users", included=OPTED_IN)
    users = project.folder / USERS
    changed = users.read_text().replace("ann,pro,true", "ann,pro,false")
    users.write_text(changed.replace("jon,free", "jon,pro") + "max,team,true,true\n")

    done = project.run("run", "--no-install", JOB)

    assert done.returncode == 0, done.stderr
    assert "PASS=16" in done.stderr
    assert sorted(sandbox.included("beta-users")) == [*OPTED_IN[1:], "max"]
    assert sorted(sandbox.included("plan-pro")) == ["ann", "cem", "hal", "jon", "kim"]
    assert sandbox.included("plan-team") == ["max"]
    assert sandbox.included("trial-users") == ["max"]


def test_model_that_fails_its_test_is_not_synced(project: MeltanoProject, sandbox: Sandbox) -> None:
    users = project.folder / USERS
    users.write_text(users.read_text() + "ann,free,true,false\n")

    failed = project.run("run", "--no-install", JOB)

    assert failed.returncode != 0
    assert "unique_beta_users_context_key" in failed.stderr
    assert sandbox.requests == []


def test_snowflake_settings_come_from_the_same_variables_for_dbt_and_the_tap(
    project: MeltanoProject,
) -> None:
    names = ("account", "user", "password", "warehouse", "role")
    variables = {f"SNOWFLAKE_{name.upper()}": f"my-{name}" for name in names}

    shown = project.run("config", "print", "tap-snowflake", **variables)

    config = json.loads(shown.stdout)
    assert {name: config[name] for name in names} == {name: f"my-{name}" for name in names}
    profiles = (project.folder / "transform" / "profiles.yml").read_text()
    for name in names:
        assert f"{name}: \"{{{{ env_var('SNOWFLAKE_{name.upper()}') }}}}\"" in profiles
