"""`tap-postgres | target-launchdarkly`: tables and views as wholes, by both makes of the tap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from messages import keys
from neighbours import Pipeline, demand_untouched, discover, requests
from postgres import Make, Server, create_database, serve
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

    #: Runs statements in a new database, and returns the pipe from there.
    Stage = Callable[..., Pipeline]

pytestmark = pytest.mark.realworld

ROWS = 2_000
MEMBERS = {key for number, key in enumerate(keys(ROWS)) if number % 10}
STALE = set(keys(40, start=90_000))
#: Numbers that no double can hold.
BIG = [1_498_392_753_700_442_112 + number for number in range(20)]

TABLE, VIEW = "marts-OddAudience", "marts-listed"
#: Beside keys and flags, all that stopped 0.1.
ODD_TABLE = """
create table marts."OddAudience" (
    "ContextKey" char(20) primary key, "IsMember" boolean, "Score" numeric, "Ratio" numeric(38,9),
    "SeenAt" timestamp, "SeenAtTz" timestamptz, "Day" date,
    "Meta" json, "MetaB" jsonb, "Tags" text[], "Nums" int[], "Days" date[])"""
#: Names as a warehouse folds them.
LISTED = """
create view marts.listed as select "ContextKey", "Score", "Day", "SeenAtTz", "Meta", "Tags",
count(*) over () as "AUDIENCE_SIZE" from marts."OddAudience" where "IsMember" """
#: The last date of a calendar that the tap can read: the other make dies of the year 20210.
LAST_DAY = {"meltanolabs": "20210-01-01", "pipelinewise": "infinity"}

FLAGS = {
    "audience_sync_mode": "mirror",
    "context_key_field": "ContextKey",
    "membership_field": "IsMember",
}
SNAPSHOT = FLAGS | {"mirror_source": "snapshot"}
SIZED = {
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "context_key_field": "contextkey",
    "audience_size_field": "audience_size",
}
#: Lines of a tap that dies 200 records after a STATE.
LINES_PAST_STATE = 1 + 1 + 1 + 1_000 + 1 + 200

both = pytest.mark.parametrize("make", ["meltanolabs", "pipelinewise"])
pipelinewise = pytest.mark.parametrize("make", ["pipelinewise"])


def odd_rows(make: Make, count: int) -> str:
    """Return the SQL that inserts `user-0` …, of which every tenth is no member."""
    return f"""
    insert into marts."OddAudience" select 'user-' || i, i % 10 <> 0, 1e30::numeric + i, i + 0.5,
    '20210-01-01', case i % 2 when 0 then 'infinity'::timestamptz else '-infinity' end,
    '{LAST_DAY[make]}', '{{"a": 1}}', '{{"b": [1, null]}}', array['x', null],
    array[[1, 2], [3, 4]], array['2026-01-01'::date] from generate_series(0, {count - 1}) i"""  # noqa: S608


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def stage(server: Server, make: Make, tmp_path: Path, config: dict[str, Any]) -> Stage:
    def stage(*statements: str) -> Pipeline:
        database = create_database(server, make)
        database.execute(*statements)
        return Pipeline(tmp_path, database, discover(database, tmp_path), config)

    return stage


@pytest.fixture
def odd(stage: Stage, make: Make) -> Pipeline:
    pipeline = stage(ODD_TABLE, LISTED, odd_rows(make, ROWS))
    pipeline.select(TABLE, "FULL_TABLE")
    return pipeline


def refill(sandbox: Sandbox, *members: str) -> None:
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT, included=members)
    sandbox.clear_requests()


@both
def test_table_of_flags_is_mirrored_whatever_else_stands_in_it(
    sandbox: Sandbox, odd: Pipeline, make: Make
) -> None:
    first = odd.succeed(**FLAGS)

    assert set(sandbox.included(SEGMENT)) == MEMBERS
    assert requests(sandbox) == ["GET", "PATCH", "PATCH"]
    bookmark = first.states[-1]["bookmarks"][TABLE]
    if make == "pipelinewise":
        assert bookmark.pop("version") > 1_700_000_000_000
        assert bookmark == {"last_replication_method": "FULL_TABLE", "xmin": None}
    else:
        assert bookmark == {}
    # CHAR pads each key with blanks; no application sends them.
    assert re.search(rf"{ROWS:,}[^.\n]*blanks", first.log)

    second = odd.succeed(first.states[-1], **FLAGS)

    assert requests(sandbox) == ["GET"]

    odd.warehouse.execute(
        'update marts."OddAudience" set "IsMember" = not "IsMember"'
        """ where "ContextKey" in ('user-0', 'user-1')"""
    )
    odd.succeed(second.states[-1], **FLAGS)

    assert set(sandbox.included(SEGMENT)) == MEMBERS - {"user-1"} | {"user-0"}
    assert requests(sandbox) == ["GET", "PATCH"]


@both
def test_view_is_mirrored_as_a_snapshot_by_its_size(
    sandbox: Sandbox, odd: Pipeline, make: Make
) -> None:
    if make == "pipelinewise":
        # It clips timestamps of tables alone.
        odd.warehouse.execute("""update marts."OddAudience" set "SeenAtTz" = 'infinity'""")
    refill(sandbox, *STALE, *keys(100))
    odd.select(VIEW, "FULL_TABLE")

    first = odd.succeed(**SIZED)

    assert set(sandbox.included(SEGMENT)) == MEMBERS
    assert requests(sandbox) == ["GET", "PATCH", "PATCH"]

    odd.warehouse.execute(
        """delete from marts."OddAudience" where "ContextKey" in ('user-7', 'user-1999')""",
        """insert into marts."OddAudience" ("ContextKey", "IsMember") values ('newcomer', true)""",
    )
    second = odd.succeed(first.states[-1], **SIZED)

    assert set(sandbox.included(SEGMENT)) == MEMBERS - {"user-7", "user-1999"} | {"newcomer"}
    assert requests(sandbox) == ["GET", "PATCH"]

    odd.succeed(second.states[-1], **SIZED)

    assert requests(sandbox) == ["GET"]


@both
def test_numbers_beyond_doubles_are_exact_keys(sandbox: Sandbox, stage: Stage, make: Make) -> None:
    types = {"ints": "bigint", "whole": "numeric(38,0)", "exact": "numeric(38,9)", "any": "numeric"}
    pipeline = stage(
        *[f"create table marts.{name} (k {types[name]} primary key)" for name in types],
        *[f"insert into marts.{name} values {', '.join(f'({n})' for n in BIG)}" for name in types],  # noqa: S608
    )
    pipeline.select_all([f"marts-{name}" for name in types], "FULL_TABLE")
    for name in types:
        sandbox.add_segment(name)

    pipeline.succeed(
        context_key_field="k",
        streams={f"marts-{name}": {"segment_key": name} for name in types},
    )

    for name in types:
        assert set(sandbox.included(name)) == {str(number) for number in BIG}
    assert sorted(requests(sandbox)) == ["GET"] * 4 + ["PATCH"] * 4


@both
def test_numbers_that_went_through_doubles_are_refused_as_keys(
    sandbox: Sandbox, stage: Stage, make: Make
) -> None:
    pipeline = stage(
        "create table marts.doubles (k double precision primary key)",
        "insert into marts.doubles values (7), (1498392753700442115), (1e300)",
    )
    pipeline.select("marts-doubles", "FULL_TABLE")

    refused = pipeline.run(context_key_field="k")

    demand_untouched(sandbox, refused, set())
    assert "'k'" in refused.log

    skipped = pipeline.succeed(context_key_field="k", invalid_record_action="skip")

    assert set(sandbox.included(SEGMENT)) == {"7"}
    assert requests(sandbox) == ["GET", "PATCH"]
    assert "2 " in skipped.log


@pipelinewise
def test_activated_version_proves_a_snapshot(sandbox: Sandbox, odd: Pipeline) -> None:
    refill(sandbox, *STALE, *keys(100))

    first = odd.succeed(**SNAPSHOT)

    assert set(sandbox.included(SEGMENT)) == MEMBERS
    assert requests(sandbox) == ["GET", "PATCH", "PATCH"]

    odd.warehouse.execute("""delete from marts."OddAudience" where "ContextKey" = 'user-7'""")
    second = odd.succeed(first.states[-1], **SNAPSHOT)

    assert set(sandbox.included(SEGMENT)) == MEMBERS - {"user-7"}
    assert requests(sandbox) == ["GET", "PATCH"]
    versions = [each.states[-1]["bookmarks"][TABLE]["version"] for each in (first, second)]
    assert versions[0] < versions[1]


@pipelinewise
def test_table_that_breaks_off_and_is_resumed_is_no_snapshot(
    sandbox: Sandbox, odd: Pipeline
) -> None:
    there = {*STALE, *keys(100)}
    refill(sandbox, *there)
    odd.through = ["head", "-n", str(LINES_PAST_STATE)]

    cut = odd.run(**SNAPSHOT)

    demand_untouched(sandbox, cut, there)

    # The same break in a run by changes, which keeps what came: its STATE says where to go on.
    state = odd.run(**FLAGS).states[-1]
    assert state["bookmarks"][TABLE]["xmin"]
    refill(sandbox, *there)
    odd.through = []

    demand_untouched(sandbox, odd.run(state, **SNAPSHOT), there)

    odd.succeed(**SNAPSHOT)

    assert set(sandbox.included(SEGMENT)) == MEMBERS


@pipelinewise
def test_tap_that_dies_of_a_date_right_after_its_activation_removes_nobody(
    sandbox: Sandbox, odd: Pipeline
) -> None:
    """A first run activates its version before the first record, and none comes."""
    refill(sandbox, *STALE)
    odd.warehouse.execute("""update marts."OddAudience" set "Day" = '20210-01-01'""")

    died = odd.run(**SNAPSHOT, max_removal_percent=100)

    assert died.tap_code == 1
    assert "year 20210 is out of range" in died.tap_log
    demand_untouched(sandbox, died, STALE)
    assert "no record came" in died.log
