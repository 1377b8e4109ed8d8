"""Answers that are not what was asked for: they lack the change, or somebody forbids it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from failing_runs import KEY, MESSAGES, methods, statuses
from running import SEGMENT

from target_launchdarkly.errors import SegmentError
from target_launchdarkly.sandbox import Fault, RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Exchange, Sandbox


def test_answer_that_lacks_the_change_is_asked_for_again(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """An answer may lag: another look may show what it lacked."""
    sandbox.faults.append(Fault(kind="stale", method="PATCH"))

    run = sync(MESSAGES)

    assert run.error is None
    assert methods(sandbox) == ["GET", "PATCH", "GET"]
    assert clock.slept == [1.0]
    assert run.states == [{"done": 1}]


def test_change_that_never_holds_is_an_error_after_three_rounds(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """A STATE must cover only what LaunchDarkly was seen to keep."""
    unchanged = json.dumps(sandbox.get_segment(SEGMENT))
    sandbox.faults.append(
        Fault(kind="status", status=200, body=unchanged, method="PATCH", times=100)
    )

    run = sync(MESSAGES)

    assert isinstance(run.error, SegmentError)
    assert SEGMENT in str(run.error)
    assert "2 of them did not hold" in str(run.error)
    assert KEY not in str(run.error)
    assert methods(sandbox) == ["GET", "PATCH", *["GET", "PATCH"] * 3]
    assert clock.slept == [1.0, 2.0, 4.0]
    assert run.states == []


def exclude_after(sandbox: Sandbox, method: str, *context_keys: str) -> None:
    """Let somebody exclude keys by hand once, right after the first request of a method."""
    instruction = {
        "kind": "addExcludedTargets",
        "contextKind": "user",
        "values": list(context_keys),
    }
    waiting = [{"environmentKey": "test", "instructions": [instruction]}]

    def meanwhile(exchange: Exchange) -> None:
        if waiting and exchange.method == method:
            sandbox.patch_segment(SEGMENT, waiting.pop())

    sandbox.log = RequestLog(on_exchange=meanwhile)


def test_key_that_somebody_excludes_meanwhile_is_skipped(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """LaunchDarkly refuses the whole patch then: the others must still arrive."""
    exclude_after(sandbox, "GET", KEY)

    run = sync(MESSAGES)

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["bob"]
    assert sandbox.excluded(SEGMENT) == [KEY]
    assert run.states == [{"done": 1}]
    assert "1 excluded by hand" in run.summary
    assert statuses(sandbox) == [200, 400, 200, 200]


def test_key_that_somebody_excludes_meanwhile_is_included_where_settings_say_so(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    exclude_after(sandbox, "GET", KEY)

    run = sync(MESSAGES, excluded_key_action="include")

    assert run.error is None
    assert set(sandbox.included(SEGMENT)) == {KEY, "bob"}
    assert sandbox.excluded(SEGMENT) == []
    assert run.states == [{"done": 1}]


def test_key_that_somebody_excludes_meanwhile_fails_where_settings_say_so(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    exclude_after(sandbox, "GET", KEY)

    run = sync(MESSAGES, excluded_key_action="fail")

    assert isinstance(run.error, SegmentError)
    assert "excluded_key_action" in str(run.error)
    assert KEY not in str(run.error)
    assert sandbox.included(SEGMENT) == []
    assert run.states == []


def test_keys_that_are_all_excluded_meanwhile_leave_nothing_to_send(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    exclude_after(sandbox, "GET", KEY, "bob")

    run = sync(MESSAGES)

    assert run.error is None
    assert sandbox.included(SEGMENT) == []
    assert methods(sandbox) == ["GET", "PATCH", "GET"]
    assert run.states == [{"done": 1}]
