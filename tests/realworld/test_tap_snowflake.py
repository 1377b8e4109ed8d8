"""`tap-snowflake | target-launchdarkly`: the real tap, reading a Snowflake stand-in."""

from __future__ import annotations

import math
import shutil
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from messages import keys
from neighbours import (
    Outcome,
    Pipeline,
    Warehouse,
    audience,
    demand_untouched,
    discover,
    flags,
    requests,
)
from running import SEGMENT

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

pytestmark = pytest.mark.realworld

#: The tap writes STATE after 10,000 records, and for FULL_TABLE never again.
ROWS = 12_000
FEW = 3_000
#: Lines of a tap that dies after that STATE: the SCHEMA, 10,000 records, STATE, 500 records.
LINES_PAST_STATE = 10_502
SNAPSHOT = {
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "audience_size_field": "audience_size",
}


@dataclass(frozen=True)
class Template:
    warehouse: Warehouse
    catalog: dict[str, Any]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A warehouse that every test changes a copy of, and what the tap finds in it."""
    warehouse = Warehouse(tmp_path_factory.mktemp("template") / "warehouse")
    warehouse.execute(*flags("flags", FEW), *flags("many_flags", ROWS), *audience("audience", ROWS))
    return Template(warehouse, discover(warehouse, warehouse.folder))


@pytest.fixture
def pipeline(template: Template, tmp_path: Path, config: dict[str, Any]) -> Pipeline:
    folder = tmp_path / "warehouse"
    shutil.copytree(template.warehouse.folder, folder)
    return Pipeline(tmp_path, Warehouse(folder), template.catalog, config)


@pytest.fixture
def stale(sandbox: Sandbox) -> set[str]:
    """Members, of whom no table lists the first 40."""
    stale = [*keys(40, start=90_000), *keys(60)]
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT, included=stale)
    sandbox.clear_requests()
    return set(stale)


def members(count: int) -> set[str]:
    """Return the keys whose flag is true in a table of flags."""
    return {key for number, key in enumerate(keys(count)) if number % 10}


def bookmark(state: Any, stream: str) -> str:
    value = state["bookmarks"][stream]["replication_key_value"]
    assert isinstance(value, str)
    return value


def test_full_table_of_flags_is_mirrored_and_costs_one_get_when_unchanged(
    sandbox: Sandbox, pipeline: Pipeline
) -> None:
    pipeline.select("marts-flags", "FULL_TABLE")

    first = pipeline.run(audience_sync_mode="mirror")

    assert (first.tap_code, first.code) == (0, 0), first.log
    assert set(sandbox.included(SEGMENT)) == members(FEW)
    assert requests(sandbox) == ["GET"] + ["PATCH"] * math.ceil(len(members(FEW)) / 1500)

    pipeline.run(audience_sync_mode="mirror")

    assert requests(sandbox) == ["GET"]

    pipeline.warehouse.execute(
        "update flags set is_member = not is_member where context_key in ('user-0', 'user-1')"
    )
    pipeline.run(audience_sync_mode="mirror")

    assert set(sandbox.included(SEGMENT)) == members(FEW) - {"user-1"} | {"user-0"}
    assert requests(sandbox) == ["GET", "PATCH"]


def test_incremental_goes_on_from_the_state_that_the_target_wrote(
    sandbox: Sandbox, pipeline: Pipeline
) -> None:
    pipeline.select("marts-flags", "INCREMENTAL", "updated_at")

    first = pipeline.run(audience_sync_mode="mirror")

    assert (first.tap_code, first.code) == (0, 0), first.log
    assert set(sandbox.included(SEGMENT)) == members(FEW)
    assert bookmark(first.states[-1], "marts-flags").startswith("2026-01-01T00:49:59")

    pipeline.warehouse.execute(
        "insert into flags values ('newcomer', true, '2026-02-01'::timestamp_ntz)",
        "update flags set is_member = false, updated_at = '2026-02-02'::timestamp_ntz"
        " where context_key in ('user-1', 'user-2')",
    )
    requests(sandbox)
    second = pipeline.run(first.states[-1], audience_sync_mode="mirror")

    assert (second.tap_code, second.code) == (0, 0), second.log
    assert set(sandbox.included(SEGMENT)) == members(FEW) - {"user-1", "user-2"} | {"newcomer"}
    assert requests(sandbox) == ["GET", "PATCH"]
    assert bookmark(second.states[-1], "marts-flags").startswith("2026-02-02")
    # The last row of the run before comes again, because the tap asks for `>=` its bookmark.
    assert '"record_count","value":4,' in second.tap_log


def test_snapshot_removes_who_is_not_listed_any_more(sandbox: Sandbox, pipeline: Pipeline) -> None:
    pipeline.select("marts-audience", "FULL_TABLE")

    first = pipeline.run(**SNAPSHOT)

    assert (first.tap_code, first.code) == (0, 0), first.log
    assert set(sandbox.included(SEGMENT)) == set(keys(ROWS))

    pipeline.warehouse.execute(
        "delete from audience_rows where context_key in ('user-7', 'user-11999')",
        "insert into audience_rows values ('newcomer', '2026-02-01'::timestamp_ntz)",
    )
    second = pipeline.run(first.states[-1], **SNAPSHOT)

    assert (second.tap_code, second.code) == (0, 0), second.log
    expected = set(keys(ROWS)) - {"user-7", "user-11999"} | {"newcomer"}
    assert set(sandbox.included(SEGMENT)) == expected
    assert second.states == [{"bookmarks": {"marts-audience": {}}}]


def test_snapshot_read_incrementally_by_mistake_removes_nobody(
    sandbox: Sandbox, pipeline: Pipeline, stale: set[str]
) -> None:
    pipeline.select("marts-audience", "INCREMENTAL", "updated_at")
    row = {"replication_key": "updated_at", "replication_key_value": "2026-01-01T03:19:00"}

    resumed = pipeline.run({"bookmarks": {"marts-audience": row}}, **SNAPSHOT)

    assert resumed.tap_code == 0
    demand_untouched(sandbox, resumed, stale)
    assert "audience_size" in resumed.log


def test_tap_killed_half_way_through_a_snapshot_removes_nobody_and_a_rerun_converges(
    sandbox: Sandbox, pipeline: Pipeline, stale: set[str]
) -> None:
    pipeline.select("marts-audience", "FULL_TABLE")

    killed = interrupted(sandbox, pipeline, signal.SIGKILL)

    assert killed.tap_code == -signal.SIGKILL
    demand_untouched(sandbox, killed, stale)

    again = pipeline.run(**SNAPSHOT)

    assert (again.tap_code, again.code) == (0, 0), again.log
    assert set(sandbox.included(SEGMENT)) == set(keys(ROWS))


def test_tap_that_is_told_to_stop_claims_success_and_still_nobody_is_removed(
    sandbox: Sandbox, pipeline: Pipeline, stale: set[str]
) -> None:
    """Taps of the SDK end with 0 on SIGTERM: neither a shell nor Meltano could tell."""
    pipeline.select("marts-audience", "FULL_TABLE")

    stopped = interrupted(sandbox, pipeline, signal.SIGTERM)

    assert stopped.tap_code == 0
    demand_untouched(sandbox, stopped, stale)


def test_tap_that_ends_after_its_state_leaves_a_snapshot_unfinished(
    sandbox: Sandbox, pipeline: Pipeline, stale: set[str]
) -> None:
    """The pipe closes at the end of a line, and the tap's only STATE came before."""
    pipeline.select("marts-audience", "FULL_TABLE")
    pipeline.through = ["head", "-n", str(LINES_PAST_STATE)]

    cut = pipeline.run(**SNAPSHOT)

    demand_untouched(sandbox, cut, stale)


