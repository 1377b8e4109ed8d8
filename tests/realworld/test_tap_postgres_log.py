"""`tap-postgres | target-launchdarkly`: log based, by both makes of the tap and wal2json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import keys
from neighbours import Outcome, Pipeline, demand_untouched, discover, requests
from postgres import Make, Server, create_database, serve
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

    #: Runs statements in a new database with a slot, and returns the pipe from there.
    Stage = Callable[..., Pipeline]

pytestmark = pytest.mark.realworld

ROWS = 1_600
ALL = set(keys(ROWS))
STREAM = "marts-users"
MIRROR = {"audience_sync_mode": "mirror"}
#: Beside the key, what is hard to read or comes otherwise in the log than in the table.
USERS = """
create table marts.users (
    context_key char(16) primary key, spent numeric, ratio numeric(38,9), seen_at timestamptz,
    tags text[], nums int[], meta jsonb)"""
USERS_ROWS = f"""
insert into marts.users select 'user-' || i, 1e30::numeric + i, i + 0.5,
case i % 3 when 0 then 'infinity'::timestamptz when 1 then '20210-01-01' else '-infinity' end,
array['x', null], array[[1, 2], [3, 4]], '{{"a": null}}' from generate_series(0, {ROWS - 1}) i"""  # noqa: S608
#: Lines of a tap that dies in its first load, 200 records after a STATE.
LINES_PAST_STATE = 1 + 1 + 1 + 1_000 + 1 + 200
#: A number that no double can hold.
BIG = 1_498_392_753_700_442_112

#: The SDK's tap reads the log alone, unless it is told to read the table first.
FIRST_LOAD = {"log_based_single_connection": True, "auto_bootstrap_log_based": True}
MAKES: dict[str, tuple[Make, dict[str, bool]]] = {
    "pipelinewise": ("pipelinewise", {}),
    "meltanolabs": ("meltanolabs", {}),
    "meltanolabs-with-first-load": ("meltanolabs", FIRST_LOAD),
}
#: The README of the SDK's tap asks for it.
KEYS: dict[Make, str | None] = {"meltanolabs": "_sdc_lsn", "pipelinewise": None}
all_makes = pytest.mark.parametrize("make", MAKES)
both = pytest.mark.parametrize("make", ["pipelinewise", "meltanolabs-with-first-load"])
pipelinewise = pytest.mark.parametrize("make", ["pipelinewise"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def stage(server: Server, make: str, tmp_path: Path, config: dict[str, Any]) -> Stage:
    def stage(*statements: str, streams: Sequence[str] = (STREAM,)) -> Pipeline:
        name, more = MAKES[make]
        database = create_database(server, name, **more)
        database.open_slot()
        database.execute(*statements)
        pipeline = Pipeline(tmp_path, database, discover(database, tmp_path), config | MIRROR)
        pipeline.select_all(streams, "LOG_BASED", KEYS[name])
        return pipeline

    return stage


def big(*numbers: int) -> set[str]:
    """Return keys that no double can hold."""
    return {str(BIG + number) for number in numbers}


def numbered(count: int, more: str = ", i / 7.0") -> str:
    """Return the SQL of rows with such keys, of which the first 15 are members."""
    return f"select {BIG} + i, i < 15{more} from generate_series(0, {count - 1}) i"  # noqa: S608


def position(outcome: Outcome) -> int:
    """Return the position in the log that a run's last STATE names."""
    bookmark = outcome.states[-1]["bookmarks"][STREAM]
    value = bookmark["lsn"] if "lsn" in bookmark else bookmark["replication_key_value"]
    assert isinstance(value, int)
    return value


@all_makes
def test_rows_without_flag_are_members_until_they_are_deleted(
    sandbox: Sandbox, stage: Stage
) -> None:
    pipeline = stage(USERS, USERS_ROWS)

    first = pipeline.succeed()

    assert set(sandbox.included(SEGMENT)) == ALL
    assert requests(sandbox) == ["GET", "PATCH", "PATCH"]

    pipeline.warehouse.execute(
        "insert into marts.users values ('newcomer'), ('passing')",
        "update marts.users set spent = 0 where context_key = 'user-1'",
        "delete from marts.users where context_key in ('user-2', 'user-3', 'passing')",
        "insert into marts.users values ('user-3')",
    )
    second = pipeline.succeed(first.states[-1])

    assert set(sandbox.included(SEGMENT)) == ALL - {"user-2"} | {"newcomer"}
    assert requests(sandbox) == ["GET", "PATCH"]
    assert position(second) > position(first)

    third = pipeline.succeed(second.states[-1])

    assert set(sandbox.included(SEGMENT)) == ALL - {"user-2"} | {"newcomer"}
    # Some records may come once more; none changes anything.
    assert set(requests(sandbox)) <= {"GET"}
    assert position(third) >= position(second)


