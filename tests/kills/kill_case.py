"""A run under load, and the moment at which a signal is sent: all drawn by one chance."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from typing import Any

from messages import record, schema, state

from target_launchdarkly.sandbox import Fault

THERE = ("gone", "stays", "user-1", "user-2")
#: When to send the signal: after so much time, of the input, of the requests, or of STATE.
WHENS = ("time", "time", "input", "request", "request", "state", "state")


@dataclass(frozen=True)
class Case:
    """What one run is given, and when it is stopped."""

    number: int
    signum: signal.Signals
    when: str
    #: From 0 to 1: of what `when` says.
    share: float
    #: Seconds between that and the signal.
    delay: float
    #: SCHEMA, then records with a STATE after every few.
    messages: list[dict[str, Any]]
    #: Whether there is a checkpoint after every record, and not at the end alone.
    is_often: bool
    settings: dict[str, Any]
    #: Requests in a tenth of a second; None for any number.
    rate_limit: int | None
    faults: list[Fault]
    is_on_a_terminal: bool

    @property
    def output_bytes(self) -> int:
        """About how many bytes of STATE the run writes."""
        states = [message for message in self.messages if message["type"] == "STATE"]
        size: int = len(states[0]["value"]["padding"])
        # Of those that come together, the last one is written.
        return size * 2 if self.is_often else size

    @property
    def requests(self) -> int:
        """About how many requests the run takes."""
        words = wanted_after(self.messages)
        changes = sum(is_member != (key in THERE) for key, is_member in words.items())
        return changes + 1 if self.is_often else changes // self.settings["batch_size_rows"] + 2


def make_case(seed: int, number: int) -> Case:
    """Return the case of a number."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311
    is_often = chance.random() < 0.6
    when = chance.choice(WHENS)
    # What no pipe holds, so that a signal finds it half written.
    padding = 300_000 if when == "state" else chance.choice([0, 0, 1_000])
    faults = []
    if chance.random() < 0.4:
        faults.append(Fault("delay", method="PATCH", after=chance.randrange(6), seconds=0.1))
    if chance.random() < 0.3:
        after, headers = chance.randrange(6), {"Retry-After": "1"}
        faults.append(Fault("status", method="PATCH", after=after, status=429, headers=headers))
    is_on_a_terminal = chance.random() < 0.15
    # The target has to read what it was given.
    delay = chance.random() * 0.15 if when == "input" else chance.choice([0, 0, 0.01, 0.02])
    return Case(
        number,
        signal.SIGINT if is_on_a_terminal and chance.random() < 0.5 else signal.SIGTERM,
        when,
        chance.random(),
        delay,
        _messages(chance, 25 if is_often else 150, padding),
        is_often,
        {"audience_sync_mode": "mirror", "batch_size_rows": chance.choice([2, 5, 20])},
        chance.choice([None, None, 3]),
        faults,
        is_on_a_terminal,
    )


def _messages(chance: random.Random, count: int, padding: int) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [schema()]
    for number in range(count):
        key = chance.choice([*THERE, *[f"user-{chance.randrange(3 * count)}"] * 8])
        told.append(record(key, is_member=chance.random() < 0.7))
        if number % 4 == 3:
            told.append(state({"position": len(told) + 1, "padding": "x" * padding}))
    told.append(state({"position": len(told) + 1, "padding": "x" * padding}))
    return told


def wanted_after(messages: list[dict[str, Any]]) -> dict[str, bool]:
    """Return the last flag of every key."""
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    return {row["context_key"]: row["is_member"] for row in rows}
