"""Signals at random moments of runs under load: `python tests/kills/kills.py --moments 1000`.

A case is made of `(seed, number)`. Whenever the signal comes: no torn line, no STATE ahead, one
line that tells it, no context key and no token, the terminal as it was, and a run after it
converges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from kill_case import make_case  # noqa: E402
from kill_judge import has_ended_before, judge  # noqa: E402
from kill_run import Targets, run_case  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kill_case import Case

#: How many cases a process takes at a time.
PORTION = 50


@dataclass
class Report:
    """What many cases came to."""

    seed: int
    #: By what the signals found the runs at.
    places: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    terminals: int = 0
    with_state: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def moments(self) -> int:
        """How many runs were stopped."""
        return self.places.total()

    def add(self, other: Report) -> None:
        """Take in what other cases came to."""
        self.places += other.places
        self.signals += other.signals
        self.too_late += other.too_late
        self.terminals += other.terminals
        self.with_state += other.with_state
        self.broken += other.broken

    def __str__(self) -> str:
        places = ", ".join(f"{name} {count:,}" for name, count in self.places.most_common())
        signals = ", ".join(f"{name} {count:,}" for name, count in self.signals.most_common())
        return "\n".join(
            [
                *self.broken,
                f"seed              {self.seed}",
                f"moments           {self.moments:,} ({places})",
                f"signals           {signals}; {self.too_late:,} more came after the end",
                f"on a terminal     {self.terminals:,}",
                f"STATE had come    {self.with_state:,}",
                f"broken rules      {len(self.broken):,}",
            ]
        )


def run_cases(seed: int, numbers: Iterable[int], planted: str = "") -> Report:
    """Run the cases of some numbers, one after the other.

    Args:
        seed: Of the cases.
        numbers: Of the cases.
        planted: An error to plant in the target.
    """
    report = Report(seed)
    with Targets() as targets, tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            _run_case(report, make_case(seed, number), targets, Path(folder), planted)
    return report


def _run_case(report: Report, case: Case, targets: Targets, folder: Path, planted: str) -> None:
    stopped, again = run_case(case, targets, folder, planted)
    if has_ended_before(stopped):
        report.too_late += 1
        return
    report.places[stopped.place or "starting"] += 1
    report.signals[case.signum.name] += 1
    report.terminals += case.is_on_a_terminal
    report.with_state += bool(stopped.stdout)
    try:
        judge(case, stopped, again)
    except Exception as problem:  # noqa: BLE001 whatever it is, the others go on
        told = f"{type(problem).__name__}: {problem}"
        command = f"python tests/kills/kills.py --seed {report.seed} --start {case.number}"
        report.broken.append(f"Case {case.number} ({stopped.place}): {told}\n  Again: {command}")


def run_moments(seed: int, start: int, moments: int, jobs: int) -> Report:
    """Run cases until so many runs were stopped before their end."""
    report = Report(seed)
    with ProcessPoolExecutor(jobs) as pool:
        while report.moments < moments:
            portions = [
                range(start + number * PORTION, start + (number + 1) * PORTION)
                for number in range(jobs)
            ]
            if moments - report.moments < PORTION:
                portions = [range(start, start + moments - report.moments)]
            for portion in pool.map(partial(run_cases, seed), portions):
                report.add(portion)
            start = portions[-1].stop
    return report


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first case")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes")
    options = parser.parse_args()
    report = run_moments(options.seed, options.start, options.moments, options.jobs)
    sys.stdout.write(f"{report}\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
