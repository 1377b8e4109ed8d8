"""Runs whose settings, input and answers are odd: `python tests/fuzz/fuzz.py --cases 200000`.

A case is made of `(seed, number)`. Whatever comes, a run ends with 0 or 1, says at most one error
in one line, shows no context key above DEBUG and no token at all, and sends a bounded number of
requests.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from fuzz_answers import TooManyError  # noqa: E402
from fuzz_case import make_case  # noqa: E402
from fuzz_judge import judge  # noqa: E402
from fuzz_run import run  # noqa: E402
from fuzz_wire import WireServer  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from fuzz_case import Case

#: How many cases a process takes at a time.
PORTION = 500
#: After so many portions another process goes on, as libraries leave something behind.
PORTIONS = 20
#: No run takes as long; one that hangs is told.
MAX_SECONDS = 20


class HangError(BaseException):
    """A run has no end; not an `Exception`, which the run would take for its own."""


@dataclass
class Report:
    """What many cases came to."""

    seed: int
    cases: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    most_requests: int = 0
    #: What was asked for where the answer was not right.
    changed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    broken: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take in what other cases came to."""
        self.cases += other.cases
        self.ends += other.ends
        self.requests += other.requests
        self.most_requests = max(self.most_requests, other.most_requests)
        self.changed += other.changed
        self.seconds += other.seconds
        self.broken += other.broken

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.cases.items()))
        odd = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.changed.items()))
        ends = ", ".join(f"exit {code} {count:,}" for code, count in sorted(self.ends.items()))
        return "\n".join(
            [
                *self.broken,
                f"seed          {self.seed}",
                f"cases         {self.cases.total():,} ({kinds})",
                f"ends          {ends}",
                f"requests      {self.requests:,}, at most {self.most_requests:,} a run",
                f"odd answers   {self.changed.total():,} ({odd})",
                f"CPU seconds   {self.seconds:,.0f}",
                f"broken rules  {len(self.broken):,}",
            ]
        )


def run_cases(
    seed: int,
    numbers: Iterable[int],
    *,
    kinds: dict[str, int] | None = None,
    is_shown: bool = False,
) -> Report:
    """Run the cases of some numbers, one after the other.

    Args:
        seed: Of the cases.
        numbers: Of the cases.
        kinds: The weights of the kinds, if they are not the usual ones.
        is_shown: Whether to print what each of them prints.
    """
    report, began = Report(seed), time.process_time()
    with WireServer() as wire, tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            _run_case(
                report, make_case(seed, number, wire.url, kinds), Path(folder), wire, is_shown
            )
    report.seconds = time.process_time() - began
    return report


def _run_case(report: Report, case: Case, folder: Path, wire: WireServer, is_shown: bool) -> None:
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(MAX_SECONDS)
    try:
        outcome = run(case, folder, wire)
        signal.alarm(0)
        if is_shown:
            sys.stdout.write(f"{case}\n{outcome.stdout!r}\n{outcome.stderr}\n{outcome.code}\n")
        report.ends[outcome.code] += 1
        report.changed += outcome.changed
        report.requests += outcome.requests
        report.most_requests = max(report.most_requests, outcome.requests)
        judge(case, outcome)
    except (Exception, HangError, TooManyError) as problem:  # noqa: BLE001 whatever it is, the others go on
        told = f"{type(problem).__name__}: {problem}"
        again = f"python tests/fuzz/fuzz.py --seed {report.seed} --case {case.number}"
        report.broken.append(f"Case {case.number} ({case.kind}): {told[:500]}\n  Again: {again}")
    finally:
        signal.alarm(0)
    report.cases[case.kind] += 1


def _hang(_signum: int, _frame: FrameType | None) -> None:
    raise HangError(f"no end after {MAX_SECONDS} s")


def run_in_processes(seed: int, numbers: range, jobs: int) -> Report:
    """Run the cases of some numbers in several processes."""
    starts = range(numbers.start, numbers.stop, PORTION)
    portions = [range(start, min(start + PORTION, numbers.stop)) for start in starts]
    report = Report(seed)
    # concurrent.futures may wait for ever where it replaces its processes.
    with Pool(jobs, maxtasksperchild=PORTIONS) as pool:
        for portion in pool.imap(partial(run_cases, seed), portions):
            report.add(portion)
    return report


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first case")
    parser.add_argument("--case", type=int, help="run the case of this number only, and show it")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes")
    options = parser.parse_args()
    logging.getLogger().handlers.clear()
    # Numbers of a STATE may be longer than Python reads by itself.
    sys.set_int_max_str_digits(0)
    numbers = range(options.start, options.start + options.cases)
    if options.case is not None:
        report = run_cases(options.seed, [options.case], is_shown=True)
    elif options.jobs > 1:
        report = run_in_processes(options.seed, numbers, options.jobs)
    else:
        report = run_cases(options.seed, numbers)
    sys.stdout.write(f"{report}\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
