"""Runs become a Markdown table, and the claims they bear out or not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from runs import PROGRAMS, Usage
from scenarios import CYCLE, SMALL_BIG, START_UP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runs import Run
    from scenarios import Scenario

CPU_RATIO_CLAIMED = 20
START_UP_RATIO_CLAIMED = 1.2
LONG_PEAK_RATIO_CLAIMED = 1.2
BIG_PEAK_MIB_CLAIMED = 30

HEADER = (
    "| scenario | program | CPU µs/record, net | CPU µs/record, gross | wall s | peak MiB "
    "| requests | kB sent | stock CPU / its CPU |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|"
)
NOTES = """\
CPU is user + system of the whole process; net is without the median of the program's start-ups on
an empty input, one just before each run (the start-up rows show ms of CPU, not µs a record).
Medians, in brackets the least and the most. The last column divides stock's median by the
program's, net; in the start-up rows gross. What drowns in the spread of the start-ups has no ratio.
≈: given the first {limit:,} rows only, which is what its net CPU, peak and membership are of;
the rest is scaled up to all rows.
Rivals do not mirror a snapshot: into the big segment they send additions only."""


@dataclass
class Report:
    """All runs of a session."""

    #: By scenario and program name.
    runs: dict[Scenario, dict[str, list[Run]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    #: What starting took just before each of them.
    starts: dict[tuple[Scenario, str], list[Usage]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, scenario: Scenario, program: str, run: Run, start: Usage) -> list[str]:
        """Keep a run and the start before it; return what is wrong with the run."""
        self.runs[scenario][program].append(run)
        self.starts[scenario, program].append(start)
        problems = list(run.problems)
        minimum = scenario.minimum_requests()
        if program == "target" and run.requests != minimum:
            problems.append(f"it took {_by_method(run.requests)}, not {_by_method(minimum)}")
        return [f"{scenario.title}, {program}: {problem}" for problem in problems]

    def table(self) -> str:
        """Return the table."""
        rows = [
            "| " + " | ".join(self._cells(scenario, program)) + " |"
            for scenario, programs in self.runs.items()
            for program in programs
        ]
        limit = max(program.max_rows or 0 for program in PROGRAMS.values())
        return "\n".join([HEADER, *rows, "", NOTES.format(limit=limit)])

    def minima(self) -> str:
        """Return what the fewest requests of each scenario are."""
        return "\n".join(
            f"- {scenario.title}: {_by_method(scenario.minimum_requests())}"
            for scenario in self.runs
        )

    def claims(self) -> Iterator[str]:
        """Yield whether each claim holds, of those that were measured."""
        for scenario, programs in self.runs.items():
            if not {"target", "stock"} <= programs.keys():
                continue
            ratio = self._ratio(scenario, "target")
            if scenario.name == START_UP:
                told = "start-up, its CPU / stock CPU"
                yield _claim(told, 1 / ratio, START_UP_RATIO_CLAIMED)
            elif scenario.name in {"plain", "wide", "streams"}:
                told = f"{scenario.title}, stock CPU / its CPU"
                if self._drowns(scenario, "target"):
                    yield f"- {told}: too few rows to tell"
                else:
                    yield _claim(told, ratio, CPU_RATIO_CLAIMED, at_least=True)
        for title, peak, base_peak in self._peaks("big", SMALL_BIG):
            told = f"{title}, MiB of peak above that of {SMALL_BIG:,}"
            yield _claim(told, peak - base_peak, BIG_PEAK_MIB_CLAIMED)
        for title, peak, base_peak in self._peaks("ten-million", CYCLE):
            told = f"{title}, peak / that of {CYCLE:,}"
            yield _claim(told, peak / base_peak, LONG_PEAK_RATIO_CLAIMED)

    def _peaks(self, name: str, base_rows: int) -> Iterator[tuple[str, float, float]]:
        """Yield title, peak and the peak of the smallest run, for a scenario of several sizes."""
        peaks = {
            scenario.rows: (
                scenario.title,
                median(run.usage.peak_mib for run in programs["target"]),
            )
            for scenario, programs in self.runs.items()
            if scenario.name == name
        }
        for rows in sorted(peaks.keys() - {base_rows}):
            title, peak = peaks[rows]
            yield title, peak, peaks[base_rows][1]

    def _cells(self, scenario: Scenario, program: str) -> Iterator[str]:
        runs = self.runs[scenario][program]
        scale = scenario.rows / runs[0].rows if scenario.rows else 1
        about = "≈ " if scale > 1 else ""
        yield scenario.title
        yield program
        yield from self._cpu_cells(scenario, program, about)
        start_seconds = self._start(scenario, program).wall_seconds
        walls = [_scaled(run.usage.wall_seconds, start_seconds, scale) for run in runs]
        yield about + _spread(walls, 2)
        yield _spread([run.usage.peak_mib for run in runs], 1)
        yield about + _spread([sum(run.requests.values()) * scale for run in runs], 0)
        yield about + _spread([run.sent_bytes * scale / 1_000 for run in runs], 1)
        can_say = "stock" in self.runs[scenario] and not self._drowns(scenario, program)
        yield f"{self._ratio(scenario, program):.2f}" if can_say else "-"

    def _cpu_cells(self, scenario: Scenario, program: str, about: str) -> Iterator[str]:
        start_us = 1e6 * self._start(scenario, program).cpu_seconds
        if scenario.rows:
            net = self._net_us(scenario, program)
            yield _spread(net, 2)
            yield about + _spread([one + start_us / scenario.rows for one in net], 2)
        else:
            runs = self.runs[scenario][program]
            yield "-"
            yield _spread([1e3 * run.usage.cpu_seconds for run in runs], 0) + " ms"

    def _ratio(self, scenario: Scenario, program: str) -> float:
        """Return how many times a program's CPU goes into stock's, or 0 if it shows none."""
        ours, stock = (self._cost(scenario, name) for name in (program, "stock"))
        return stock / ours if ours > 0 else 0

    def _drowns(self, scenario: Scenario, program: str) -> bool:
        """Whether all records together take less CPU than one start may take more than another."""
        starts = [start.cpu_seconds for start in self.starts[scenario, program]]
        rows = self.runs[scenario][program][0].rows
        spread_us = (max(starts) - min(starts)) * 1e6
        return rows > 0 and self._cost(scenario, program) * rows <= spread_us

    def _cost(self, scenario: Scenario, program: str) -> float:
        """Return the CPU of a record, or of a start."""
        if scenario.rows:
            return median(self._net_us(scenario, program))
        return self._start(scenario, program).cpu_seconds

    def _net_us(self, scenario: Scenario, program: str) -> list[float]:
        start_seconds = self._start(scenario, program).cpu_seconds
        runs = self.runs[scenario][program]
        return [(run.usage.cpu_seconds - start_seconds) * 1e6 / run.rows for run in runs]

    def _start(self, scenario: Scenario, program: str) -> Usage:
        """Return what a program's start took beside a scenario: the medians."""
        starts = self.starts[scenario, program]
        return Usage(
            median(usage.cpu_seconds for usage in starts),
            median(usage.wall_seconds for usage in starts),
            median(usage.peak_mib for usage in starts),
        )


def _scaled(seconds: float, start_seconds: float, scale: float) -> float:
    """Return what all rows would take; starting is done once."""
    return start_seconds + (seconds - start_seconds) * scale


def _spread(values: list[float], digits: int) -> str:
    """Return the median with the least and the most, or one number if they look the same."""
    middle, least, most = (
        f"{value:,.{digits}f}" for value in (median(values), min(values), max(values))
    )
    return middle if least == most else f"{middle} ({least}-{most})"


def _by_method(requests: dict[str, int]) -> str:
    parts = [f"{count} {method}" for method, count in requests.items()]
    return f"{sum(requests.values())} = {' + '.join(parts)}" if parts else "0"


def _claim(told: str, value: float, claimed: float, *, at_least: bool = False) -> str:
    holds = value >= claimed if at_least else value <= claimed
    words = "at least" if at_least else "at most"
    verdict = "holds" if holds else "DOES NOT HOLD"
    return f"- {told}: {value:.2f}, claimed {words} {claimed:g}: {verdict}"
