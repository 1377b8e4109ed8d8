"""Expirations that fail, get lost, come late or are changed by somebody else on the way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from expiring_members import (
    DONE,
    FIELD,
    MESSAGES,
    NOW_MS,
    SCHEMA,
    SOON,
    demand_all_set,
    expirations,
    expire_by_hand,
    instructions,
    sent,
    until,
)
from messages import keys
from running import SEGMENT

from target_launchdarkly.api.expiring import NOT_TOLD, errors_of
from target_launchdarkly.api.shapes import ExpiringTargets
from target_launchdarkly.errors import LaunchDarklyError
from target_launchdarkly.sandbox import Fault, ForeignChange
from target_launchdarkly.segments.expiring import listed_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS: dict[str, Any] = {"audience_sync_mode": "mirror", "expires_at_field": FIELD}
READ, LOOK = ("GET", "segment"), ("GET", "expiring")
PATCH, EXPIRE = ("PATCH", "segment"), ("PATCH", "expiring")
UNKNOWN = "no code that is known here"


@pytest.mark.parametrize("kind", ["drop-after", "reset-after", "truncate", "garbage", "html-ok"])
def test_patch_whose_answer_is_lost_holds_though_it_fails_when_sent_again(
    sync: Callable[..., Run], sandbox: Sandbox, kind: Any
) -> None:
    sandbox.faults.append(Fault(kind, method="PATCH", after=1))

    run = sync(MESSAGES, **SETTINGS)

    demand_all_set(run, sandbox)
    assert sent(sandbox) == [READ, PATCH, LOOK, EXPIRE, EXPIRE, LOOK]
    assert "2 expirations set" in run.summary


@pytest.mark.parametrize("kind", ["drop-before", "status", "html"])
def test_patch_that_was_not_carried_out_is_sent_again(
    sync: Callable[..., Run], sandbox: Sandbox, kind: Any
) -> None:
    """Its fate is unknown, so that one look more is taken before STATE."""
    sandbox.faults.append(Fault(kind, method="PATCH", after=1, status=503))

    run = sync(MESSAGES, **SETTINGS)

    demand_all_set(run, sandbox)
    assert sent(sandbox) == [READ, PATCH, LOOK, EXPIRE, EXPIRE, LOOK]


@pytest.mark.parametrize("when", ["before", "after"])
def test_copy_that_comes_late_does_no_harm(
    sync: Callable[..., Run], sandbox: Sandbox, when: Any
) -> None:
    sandbox.faults.append(Fault("late-status", method="PATCH", after=1, when=when))

    demand_all_set(sync(MESSAGES, **SETTINGS), sandbox)


def test_copy_of_an_earlier_run_does_not_move_a_moment_back(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """An update names the version that it was planned from."""
    sync(MESSAGES, **SETTINGS)
    sandbox.faults.append(Fault("late-status", method="PATCH", later=None, times=99))
    failed = sync([SCHEMA, *until(SOON + 1, "a")], **SETTINGS, max_retry_seconds=0)
    assert isinstance(failed.error, LaunchDarklyError)
    sandbox.faults.clear()
    sync([SCHEMA, *until(SOON + 2, "a")], **SETTINGS)

    assert sandbox.apply_late() == 1

    assert expirations(sandbox)["a"] == SOON + 2


def test_answer_that_lags_is_looked_at_again(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("stale", method="PATCH", after=1))

    run = sync(MESSAGES, **SETTINGS)

    demand_all_set(run, sandbox)
    assert sent(sandbox) == [READ, PATCH, LOOK, EXPIRE, LOOK]


def test_list_that_lags_makes_instructions_fail_and_is_looked_at_again(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync(MESSAGES, **SETTINGS)
    sandbox.faults.append(Fault("stale", method="GET", after=1))
    sandbox.clear_requests()

    run = sync(MESSAGES, **SETTINGS)

    demand_all_set(run, sandbox)
    assert sent(sandbox) == [READ, LOOK, EXPIRE, LOOK]


def test_target_that_somebody_takes_off_before_its_moment_is_set_comes_back(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """Its word is "in": the segment is planned anew as well, once."""
    sandbox.meanwhile(ForeignChange(SEGMENT, remove=("a",)), method="PATCH", after=1)

    run = sync(MESSAGES, **SETTINGS)

    demand_all_set(run, sandbox)
    assert sent(sandbox) == [READ, PATCH, LOOK, EXPIRE, LOOK, READ, PATCH, LOOK, EXPIRE]
    assert [each["contextKey"] for each in instructions(sandbox)[1]] == ["a"]
    assert "2 expirations set" in run.summary


def test_instructions_that_fail_twice_end_the_run(
    sync: Callable[..., Run], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """What holds stays, no STATE claims the rest, and the next run does it."""
    sandbox.meanwhile(ForeignChange(SEGMENT, remove=("a",)), method="PATCH", after=1)
    sandbox.meanwhile(ForeignChange(SEGMENT, remove=("a",)), method="PATCH", after=3)
    caplog.set_level(logging.DEBUG)

    run = sync(MESSAGES, **SETTINGS)

    assert isinstance(run.error, LaunchDarklyError)
    assert "did not take all" in str(run.error)
    assert "(The key … of context kind user is no individual target: 1)" in str(run.error)
    assert "context_key='a'" in caplog.text
    assert run.states == []
    assert "1 expiration set" in run.summary
    assert "3 added, 0 removed, 1 expiration set" in run.target._done_so_far()
    assert expirations(sandbox) == {"b": SOON}
    demand_all_set(sync(MESSAGES, **SETTINGS), sandbox)


def test_instruction_that_fails_does_not_keep_the_other_requests_back(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.meanwhile(ForeignChange(SEGMENT, remove=("user-0",)), method="PATCH", after=3)

    run = sync([SCHEMA, *until(SOON, *keys(6))], **SETTINGS, batch_size_rows=2)

    assert run.error is None
    assert list(map(len, instructions(sandbox))) == [2, 2, 2, 1]
    assert expirations(sandbox) == dict.fromkeys(keys(6), SOON)


@pytest.mark.parametrize("deed", ["add", "update", "remove"])
def test_expiration_that_somebody_changes_at_the_same_time_ends_as_the_words_have_it(
    sync: Callable[..., Run], sandbox: Sandbox, deed: str
) -> None:
    if deed != "add":
        sync([SCHEMA, *until(SOON, "a"), *until(None, "b", "c")], **SETTINGS)
    sandbox.meanwhile(
        lambda sandbox: expire_by_hand(sandbox, SOON + 9, "a", deed=deed),
        method="PATCH",
        after=int(deed == "add"),
    )

    run = sync([SCHEMA, *until(SOON + 1, "a"), *until(None, "b", "c")], **SETTINGS)

    assert run.error is None
    assert expirations(sandbox) == {"a": SOON + 1}


def test_moment_that_passes_while_the_run_waits_is_not_too_late(
    sync: Callable[..., Run], sandbox: Sandbox, clock: FakeClock
) -> None:
    """Who would have been taken out by LaunchDarkly is taken out by the run."""
    busy = Fault("status", method="GET", after=1, status=429, headers={"Retry-After": "5"})
    sandbox.faults.append(busy)

    run = sync([SCHEMA, *until(NOW_MS + 3_000, "a"), *until(SOON, "b"), DONE], **SETTINGS)

    assert run.error is None
    assert clock.elapsed >= 5
    assert sandbox.included(SEGMENT) == ["b"]
    assert expirations(sandbox) == {"b": SOON}
    assert run.states == [{"done": 1}]


@pytest.mark.parametrize(("behind", "is_told"), [(3, False), (300, True)])
def test_membership_that_has_ended_by_launchdarklys_clock_has_ended(
    sync: Callable[..., Run],
    sandbox: Sandbox,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    behind: int,
    *,
    is_told: bool,
) -> None:
    """A clock that is behind neither fails the runs nor leaves anybody in without an end."""
    sandbox.clock = lambda: clock.now() + behind
    messages = [SCHEMA, *until(NOW_MS + 2_000, "a"), *until(SOON, "b"), DONE]

    for _ in range(2):
        run = sync(messages, **SETTINGS)

        assert run.error is None
        assert sandbox.included(SEGMENT) == ["b"]
        assert expirations(sandbox) == {"b": SOON}
        assert run.states == [{"done": 1}]
    assert ("300 s behind LaunchDarkly's" in caplog.text) is is_told


@pytest.mark.parametrize(
    ("item", "is_read"),
    [
        pytest.param({}, True, id="as-documented"),
        pytest.param({"_version": None}, True, id="without-version"),
        pytest.param({"targetType": "excluded"}, False, id="excluded"),
    ],
)
def test_expiration_of_an_included_target_is_read(item: dict[str, Any], is_read: bool) -> None:
    listed = listed_of(ExpiringTargets.parse({"items": [EXPIRING | item]}))

    assert bool(listed.get("user")) is is_read


EXPIRING = {
    "_version": 3,
    "expirationDate": SOON,
    "contextKind": "user",
    "contextKey": "a",
    "targetType": "included",
}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"errors": [], "failedInstructions": 0}, [], id="none-told-so"),
        pytest.param({"errors": None}, [], id="null"),
        pytest.param(
            {"errors": [{"instructionIndex": 1, "message": "user-1"}], "failedInstructions": 1},
            [(1, UNKNOWN)],
            id="as-documented",
        ),
        pytest.param(
            {"errors": [{"instructionIndex": 0, "code": "not_found", "message": "user-1"}]},
            [(0, "not_found")],
            id="with-a-code",
        ),
        pytest.param(
            {"errors": [{"instructionIndex": 0, "code": "user-1", "message": "No key user-1"}]},
            [(0, "No key …")],
            id="with-a-key-in-its-place",
        ),
        pytest.param(
            {"errors": [{"instructionIndex": 2}], "failedInstructions": 3},
            [(2, UNKNOWN), (None, NOT_TOLD), (None, NOT_TOLD)],
            id="more-failed-than-are-told",
        ),
        pytest.param({"failedInstructions": 10**12}, [(None, NOT_TOLD)] * 1_500, id="absurd"),
    ],
)
def test_failed_instructions_are_told_by_code_and_place(
    answer: dict[str, Any], expected: list[tuple[int | None, str]]
) -> None:
    assert [*errors_of(ExpiringTargets.parse({"items": []} | answer))] == expected
