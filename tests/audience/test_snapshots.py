"""Mirroring by a list of the whole audience: nobody leaves unless it is proven complete."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SEGMENT
from messages import COLUMNS, DATA, capture, keys, leavers, members, record, schema, state
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.target_base import Target

from target_launchdarkly.errors import IncompleteSnapshotError, LaunchDarklyError, StreamError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from conftest import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

    Sync = Callable[..., Run]

Message = dict[str, Any]

SNAPSHOT = {"audience_sync_mode": "mirror", "mirror_source": "snapshot"}
#: Removes as many as it likes, so that only the proof stands between.
FREELY = SNAPSHOT | {"max_removal_percent": 100}
TRUSTING = FREELY | {"trust_end_of_input": True}
SIZED = COLUMNS | {"audience_size": {"type": ["integer", "string", "number", "boolean", "null"]}}
BY_SEGMENT = SIZED | {"segment": {"type": ["string", "null"]}}
WITH_SIZE = FREELY | {"audience_size_field": "audience_size"}
CAPTURES = sorted(path.name for path in DATA.iterdir())
PIPELINEWISE = "pipelinewise-tap-postgres-full-table.singer.gz"
RESUMED = "pipelinewise-tap-postgres-full-table-resumed.singer.gz"
SNOWFLAKE = (
    "tap-snowflake-full-table.singer.gz",
    "tap-snowflake-full-table-activate-version.singer.gz",
)
OLD_VERSION = 1_795_340_464_504
THERE = ["user-0", "user-1", "user-11999", "stranger"]


def activate(version: object, stream: str = "audience") -> Message:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def versioned(messages: Iterable[Message], version: object) -> list[Message]:
    return [message | {"version": version} for message in messages]


def sized(messages: Iterable[Message], size: object) -> list[Message]:
    return [
        message | {"record": message["record"] | {"audience_size": size}} for message in messages
    ]


def for_segment(segment: object, messages: Iterable[Message]) -> list[Message]:
    return [message | {"record": message["record"] | {"segment": segment}} for message in messages]


def included(sandbox: Sandbox, segment: str = SEGMENT) -> set[str]:
    return set(sandbox.included(segment))


def put(sandbox: Sandbox, *context_keys: str, segment: str = SEGMENT) -> None:
    """Give a segment its members."""
    instruction = {"kind": "addIncludedTargets", "contextKind": "user", "values": [*context_keys]}
    body = {"environmentKey": "test", "instructions": [instruction]}
    sandbox.patch_segment(segment, body)


def instructions(sandbox: Sandbox) -> list[list[str]]:
    """Return the instruction kinds of each PATCH, in order."""
    bodies: list[Any] = [each.body for each in sandbox.requests if each.method == "PATCH"]
    return [[one["kind"] for one in body["instructions"]] for body in bodies]


def demand_nobody_left(sandbox: Sandbox, run: Run, *there: str) -> None:
    assert isinstance(run.error, IncompleteSnapshotError)
    assert str(run.error).startswith("Nobody was removed: ")
    assert included(sandbox) >= {*there}
    assert not any("removeIncludedTargets" in kinds for kinds in instructions(sandbox))
    assert run.states == []


# Captures


def thinned(name: str) -> list[str]:
    """Return a capture with every 40th record only, and all its other messages."""
    lines = capture(name)
    return [
        line
        for number, line in enumerate(lines)
        if json.loads(line)["type"] != "RECORD" or len(lines) < 100 or number % 40 == 5
    ]


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_cut_anywhere_removes_nobody(sandbox: Sandbox, sync: Sync, name: str) -> None:
    put(sandbox, *THERE)
    lines = thinned(name)
    cuts = {number for number, line in enumerate(lines) if json.loads(line)["type"] != "RECORD"}
    cuts |= {number + 1 for number in cuts} | {len(lines)}
    cuts |= set(random.Random(name).sample(range(len(lines)), min(40, len(lines))))  # noqa: S311

    for cut in sorted(cuts):
        run = sync(lines[:cut], **FREELY)
        demand_nobody_left(sandbox, run, *THERE)


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_as_it_is_removes_nobody(sandbox: Sandbox, sync: Sync, name: str) -> None:
    put(sandbox, *THERE)

    demand_nobody_left(sandbox, sync(capture(name), **FREELY), *THERE)


def members_of(name: str) -> set[str]:
    messages = map(json.loads, capture(name))
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    return {row["context_key"] for row in rows if row["is_member"]}


def of_now(name: str, clock: FakeClock) -> list[str]:
    version = str(int(clock.now() * 1_000))
    return [line.replace(str(OLD_VERSION), version) for line in capture(name)]


def test_pipelinewise_capture_of_now_gives_the_exact_audience(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    put(sandbox, *THERE)

    run = sync(of_now(PIPELINEWISE, clock), **SNAPSHOT)

    assert run.error is None
    assert included(sandbox) == members_of(PIPELINEWISE)
    assert len(included(sandbox)) == 10_800
    assert len(run.states) == 1
    assert run.states[0]["currently_syncing"] is None


def test_pipelinewise_capture_of_now_without_its_last_activation_removes_nobody(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    put(sandbox, *THERE)

    demand_nobody_left(sandbox, sync(of_now(PIPELINEWISE, clock)[:-2], **FREELY), *THERE)


@pytest.mark.parametrize("name", SNOWFLAKE)
def test_snowflake_capture_gives_the_exact_audience_when_its_end_is_trusted(
    sandbox: Sandbox, sync: Sync, name: str
) -> None:
    put(sandbox, *THERE)

    run = sync(capture(name), **TRUSTING)

    assert run.error is None
    assert included(sandbox) == members_of(name)
    assert run.states == [{"bookmarks": {"marts-beta_users": {}}}]


def with_size(name: str) -> list[Message]:
    """Return a capture whose model has `count(*) over () as audience_size`."""
    messages: list[Message] = [json.loads(line) for line in capture(name)]
    for message in messages:
        if message["type"] == "SCHEMA":
            message["schema"]["properties"]["audience_size"] = {"type": ["integer", "null"]}
        if message["type"] == "RECORD":
            message["record"]["audience_size"] = 12_000
    return messages


@pytest.mark.parametrize("name", SNOWFLAKE)
def test_snowflake_capture_gives_the_exact_audience_when_it_states_its_size(
    sandbox: Sandbox, sync: Sync, name: str
) -> None:
    put(sandbox, *THERE)

    run = sync(with_size(name), **WITH_SIZE)

    assert run.error is None
    assert included(sandbox) == members_of(name)


@pytest.mark.parametrize("name", SNOWFLAKE)
def test_snowflake_capture_that_states_its_size_and_lacks_its_last_record_removes_nobody(
    sandbox: Sandbox, sync: Sync, name: str
) -> None:
    put(sandbox, *THERE)

    run = sync(with_size(name)[:-1], **WITH_SIZE)

    demand_nobody_left(sandbox, run, *THERE)
    assert "'audience_size' says 12,000 rows, 11,999 came" in str(run.error)


def test_resumed_capture_removes_nobody_whatever_it_offers_as_proof(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, *THERE)

    run = sync(with_size(RESUMED), **WITH_SIZE)

    demand_nobody_left(sandbox, run, *THERE)
    assert "so the table was resumed" in str(run.error)
    assert "says 12,000 rows, 6,000 came" in str(run.error)
    assert "trust_end_of_input is not set" in str(run.error)


# Several streams, one segment


HALVES = (keys(1_500), keys(1_500, 1_500))
TWO_STREAMS = {"streams": {"web": {"segment_key": SEGMENT}, "app": {"segment_key": SEGMENT}}}


def halves(version: object) -> list[Message]:
    return [
        schema("web"),
        *versioned(members(*HALVES[0], stream="web"), version),
        activate(version, "web"),
        schema("app"),
        *versioned(members(*HALVES[1], stream="app"), version),
        activate(version, "app"),
    ]


def test_two_streams_give_the_union(sandbox: Sandbox, sync: Sync, clock: FakeClock) -> None:
    put(sandbox, "stranger", "user-0", "user-2000")

    run = sync(halves(int(clock.now())), **SNAPSHOT, **TWO_STREAMS)

    assert run.error is None
    assert included(sandbox) == {*HALVES[0], *HALVES[1]}


@pytest.mark.parametrize(
    ("kept", "gap"),
    [
        pytest.param(slice(1_502), "stream 'app', which streams names, never came", id="one-only"),
        pytest.param(slice(1_502, None), "stream 'web', which streams names", id="other-only"),
        pytest.param(slice(1_503), "stream 'app' is not complete (no record", id="no-record"),
        pytest.param(slice(-2), "stream 'app' for segment", id="without-the-last-record"),
        pytest.param(slice(-1), "stream 'app' for segment", id="without-the-last-sign"),
    ],
)
def test_two_streams_remove_nobody_when_either_is_cut_short(
    sandbox: Sandbox, sync: Sync, clock: FakeClock, kept: slice, gap: str
) -> None:
    put(sandbox, "stranger", "user-0", "user-2000")

    run = sync(halves(int(clock.now()))[kept], **FREELY, **TWO_STREAMS)

    demand_nobody_left(sandbox, run, "stranger", "user-0", "user-2000")
    assert gap in str(run.error)


def test_one_unproven_snapshot_keeps_the_others_from_removing(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    put(sandbox, "stranger")
    sandbox.add_segment("other", included=["stranger"])
    own = {"streams": {"web": {"segment_key": "other"}, "app": {"segment_key": SEGMENT}}}

    run = sync(halves(int(clock.now()))[:-1], **FREELY, **own)

    demand_nobody_left(sandbox, run, "stranger")
    assert "stranger" in included(sandbox, "other")


# Signs that are none


def run_with(
    sandbox: Sandbox, sync: Sync, messages: Iterable[Message], settings: Message = FREELY
) -> Run:
    put(sandbox, "gone", "user-0")
    return sync([schema(), *messages, state({"at": "end"})], **settings)


@pytest.mark.parametrize("factor", [1, 1_000], ids=["seconds", "milliseconds"])
@pytest.mark.parametrize("age", [0, 60])
def test_new_version_activated_last_proves(
    sandbox: Sandbox, sync: Sync, clock: FakeClock, factor: int, age: int
) -> None:
    version = (int(clock.now()) - age) * factor
    messages = [*versioned(members("user-0", "user-1"), version), activate(version)]

    run = run_with(sandbox, sync, messages)

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}
    assert run.states == [{"at": "end"}]


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(True, id="true"),
        pytest.param(1, id="a-counter"),
        pytest.param("1800000000", id="text"),
        pytest.param(1_800_000_000.0, id="a-float"),
        pytest.param(1_800_000_000 - 61, id="more-than-a-minute-old"),
        pytest.param((1_800_000_000 - 61) * 1_000, id="milliseconds-more-than-a-minute-old"),
        pytest.param(1_900_000_000, id="of-the-future"),
        pytest.param(1_800_000_000_000_000, id="microseconds"),
        pytest.param(10**400, id="a-number-that-no-float-holds"),
    ],
)
def test_version_that_is_no_time_of_this_run_removes_nobody(
    sandbox: Sandbox, sync: Sync, version: object
) -> None:
    messages = [*versioned(members("user-0", "user-1"), version), activate(version)]

    demand_nobody_left(sandbox, run_with(sandbox, sync, messages), "gone", "user-0")


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(["activate", "record", "record"], id="before-the-first-record-only"),
        pytest.param(["record", "activate", "record"], id="between-records"),
        pytest.param(["record", "older", "activate"], id="records-of-two-versions"),
        pytest.param(["older", "record", "activate"], id="records-of-two-versions-older-first"),
        pytest.param(["plain", "activate"], id="records-without-a-version"),
        pytest.param(["record", "activate-older"], id="another-version-activated"),
        pytest.param(["activate"], id="no-record"),
        pytest.param(["record", "activate", "schema", "record"], id="a-record-after-a-new-schema"),
    ],
)
def test_activation_that_does_not_end_one_whole_table_removes_nobody(
    sandbox: Sandbox, sync: Sync, clock: FakeClock, order: list[str]
) -> None:
    now = int(clock.now())
    row = record("user-0")
    kinds: dict[str, Message] = {
        "activate": activate(now),
        "activate-older": activate(now - 1),
        "record": row | {"version": now},
        "older": row | {"version": now - 1},
        "plain": row,
        "schema": schema(columns=COLUMNS | {"more": {"type": ["string", "null"]}}),
    }

    run = run_with(sandbox, sync, [kinds[kind] for kind in order])

    demand_nobody_left(sandbox, run, "gone", "user-0")


def test_schema_change_does_not_forget_what_came_before(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    now = int(clock.now())
    messages = [
        *versioned(members("user-0"), now),
        schema(columns=COLUMNS | {"more": {"type": ["string", "null"]}}),
        *versioned(members("user-1"), now),
        schema(columns=COLUMNS | {"most": {"type": ["string", "null"]}}),
        activate(now),
    ]

    run = run_with(sandbox, sync, messages)

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}


def test_schema_change_does_not_forget_an_older_version(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    now = int(clock.now())
    messages = [
        *versioned(members("user-0"), now - 5),
        schema(columns=COLUMNS | {"more": {"type": ["string", "null"]}}),
        *versioned(members("user-1"), now),
        activate(now),
    ]

    demand_nobody_left(sandbox, run_with(sandbox, sync, messages), "gone", "user-0")


@pytest.mark.parametrize("settings", [TRUSTING, WITH_SIZE], ids=["trusted", "with-size"])
def test_empty_stream_removes_nobody(sandbox: Sandbox, sync: Sync, settings: Message) -> None:
    run = run_with(sandbox, sync, [activate(1_800_000_000)], settings)

    demand_nobody_left(sandbox, run, "gone", "user-0")


def test_input_without_a_message_removes_nobody(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone")

    run = sync([], **TRUSTING)

    demand_nobody_left(sandbox, run, "gone")
    assert "no stream came at all" in str(run.error)


@pytest.mark.parametrize("bookmark_comes", ["first", "later"])
def test_incremental_stream_removes_nobody_however_it_is_trusted(
    sandbox: Sandbox, sync: Sync, bookmark_comes: str
) -> None:
    put(sandbox, "gone", "user-0")
    incremental = schema(bookmark_properties=["updated_at"])
    schemas = [incremental] if bookmark_comes == "first" else [schema(), incremental]

    run = sync([*schemas, *members("user-0", "user-1")], **TRUSTING)

    demand_nobody_left(sandbox, run, "gone", "user-0")
    assert "bookmark_properties" in str(run.error)


def test_incremental_stream_that_states_its_size_and_is_whole_removes(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync(
        [schema(columns=SIZED, bookmark_properties=["at"]), *sized(members("user-0", "user-1"), 2)],
        **WITH_SIZE,
    )

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}


# Sizes


@pytest.mark.parametrize("size", [2, "2", 2.0], ids=["number", "text", "float"])
def test_size_that_fits_proves(sandbox: Sandbox, sync: Sync, size: object) -> None:
    put(sandbox, "gone", "user-0")

    run = sync([schema(columns=SIZED), *sized(members("user-0", "user-1"), size)], **WITH_SIZE)

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}


def test_size_counts_rows_not_keys(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", "user-0")

    run = sync([schema(columns=SIZED), *sized(members("user-0", "user-0"), 2)], **WITH_SIZE)

    assert run.error is None
    assert included(sandbox) == {"user-0"}


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([3, 3], id="one-row-is-missing"),
        pytest.param([1, 1], id="one-row-too-many"),
        pytest.param([2, 3], id="changing"),
        pytest.param([2, None], id="null-once"),
        pytest.param([True, True], id="true"),
        pytest.param(["two", "two"], id="words"),
        pytest.param(["1" * 5_000, "1" * 5_000], id="more-digits-than-python-reads"),
    ],
)
def test_size_that_does_not_fit_removes_nobody(
    sandbox: Sandbox, sync: Sync, sizes: list[object]
) -> None:
    put(sandbox, "gone", "user-0")
    rows = [
        *sized(members("user-0"), sizes[0]),
        *sized(members("user-1"), sizes[1]),
    ]

    run = sync([schema(columns=SIZED), *rows, state({"at": "end"})], **WITH_SIZE)

    demand_nobody_left(sandbox, run, "gone", "user-0")


def test_size_field_that_no_record_has_removes_nobody(sandbox: Sandbox, sync: Sync) -> None:
    run = run_with(sandbox, sync, members("user-0", "user-1"), WITH_SIZE)

    demand_nobody_left(sandbox, run, "gone", "user-0")
    assert "audience_size" in str(run.error)


PER_SEGMENT = WITH_SIZE | {"segment_key_field": "segment"}


def test_sizes_count_by_segment_and_unnamed_segments_stay(sandbox: Sandbox, sync: Sync) -> None:
    for name in ("one", "two", "unnamed"):
        sandbox.add_segment(name, included=["gone", "user-0"])
    rows = [
        *for_segment("one", sized(members("user-0", "user-1"), 2)),
        *for_segment("two", sized(members("user-2"), 1)),
    ]

    run = sync([schema(columns=BY_SEGMENT), *rows], **PER_SEGMENT)

    assert run.error is None
    assert included(sandbox, "one") == {"user-0", "user-1"}
    assert included(sandbox, "two") == {"user-2"}
    assert included(sandbox, "unnamed") == {"gone", "user-0"}
    assert {each.segment_key for each in sandbox.requests} == {"one", "two"}


def test_sizes_by_segment_remove_nobody_anywhere_when_one_is_cut_short(
    sandbox: Sandbox, sync: Sync
) -> None:
    for name in ("one", "two"):
        sandbox.add_segment(name, included=["gone", "user-0"])
    rows = [
        *for_segment("one", sized(members("user-0", "user-1"), 2)),
        *for_segment("two", sized(members("user-2"), 2)),
    ]

    run = sync([schema(columns=BY_SEGMENT), *rows], **PER_SEGMENT)

    demand_nobody_left(sandbox, run)
    assert "for segment 'two'" in str(run.error)
    assert "for segment 'one'" not in str(run.error)
    assert included(sandbox, "one") == {"gone", "user-0", "user-1"}
    assert included(sandbox, "two") == {"gone", "user-0", "user-2"}


# Files


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("size", [3, 4], ids=["whole", "cut"])
def test_batch_files_are_a_snapshot_like_records(
    sandbox: Sandbox, sync: Sync, tmp_path: Path, compression: str, size: int
) -> None:
    put(sandbox, "gone", "user-0")
    manifest = []
    for number, names in enumerate((["user-0", "user-1"], ["user-2"])):
        rows = [message["record"] for message in sized(members(*names), size)]
        raw = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        path = tmp_path / f"rows-{number}.jsonl"
        path.write_bytes(gzip.compress(raw) if compression == "gzip" else raw)
        manifest.append(path.as_uri())
    batch = {
        "type": "BATCH",
        "stream": "audience",
        "encoding": {"format": "jsonl", "compression": compression},
        "manifest": manifest,
    }

    run = sync([schema(columns=SIZED), batch], **WITH_SIZE)

    if size == 3:
        assert run.error is None
        assert included(sandbox) == {"user-0", "user-1", "user-2"}
    else:
        demand_nobody_left(sandbox, run, "gone", "user-0")


# What a record does to its key


def test_later_false_record_wins_over_an_earlier_true_one(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "user-0", "user-1", "user-2")
    rows = [
        *members("user-0", "user-1", "user-3"),
        *leavers("user-1", "user-3"),
        *members("user-2"),
    ]

    run = sync([schema(), *rows], batch_size_rows=1, **TRUSTING)

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-2"}


def test_later_true_record_wins_over_an_earlier_false_one(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "user-0", "user-1")

    run = sync([schema(), *leavers("user-0", "new"), *members("user-0", "new")], **TRUSTING)

    assert run.error is None
    assert included(sandbox) == {"user-0", "new"}


@pytest.mark.parametrize("proven", [True, False], ids=["proven", "unproven"])
def test_false_record_of_a_stranger_excludes_nobody(
    sandbox: Sandbox, sync: Sync, proven: bool
) -> None:
    """Only `included - listed` leaves, and only once the snapshot is proven."""
    put(sandbox, "user-0")
    rows = [*leavers("stranger", "twice"), *members("user-0", "twice")]

    run = sync([schema(), *rows], removal_action="exclude", **(TRUSTING if proven else FREELY))

    assert (run.error is None) == proven
    assert sandbox.excluded(SEGMENT) == []


def test_listed_member_with_an_earlier_false_record_is_not_excluded(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Else it could not join any more: the exclusion would be taken for one by hand."""
    put(sandbox, "user-0")

    run = sync(
        [schema(), *leavers("new", "stranger", "other"), *members("user-0", "new")],
        removal_action="exclude",
        batch_size_rows=2,
        **TRUSTING,
    )

    assert run.error is None
    assert included(sandbox) == {"user-0", "new"}
    assert sandbox.excluded(SEGMENT) == []


