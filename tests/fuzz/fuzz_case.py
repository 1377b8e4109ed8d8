"""One case: settings, input and answers of which some are odd, all made by one chance."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz_lines import odd_feed, right_feed
from fuzz_settings import guards_token, right, source, way, wrong

if TYPE_CHECKING:
    from fuzz_settings import Source

#: What is odd about a case, and how often of 1,000; the last two answer over a connection, and the
#: last is a process of its own.
KINDS = {"settings": 230, "input": 280, "answers": 480, "wire": 9, "process": 1}
#: How many of the answers are odd.
RATES = {"answers": (0.02, 0.05, 0.1, 0.2, 0.3, 1), "input": (0, 0, 0, 0.05)}
CHECKS = (["--check"], ["--check", "--input", "-"])
WIRE_RATES = (0, 0.2, 0.5, 1)


@dataclass(frozen=True)
class Case:
    """What one run is given."""

    number: int
    kind: str
    source: Source
    feed: bytes
    #: By name, in the folder of the run.
    files: dict[str, bytes]
    #: Draws the answers.
    chance: random.Random
    trouble_rate: float
    level: str
    options: list[str]
    #: Whether nothing but the setting names the token, or the setting is it.
    guards_token: bool

    @property
    def is_on_the_wire(self) -> bool:
        """Whether the answers come over a connection."""
        return self.kind in {"wire", "process"}


def make_case(seed: int, number: int, url: str, kinds: dict[str, int] | None = None) -> Case:
    """Return the case of a number.

    Args:
        seed: Of the cases.
        number: Of the case.
        url: Of the server on the wire.
        kinds: Other weights than `KINDS`.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311
    weights = kinds or KINDS
    [kind] = chance.choices([*weights], [*weights.values()])
    return draw_case(chance, number, kind, url)


def draw_case(chance: random.Random, number: int, kind: str, url: str) -> Case:
    """Return a case that a chance draws."""
    config = right(chance)
    if kind == "settings":
        config = wrong(chance, config)
    elif kind == "answers":
        config = way(chance)
    elif kind in {"wire", "process"}:
        patience = 0 if kind == "process" else 20
        config = way(chance) | {"api_url": url, "request_timeout": 2}
        config |= {"max_retry_seconds": patience, "max_import_seconds": patience}
    lines, files = odd_feed(chance) if kind == "input" else right_feed(chance)
    rates = WIRE_RATES if kind in {"wire", "process"} else RATES.get(kind, (0,))
    return Case(
        number,
        kind,
        source(chance, config),
        lines,
        files,
        chance,
        chance.choice(rates),
        "DEBUG" if chance.random() < 0.03 else "INFO",
        chance.choice(CHECKS) if chance.random() < 0.1 else [],
        guards_token(config),
    )
