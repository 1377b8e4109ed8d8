"""Failures: what LaunchDarkly answers, what the target does then, and what it says."""

from __future__ import annotations

import json
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SEGMENT, TOKEN
from messages import keys, leavers, members, schema, state

from target_launchdarkly.errors import LaunchDarklyError, SegmentError
from target_launchdarkly.sandbox import Exchange, Fault, RateLimit, RequestLog, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import FakeClock, Run

#: Text that no message may hold.
KEY = "zoe.secret@example.com"
MESSAGES = [schema(), *members(KEY, "bob"), state({"done": 1})]


def methods(sandbox: Sandbox) -> list[str]:
    return [exchange.method for exchange in sandbox.requests]


def statuses(sandbox: Sandbox) -> list[int | None]:
    return [exchange.status for exchange in sandbox.requests]


def assert_failed(run: Run, *told: str) -> None:
    """The run ended with an error that says all of this, no secret, and wrote no STATE."""
    assert isinstance(run.error, LaunchDarklyError)
    message = str(run.error)
    for text in told:
        assert text in message
    assert KEY not in message
    assert "bob" not in message
    assert TOKEN not in message
    assert run.states == []


def answer(status: int, message: str, **more: Any) -> Fault:
    body = json.dumps({"code": "some_code", "message": message})
    return Fault(kind="status", status=status, body=body, **more)


# Refusals: told at once, never sent again


