"""Answers of another shape than the documented one: told by the field, and asked for again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from failing_runs import KEY, MESSAGES, assert_failed
from messages import members, schema, state
from running import SEGMENT

from target_launchdarkly.api.shapes import (
    BigSegmentTarget,
    CallerIdentity,
    Environment,
    ExpiringTargets,
    ShapeError,
    Transfer,
    UserSegment,
)
from target_launchdarkly.errors import SegmentError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

WHOLE: dict[str, Any] = {
    "key": SEGMENT,
    "version": 3,
    "creationDate": 1_800_000_000_000,
    "unbounded": False,
    "included": ["a"],
    "excluded": [],
    "includedContexts": [{"contextKind": "device", "values": ["d"]}],
    "excludedContexts": [],
}
#: What no field of a segment may be.
ODD: dict[str, list[Any]] = {
    "key": [None, 7, [KEY]],
    "version": [None, "3", 3.5, True, [3], {}],
    "creationDate": [None, "2026", 1.5, False],
    "unbounded": ["false", 0, []],
    "included": [5, KEY, {KEY: 1}, [KEY, 5], [None], [[KEY]]],
    "excluded": [5, True, [{"key": KEY}]],
    "includedContexts": [5, {}, [KEY], [None]],
    "unboundedContextKind": [["user"], 5, "Invalid key zoe", "zoe@example.com", "a\nb"],
    "_unboundedMetadata": [5, [1]],
    "_external": [5],
    "_importInProgress": ["no", 1],
    "_access": [[], "none"],
}
#: The same for what stands within a field.
ODD_WITHIN: list[tuple[str, Any, str]] = [
    ("includedContexts", [{"values": [KEY]}], "includedContexts.contextKind"),
    ("includedContexts", [{"contextKind": 5, "values": []}], "includedContexts.contextKind"),
    ("includedContexts", [{"contextKind": "d", "values": 5}], "includedContexts.values"),
    ("excludedContexts", [{"contextKind": "d", "values": [5]}], "excludedContexts.values"),
    ("_unboundedMetadata", {"includedCount": "5"}, "_unboundedMetadata.includedCount"),
    ("_unboundedMetadata", {"excludedCount": 5.0}, "_unboundedMetadata.excludedCount"),
    ("_access", {"denied": {}}, "_access.denied"),
    ("_access", {"denied": [{"action": 5}]}, "denied.action"),
]
CASES = [
    *((name, value, name) for name, values in ODD.items() for value in values),
    *ODD_WITHIN,
]


@pytest.mark.parametrize(("name", "value", "told"), CASES, ids=str)
def test_field_of_another_type_is_told_by_its_name(name: str, value: Any, told: str) -> None:
    with pytest.raises(ShapeError) as caught:
        UserSegment.parse(WHOLE | {name: value})

    assert f"'{told}' is missing or not" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["key", "version", "creationDate"])
def test_field_that_is_always_there_is_missed(name: str) -> None:
    with pytest.raises(ShapeError, match=name):
        UserSegment.parse({key: value for key, value in WHOLE.items() if key != name})


@pytest.mark.parametrize("value", ["absent", None])
def test_field_that_may_be_absent_may_be_null(value: Any) -> None:
    needed = {name: WHOLE[name] for name in ("key", "version", "creationDate")}
    document = needed if value == "absent" else dict.fromkeys(WHOLE) | needed

    segment = UserSegment.parse(document)

    assert segment.included["user"] == segment.excluded["user"] == []
    assert not segment.is_big
    assert segment.included_count is None


def test_targets_are_read_by_their_kind() -> None:
    """Users stand in the plain list, and perhaps in one of their own kind as well."""
    more = [{"contextKind": "user", "values": ["b"]}]

    segment = UserSegment.parse(WHOLE | {"includedContexts": WHOLE["includedContexts"] + more})

    assert segment.included == {"user": ["a", "b"], "device": ["d"]}
    assert segment.size == 3


@pytest.mark.parametrize(
    ("parse", "document", "told"),
    [
        pytest.param(BigSegmentTarget.parse, {"included": True}, "excluded", id="membership"),
        pytest.param(
            BigSegmentTarget.parse, {"included": 1, "excluded": False}, "included", id="number"
        ),
        pytest.param(Transfer.parse, {}, "status", id="no-status"),
        pytest.param(Transfer.parse, {"status": 5}, "status", id="status-is-a-number"),
        pytest.param(Transfer.parse, {"status": "ready", "_links": []}, "_links", id="links"),
        pytest.param(CallerIdentity.parse, {"tokenName": 5}, "tokenName", id="token-name"),
        pytest.param(
            Environment.parse,
            {"resourceApprovalSettings": {"segment": {"required": "no"}}},
            "resourceApprovalSettings.segment.required",
            id="approvals",
        ),
        pytest.param(ExpiringTargets.parse, {}, "items", id="no-items"),
        pytest.param(ExpiringTargets.parse, {"items": {}}, "items", id="items-are-no-list"),
        pytest.param(ExpiringTargets.parse, {"items": [None]}, "items", id="item-is-null"),
        pytest.param(
            ExpiringTargets.parse, {"items": [{"targetType": 5}]}, "items.targetType", id="type"
        ),
        pytest.param(ExpiringTargets.parse, {"items": [], "errors": 5}, "errors", id="errors"),
        pytest.param(
            ExpiringTargets.parse,
            {"items": [], "errors": [{"instructionIndex": "1"}]},
            "errors.instructionIndex",
            id="index",
        ),
        pytest.param(
            ExpiringTargets.parse,
            {"items": [], "failedInstructions": "2"},
            "failedInstructions",
            id="count",
        ),
    ],
)
def test_other_answers_are_told_by_the_field_as_well(
    parse: Callable[[dict[str, Any]], object], document: dict[str, Any], told: str
) -> None:
    with pytest.raises(ShapeError, match=f"'{told}'"):
        parse(document)


def test_empty_list_of_expiring_targets_may_be_null() -> None:
    assert ExpiringTargets.parse({"items": None, "errors": None}) == ExpiringTargets([], [])


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"included": 5}, id="no-list"),
        pytest.param({"included": [KEY, 5]}, id="a-number-among-keys"),
        pytest.param({"version": None}, id="no-version"),
    ],
)
def test_answer_of_another_shape_is_asked_for_again(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, odd: dict[str, Any], method: str
) -> None:
    """Like any broken answer: it may be a proxy's, or cut."""
    body = json.dumps(WHOLE | odd)
    sandbox.faults.append(Fault("status", method, status=200, body=body, times=2))

    run = sync(MESSAGES)

    assert run.error is None
    assert sandbox.included(SEGMENT) == [KEY, "bob"]
    assert len(clock.slept) == 2


def test_answer_that_stays_of_another_shape_ends_the_run(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    body = json.dumps(WHOLE | {"included": 5})
    sandbox.faults.append(Fault("status", "GET", status=200, body=body, times=100))

    run = sync(MESSAGES)

    assert_failed(run, "'included' is missing or not of its documented type", "max_retry_seconds")


@pytest.mark.parametrize("external", [KEY, "zoe", f"amplitude\n{KEY}"])
def test_tool_that_is_none_of_the_usual_is_not_named(
    sandbox: Sandbox, sync: Callable[..., Run], external: str
) -> None:
    sandbox.add_segment("cohort", external=external)

    run = sync([schema(), *members("a"), state({})], segment_key="cohort")

    assert isinstance(run.error, SegmentError)
    assert "synced by another tool" in str(run.error)
