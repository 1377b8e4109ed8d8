"""`meltano run tap-snowflake target-launchdarkly` with the project's own meltano.yml."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from meltano_project import MeltanoProject, Result, target_variables
from messages import keys
from neighbours import ROOT, TARGET, Warehouse, audience, flags, tool
from running import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

pytestmark = pytest.mark.realworld

ROWS = 300
BETA, PREMIUM = "beta-users", "premium-users"
FLAGGED = {key for number, key in enumerate(keys(ROWS)) if number % 10}
LISTED = set(keys(ROWS))
#: Members that the view does not list.
STALE = {"stale-1", "stale-2"}


@dataclass(frozen=True)
class Project(MeltanoProject):
    """A Meltano project with the meltano.yml of this repository, unchanged, and its plugins."""

    warehouse: Warehouse

    def sync(self, **variables: str) -> Result:
        return self.run("run", "--no-install", "tap-snowflake", "target-launchdarkly", **variables)

    def state(self) -> Any:
        """Return the STATE that Meltano keeps for the next run."""
        shown = self.run("state", "get", "test:tap-snowflake-to-target-launchdarkly")
        return json.loads(shown.stdout)["singer_state"]


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    sandbox.add_segment(PREMIUM, included=[*STALE, *keys(10)])
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.execute(*flags("beta_users", ROWS), *audience("premium_users", ROWS))
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "meltano.yml", folder)
    variables = {
        "TAP_SNOWFLAKE_ACCOUNT": "sandbox",
        "TAP_SNOWFLAKE_USER": "reader",
        "TAP_SNOWFLAKE_PASSWORD": "unused-password",
    }
    project = Project(folder, "test", target_variables(sandbox) | variables, warehouse)
    project.install("tap-snowflake", *warehouse.tap)
    project.install("target-launchdarkly", *TARGET)
    return project


def test_runs_go_on_from_the_state_that_meltano_keeps(project: Project, sandbox: Sandbox) -> None:
    first = project.sync()

    assert first.returncode == 0, first.stderr
    assert set(sandbox.included(BETA)) == FLAGGED
    assert set(sandbox.included(PREMIUM)) == LISTED
    bookmark = project.state()["bookmarks"]["marts-beta_users"]
    assert bookmark["replication_key_value"].startswith("2026-01-01T00:04:59")
    assert TOKEN not in first.stdout + first.stderr

    project.warehouse.execute(
        "insert into beta_users values ('newcomer', true, '2026-02-01'::timestamp_ntz)",
        "update beta_users set is_member = false, updated_at = '2026-02-02'::timestamp_ntz"
        " where context_key = 'user-1'",
        "delete from premium_users_rows where context_key = 'user-2'",
    )
    second = project.sync()

    assert second.returncode == 0, second.stderr
    assert set(sandbox.included(BETA)) == FLAGGED - {"user-1"} | {"newcomer"}
    assert set(sandbox.included(PREMIUM)) == LISTED - {"user-2"}
    bookmark = project.state()["bookmarks"]["marts-beta_users"]
    assert bookmark["replication_key_value"].startswith("2026-02-02")
    # Not all 301 rows of beta_users: the two that changed, and the last one of the run before.
    assert "Segment 'beta-users': 3 records" in second.stderr


def test_failing_tap_removes_nobody_and_leaves_the_state(
    project: Project, sandbox: Sandbox
) -> None:
    project.sync()
    before = project.state()
    project.warehouse.execute(
        "insert into beta_users values ('newcomer', true, '2026-02-01'::timestamp_ntz)",
        "delete from premium_users_rows where context_key = 'user-2'",
        # The stream that comes second fails when it is read.
        "create or replace view premium_users as select context_key, updated_at,"
        " cast(context_key as int) as audience_size from premium_users_rows",
    )

    failed = project.sync()

    assert failed.returncode == 1
    assert "Extractor and loader failed" in failed.stderr
    assert set(sandbox.included(BETA)) == FLAGGED | {"newcomer"}
    assert set(sandbox.included(PREMIUM)) == LISTED
    assert project.state() == before


def test_tap_that_dies_half_way_removes_nobody(project: Project, sandbox: Sandbox) -> None:
    """All of the first stream comes, and most of the second one, to the end of a line."""
    lines = 1 + ROWS + 1 + 1 + ROWS - 20
    dying = project.folder / "dying-tap"
    tap = " ".join(project.warehouse.tap)
    dying.write_text(
        f'#!/bin/sh\ncase "$*" in *--discover*) exec {tap} "$@";; esac\n'
        f'{tap} "$@" | head -n {lines}\nexit 1\n'
    )
    dying.chmod(0o755)
    project.install("tap-snowflake", str(dying))

    died = project.sync()

    assert died.returncode == 1
    assert set(sandbox.included(BETA)) == FLAGGED
    assert STALE < set(sandbox.included(PREMIUM)) < STALE | LISTED

    project.install("tap-snowflake", *project.warehouse.tap)
    again = project.sync()

    assert again.returncode == 0, again.stderr
    assert set(sandbox.included(PREMIUM)) == LISTED


def test_settings_from_the_environment_reach_the_target_as_what_they_are(project: Project) -> None:
    shown = project.run(
        *("config", "print", "target-launchdarkly"),
        TARGET_LAUNCHDARKLY_MAX_REMOVAL_PERCENT="20",
        TARGET_LAUNCHDARKLY_DRY_RUN="true",
        TARGET_LAUNCHDARKLY_STREAMS='{"orders": {"segment_key": "buyers"}}',
    )

    config = json.loads(shown.stdout)
    assert config["max_removal_percent"] == 20
    assert config["dry_run"] is True
    # Meltano adds it to those of meltano.yml.
    assert config["streams"]["orders"] == {"segment_key": "buyers"}
    assert config["streams"]["marts-beta_users"] == {"segment_key": "beta-users"}
    assert config["environment_key"] == "test"
    assert config["access_token"] not in {"", TOKEN}


@pytest.mark.parametrize(
    "path",
    [ROOT / "meltano.yml", *sorted(ROOT.glob("examples/*/meltano.yml"))],
    ids=lambda path: path.parent.name,
)
def test_meltano_yml_follows_the_schema_of_meltano(path: Path) -> None:
    tool(".venv-meltano", "meltano")
    (schema,) = ROOT.glob(".venv-meltano/lib/python*/site-packages/meltano/schemas/*.schema.json")
    validator = Draft202012Validator(json.loads(schema.read_text()))
    document = yaml.safe_load(path.read_text())

    assert [error.message for error in validator.iter_errors(document)] == []
