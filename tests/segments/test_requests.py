"""The requests that a sync costs, and what they hold, as LaunchDarkly receives them."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SEGMENT, TOKEN
from messages import COLUMNS, capture, keys, leavers, members, record, schema, state

from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.errors import LaunchDarklyError
from target_launchdarkly.sandbox import RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run

    from target_launchdarkly.sandbox import Exchange, Sandbox

CAPTURE = "tap-snowflake-full-table.singer.gz"


def methods(sandbox: Sandbox) -> dict[str, int]:
    """Return the requests by method, e.g. `{"GET": 1, "PATCH": 8}`."""
    return dict(Counter(exchange.method for exchange in sandbox.requests))


def bodies(sandbox: Sandbox) -> list[Any]:
    return [exchange.body for exchange in sandbox.requests if exchange.method == "PATCH"]


def operations(sandbox: Sandbox) -> list[int]:
    """Return the operations of each PATCH, e.g. `[1500, 1]`."""
    return [
        sum(len(instruction["values"]) for instruction in body["instructions"])
        for body in bodies(sandbox)
    ]


def after(sandbox: Sandbox, method: str, change: dict[str, list[str]]) -> None:
    """Let somebody else change the segment once, right after the first request of a method."""
    instructions = [
        {"kind": kind, "contextKind": "user", "values": values} for kind, values in change.items()
    ]
    waiting = [{"environmentKey": "test", "instructions": instructions}]

    def meanwhile(exchange: Exchange) -> None:
        if waiting and exchange.method == method:
            sandbox.patch_segment(SEGMENT, waiting.pop())

    sandbox.log = RequestLog(on_exchange=meanwhile)


# Whole bodies


def test_body_for_users(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """Removals come before additions in one patch; keys keep the order of the records."""
    sandbox.add_segment("table", included=["old-1", "old-2"])

    run = sync(
        [schema(), *members("z", "a"), *leavers("old-2"), *members("m m,m"), *leavers("old-1")],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert bodies(sandbox) == [
        {
            "environmentKey": "test",
            "instructions": [
                {
                    "kind": "removeIncludedTargets",
                    "contextKind": "user",
                    "values": ["old-2", "old-1"],
                },
                {
                    "kind": "addIncludedTargets",
                    "contextKind": "user",
                    "values": ["z", "a", "m m,m"],
                },
            ],
        }
    ]


def test_body_for_another_kind_with_comment(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("table", context_kind="organization", included=["gone"])

    run = sync(
        [schema(), *members("Zoë 🦊"), *leavers("gone")],
        segment_key="table",
        context_kind="organization",
        audience_sync_mode="mirror",
        comment="Nightly, Zoë",
    )

    assert run.error is None
    assert bodies(sandbox) == [
        {
            "environmentKey": "test",
            "instructions": [
                {
                    "kind": "removeIncludedTargets",
                    "contextKind": "organization",
                    "values": ["gone"],
                },
                {
                    "kind": "addIncludedTargets",
                    "contextKind": "organization",
                    "values": ["Zoë 🦊"],
                },
            ],
            "comment": "Nightly, Zoë",
        }
    ]
    assert sandbox.included("table", "organization") == ["Zoë 🦊"]
    assert sandbox.included("table", "user") == []


def test_comment_is_in_every_patch(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members(*keys(5))], comment="Nightly", batch_size_rows=2)

    assert [body["comment"] for body in bodies(sandbox)] == ["Nightly"] * 3


# Headers and URLs


def test_headers_of_every_request(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members(*keys(3))], batch_size_rows=2)

    assert methods(sandbox) == {"GET": 1, "PATCH": 2}
    for exchange in sandbox.requests:
        assert exchange.headers["authorization"] == TOKEN
        assert exchange.headers["ld-api-version"] == "20240415"
        user_agent = f"target-launchdarkly/{version('target-launchdarkly')}"
        assert exchange.headers["user-agent"] == user_agent
        assert exchange.headers.get("content-type") == (
            None
            if exchange.method == "GET"
            else "application/json; domain-model=launchdarkly.semanticpatch"
        )


def test_urls_name_project_environment_and_segment(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sync([schema(), *members("a")])

    assert [(each.method, each.path) for each in sandbox.requests] == [
        ("GET", f"/api/v2/segments/default/test/{SEGMENT}"),
        ("PATCH", f"/api/v2/segments/default/test/{SEGMENT}"),
    ]


def test_api_url_may_end_with_a_slash(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members("a")], api_url=f"{sandbox.url}/")

    assert sandbox.requests[0].path == f"/api/v2/segments/default/test/{SEGMENT}"


def test_keys_are_quoted_in_urls(sandbox: Sandbox) -> None:
    """A key can never reach into another path, whoever checks it before."""
    client = Client(Connection(sandbox.url, "de/fault", "te st?", "tests"), TOKEN)

    with pytest.raises(LaunchDarklyError):
        client.get_segment("../ü#%2F")

    [exchange] = sandbox.requests
    assert exchange.path == "/api/v2/segments/de%2Ffault/te%20st%3F/..%2F%C3%BC%23%252F"


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


# Somebody else changes the segment at the same time


def test_answer_of_a_patch_is_the_new_view(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """`c`, which somebody included after our GET, shows in the first answer and is not sent."""
    after(sandbox, "GET", {"addIncludedTargets": ["c"]})

    run = sync([schema(), *members("a", "b", "c", "d")], batch_size_rows=2)

    assert run.error is None
    assert [body["instructions"][0]["values"] for body in bodies(sandbox)] == [["a", "b"], ["d"]]
    assert set(sandbox.included(SEGMENT)) == {"a", "b", "c", "d"}


def test_key_that_somebody_included_meanwhile_is_no_error(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """A patch states where keys shall stand, so it succeeds where they stand already."""
    after(sandbox, "GET", {"addIncludedTargets": ["a"]})

    run = sync([schema(), *members("a"), state({"done": 1})])

    assert run.error is None
    assert methods(sandbox) == {"GET": 1, "PATCH": 1}
    assert sandbox.included(SEGMENT) == ["a"]
    assert run.states == [{"done": 1}]


def test_change_of_somebody_else_is_not_fought(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """`a` is taken out by hand after our patch: no later patch of this run puts it back."""
    after(sandbox, "PATCH", {"removeIncludedTargets": ["a"]})

    run = sync([schema(), *members("a", "b", "c", "d")], batch_size_rows=2)

    assert run.error is None
    assert methods(sandbox) == {"GET": 1, "PATCH": 2}
    assert sandbox.included(SEGMENT) == ["b", "c", "d"]


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
