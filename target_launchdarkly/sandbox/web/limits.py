"""The rate limit."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """What a rate limit says to one request; `retry_after_seconds` is set when it is refused."""

    remaining: int
    reset_epoch_ms: int
    retry_after_seconds: int | None

    def headers(self) -> dict[str, str]:
        """Give the headers that tell the client."""
        # https://launchdarkly.com/docs/api#rate-limiting
        headers = {
            "X-Ratelimit-Route-Remaining": str(self.remaining),
            "X-Ratelimit-Global-Remaining": str(self.remaining),
            "X-Ratelimit-Reset": str(self.reset_epoch_ms),
        }
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return headers


class RateLimit:
    """So many requests a window; a window starts with the first request after the former's end."""

    def __init__(self, requests: int, window_seconds: float) -> None:
        if requests < 1 or window_seconds <= 0:
            raise ValueError("a rate limit needs at least one request and a time above zero")
        self.requests = requests
        self.window_seconds = window_seconds
        self._window_end = -math.inf
        self._used = 0

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Read `REQUESTS/SECONDS`, such as `10/10`."""
        requests, slash, seconds = text.partition("/")
        if not slash:
            raise ValueError("a rate limit reads REQUESTS/SECONDS, such as 10/10")
        return cls(int(requests), float(seconds))

    def document(self, now: float) -> dict[str, object]:
        """Say where the window stands at an epoch time in seconds, without counting a request.

        `reset_in_seconds` is None between two windows.
        """
        is_open = now < self._window_end
        used = min(self._used, self.requests) if is_open else 0
        return {
            "limit": self.requests,
            "window_seconds": self.window_seconds,
            "remaining": self.requests - used,
            "reset_in_seconds": self._window_end - now if is_open else None,
        }

    def admit(self, now: float) -> Quota:
        """Count a request at an epoch time in seconds."""
        if now >= self._window_end:
            self._window_end = now + self.window_seconds
            self._used = 0
        self._used += 1
        is_over = self._used > self.requests
        return Quota(
            remaining=max(0, self.requests - self._used),
            reset_epoch_ms=math.ceil(self._window_end * 1_000),
            retry_after_seconds=math.ceil(self._window_end - now) if is_over else None,
        )
