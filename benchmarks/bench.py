"""`make bench`: what syncing costs with this target and with its rivals, measured side by side."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from catalogue import (
    LONG,
    LONG_BIG,
    LONG_KEYS,
    NAMES,
    SMALL_BIG,
    START_UP,
    big,
    large,
    long,
    long_big,
    long_keys,
    small,
    start_of,
)
from programs import PROGRAMS
from runs import Lab, sandbox_process
from scenarios import CYCLE
from tables import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scenarios import Scenario

DEFAULT_ROWS, QUICK_ROWS, RIVAL_ROWS = 1_000_000, 50_000, 50_000
DEFAULT_REPEATS = 3
#: Starts are short, and differ by little.
STARTS_PER_REPEAT = 3
TEN_MILLION = 10_000_000


def main() -> None:
    """Measure, print, and exit with 1 if a membership or a number of requests is wrong."""
    options = _options()
    report = Report()
    problems: list[str] = []
    with sandbox_process() as sandbox, TemporaryDirectory() as folder:
        lab = Lab(sandbox, Path(folder), options.rival_rows)
        scenarios = list(_scenarios(options))
        # Once for nothing, so that nobody compiles or reads from disk what the next one finds.
        for name in {name for scenario in scenarios for name in scenario.programs}:
            lab.run(PROGRAMS[name], small()[0])
        for scenario in scenarios:
            _say(f"{scenario.title}: {', '.join(scenario.programs)}")
            problems += _measure(scenario, options.repeats, report, lab)
    print(_heading(report, options.repeats))
    print(report.table(options.rival_rows))
    print("\nFewest requests that can do it, which the target's must equal:\n")
    print(report.minima())
    if growth := list(report.growth()):
        print("\nMemory:\n")
        print("\n".join(growth))
    for problem in problems:
        _say(f"WRONG: {problem}")
    sys.exit(1 if problems else 0)


def _options() -> argparse.Namespace:
    options = _parser().parse_args()
    options.rows = options.rows or [QUICK_ROWS if options.quick else DEFAULT_ROWS]
    options.repeats = options.repeats or (1 if options.quick else DEFAULT_REPEATS)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--rows",
        type=_rows,
        nargs="+",
        metavar="N",
        help=f"sizes of all that have no size of their own; default {DEFAULT_ROWS:,}",
    )
    add(
        "--rival-rows",
        type=_rows,
        metavar="N",
        default=RIVAL_ROWS,
        help="RECORD messages that are enough for stock and batch, a fifth of it with 30 "
        f"columns; the rest is scaled; default {RIVAL_ROWS:,}",
    )
    quick = f"a trial: {QUICK_ROWS:,} rows, and each program once, unless told otherwise"
    add("--quick", action="store_true", help=quick)
    add("--repeats", type=int, metavar="N", help=f"default {DEFAULT_REPEATS}")
    only = f"may be repeated: {', '.join(NAMES)}"
    add("--only", action="append", choices=NAMES, metavar="NAME", help=only)
    add(
        "--ten-million",
        action="store_true",
        help=f"also {TEN_MILLION:,} rows through a pipe, of few keys and of as many, once, for "
        "their peak memory and temporary files; with --quick ten times --rows",
    )
    return parser


def _rows(text: str) -> int:
    rows = int(text.replace(",", "").replace("_", ""))
    if rows <= 0 or rows % CYCLE:
        raise argparse.ArgumentTypeError(f"must be a multiple of {CYCLE:,}")
    return rows


def _scenarios(options: argparse.Namespace) -> Iterator[Scenario]:
    wanted = options.only or NAMES
    several = small()
    for rows in options.rows:
        several += large(rows)
    if SMALL_BIG not in options.rows:
        several.append(big(SMALL_BIG))
    if options.ten_million or {LONG, LONG_KEYS, LONG_BIG} & set(options.only or ()):
        rows = options.rows[0] * 10 if options.quick else TEN_MILLION
        several += [long(CYCLE), long(rows), long_keys(rows), long_big(rows)]
    yield from (scenario for scenario in several if scenario.name in wanted)


def _measure(scenario: Scenario, repeats: int, report: Report, lab: Lab) -> list[str]:
    """Run a scenario's programs in turn, as often as asked; return what went wrong."""
    problems: list[str] = []
    start_up = start_of(scenario)
    if scenario.name == START_UP:
        repeats *= STARTS_PER_REPEAT
    for _ in range(1 if scenario.is_piped else repeats):
        for name in scenario.programs:
            # Beside each run, as the machine's mood may change between the first and the last.
            start = lab.run(PROGRAMS[name], start_up)
            result = lab.run(PROGRAMS[name], scenario) if scenario.rows else start
            problems += report.add(scenario, name, result, start)
            _say(
                f"  {name}: CPU {result.usage.cpu_seconds:.2f} s, of it start "
                f"{start.usage.cpu_seconds:.2f} s, wall {result.usage.wall_seconds:.2f} s"
            )
    lab.forget_inputs()
    return problems


def _heading(report: Report, repeats: int) -> str:
    today = datetime.now().astimezone().date()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    names = {name for programs in report.runs.values() for name in programs}
    programs = "\n".join(f"- {name}: {PROGRAMS[name].told}" for name in PROGRAMS if name in names)
    return (
        f"`python {' '.join(sys.argv)}`, {today}: {_cpu_model()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, singer-sdk "
        f"{version('singer-sdk')}, launchdarkly-api {version('launchdarkly-api')}. Programs in "
        f"turn, {repeats} times (start-up {repeats * STARTS_PER_REPEAT}); load averages at the "
        f"end {load}.\n\n{programs}\n"
    )


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
