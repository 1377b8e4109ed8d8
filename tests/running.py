"""What a run in this process needs and leaves behind; what no run may print."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_launchdarkly.api.clock import Clock

if TYPE_CHECKING:
    from target_launchdarkly.target import TargetLaunchDarkly

TOKEN = "api-sandbox"
SEGMENT = "beta-users"


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    #: A whole second, as HTTP dates have no smaller unit.
    epoch: float = 1_800_000_000.0
    elapsed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.epoch + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.elapsed += seconds

    @property
    def system(self) -> Clock:
        return Clock(
            sleep=self.sleep, monotonic=self.monotonic, now=self.now, started=lambda: self.epoch
        )


@dataclass
class Run:
    """What a run left behind."""

    target: TargetLaunchDarkly
    #: The STATE values on stdout, in order.
    states: list[Any]
    error: Exception | None

    @property
    def summary(self) -> str:
        return "\n".join(self.target.summary())


def demand_discreet(text: str, *, keys_may_show: bool = False) -> None:
    """Assert that a text holds neither the sandbox's token nor one of the tests' keys."""
    assert TOKEN not in text
    assert keys_may_show or not re.search(r"user-\d|person-\d|zoe\.", text)
