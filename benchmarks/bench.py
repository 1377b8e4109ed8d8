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

from runs import PROGRAMS, run, sandbox_process
from scenarios import ALL, CYCLE, SMALL_BIG, START_UP, big, large, long, small
from tables import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runs import SandboxProcess
    from scenarios import Scenario

NAMES = (
    *("start-up", "first-load", "unchanged", "one-percent", "segments"),
    *("plain", "wide", "streams", "big", "ten-million"),
)
DEFAULT_ROWS = 1_000_000
QUICK_ROWS = 50_000
TEN_MILLION = 10_000_000


def main() -> None:
    """Measure, print, and exit with 1 if a membership or a number of requests is wrong."""
    options = _options()
    report = Report()
    problems: list[str] = []
    with sandbox_process() as sandbox, TemporaryDirectory() as folder:
        for scenario in _scenarios(options):
            _say(f"{scenario.title}: {', '.join(scenario.programs)}")
            problems += _measure(scenario, options.repeats, report, sandbox, Path(folder))
    print(_heading(options.repeats))
    print(report.table())
    print("\nFewest requests that can do it, which the target's must equal:\n")
    print(report.minima())
    print("\nClaims:\n")
    # A run that did something else says nothing about this one.
    print("Not judged, as something is wrong." if problems else "\n".join(report.claims()))
    for problem in problems:
        _say(f"WRONG: {problem}")
    sys.exit(1 if problems else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows",
        type=_rows,
        nargs="+",
        metavar="N",
        help=f"sizes of plain, wide, streams and big; default {DEFAULT_ROWS:,}",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"a trial: {QUICK_ROWS:,} rows, and each program once, unless told otherwise",
    )
    parser.add_argument("--repeats", type=int, metavar="N", help="default 5")
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="NAME",
        help=f"besides start-up, which all others need; may be repeated: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--ten-million",
        action="store_true",
        help=f"also {TEN_MILLION:,} rows through a pipe, once, for their peak memory; with --quick "
        "ten times --rows",
    )
    options = parser.parse_args()
    options.rows = options.rows or [QUICK_ROWS if options.quick else DEFAULT_ROWS]
    options.repeats = options.repeats or (1 if options.quick else 5)
    return options


def _rows(text: str) -> int:
    rows = int(text.replace(",", "").replace("_", ""))
    if rows <= 0 or rows % CYCLE:
        raise argparse.ArgumentTypeError(f"must be a multiple of {CYCLE:,}")
    return rows


def _scenarios(options: argparse.Namespace) -> Iterator[Scenario]:
    wanted = {START_UP, *(options.only or NAMES)}
    several = small()
    for rows in options.rows:
        several += large(rows)
    if SMALL_BIG not in options.rows:
        several.append(big(SMALL_BIG))
    if options.ten_million or "ten-million" in (options.only or ()):
        several += [long(CYCLE), long(options.rows[0] * 10 if options.quick else TEN_MILLION)]
    yield from (scenario for scenario in several if scenario.name in wanted)


def _measure(
    scenario: Scenario, repeats: int, report: Report, sandbox: SandboxProcess, folder: Path
) -> list[str]:
    """Run a scenario's programs in turn, as often as asked; return what went wrong."""
    problems: list[str] = []
    start_up = small()[0]
    if scenario.name == START_UP:
        # Once for nothing, so that nobody compiles or reads from disk what the next one finds.
        for name in scenario.programs:
            run(PROGRAMS[name], scenario, sandbox, folder)
    for _ in range(1 if scenario.is_piped else repeats):
        for name in scenario.programs:
            # Beside each run, as the machine's mood may change between the first and the last.
            start = run(PROGRAMS[name], start_up, sandbox, folder)
            result = run(PROGRAMS[name], scenario, sandbox, folder) if scenario.rows else start
            problems += report.add(scenario, name, result, start.usage)
            _say(
                f"  {name}: CPU {result.usage.cpu_seconds:.2f} s, "
                f"wall {result.usage.wall_seconds:.2f} s, peak {result.usage.peak_mib:.1f} MiB"
            )
    for stored in folder.glob("*.singer"):
        stored.unlink()
    return problems


def _heading(repeats: int) -> str:
    today = datetime.now().astimezone().date()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    programs = "\n".join(f"- {name}: {PROGRAMS[name].told}" for name in ALL)
    return (
        f"`python {' '.join(sys.argv)}`, {today}: {_cpu_model()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, singer-sdk "
        f"{version('singer-sdk')}, launchdarkly-api {version('launchdarkly-api')}. {repeats} "
        f"interleaved runs; load averages at the end {load}.\n\n{programs}\n"
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
