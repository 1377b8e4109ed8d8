"""Keys that LaunchDarkly refuses for reasons of its own: found, counted, and in nobody's way."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from messages import keys, leavers, members, schema, state
from running import SEGMENT
from sent_requests import methods

from target_launchdarkly.errors import RefusedError, SegmentError
from target_launchdarkly.sandbox import Fault, ForeignChange
from target_launchdarkly.segments.halving import MAX_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

SKIP = {"invalid_record_action": "skip"}
END = state({"done": 1})


@pytest.mark.parametrize("place", [0, 1, 749, 750, 1_498, 1_499])
def test_refused_key_holds_nobody_up_wherever_it_stands(
    sandbox: Sandbox, sync: Callable[..., Run], place: int
) -> None:
    everybody = keys(1_500)
    sandbox.refused_keys = {everybody[place]}

    run = sync([schema(), *members(*everybody), END], **SKIP)

    assert run.error is None
    assert set(sandbox.included(SEGMENT)) == set(everybody) - sandbox.refused_keys
    assert "1,499 added" in run.summary
    assert "1 skipped (1 refused by LaunchDarkly)" in run.summary
    assert run.states == [{"done": 1}]
    # The refused request, a look, and no more than two a halving.
    assert methods(sandbox)["PATCH"] <= 1 + 22
    assert methods(sandbox)["GET"] == 2


def test_refused_key_ends_the_run_unless_it_may_be_skipped(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """All others are in place by then; without STATE the tap sends the record again."""
    sandbox.refused_keys = {"user-3"}

    run = sync([schema(), *members(*keys(8)), END])

    assert isinstance(run.error, SegmentError)
    assert "refuses 1 context key" in str(run.error)
    assert "invalid_record_action" in str(run.error)
    assert "DEBUG" in str(run.error)
    assert set(sandbox.included(SEGMENT)) == {*keys(8)} - {"user-3"}
    assert run.states == []


def test_only_the_log_at_debug_names_a_refused_key(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="target_launchdarkly")
    sandbox.refused_keys = {"user-3"}

    sync([schema(), *members(*keys(8)), END], **SKIP)

    naming = [each for each in caplog.records if "refuses the context key" in each.getMessage()]
    assert [each.levelno for each in naming] == [logging.DEBUG]
    assert "user-3" in naming[0].getMessage()


def test_refused_keys_are_not_asked_for_again_in_a_run(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Neither by a later chunk, nor by the look whether all holds."""
    sandbox.refused_keys = {"user-1", "user-9"}
    messages = [schema(), *members(*keys(16)), END]

    run = sync(messages, batch_size_rows=8, **SKIP)

    assert run.error is None
    assert set(sandbox.included(SEGMENT)) == {*keys(16)} - sandbox.refused_keys
    assert "2 refused by LaunchDarkly" in run.summary
    refused = [each for each in sandbox.requests if each.status == 400]
    alone = [each for each in refused if json.dumps(each.body).count("user-") == 1]
    assert len(alone) == 2


