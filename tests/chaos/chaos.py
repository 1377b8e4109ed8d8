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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from chaos_driver import Driver
from chaos_maker import make_case
from chaos_stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many cases a process takes at a time.
PORTION = 250


@dataclass
class Report:
    """What many cases came to."""

    seed: int
    cases: int = 0
    restarts: int = 0
    removed_wrongly: int = 0
    states_ahead: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    #: How the runs ended.
    ends: Counter[str] = field(default_factory=Counter)
    divergences: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take in what other cases came to."""
        self.cases += other.cases
        self.restarts += other.restarts
        self.removed_wrongly += other.removed_wrongly
        self.states_ahead += other.states_ahead
        self.faults += other.faults
        self.ends += other.ends
        self.divergences += other.divergences

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
                f"STATE lines ahead     {self.states_ahead:,}",
                f"wrongly removed keys  {self.removed_wrongly:,}",
            ]
        )


def _told(counts: Counter[str]) -> str:
    each = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f"{counts.total():,} ({each})"


def run_cases(
    seed: int, numbers: Iterable[int], *, first_only: bool = False, only: str = ""
) -> Report:
    """Run the cases of some numbers, one after the other, against one sandbox.

    Args:
        seed: Of the cases.
        numbers: Of the cases.
        first_only: Whether to stop at the first divergence.
        only: "big" for cases of big segments alone.
    """
    report = Report(seed)
    with Stage() as stage:
        for number in numbers:
            driver = Driver(stage, make_case(seed, number, is_big=only == "big"))
            try:
                driver.drive()
            except Exception as problem:  # noqa: BLE001 - whatever it is, the other cases go on
                told = f"{type(problem).__name__}: {problem}"
                again = f"python tests/chaos/chaos.py --seed {seed} --case {number}"
                again += f" --only {only}" if only else ""
                report.divergences.append(f"Case {number}: {told}\n  Again: {again}")
            report.cases += 1
            report.restarts += driver.restarts
            report.removed_wrongly += driver.removed_wrongly
            report.states_ahead += driver.states_ahead
            report.ends += driver.ends
            if first_only and report.divergences:
                break
    files = {f"file {kind}": count for kind, count in stage.faults.met_by_files.items()}
    report.faults = stage.met + Counter(files)
    return report


def _run_portion(seed: int, only: str, numbers: range) -> Report:
    logging.disable(logging.CRITICAL)
    return run_cases(seed, numbers, only=only)


def run_in_processes(seed: int, count: int, jobs: int, only: str) -> Report:
    """Run the first so many cases of a seed in several processes."""
    portions = [range(start, min(start + PORTION, count)) for start in range(0, count, PORTION)]
    report = Report(seed)
    with ProcessPoolExecutor(jobs) as pool:
        for portion in pool.map(partial(_run_portion, seed, only), portions):
            report.add(portion)
    return report


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="run the case of this number only")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes")
    parser.add_argument("--first", action="store_true", help="stop at the first divergence")
    parser.add_argument(
        "--only", choices=["", "big"], default="", help="segments of one type alone"
    )
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.jobs > 1 and options.case is None:
        report = run_in_processes(options.seed, options.cases, options.jobs, options.only)
    else:
        numbers = range(options.cases) if options.case is None else [options.case]
        first_only, only = options.first, options.only
        report = run_cases(options.seed, numbers, first_only=first_only, only=only)
    sys.stdout.write(f"{report}\n")
    return 1 if report.divergences else 0


if __name__ == "__main__":
    sys.exit(main())
