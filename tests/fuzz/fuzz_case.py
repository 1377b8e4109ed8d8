"""One case: settings, input and answers of which some are odd, all made by one chance."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz_lines import feed
from fuzz_settings import right, source, wrong

if TYPE_CHECKING:
    from fuzz_settings import Source

#: What is odd about a case, and how often.
KINDS = {"settings": 25, "input": 35, "answers": 36, "wire": 4}


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

    @property
    def is_on_the_wire(self) -> bool:
        """Whether the answers come over a connection."""
        return self.kind == "wire"


def make_case(seed: int, number: int, url: str) -> Case:
    """Return the case of a number.

    Args:
        seed: Of the cases.
        number: Of the case.
        url: Of the server on the wire.
    """
    return draw_case(random.Random(f"{seed}/{number}"), number, url)  # noqa: S311


def draw_case(chance: random.Random, number: int, url: str) -> Case:
    """Return a case that a chance draws."""
    [kind] = chance.choices([*KINDS], [*KINDS.values()])
    config = wrong(chance) if kind == "settings" else right(chance)
    if kind == "wire":
        config |= {"api_url": url, "request_timeout": 2, "max_retry_seconds": 20}
    lines, files = feed(chance)
    rates = [0.02, 0.1, 0.3, 0.6, 1] if kind == "answers" else [0, 0, 0, 0.02]
    return Case(
        number,
        kind,
        source(chance, config),
        lines,
        files,
        chance,
        chance.choice(rates),
        "DEBUG" if chance.random() < 0.03 else "INFO",
        ["--check"] if chance.random() < 0.06 else [],
    )
