"""Trouble that passes: sent again until it succeeds, or until patience ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from failing_runs import KEY, MESSAGES, assert_failed, methods
from messages import keys, leavers, members, schema, state
from running import SEGMENT

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

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
    if method == "PATCH" and fault.status != 429:
        # Its fate was unknown for a while, so the segment is looked at once more.
        expected["GET"] += 1
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


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=503, times=1_000),
        Fault(kind="status", status=429, times=1_000),
        Fault(kind="drop-before", times=1_000),
        Fault(kind="garbage", times=1_000),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_outage_of_ten_minutes_costs_at_most_twenty_requests(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, fault: Fault
) -> None:
    """The rate limit is shared by the whole account, also when it comes back."""
    sandbox.faults.append(fault)

    run = sync(MESSAGES, max_retry_seconds=600)

    assert_failed(run, "max_retry_seconds")
    assert clock.elapsed > 500
    assert len(sandbox.requests) <= 20


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


@pytest.mark.parametrize("seconds", ["3600", "1e300"])
def test_wait_that_patience_does_not_cover_is_not_begun(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock, seconds: str
) -> None:
    """A server that asks for an hour must not make the run hang for an hour, nor fill the log."""
    sandbox.faults.append(Fault(kind="status", status=429, headers={"Retry-After": seconds}))

    run = sync(MESSAGES, max_retry_seconds=600)

    assert_failed(run, "HTTP 429", "rate limit", "max_retry_seconds")
    assert "0" * 20 not in str(run.error)
    assert clock.slept == []
