"""How many requests a sync costs, and how many operations they carry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, capture, keys, leavers, members, record, schema, state
from running import SEGMENT
from sent_requests import bodies, methods, operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

CAPTURE = "tap-snowflake-full-table.singer.gz"

# How many requests


def test_ten_thousand_new_keys_cost_one_get_and_seven_patches_and_nothing_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Requests are the scarce resource: 1 + ceil(N / 1500), and one GET when nothing changed."""
    messages = [schema(), *members(*keys(10_000)), state({"done": 1})]

    first = sync(messages)

    assert first.error is None
    assert methods(sandbox) == {"GET": 1, "PATCH": 7}
    assert operations(sandbox) == [1_500] * 6 + [1_000]
    assert sandbox.included(SEGMENT) == keys(10_000)
    assert first.states == [{"done": 1}]

    sandbox.clear_requests()
    again = sync(messages)

    assert again.error is None
    assert methods(sandbox) == {"GET": 1}
    assert again.states == [{"done": 1}]


def with_schema_changes(count: int) -> list[dict[str, Any]]:
    """Return records of one stream whose SCHEMA changes before every 999th."""
    messages: list[dict[str, Any]] = []
    for start in range(0, count, 999):
        messages += [
            schema(columns=COLUMNS | {f"column_{start}": {"type": ["string", "null"]}}),
            *members(*keys(min(999, count - start), start)),
        ]
    return messages


def of_two_streams(count: int) -> list[dict[str, Any]]:
    """Return records that come from two streams in turn."""
    return [
        schema("one"),
        schema("two"),
        *(record(key, stream=("one", "two")[number % 2]) for number, key in enumerate(keys(count))),
    ]


@pytest.mark.parametrize("feed", [with_schema_changes, of_two_streams])
def test_schema_changes_and_several_streams_cost_no_more_requests(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    feed: Callable[[int], list[dict[str, Any]]],
) -> None:
    messages = [*feed(10_000), state({"done": 1})]

    first = sync(messages)

    assert first.error is None
    assert methods(sandbox) == {"GET": 1, "PATCH": 7}
    assert operations(sandbox) == [1_500] * 6 + [1_000]
    assert set(sandbox.included(SEGMENT)) == set(keys(10_000))
    assert first.states == [{"done": 1}]

    sandbox.clear_requests()
    sync(messages)

    assert methods(sandbox) == {"GET": 1}


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, [2]), (1_499, [1_499]), (1_500, [1_500]), (1_501, [1_500, 1])],
)
def test_operations_a_request_at_the_limit(
    sandbox: Sandbox, sync: Callable[..., Run], count: int, expected: list[int]
) -> None:
    run = sync([schema(), *members(*keys(count))])

    assert run.error is None
    assert methods(sandbox) == {"GET": 1, "PATCH": len(expected)}
    assert operations(sandbox) == expected
    assert sandbox.included(SEGMENT) == keys(count)


@pytest.mark.parametrize(
    ("limit", "expected"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5])]
)
def test_batch_size_rows_limits_the_operations_a_request(
    sandbox: Sandbox, sync: Callable[..., Run], limit: int, expected: list[int]
) -> None:
    sandbox.add_segment("table", included=keys(2))

    run = sync(
        [schema(), *leavers(*keys(2)), *members("a", "b", "c")],
        segment_key="table",
        audience_sync_mode="mirror",
        batch_size_rows=limit,
    )

    assert run.error is None
    assert operations(sandbox) == expected
    assert set(sandbox.included("table")) == {"a", "b", "c"}


def test_no_record_costs_no_request(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), state({"done": 1})])

    assert sandbox.requests == []
    assert run.states == [{"done": 1}]


def test_records_that_mean_nothing_in_the_mode_cost_no_patch(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *leavers(*keys(2_000)), state({"done": 1})], audience_sync_mode="add")

    assert bodies(sandbox) == []
    assert run.states == [{"done": 1}]


# The last record of a key wins


def test_last_record_of_a_key_wins(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("table", included=["leaves", "stays"])

    run = sync(
        [
            schema(),
            *members("joins", "leaves", "changes-mind"),
            *leavers("stays", "joins", "changes-mind"),
            *members("joins", "stays"),
            *leavers("leaves"),
        ],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert sandbox.included("table") == ["stays", "joins"]
    assert operations(sandbox) == [2]


def test_toggles_cost_nothing(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """A key that ends where LaunchDarkly already has it is not sent, however often it changed."""
    sandbox.add_segment("table", included=["in"])

    run = sync(
        [schema(), *(leavers("in") + members("in") + members("out") + leavers("out")) * 1_000],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert methods(sandbox) == {"GET": 1}
    assert sandbox.included("table") == ["in"]


def test_same_key_thousand_times_is_one_operation(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sync([schema(), *members("a") * 4_000])

    assert operations(sandbox) == [1]


# Real tap output


def test_captured_stream_mirrors_exactly_and_costs_one_get_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """12,000 rows of tap-snowflake: 10,800 members, of whom user-0 is none."""
    sandbox.add_segment("table", included=["user-0", "stranger"])
    rows = [
        message["record"]
        for message in map(json.loads, capture(CAPTURE))
        if message["type"] == "RECORD"
    ]
    expected = {row["context_key"] for row in rows if row["is_member"]}
    assert len(expected) == 10_800
    assert "user-0" not in expected

    first = sync(capture(CAPTURE), segment_key="table", audience_sync_mode="mirror")

    assert first.error is None
    assert set(sandbox.included("table")) == expected | {"stranger"}
    assert methods(sandbox) == {"GET": 1, "PATCH": 8}
    assert first.states

    sandbox.clear_requests()
    again = sync(capture(CAPTURE), segment_key="table", audience_sync_mode="mirror")

    assert again.error is None
    assert methods(sandbox) == {"GET": 1}
    assert again.states == first.states
    assert set(sandbox.included("table")) == expected | {"stranger"}
