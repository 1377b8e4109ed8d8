"""Retries cost no memory, however many there are."""

from __future__ import annotations

import logging
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from running import SEGMENT, TOKEN, FakeClock

from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.api.clock import Clock
from target_launchdarkly.errors import LaunchDarklyError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from target_launchdarkly.sandbox import Sandbox

FEW, MANY = 100, 1_000
#: Room for caches that fill up once; a list of the retries would take far more.
TOLERATED_BYTES = 50_000


def test_memory_does_not_grow_with_the_number_of_retries(
    sandbox: Sandbox, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="target_launchdarkly")  # it keeps all lines
    sandbox.faults.append(Fault("status", status=503, times=MANY * 2))
    size_after: dict[int, int] = {}
    count = 0

    def sleep(seconds: float) -> None:
        nonlocal count
        count += 1
        clock.elapsed += seconds
        sandbox.clear_requests()
        if count in {FEW, MANY}:
            size_after[count] = tracemalloc.get_traced_memory()[0]
        if count == MANY:
            clock.elapsed += 1e9

    connection = Connection(
        sandbox.url, "default", "test", "tests", request_timeout_seconds=5, max_retry_seconds=1e8
    )
    client = Client(connection, TOKEN, clock=Clock(sleep, clock.monotonic, clock.now))
    tracemalloc.start()
    try:
        with pytest.raises(LaunchDarklyError, match="HTTP 503"):
            client.get_segment(SEGMENT)
    finally:
        tracemalloc.stop()

    assert count == MANY
    assert size_after[MANY] - size_after[FEW] < TOLERATED_BYTES
    assert client.requests_of(SEGMENT) == {"GET": MANY + 1}