def test_removals_are_not_held_up_either(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("table", included=["leaves", "stays"])
    sandbox.refused_keys = {"joins"}
    messages = [schema(), *leavers("leaves"), *members("joins"), END]

    run = sync(messages, segment_key="table", audience_sync_mode="mirror", **SKIP)

    assert run.error is None
    assert sandbox.included("table") == ["stays"]


def test_key_that_comes_alone_is_skipped_as_well(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """That the cause is the key shows by a patch that changes nothing, and passes."""
    sandbox.refused_keys = {"user-0"}

    run = sync([schema(), *members("user-0"), END], **SKIP)

    assert run.error is None
    assert run.states == [{"done": 1}]
    assert methods(sandbox) == {"GET": 2, "PATCH": 3}
    assert sandbox.changes(SEGMENT)[-1].tally.changed is False


@pytest.mark.parametrize("count", [1, 2, 7, 1_500, 4_000])
def test_refusal_of_everything_is_no_key_s_fault(
    sandbox: Sandbox, sync: Callable[..., Run], count: int
) -> None:
    """Nobody may be skipped, and STATE may not move on, because of a refusal of another kind."""
    body = json.dumps({"code": "invalid_request", "message": "Not today"})
    sandbox.faults.append(Fault("status", "PATCH", status=400, body=body, times=10_000))

    run = sync([schema(), *members(*keys(count)), END], **SKIP)

    assert isinstance(run.error, RefusedError)
    assert "HTTP 400" in str(run.error)
    assert run.states == []
    assert methods(sandbox)["PATCH"] <= 25


def test_too_many_refused_keys_end_the_run_after_so_many_requests(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    everybody = keys(3_000)
    sandbox.refused_keys = {*everybody[::7]}

    run = sync([schema(), *members(*everybody), END], **SKIP)

    assert isinstance(run.error, RefusedError)
    assert f"{MAX_REQUESTS} requests" in str(run.error)
    assert run.states == []
    assert methods(sandbox)["PATCH"] <= 2 + MAX_REQUESTS


def test_requests_of_the_search_are_counted_over_all_segments(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    everybody = keys(64)
    sandbox.refused_keys = {*everybody[::5]}
    columns = {"context_key": {"type": "string"}, "segment": {"type": "string"}}
    messages: list[dict[str, Any]] = [schema(columns=columns)]
    for name in "abcdef":
        sandbox.add_segment(name)
        messages += [
            {
                "type": "RECORD",
                "stream": "audience",
                "record": {"context_key": key, "segment": name},
            }
            for key in everybody
        ]

    run = sync([*messages, END], segment_key_field="segment", **SKIP)

    assert isinstance(run.error, RefusedError)
    assert methods(sandbox)["PATCH"] <= 6 + MAX_REQUESTS


def test_full_segment_is_no_keys_fault(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """It takes a change that changes nothing, so that this would prove nothing."""
    sandbox.add_segment("full", included=keys(15_000))
    body = json.dumps({"code": "invalid_request", "message": "Too many targets"})
    sandbox.faults.append(Fault("status", "PATCH", status=400, body=body, times=100))

    run = sync([schema(), *members("user-x", "user-y"), END], segment_key="full", **SKIP)

    assert isinstance(run.error, RefusedError)
    assert methods(sandbox) == {"GET": 2, "PATCH": 1}
    assert run.states == []


def test_refusal_while_an_exclusion_comes_and_goes_has_an_end(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Each look shows another segment, so that each plan is another: there must be an end to it."""
    body = json.dumps({"code": "invalid_request", "message": "Not today"})
    sandbox.faults.append(Fault("status", "PATCH", status=400, body=body, times=100_000))
    come = ForeignChange(SEGMENT, exclude=("user-0",))
    go = ForeignChange(SEGMENT, unexclude=("user-0",))
    for number in range(200):
        sandbox.meanwhile((come, go)[number % 2], method="PATCH", after=number)

    run = sync([schema(), *members(*keys(8)), END], **SKIP)

    assert run.error is not None
    assert run.states == []
    assert len(sandbox.requests) <= 10 + MAX_REQUESTS


EXCLUDE = {"audience_sync_mode": "mirror", "removal_action": "exclude"} | SKIP


def test_key_that_was_refused_behind_an_old_answer_gets_what_it_needs_by_a_new_one(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Somebody includes who is to be excluded; the answer of a look does not show it yet."""
    sandbox.meanwhile(ForeignChange(SEGMENT, add=("user-0",)), method="PATCH")
    sandbox.faults.append(Fault("stale", "GET", after=1))

    run = sync([schema(), *leavers("user-0"), END], **EXCLUDE)

    assert run.error is None
    assert run.states == [{"done": 1}]
    assert sandbox.included(SEGMENT) == []
    assert sandbox.excluded(SEGMENT) == ["user-0"]
    assert "refused" not in run.summary