def test_incremental_tap_that_ends_half_way_converges_from_the_state_it_left(
    sandbox: Sandbox, pipeline: Pipeline
) -> None:
    pipeline.select("marts-many_flags", "INCREMENTAL", "updated_at")
    pipeline.through = ["head", "-n", str(LINES_PAST_STATE)]

    cut = pipeline.run(audience_sync_mode="mirror")

    # All that came is applied and acknowledged: STATE covers it, and no more.
    assert set(sandbox.included(SEGMENT)) == members(10_500)
    assert len(cut.states) == 1

    pipeline.through = []
    again = pipeline.run(cut.states[-1], audience_sync_mode="mirror")

    assert (again.tap_code, again.code) == (0, 0), again.log
    assert set(sandbox.included(SEGMENT)) == members(ROWS)


def interrupted(sandbox: Sandbox, pipeline: Pipeline, signum: signal.Signals) -> Outcome:
    """Run a snapshot whose tap gets a signal when its first record has come."""
    # While the answer to that record's GET is awaited, the pipe fills up and holds the tap.
    sandbox.faults.append(Fault("delay", method="GET", seconds=3))
    processes = pipeline.start(**SNAPSHOT)
    deadline = time.monotonic() + 30
    while sandbox.faults:
        assert time.monotonic() < deadline, "nothing was read"
        time.sleep(0.05)
    assert processes[0].poll() is None
    processes[0].send_signal(signum)
    return pipeline.finish(processes)