def test_401_says_where_tokens_are_made_and_which_instance_was_asked(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(MESSAGES, access_token="api-of-somebody-else")

    assert_failed(run, "HTTP 401", "access_token", "Authorization", "api_instance", sandbox.url)
    assert "api-of-somebody-else" not in str(run.error)
    assert methods(sandbox) == ["GET"]
    assert sandbox.included(SEGMENT) == []


def test_403_says_which_role_the_token_needs(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.read_only = True

    run = sync(MESSAGES)

    assert_failed(run, "HTTP 403", "Writer", "updateIncluded", "updateExcluded", f"'{SEGMENT}'")
    assert "bypassRequiredSegmentApproval" not in str(run.error)
    assert methods(sandbox).count("PATCH") <= 1
    assert sandbox.included(SEGMENT) == []


def test_403_of_an_approval_says_how_to_get_around_it(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.approval_required = True

    run = sync(MESSAGES)

    assert_failed(run, "approval", "bypassRequiredSegmentApproval", "'test'")
    assert methods(sandbox) == ["GET", "PATCH"]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize(
    ("settings", "told", "untold"),
    [
        pytest.param(
            {"project_key": "nowhere"},
            ["project 'nowhere'", "project_key"],
            ["environment_key", "segment_key"],
            id="project",
        ),
        pytest.param(
            {"environment_key": "nowhere"},
            ["environment 'nowhere'", "environment_key"],
            ["project_key", "segment_key"],
            id="environment",
        ),
        pytest.param(
            {"segment_key": "nowhere"},
            ["segment 'nowhere'", "segment_key"],
            ["project_key", "environment_key"],
            id="segment",
        ),
    ],
)
def test_404_names_the_one_that_is_unknown(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    settings: dict[str, str],
    told: list[str],
    untold: list[str],
) -> None:
    run = sync(MESSAGES, **settings)

    assert_failed(run, "HTTP 404", sandbox.url, *told)
    for text in untold:
        assert text not in str(run.error)
    assert methods(sandbox) == ["GET"]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize("words", ["Invalid resource identifier", "Not found"])
def test_404_that_does_not_say_what_is_unknown_names_all_three(
    sandbox: Sandbox, sync: Callable[..., Run], words: str
) -> None:
    sandbox.faults.append(answer(404, words))

    run = sync(MESSAGES)

    assert_failed(run, "project_key", "environment_key", "segment_key", words)
    assert methods(sandbox) == ["GET"]


def test_400_quotes_launchdarkly_and_counts_operations_but_never_names_keys(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    words = f'Target limit reached at "{KEY}" and bob'
    sandbox.faults.append(answer(400, words, method="PATCH"))

    run = sync(MESSAGES)

    assert_failed(run, "HTTP 400", "Target limit reached", f"'{SEGMENT}'", "2 operations")
    assert methods(sandbox).count("PATCH") == 1
    assert sandbox.included(SEGMENT) == []


def test_400_of_the_first_request_is_not_sent_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(answer(400, "Invalid request"))

    run = sync(MESSAGES)

    assert_failed(run, "HTTP 400", "Invalid request", f"'{SEGMENT}'")
    assert methods(sandbox) == ["GET"]


def test_long_words_of_launchdarkly_are_cut(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.faults.append(answer(400, "x" * 100_000))

    run = sync(MESSAGES)

    assert_failed(run, "xxx")
    assert len(str(run.error)) < 2_000


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(
    sandbox: Sandbox, sync: Callable[..., Run], method: str, status: int
) -> None:
    """The token would go elsewhere."""
    sandbox.faults.append(Fault(kind="redirect", status=status, method=method))

    run = sync(MESSAGES)

    assert_failed(run, f"HTTP {status}", "Redirects are not followed", "api_instance", sandbox.url)
    assert methods(sandbox) == ["GET", "PATCH"][: ["GET", "PATCH"].index(method) + 1]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize("status", [402, 405, 410, 413, 422])
def test_other_refusals_are_told_with_launchdarklys_words(
    sandbox: Sandbox, sync: Callable[..., Run], status: int
) -> None:
    sandbox.faults.append(answer(status, "Some other reason", method="PATCH"))

    run = sync(MESSAGES)

    assert_failed(run, f"HTTP {status}", "Some other reason", sandbox.url)
    assert methods(sandbox) == ["GET", "PATCH"]
    assert sandbox.included(SEGMENT) == []


def test_failure_after_some_chunks_keeps_them_and_writes_no_state(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(answer(403, "Access denied", method="PATCH", after=2))

    run = sync([schema(), *members(*keys(7)), state({"done": 1})], batch_size_rows=2)

    assert_failed(run, "HTTP 403")
    assert sandbox.included(SEGMENT) == keys(4)
    assert methods(sandbox) == ["GET", "PATCH", "PATCH", "PATCH"]


# Trouble that passes: sent again until it succeeds

PASSING = [
    *(
        pytest.param(Fault(kind="status", status=status, times=2), id=f"status-{status}")
        for status in (408, 409, 429, 500, 502, 503, 504, 520)
    ),
    *(
        pytest.param(Fault(kind="status-after", status=status, times=2), id=f"{status}-but-applied")
        for status in (409, 500, 504)
    ),
    pytest.param(Fault(kind="drop-before", times=2), id="dropped-before-applying"),
    pytest.param(Fault(kind="drop-after", times=2), id="dropped-after-applying"),
    pytest.param(Fault(kind="reset-before", times=2), id="reset-before-applying"),
    pytest.param(Fault(kind="reset-after", times=2), id="reset-after-applying"),
    pytest.param(Fault(kind="html", times=2), id="html-error-page"),
    pytest.param(Fault(kind="html-ok", times=2), id="html-page-with-status-200"),
    pytest.param(Fault(kind="garbage", times=2), id="json-cut-short"),
    pytest.param(Fault(kind="truncate", times=2), id="body-cut-short"),
    pytest.param(Fault(kind="empty", times=2), id="empty-body"),
    pytest.param(Fault(kind="status", status=200, body="[]", times=2), id="json-but-no-object"),
    pytest.param(Fault(kind="status", status=200, body="{}", times=2), id="json-but-no-segment"),
    pytest.param(
        Fault(kind="status", status=200, body='{"key": "another"}', times=2), id="another-segment"
    ),
]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("fault", PASSING)
def test_passing_trouble_ends_in_exact_membership_and_state(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, fault: Fault, method: str
) -> None:
    sandbox.add_segment("table", included=["stays", "leaves"])
    sandbox.faults.append(
        Fault(fault.kind, method, status=fault.status, times=fault.times, body=fault.body)
    )

    run = sync(
        [schema(), *members("joins", "stays"), *leavers("leaves"), state({"done": 1})],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert sandbox.included("table") == ["stays", "joins"]
    assert run.states == [{"done": 1}]
    expected = {"GET": 1, "PATCH": 1} | {method: 3}
    assert {each: methods(sandbox).count(each) for each in ("GET", "PATCH")} == expected
    assert len(clock.slept) == 2


def test_answer_that_does_not_come_in_time_is_asked_for_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(Fault(kind="delay", seconds=3_600, method="PATCH"))

    run = sync(MESSAGES, request_timeout=1)

    assert run.error is None
    assert sandbox.included(SEGMENT) == [KEY, "bob"]
    assert run.states == [{"done": 1}]


# Patience


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_patience_ends_with_the_last_cause_and_the_url(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, method: str
) -> None:
    sandbox.faults.append(Fault(kind="status", status=500, method=method))
    sandbox.faults.append(Fault(kind="status", status=503, times=1_000, method=method))

    run = sync(MESSAGES, max_retry_seconds=100)

    url = f"{sandbox.url}/api/v2/segments/default/test/{SEGMENT}"
    assert_failed(run, "HTTP 503", "max_retry_seconds", "100", url, "api_instance", SEGMENT)
    assert "HTTP 500" not in str(run.error)
    assert clock.elapsed <= 100
    assert len(clock.slept) >= 2
    assert sandbox.included(SEGMENT) == []


def test_patience_of_nothing_sends_nothing_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(Fault(kind="status", status=503, headers={"Retry-After": "1"}))
    sandbox.faults.append(Fault(kind="status", status=429, headers={"Retry-After": "1"}))

    run = sync(MESSAGES, max_retry_seconds=0)

    assert_failed(run, "HTTP 503", "max_retry_seconds")
    assert methods(sandbox) == ["GET"]


def test_patience_counts_for_each_request_anew(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """One request may be retried so long; a long run may meet trouble often."""
    for after in range(4):
        fault = Fault(kind="status", status=429, after=after, headers={"Retry-After": "60"})
        sandbox.faults.append(fault)

    run = sync([schema(), *members(*keys(8))], batch_size_rows=2, max_retry_seconds=100)

    assert run.error is None
    assert clock.elapsed >= 4 * 60
    assert sandbox.included(SEGMENT) == keys(8)


def test_patience_ends_where_nobody_listens(sync: Callable[..., Run]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    run = sync(MESSAGES, api_url=url, max_retry_seconds=5)

    assert_failed(run, "connection failed", "ConnectionRefusedError", url, "max_retry_seconds")


def test_wait_that_patience_does_not_cover_is_not_begun(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """A server that asks for an hour must not make the run hang for an hour."""
    sandbox.faults.append(Fault(kind="status", status=429, headers={"Retry-After": "3600"}))

    run = sync(MESSAGES, max_retry_seconds=600)

    assert_failed(run, "HTTP 429", "rate limit", "max_retry_seconds")
    assert clock.slept == []


# Rate limits

#: The fake clock's start as an HTTP date and in epoch milliseconds.
NOW = 1_800_000_000


def reset_in(seconds: float) -> dict[str, str]:
    return {"X-Ratelimit-Reset": str(int((NOW + seconds) * 1_000))}


def http_date(seconds: float) -> str:
    return formatdate(NOW + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="retry-after"),
        pytest.param({"Retry-After": http_date(7)}, 7, id="retry-after-as-a-date"),
        pytest.param(reset_in(9.5), 9.5, id="reset"),
        pytest.param({"Retry-After": "7"} | reset_in(9), 9, id="reset-is-later"),
        pytest.param({"Retry-After": "12"} | reset_in(9), 12, id="retry-after-is-later"),
        pytest.param({"Retry-After": "12"} | reset_in(-3_600), 12, id="reset-is-past"),
        pytest.param({"Retry-After": "0"} | reset_in(-3_600), 0, id="both-are-past"),
        pytest.param(reset_in(-3_600), 0, id="only-a-reset-in-the-past"),
        pytest.param({"Retry-After": http_date(-60)}, 0, id="date-in-the-past"),
        pytest.param({"Retry-After": "-5"}, 0, id="negative"),
        pytest.param({"Retry-After": "soon"} | reset_in(3), 3, id="unreadable-beside-a-reset"),
        pytest.param({"Retry-After": "3", "X-Ratelimit-Reset": "soon"}, 3, id="unreadable-reset"),
    ],
)
def test_429_waits_as_long_as_asked_and_at_most_a_second_more(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    clock: FakeClock,
    headers: Mapping[str, str],
    asked: float,
) -> None:
    sandbox.faults.append(Fault(kind="status", status=429, headers=headers, method="PATCH"))

    run = sync(MESSAGES)

    assert run.error is None
    [slept] = clock.slept
    assert asked <= slept <= asked + 1
    assert run.states == [{"done": 1}]


def test_429_without_any_header_backs_off(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    sandbox.faults.append(Fault(kind="status", status=429, times=3))

    run = sync(MESSAGES)

    assert run.error is None
    assert len(clock.slept) == 3


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "inf"}, id="retry-after-infinite"),
        pytest.param({"Retry-After": "-inf"}, id="retry-after-minus-infinite"),
        pytest.param({"Retry-After": "nan"}, id="retry-after-nan"),
        pytest.param({"Retry-After": "1e999"}, id="retry-after-overflowing"),
        pytest.param({"X-Ratelimit-Reset": "9" * 30}, id="reset-in-ages"),
        pytest.param({"X-Ratelimit-Reset": "9" * 400}, id="reset-overflowing"),
        pytest.param({"X-Ratelimit-Reset": "1.5"}, id="reset-with-fraction"),
        pytest.param({"X-Ratelimit-Reset": "-1"}, id="reset-negative"),
    ],
)
def test_429_with_a_header_that_is_no_time_does_not_crash_or_hang(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, headers: dict[str, str]
) -> None:
    """Either it is passed over, or the error says that patience does not cover the wait."""
    sandbox.faults.append(Fault(kind="status", status=429, headers=headers))

    run = sync(MESSAGES)

    assert clock.elapsed <= 600
    if run.error is None:
        assert run.states == [{"done": 1}]
    else:
        assert_failed(run, "HTTP 429", "max_retry_seconds")


@pytest.mark.parametrize("skew", [-86_400, 86_400], ids=["clock-ahead", "clock-behind"])
def test_429_waits_right_where_this_machines_clock_is_wrong(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, skew: int
) -> None:
    """The reset is a moment of LaunchDarkly's clock; the answer's Date tells its present."""
    headers = reset_in(skew + 5) | {"Date": http_date(skew)}
    sandbox.faults.append(Fault(kind="status", status=429, headers=headers))

    run = sync(MESSAGES)

    assert run.error is None
    [slept] = clock.slept
    assert 5 <= slept <= 6


def test_rate_limit_is_waited_for_and_never_exceeded(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """Remaining 0 is a reason to wait: a 429 would count against the whole account."""
    sandbox.rate_limit = RateLimit(requests=2, window_seconds=10)

    run = sync([schema(), *members(*keys(4_000)), state({"done": 1})])

    assert run.error is None
    assert statuses(sandbox) == [200] * 4
    assert 10 <= clock.elapsed <= 12
    assert sandbox.included(SEGMENT) == keys(4_000)
    assert run.states == [{"done": 1}]


@pytest.mark.parametrize("name", ["X-Ratelimit-Route-Remaining", "X-Ratelimit-Global-Remaining"])
def test_either_limit_that_is_used_up_is_waited_for(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, name: str
) -> None:
    sandbox.faults.append(Fault(kind="delay", headers={name: "0"} | reset_in(8)))

    run = sync(MESSAGES)

    assert run.error is None
    assert sum(clock.slept) >= 8


def test_limit_that_is_used_up_but_whose_window_is_over_is_not_waited_for(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    headers = {"X-Ratelimit-Route-Remaining": "0"} | reset_in(-8)
    sandbox.faults.append(Fault(kind="delay", headers=headers))

    run = sync(MESSAGES)

    assert run.error is None
    assert clock.slept == []


def test_limit_that_is_used_up_longer_than_patience_ends_the_run(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    headers = {"X-Ratelimit-Global-Remaining": "0"} | reset_in(3_600)
    sandbox.faults.append(Fault(kind="delay", headers=headers))

    run = sync(MESSAGES, max_retry_seconds=60)

    assert_failed(run, "rate limit", "max_retry_seconds", sandbox.url)
    assert methods(sandbox) == ["GET"]
    assert clock.slept == []


# Answers that are not what was asked for


def test_answer_that_lacks_the_change_is_an_error(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """A STATE must cover only what LaunchDarkly has acknowledged."""
    unchanged = json.dumps(sandbox.get_segment(SEGMENT))
    sandbox.faults.append(Fault(kind="status", status=200, body=unchanged, method="PATCH"))

    run = sync(MESSAGES)

    assert isinstance(run.error, SegmentError)
    assert SEGMENT in str(run.error)
    assert "2 of 2" in str(run.error)
    assert KEY not in str(run.error)
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
