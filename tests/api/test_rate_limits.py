"""Rate limits: how long the target waits for them, and that it does not exceed them."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from failing_runs import MESSAGES, assert_failed, methods, statuses
from messages import keys, members, record, schema, state
from running import SEGMENT

from target_launchdarkly.sandbox import Fault, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

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
        pytest.param({"Retry-After": "0"} | reset_in(-3_600), 1, id="both-are-past"),
        pytest.param(reset_in(-3_600), 1, id="only-a-reset-in-the-past"),
        pytest.param({"Retry-After": http_date(-60)}, 1, id="date-in-the-past"),
        pytest.param({"Retry-After": "-5"}, 1, id="negative"),
        pytest.param({"Retry-After": "soon"} | reset_in(3), 3, id="unreadable-beside-a-reset"),
        pytest.param({"Retry-After": "3", "X-Ratelimit-Reset": "soon"}, 3, id="unreadable-reset"),
    ],
)
def test_429_waits_as_long_as_asked_or_backs_off_and_at_most_a_second_more(
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


def test_429_without_any_header_waits_for_a_window(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    sandbox.faults.append(Fault(kind="status", status=429, times=3))

    run = sync(MESSAGES)

    assert run.error is None
    assert len(clock.slept) == 3
    assert all(10 <= slept <= 11 for slept in clock.slept)


MISLEADING = [
    pytest.param({"Retry-After": "0"}, id="retry-after-0"),
    pytest.param({"Retry-After": "-1"}, id="retry-after-negative"),
    pytest.param({"Retry-After": http_date(-3_600)}, id="retry-after-a-past-date"),
    pytest.param(reset_in(-3_600), id="reset-in-the-past"),
    pytest.param({"X-Ratelimit-Reset": "0"}, id="reset-0"),
    pytest.param(
        {"X-Ratelimit-Global-Remaining": "0", "X-Ratelimit-Global-Reset": "1"}, id="of-a-family"
    ),
    pytest.param({"Retry-After": "0", "Date": http_date(86_400)} | reset_in(0), id="date-ahead"),
    pytest.param({"Retry-After": "1e-9"}, id="next-to-nothing"),
    pytest.param({"Retry-After": "soon"}, id="unreadable"),
]


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("headers", MISLEADING)
def test_misleading_headers_get_no_more_requests_than_the_backoff_makes(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    clock: FakeClock,
    headers: dict[str, str],
    status: int,
) -> None:
    """1, 2, 4 … 32 and 60 seconds apart: 15 requests in the ten minutes of `max_retry_seconds`."""
    sandbox.faults.append(Fault(kind="status", status=status, headers=headers, times=100_000))

    run = sync(MESSAGES)

    assert_failed(run, f"HTTP {status}", "max_retry_seconds")
    assert len(sandbox.requests) <= 15
    assert all(slept >= min(2**number, 60) for number, slept in enumerate(clock.slept))


def test_limit_that_one_request_meets_holds_back_all_others(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """The limit is the account's: the second segment must not find out for itself."""
    sandbox.add_segment("other")
    sandbox.faults.append(
        Fault(kind="status", status=429, headers={"Retry-After": "3600"}, times=100)
    )
    columns = {"context_key": {"type": "string"}, "segment": {"type": "string"}}
    rows = [record("a", segment=SEGMENT), record("a", segment="other")]

    run = sync([schema(columns=columns), *rows], segment_key_field="segment")

    assert_failed(run, "HTTP 429")
    assert clock.slept == []
    assert len(sandbox.requests) == 1


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


@pytest.mark.parametrize("family", ["Global", "Route", "Auth-Token"])
@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize(
    ("resets", "asked"),
    [
        pytest.param({"X-Ratelimit-Reset": 8}, 8, id="the-common-reset"),
        pytest.param({"X-Ratelimit-{}-Reset": 8}, 8, id="its-own-reset"),
        pytest.param({"X-Ratelimit-{}-Reset": 8, "X-Ratelimit-Reset": 20}, 8, id="its-own-first"),
    ],
)
def test_each_limit_that_is_used_up_is_waited_for(  # noqa: PLR0917
    sandbox: Sandbox,
    sync: Callable[..., Run],
    clock: FakeClock,
    family: str,
    status: int,
    resets: dict[str, int],
    asked: int,
) -> None:
    headers = {f"X-Ratelimit-{family}-Remaining": "0"}
    for name, seconds in resets.items():
        headers[name.format(family)] = str((NOW + seconds) * 1_000)
    kind: Any = "delay" if status == 200 else "status"
    sandbox.faults.append(Fault(kind=kind, status=status, headers=headers))

    run = sync(MESSAGES)

    assert run.error is None
    assert asked <= sum(clock.slept) <= asked + 1


def test_limit_that_is_not_used_up_is_not_waited_for(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    """Each of the families counts for itself, and any may be absent."""
    headers = {
        "X-Ratelimit-Global-Remaining": "3",
        "X-Ratelimit-Auth-Token-Remaining": "0",
        "X-Ratelimit-Auth-Token-Reset": str((NOW + 4) * 1_000),
    } | reset_in(300)
    sandbox.faults.append(Fault(kind="status", status=429, headers=headers))

    run = sync(MESSAGES)

    assert run.error is None
    assert 4 <= sum(clock.slept) <= 5


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
