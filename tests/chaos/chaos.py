"""Runs with faults, cuts and restarts against a model: `python tests/chaos/chaos.py --cases 10000`.

A case is a tap, settings, segments and troubles, all made of `(seed, number)`. The tap is replayed
from the last STATE that the target wrote, at most a few times, the last time without trouble. The
model is written from the design and imports nothing that decides about memberships.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos_driver import Driver
from chaos_maker import make_case
from chaos_stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Report:
    """What many cases came to."""

    seed: int
    cases: int = 0
    restarts: int = 0
    removed_wrongly: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    #: How the runs ended.
    ends: Counter[str] = field(default_factory=Counter)
    divergences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            [
                *self.divergences,
                f"seed                  {self.seed}",
                f"cases                 {self.cases:,}",
                f"faults injected       {_told(self.faults)}",
                f"runs                  {_told(self.ends)}",
                f"restarts              {self.restarts:,}",
                f"divergences           {len(self.divergences):,}",
                f"wrongly removed keys  {self.removed_wrongly:,}",
            ]
        )


def _told(counts: Counter[str]) -> str:
    each = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f"{counts.total():,} ({each})"


def run_cases(seed: int, numbers: Iterable[int]) -> Report:
    """Run the cases of some numbers, one after the other, against one sandbox."""
    report = Report(seed)
    with Stage() as stage:
        for number in numbers:
            driver = Driver(stage, make_case(seed, number))
            try:
                driver.drive()
            except Exception as problem:  # noqa: BLE001 - whatever it is, the other cases go on
                told = f"{type(problem).__name__}: {problem}"
                again = f"python tests/chaos/chaos.py --seed {seed} --case {number}"
                report.divergences.append(f"Case {number}: {told}\n  Again: {again}")
            report.cases += 1
            report.restarts += driver.restarts
            report.removed_wrongly += driver.removed_wrongly
            report.ends += driver.ends
    report.faults = stage.met
    return report


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="run the case of this number only")
    options = parser.parse_args()
    numbers = range(options.cases) if options.case is None else [options.case]
    logging.disable(logging.CRITICAL)
    report = run_cases(options.seed, numbers)
    sys.stdout.write(f"{report}\n")
    return 1 if report.divergences else 0


if __name__ == "__main__":
    sys.exit(main())
