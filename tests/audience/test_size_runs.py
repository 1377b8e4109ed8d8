"""A stated size proves a snapshot by its different keys; what each miss is told, and its remedy."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    BY_SEGMENT,
    END,
    PER_SEGMENT,
    SIZED,
    WITH_SIZE,
    demand_done,
    demand_untouched,
    for_segment,
    included,
    methods,
    put,
    sized,
    whole,
)
from messages import keys, leavers, members, record, schema

from target_launchdarkly.errors import PlanRefusedError, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

SKIPPING = WITH_SIZE | {"invalid_record_action": "skip"}
NUMBERED = SIZED | {"context_key": {"type": ["string", "number", "null"]}}


@pytest.mark.parametrize("size", [2, "2", 2.0], ids=["number", "text", "float"])
def test_size_that_fits_proves(sandbox: Sandbox, sync: Sync, size: object) -> None:
    put(sandbox, "gone", "user-0")

    run = sync(whole(*sized(members("user-0", "user-1"), size), columns=SIZED), **WITH_SIZE)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


def test_size_counts_those_flagged_false_and_those_left_out_alike(
    sandbox: Sandbox, sync: Sync
) -> None:
    """The model counts its rows before the target looks at any flag."""
    put(sandbox, "gone", "user-0", "user-1", "user-2")
    rows = [*members("user-0"), *leavers("user-1"), record("user-2", is_member="perhaps")]
    columns = SIZED | {"is_member": {"type": ["boolean", "string"]}}

    run = sync(whole(*sized(rows, 3), columns=columns), **SKIPPING)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0", "user-2"}


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
def test_size_that_does_not_fit_changes_nothing(
    sandbox: Sandbox, sync: Sync, sizes: list[object]
) -> None:
    put(sandbox, "gone", "user-0")
    rows = [*sized(members("user-0"), sizes[0]), *sized(members("user-1"), sizes[1])]

    demand_untouched(sandbox, sync(whole(*rows, columns=SIZED), **WITH_SIZE), "gone", "user-0")


# Rows that hide one another


def test_row_twice_in_place_of_another_changes_nothing(sandbox: Sandbox, sync: Sync) -> None:
    """Size 10, nine keys and one of them again: OFFSET paging does that when rows move."""
    put(sandbox, *keys(10))
    rows = sized(members(*keys(9), "user-0"), 10)

    told = demand_untouched(sandbox, sync(whole(*rows, columns=SIZED), **WITH_SIZE), *keys(10))

    assert "'audience_size' says 10 keys, 9 came in 10 rows: rows repeat keys" in told
    assert "select distinct" in told


def test_row_twice_beside_all_others_is_proven(sandbox: Sandbox, sync: Sync) -> None:
    """A model whose size counts the different keys may repeat them."""
    put(sandbox, "gone", "user-0")
    rows = sized(members("user-0", "user-1", "user-0"), 2)

    demand_done(sync(whole(*rows, columns=SIZED), **WITH_SIZE), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


@pytest.mark.parametrize("key", [None, 12.5, " ", True], ids=["null", "fraction", "blank", "true"])
def test_row_whose_key_cannot_be_read_changes_nothing_though_the_rows_are_as_many(
    sandbox: Sandbox, sync: Sync, key: object
) -> None:
    """Size 10, nine keys and a row that may have been the tenth."""
    put(sandbox, *keys(10))
    columns = NUMBERED | {"context_key": {}}
    rows = sized([*members(*keys(9)), record(key)], 10)

    told = demand_untouched(sandbox, sync(whole(*rows, columns=columns), **SKIPPING), *keys(10))

    assert "1 row came whose key or segment cannot be read" in told
    assert "Correct these rows in the model" in told


@pytest.mark.parametrize("key", [12.5, None])
def test_row_whose_key_cannot_be_read_changes_nothing_of_a_big_segment(
    sandbox: Sandbox, sync: Sync, key: object
) -> None:
    sandbox.add_segment("many", included=keys(10), unbounded=True)
    rows = sized([*members(*keys(9)), record(key)], 10)

    run = sync(whole(*rows, columns=NUMBERED), segment_key="many", **SKIPPING)

    demand_untouched(sandbox, run, *keys(10), segment="many")


@pytest.mark.parametrize("segment", [None, "", "no segment", 7])
def test_row_whose_segment_cannot_be_read_changes_nothing_anywhere(
    sandbox: Sandbox, sync: Sync, segment: object
) -> None:
    """It may have been a row of either, whatever their sizes say."""
    for name in ("one", "two"):
        sandbox.add_segment(name, included=["gone", "user-0"])
    rows = [
        *for_segment("one", sized(members("user-0"), 1)),
        *for_segment("two", sized(members("user-0"), 1)),
        *for_segment(segment, sized(members("user-1"), 1)),
    ]
    columns = BY_SEGMENT | {"segment": {}}

    run = sync(whole(*rows, columns=columns), invalid_record_action="skip", **PER_SEGMENT)

    assert isinstance(run.error, PlanRefusedError)
    assert run.error.segments == ["one", "two"]
    assert methods(sandbox) == ["GET", "GET"]
    assert run.states == []
    assert "1 invalid record named no segment: skipped" in run.summary


def test_filter_before_a_size_says_where_to_filter(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", "user-0")
    rows = sized(members("user-0", "guest"), 2)
    maps = {"audience": {"__filter__": "context_key != 'guest'"}}

    run = sync(whole(*rows, columns=SIZED), stream_maps=maps, **WITH_SIZE)

    told = demand_untouched(sandbox, run, "gone", "user-0")
    assert "'audience_size' says 2 keys, 1 came: stream_maps filtered 1 row out" in told
    assert "Filter in the model instead of in stream_maps" in told


def test_size_column_that_is_missing_is_refused_at_schema(sandbox: Sandbox, sync: Sync) -> None:
    """Not after hours of records; no segment is even read."""
    put(sandbox, "gone", "user-0")

    run = sync(whole(*members("user-0")), **WITH_SIZE)

    assert isinstance(run.error, StreamError)
    told = str(run.error)
    assert "stream 'audience' has no property 'audience_size'" in told
    assert "Set audience_size_field to one of its properties" in told
    assert "context_key" in told
    assert sandbox.requests == []
    assert run.states == []


# Sizes by segment


def test_sizes_count_by_segment_and_unnamed_segments_stay(sandbox: Sandbox, sync: Sync) -> None:
    for name in ("one", "two", "unnamed"):
        sandbox.add_segment(name, included=["gone", "user-0"])
    rows = [
        *for_segment("one", sized(members("user-0", "user-1"), 2)),
        *for_segment("two", sized(members("user-2"), 1)),
    ]

    run = sync([schema(columns=BY_SEGMENT), *rows], **PER_SEGMENT)

    demand_done(run)
    assert included(sandbox, "one") == {"user-0", "user-1"}
    assert included(sandbox, "two") == {"user-2"}
    assert included(sandbox, "unnamed") == {"gone", "user-0"}
    assert {each.segment_key for each in sandbox.requests} == {"one", "two"}


def test_segment_that_came_whole_gets_its_own_beside_one_cut_short(
    sandbox: Sandbox, sync: Sync
) -> None:
    for name in ("one", "two"):
        sandbox.add_segment(name, included=["gone", "user-0"])
    rows = [
        *for_segment("one", sized(members("user-0", "user-1"), 2)),
        *for_segment("two", sized(members("user-2"), 2)),
    ]

    run = sync(whole(*rows, columns=BY_SEGMENT), **PER_SEGMENT)

    demand_untouched(sandbox, run, "gone", "user-0", segment="two")
    assert included(sandbox, "one") == {"user-0", "user-1"}
    assert "Segment 'one'" not in str(run.error)


# Audiences that became empty


def test_audience_that_became_empty_says_so_by_a_row_of_size_zero(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync(whole(*sized([record(None, is_member=None)], 0), columns=SIZED), **WITH_SIZE)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == set()


@pytest.mark.parametrize("row", [{}, {"context_key": None}], ids=["absent", "null"])
def test_key_of_an_empty_audience_may_be_a_key_property(
    sandbox: Sandbox, sync: Sync, row: Message
) -> None:
    put(sandbox, "gone")
    empty = {"type": "RECORD", "stream": "audience", "record": row | {"audience_size": 0}}

    run = sync([schema(columns=SIZED, key_properties=["context_key"]), empty, END], **WITH_SIZE)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == set()


def test_one_of_several_audiences_that_became_empty_says_so(sandbox: Sandbox, sync: Sync) -> None:
    for name in ("one", "two"):
        sandbox.add_segment(name, included=["gone", "user-0"])
    rows = [
        *for_segment("one", sized(members("user-0"), 1)),
        *for_segment("two", sized([record(None, is_member=None)], 0)),
    ]

    run = sync(whole(*rows, columns=BY_SEGMENT), **PER_SEGMENT)

    demand_done(run, {"at": "end"})
    assert (included(sandbox, "one"), included(sandbox, "two")) == ({"user-0"}, set())


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            [*sized([record(None)], 0), *sized(members("user-0"), 1)], id="beside-another-size"
        ),
        pytest.param([*sized([record(None)], 0), *sized(members("user-0"), 0)], id="beside-a-key"),
        pytest.param(sized([record(None)], 1), id="of-size-one"),
        pytest.param(sized([record(None)], None), id="of-no-size"),
    ],
)
def test_row_without_a_key_is_no_empty_audience_else(
    sandbox: Sandbox, sync: Sync, rows: list[Message]
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync(whole(*rows, columns=SIZED), **SKIPPING)

    demand_untouched(sandbox, run, "gone", "user-0")


def test_empty_audience_passes_the_guard_only_as_any_other(sandbox: Sandbox, sync: Sync) -> None:
    """A model that broke may say that nobody is left."""
    put(sandbox, *keys(100))
    rows = sized([record(None, is_member=None)], 0)

    run = sync(whole(*rows, columns=SIZED), **(WITH_SIZE | {"max_removal_percent": 50}))

    told = demand_untouched(sandbox, run, *keys(100))
    assert "100 of the 100 members" in told


# Files


@pytest.fixture
def batch(tmp_path: Path) -> Callable[..., Message]:
    """Write files and return their BATCH message: `batch([rows, rows], "gzip")`."""

    def message(files: list[list[Message]], compression: str = "none") -> Message:
        manifest = []
        for number, rows in enumerate(files):
            raw = b"".join(json.dumps(row["record"]).encode() + b"\n" for row in rows)
            path = tmp_path / f"rows-{number}.jsonl"
            path.write_bytes(gzip.compress(raw) if compression == "gzip" else raw)
            manifest.append(path.as_uri())
        encoding = {"format": "jsonl", "compression": compression}
        return {"type": "BATCH", "stream": "audience", "encoding": encoding, "manifest": manifest}

    return message


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("size", [3, 4], ids=["whole", "cut"])
def test_batch_files_are_a_snapshot_like_records(
    sandbox: Sandbox, sync: Sync, batch: Callable[..., Message], compression: str, size: int
) -> None:
    put(sandbox, "gone", "user-0")
    files = [sized(members("user-0", "user-1"), size), sized(members("user-2"), size)]

    run = sync(whole(batch(files, compression), columns=SIZED), **WITH_SIZE)

    if size == 3:
        demand_done(run, {"at": "end"})
        assert included(sandbox) == {"user-0", "user-1", "user-2"}
    else:
        demand_untouched(sandbox, run, "gone", "user-0")


def test_manifest_that_names_one_file_twice_and_lacks_the_other_changes_nothing(
    sandbox: Sandbox, sync: Sync, batch: Callable[..., Message]
) -> None:
    """As many rows as the size says; half of the audience is not among them."""
    put(sandbox, *keys(4))
    message = batch([sized(members(*keys(2)), 4), sized(members(*keys(2, 2)), 4)])
    message["manifest"][1] = message["manifest"][0]

    run = sync(whole(message, columns=SIZED), **WITH_SIZE)

    assert "2 came in 4 rows: rows repeat keys" in demand_untouched(sandbox, run, *keys(4))