@both
def test_flags_and_deletes_count_for_keys_beyond_doubles(sandbox: Sandbox, stage: Stage) -> None:
    types = {"ints": "bigint", "whole": "numeric(38,0)", "any": "numeric"}
    columns = '"ContextKey" {} primary key, "IsMember" boolean, "Score" numeric'
    pipeline = stage(
        *[f"create table marts.{name} ({columns.format(types[name])})" for name in types],
        *[f"insert into marts.{name} {numbered(20)}" for name in types],
        streams=[f"marts-{name}" for name in types],
    )
    for name in types:
        sandbox.add_segment(name)
    settings = {
        "context_key_field": "contextkey",
        "membership_field": "ISMEMBER",
        "streams": {f"marts-{name}": {"segment_key": name} for name in types},
    }

    first = pipeline.succeed(**settings)

    for name in types:
        assert set(sandbox.included(name)) == big(*range(15))
    assert sorted(requests(sandbox)) == ["GET"] * 3 + ["PATCH"] * 3

    for name in types:
        pipeline.warehouse.execute(
            f"""insert into marts.{name} values ({BIG + 77}, true)""",  # noqa: S608
            f"""update marts.{name} set "IsMember" = false where "ContextKey" = {BIG + 1}""",  # noqa: S608
            f"""update marts.{name} set "IsMember" = true where "ContextKey" = {BIG + 17}""",  # noqa: S608
            f"""delete from marts.{name} where "ContextKey" = {BIG + 3}""",  # noqa: S608
        )
    pipeline.succeed(first.states[-1], **settings)

    for name in types:
        assert set(sandbox.included(name)) == big(0, 2, *range(4, 15), 17, 77)
    assert sorted(requests(sandbox)) == ["GET"] * 3 + ["PATCH"] * 3


@both
def test_numbers_that_the_log_passes_through_doubles_are_refused_as_keys(
    sandbox: Sandbox, stage: Stage
) -> None:
    """wal2json writes all digits of a number with a fraction; both makes read a double."""
    pipeline = stage(
        "create table marts.users (context_key numeric(38,9) primary key, is_member boolean)",
        f"insert into marts.users {numbered(5, more='')}",
    )

    first = pipeline.succeed()

    assert set(sandbox.included(SEGMENT)) == big(*range(5))
    requests(sandbox)

    # What the tap makes of it would be the first row.
    pipeline.warehouse.execute(f"delete from marts.users where context_key = {BIG + 3}")  # noqa: S608
    changed = pipeline.run(first.states[-1])

    demand_untouched(sandbox, changed, big(*range(5)))


@both
def test_log_is_no_snapshot_though_the_end_of_input_is_trusted(
    sandbox: Sandbox, stage: Stage
) -> None:
    pipeline = stage(USERS, USERS_ROWS)
    first = pipeline.succeed()
    requests(sandbox)
    pipeline.warehouse.execute("insert into marts.users values ('newcomer')")
    snapshot = {"mirror_source": "snapshot", "max_removal_percent": 100}

    changed = pipeline.run(first.states[-1], trust_end_of_input=True, **snapshot)

    assert changed.tap_code == 0
    demand_untouched(sandbox, changed, ALL)


@both
def test_delete_that_does_not_name_the_key_is_not_passed_over(
    sandbox: Sandbox, stage: Stage
) -> None:
    """The log names a deleted row by its primary key, unless REPLICA IDENTITY is FULL."""
    pipeline = stage(
        "create table marts.users (id int primary key, context_key char(16), is_member boolean)",
        "insert into marts.users select i, 'user-' || i, true from generate_series(0, 19) i",
    )
    first = pipeline.succeed()
    assert requests(sandbox) == ["GET", "PATCH"]
    pipeline.warehouse.execute("delete from marts.users where id = 3")

    refused = pipeline.run(first.states[-1])

    demand_untouched(sandbox, refused, set(keys(20)))
    assert "'context_key'" in refused.log

    skipped = pipeline.succeed(first.states[-1], invalid_record_action="skip")
    pipeline.warehouse.execute(
        "alter table marts.users replica identity full", "delete from marts.users where id = 4"
    )
    requests(sandbox)
    pipeline.succeed(skipped.states[-1], invalid_record_action="skip")

    assert set(sandbox.included(SEGMENT)) == set(keys(20)) - {"user-4"}
    assert requests(sandbox) == ["GET", "PATCH"]


@pipelinewise
def test_first_load_that_breaks_off_goes_on_from_its_state(sandbox: Sandbox, stage: Stage) -> None:
    pipeline = stage(USERS, USERS_ROWS)
    pipeline.through = ["head", "-n", str(LINES_PAST_STATE)]

    cut = pipeline.run()

    assert cut.code == 0, cut.log
    assert set(sandbox.included(SEGMENT)) == set(keys(1_200))
    assert cut.states[-1]["bookmarks"][STREAM]["xmin"]

    pipeline.through = []
    pipeline.warehouse.execute(
        "delete from marts.users where context_key = 'user-2'",
        "insert into marts.users values ('newcomer')",
    )
    loaded = pipeline.succeed(cut.states[-1])

    # The delete stands in the log alone, which is not read before the table is.
    assert set(sandbox.included(SEGMENT)) == ALL | {"newcomer"}

    pipeline.succeed(loaded.states[-1])

    assert set(sandbox.included(SEGMENT)) == ALL - {"user-2"} | {"newcomer"}
