"""What was asked and answered."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_EXCHANGES = 100_000
DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        path: as received, with its query.
        headers: of the request, complete, by lower-case names.
        body: of the request, when it was JSON.
        status: None when the connection was dropped.
        started: of `time.monotonic()`, like `finished`, which lies before the answer is sent.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    status: int | None
    segment_key: str | None
    started: float
    finished: float


class RequestLog:
    """The last exchanges, for several threads.

    Args:
        keep_bodies: keep the bodies of so many of the last exchanges only.
        on_exchange: told of every exchange, in the server's thread.
    """

    def __init__(
        self,
        keep_bodies: int | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)
        self._keep_bodies = keep_bodies
        self._on_exchange = on_exchange
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange."""
        with self._lock:
            self._exchanges.append(exchange)
            self._counts[exchange.method, str(exchange.status or DROPPED)] += 1
            self._forget_a_body()
        if self._on_exchange:
            self._on_exchange(exchange)

    def exchanges(self) -> list[Exchange]:
        """List the exchanges, oldest first."""
        with self._lock:
            return list(self._exchanges)

    def counts(self) -> dict[str, object]:
        """Count all exchanges, such as `{"total": 1, "by_method": {"GET": 1}, ...}`."""
        by_method: Counter[str] = Counter()
        by_status: Counter[str] = Counter()
        with self._lock:
            for (method, status), count in self._counts.items():
                by_method[method] += count
                by_status[status] += count
        return {
            "total": by_method.total(),
            "by_method": dict(by_method),
            "by_status": dict(by_status),
        }

    def table(self) -> list[dict[str, object]]:
        """Count all exchanges, such as `[{"method": "GET", "status": "200", "count": 1}]`."""
        with self._lock:
            return [
                {"method": method, "status": status, "count": count}
                for (method, status), count in sorted(self._counts.items())
            ]

    def clear(self) -> None:
        """Forget all exchanges."""
        with self._lock:
            self._exchanges.clear()
            self._counts.clear()

    def _forget_a_body(self) -> None:
        if self._keep_bodies is None or len(self._exchanges) <= self._keep_bodies:
            return
        index = -1 - self._keep_bodies
        self._exchanges[index] = replace(self._exchanges[index], body=None)