def test_snapshot_excludes_who_left_with_removal_action_exclude(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync([schema(), *members("user-0")], removal_action="exclude", **TRUSTING)

    assert run.error is None
    assert included(sandbox) == {"user-0"}
    assert sandbox.excluded(SEGMENT) == ["gone"]


@pytest.mark.parametrize("spoilt", [{"is_member": "perhaps"}, {"note": 5}], ids=["flag", "schema"])
def test_invalid_record_that_is_skipped_does_not_cost_its_key_the_membership(
    sandbox: Sandbox, sync: Sync, spoilt: Message
) -> None:
    put(sandbox, "gone", "user-0", "user-1")
    row = record("user-1")
    row["record"] |= spoilt
    columns = COLUMNS | {
        "is_member": {"type": ["boolean", "string"]},
        "note": {"type": ["string", "null"]},
    }

    run = sync(
        [schema(columns=columns), *members("user-0"), row],
        invalid_record_action="skip",
        **TRUSTING,
    )

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}


def test_invalid_record_fails_a_snapshot_before_it_removes_anybody(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync([schema(), *members("user-0"), record(None), state({"at": 1})], **TRUSTING)

    assert run.error is not None
    assert included(sandbox) == {"gone", "user-0"}
    assert run.states == []


@pytest.mark.parametrize("action", ["skip", "include"])
def test_key_excluded_by_hand_stays_so_unless_the_settings_lift_it(
    sandbox: Sandbox, sync: Sync, action: str
) -> None:
    sandbox.add_segment("table", included=["gone", "user-0"], excluded=["listed", "unlisted"])

    run = sync(
        [schema(), *members("user-0", "listed")],
        segment_key="table",
        excluded_key_action=action,
        **TRUSTING,
    )

    assert run.error is None
    lifted = {"listed"} if action == "include" else set()
    assert included(sandbox, "table") == {"user-0"} | lifted
    assert set(sandbox.excluded("table")) == {"listed", "unlisted"} - lifted


def test_stream_without_a_flag_lists_by_its_records(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", "user-0")
    rows = [
        {"type": "RECORD", "stream": "audience", "record": {"context_key": key}}
        for key in ("user-0", "user-1")
    ]

    run = sync([schema(columns={"context_key": COLUMNS["context_key"]}), *rows], **TRUSTING)

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}


def test_keys_of_another_kind_stay(sandbox: Sandbox, sync: Sync) -> None:
    sandbox.add_segment("table", context_kind="organization", included=["acme"])
    put(sandbox, "gone", "user-0", segment="table")

    run = sync([schema(), *members("user-0")], segment_key="table", **TRUSTING)

    assert run.error is None
    assert included(sandbox, "table") == {"user-0"}
    assert sandbox.included("table", "organization") == ["acme"]


# The guard


@pytest.mark.parametrize(
    ("listed", "passes"),
    [
        pytest.param(4, True, id="nobody-leaves"),
        pytest.param(2, True, id="exactly-the-limit"),
        pytest.param(1, False, id="above-the-limit"),
    ],
)
def test_guard_counts_who_leaves_against_the_members_at_the_beginning(
    sandbox: Sandbox, sync: Sync, listed: int, passes: bool
) -> None:
    """Those whom the run itself adds do not make the share smaller."""
    there = keys(4)
    put(sandbox, *there)
    new = keys(20, 100)

    run = sync(
        [schema(), *members(*there[:listed], *new), state({"at": "end"})],
        trust_end_of_input=True,
        **SNAPSHOT,
    )

    assert included(sandbox) == {*(there[:listed] if passes else there), *new}
    if passes:
        assert run.error is None
        return
    demand_nobody_left(sandbox, run, *there)
    for told in ("3 of the 4 members", "75.0 %", "max_removal_percent is 50", SEGMENT):
        assert told in str(run.error)


def test_guard_of_zero_lets_nobody_leave(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", *keys(200))

    run = sync([schema(), *members(*keys(200))], **(TRUSTING | {"max_removal_percent": 0}))

    demand_nobody_left(sandbox, run, "gone")


def test_guard_lets_an_empty_segment_be_filled(sandbox: Sandbox, sync: Sync) -> None:
    run = sync([schema(), *members("user-0")], **(TRUSTING | {"max_removal_percent": 0}))

    assert run.error is None
    assert included(sandbox) == {"user-0"}


def test_guard_of_one_segment_keeps_all_segments_from_removing(
    sandbox: Sandbox, sync: Sync
) -> None:
    sandbox.add_segment("one", included=["gone", "user-0", "user-1"])
    sandbox.add_segment("two", included=["gone", "user-2"])
    settings = TRUSTING | {"max_removal_percent": 40, "segment_key_field": "segment"}
    rows = [
        *for_segment("one", members("user-0", "user-1")),
        *for_segment("two", members("user-2")),
    ]

    run = sync([schema(columns=BY_SEGMENT), *rows], **settings)

    demand_nobody_left(sandbox, run)
    assert "'two'" in str(run.error)
    assert "'one'" not in str(run.error)
    assert "gone" in included(sandbox, "one")


# Dry runs


@pytest.mark.parametrize("proven", [True, False], ids=["proven", "unproven"])
def test_dry_run_shows_the_removals_and_changes_nothing(
    sandbox: Sandbox, sync: Sync, caplog: pytest.LogCaptureFixture, proven: bool
) -> None:
    put(sandbox, "gone", "user-0")
    caplog.set_level("INFO")

    run = sync(
        [schema(), *members("user-0", "new"), state({"at": "end"})],
        dry_run=True,
        **(TRUSTING if proven else FREELY),
    )

    assert included(sandbox) == {"gone", "user-0"}
    assert [each.method for each in sandbox.requests] == ["GET"]
    assert run.states == []
    told = "is proven" if proven else "is not proven"
    assert f"the snapshot {told} complete and does not list 1 of its members" in caplog.text
    if proven:
        assert "1 would be removed" in run.summary
        assert "1 would be added" in run.summary
    else:
        assert isinstance(run.error, IncompleteSnapshotError)


# Streams that do not go together


def test_snapshot_and_another_mode_on_one_segment_are_refused_at_start(
    sandbox: Sandbox, sync: Sync
) -> None:
    streams = {
        "web": SNAPSHOT | {"segment_key": SEGMENT},
        "app": {"audience_sync_mode": "add", "segment_key": SEGMENT},
    }

    with pytest.raises(ConfigValidationError) as refusal:
        sync([], streams=streams)

    (problem,) = refusal.value.errors
    for told in ("'web'", "'app'", f"'{SEGMENT}'"):
        assert told in problem
    assert sandbox.requests == []


@pytest.mark.parametrize("order", [("web", "app"), ("app", "web")], ids=["first", "second"])
def test_snapshot_and_another_mode_on_one_segment_are_refused_at_schema(
    sandbox: Sandbox, sync: Sync, order: tuple[str, str]
) -> None:
    put(sandbox, "gone")

    run = sync(
        [schema(name) for name in order],
        streams={"web": SNAPSHOT},
        trust_end_of_input=True,
    )

    assert isinstance(run.error, StreamError)
    for told in ("'web'", "'app'", f"'{SEGMENT}'"):
        assert told in str(run.error)
    assert included(sandbox) == {"gone"}
    assert run.states == []


def test_snapshot_and_another_mode_on_one_segment_named_by_records_are_refused(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone")
    streams = {"web": SNAPSHOT | {"segment_key_field": "segment"}, "app": {}}
    rows = for_segment(SEGMENT, members("user-0", stream="web"))

    run = sync(
        [schema("web", BY_SEGMENT), schema("app"), *members("user-1", stream="app"), *rows],
        streams=streams,
        trust_end_of_input=True,
    )

    assert isinstance(run.error, StreamError)
    assert "gone" in included(sandbox)


def test_default_snapshot_does_not_make_another_streams_run_fail(
    sandbox: Sandbox, sync: Sync
) -> None:
    """The stream that came has a mode of its own; no snapshot stream is named, and none came."""
    run = sync(
        [schema("app"), *members("user-0", stream="app"), state({"at": "end"})],
        streams={"app": {"audience_sync_mode": "add"}},
        **TRUSTING,
    )

    assert run.error is None
    assert included(sandbox) == {"user-0"}
    assert run.states == [{"at": "end"}]


# What the error says


def test_error_names_the_stream_what_is_missing_and_the_three_ways(
    sandbox: Sandbox, sync: Sync
) -> None:
    run = run_with(sandbox, sync, members("user-0"), WITH_SIZE)

    for told in (
        "stream 'audience'",
        f"segment '{SEGMENT}'",
        "no ACTIVATE_VERSION came after the last record",
        "trust_end_of_input is not set",
        "count(*) over () as audience_size",
        "partition by",
        "audience_size_field",
        "ACTIVATE_VERSION after the last record",
        "set trust_end_of_input to true",
        "audience_sync_mode to 'add'",
    ):
        assert told in str(run.error)
    for key in ("gone", "user-0"):
        assert key not in str(run.error)


# Order


def test_removals_come_after_every_addition_is_acknowledged(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    put(sandbox, *(f"gone-{number}" for number in range(5)), *keys(10))

    run = sync([schema(), *members(*keys(15)), state({"at": "end"})], batch_size_rows=2, **TRUSTING)

    assert run.error is None
    assert instructions(sandbox) == [["addIncludedTargets"]] * 3 + [["removeIncludedTargets"]] * 3
    assert run.states == [{"at": "end"}]


def test_removals_do_not_begin_when_an_addition_fails(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", "user-0")
    sandbox.faults.append(Fault("status", method="PATCH", status=503, after=1, times=1_000))

    run = sync(
        [schema(), *members(*keys(4)), state({"at": "end"})],
        batch_size_rows=2,
        max_retry_seconds=30,
        **TRUSTING,
    )

    assert isinstance(run.error, LaunchDarklyError)
    assert "gone" in included(sandbox)
    assert run.states == []


def test_state_waits_for_the_last_removal(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *(f"gone-{number}" for number in range(4)), "user-0")
    sandbox.faults.append(Fault("status", method="PATCH", status=503, after=1, times=1_000))

    run = sync(
        [schema(), *members("user-0"), state({"at": "end"})],
        batch_size_rows=2,
        max_retry_seconds=30,
        **TRUSTING,
    )

    assert isinstance(run.error, LaunchDarklyError)
    assert len(included(sandbox)) == 3
    assert run.states == []


def test_additions_stay_when_the_snapshot_is_not_proven(sandbox: Sandbox, sync: Sync) -> None:
    run = run_with(sandbox, sync, members("user-0", "new"))

    demand_nobody_left(sandbox, run, "gone", "user-0")
    assert included(sandbox) == {"gone", "user-0", "new"}


def test_timed_drain_of_a_snapshot_sends_additions_and_writes_no_state(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK drains every five minutes and writes STATE then; here it must wait for the end."""
    monkeypatch.setattr(Target, "_MAX_RECORD_AGE_IN_MINUTES", -1)
    put(sandbox, "gone", "user-0")
    rows: list[Message] = []
    for number in range(5):
        rows += [state({"at": number}), *members(f"user-{number}")]

    run = sync([schema(), *rows], **TRUSTING)

    assert run.error is None
    assert len(instructions(sandbox)) == 5
    assert included(sandbox) == {*keys(5)}
    assert run.states == [{"at": 4}]


def test_timed_drain_of_a_snapshot_that_fails_writes_no_state(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "_MAX_RECORD_AGE_IN_MINUTES", -1)
    rows = [state({"at": 1}), *members("user-0"), state({"at": 2}), *members("user-1")]

    run = run_with(sandbox, sync, rows)

    demand_nobody_left(sandbox, run, "gone", "user-0")


def test_same_snapshot_again_costs_one_get(sandbox: Sandbox, sync: Sync, clock: FakeClock) -> None:
    put(sandbox, "gone", "user-0")
    messages = [schema(), *members("user-0", "user-1")]
    sync(messages, **TRUSTING)
    sandbox.clear_requests()

    run = sync(messages, **TRUSTING)

    assert run.error is None
    assert [each.method for each in sandbox.requests] == ["GET"]
