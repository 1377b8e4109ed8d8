"""Time, faults and limits of the chaos test, which remember what they did."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from chaos_cases import EPOCH

from target_launchdarkly.api.clock import Clock
from target_launchdarkly.sandbox import Fault, FaultQueue, RateLimit
from target_launchdarkly.sandbox.web.turns import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping


class SharedClock:
    """Time that passes only when somebody sleeps, for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.elapsed = 0.0
        #: Epoch seconds of the start of the process whose run it is.
        self.started = EPOCH
        self.system = Clock(
            sleep=self._sleep,
            monotonic=lambda: self.elapsed,
            now=self.now,
            started=lambda: self.started,
        )

    def now(self) -> float:
        return EPOCH + self.elapsed

    def _sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.elapsed += seconds


class WatchedFaults(FaultQueue):
    """Remembers the fault in work of each request."""

    def __init__(self) -> None:
        super().__init__()
        self._met: dict[Any, Fault] = {}
        self.met_by_files: Counter[str] = Counter()

    def take(self, method: str) -> Fault | None:
        fault = super().take(method)
        if fault and method == FILE:
            # No request to the API, so that nobody asks for it.
            self.met_by_files[fault.kind] += 1
        elif fault:
            self._met[asyncio.current_task()] = fault
        return fault

    def met(self) -> Fault | None:
        return self._met.pop(asyncio.current_task(), None)


class WatchedLimit(RateLimit):
    """Remembers what it said to each request in work."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._not_before: dict[Any, float] = {}

    def admit(self, now: float) -> Any:
        quota = super().admit(now)
        if not quota.remaining:
            self._not_before[asyncio.current_task()] = quota.reset_epoch_ms / 1_000
        return quota

    def not_before(self) -> float:
        return self._not_before.pop(asyncio.current_task(), 0.0)


def asked_for(headers: Mapping[str, str], now: float) -> float:
    retry_after = now + float(headers.get("Retry-After", 0))
    return max(retry_after, float(headers.get("X-Ratelimit-Reset", 0)) / 1_000)
