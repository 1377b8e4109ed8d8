"""Runs become a Markdown table: what each took, beside the floor, beside stock, and as aimed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from catalogue import LONG, SMALL_BIG
from scenarios import CYCLE, NO_AIMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from measure import Usage
    from runs import Run
    from scenarios import Scenario

LONG_PEAK_RATIO_AIMED = 1.2
BIG_PEAK_MIB_AIMED = 30
#: A start varies by this much even if few runs do not show it.
START_NOISE = 0.1

HEADER = (
    "| scenario | program | CPU µs/record, net | times the floor | stock CPU / its CPU | aim "
    "| wall s | peak MiB | requests | kB sent |\n"
    "|---|---|--:|--:|--:|---|--:|--:|--:|--:|"
)
NOTES = """\
CPU is user + system of the whole process; net is without the median of the program's start-ups on
an empty input, one just before each run (Parquet: on an empty file, as pyarrow is slow to import).
Medians, in brackets the least and the most. Times the floor: the program's net CPU by the floor's;
in the start-up rows by that of a bare SDK import, all gross. A dash: drowned in the spread of the
start-ups (at least 10 % of one), or a peak below the harness's own. Disk is the most that temporary
files took at once. ≈: the program was given the first rows only (stock and batch {rival:,}, a
fifth of it with 30 columns; record 2,000), which is what its net CPU, peak and membership are of;
the rest is scaled up to all rows.
Rivals do not mirror a snapshot: into the big segment they send additions only."""


@dataclass
class Report:
    """All runs of a session."""

    #: By scenario and program name.
    runs: dict[Scenario, dict[str, list[Run]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    #: What the start just before each of them took.
    starts: dict[tuple[Scenario, str], list[Usage]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: Where a run did something else, which says nothing about the aims.
    wrong: set[Scenario] = field(default_factory=set)

    def add(self, scenario: Scenario, program: str, run: Run, start: Run) -> list[str]:
        """Keep a run and the start before it; return what is wrong with them."""
        self.runs[scenario][program].append(run)
        self.starts[scenario, program].append(start.usage)
        problems = [f"at the start: {problem}" for problem in start.problems if start is not run]
        problems += run.problems
        if program == "target":
            minimum = scenario.minimum_requests()
            if run.requests != minimum:
                problems.append(f"it took {_by_method(run.requests)}, not {_by_method(minimum)}")
            if run.usage.peak_mib is None:
                problems.append("its peak cannot be told from the harness's own")
        if problems:
            self.wrong.add(scenario)
        return [f"{scenario.title}, {program}: {problem}" for problem in problems]

    def table(self, rival_rows: int) -> str:
        """Return the table."""
        rows = [
            "| " + " | ".join(self._cells(scenario, program)) + " |"
            for scenario, programs in self.runs.items()
            for program in programs
        ]
        return "\n".join([HEADER, *rows, "", NOTES.format(rival=rival_rows)])

    def minima(self) -> str:
        """Return what the fewest requests of each scenario are."""
        return "\n".join(
            f"- {scenario.title}: {_by_method(scenario.minimum_requests())}"
            for scenario in self.runs
        )

    def growth(self) -> Iterator[str]:
        """Yield how memory grows with the size, where several sizes were measured."""
        for title, peak, base_peak in self._peaks("big", SMALL_BIG):
            told = f"{title}, MiB of peak above that of {SMALL_BIG:,}"
            yield f"- {told}: {_judged(peak - base_peak, at_most=BIG_PEAK_MIB_AIMED)}"
        for title, peak, base_peak in self._peaks(LONG, CYCLE):
            told = f"{title}, peak / that of {CYCLE:,}"
            yield f"- {told}: {_judged(peak / base_peak, at_most=LONG_PEAK_RATIO_AIMED)}"

    def _peaks(self, name: str, base_rows: int) -> Iterator[tuple[str, float, float]]:
        """Yield title, peak and the peak of the smallest run, for a scenario of several sizes."""
        peaks = {
            scenario.rows: (scenario.title, self._peak_mib(scenario))
            for scenario in self.runs.keys() - self.wrong
            if scenario.name == name
        }
        for rows in sorted(peaks.keys() - {base_rows} if base_rows in peaks else ()):
            title, peak = peaks[rows]
            yield title, peak, peaks[base_rows][1]

    def _peak_mib(self, scenario: Scenario) -> float:
        return median(run.usage.peak_mib or 0 for run in self.runs[scenario]["target"])

    # Rows

    def _cells(self, scenario: Scenario, program: str) -> Iterator[str]:
        runs = self.runs[scenario][program]
        scale = scenario.rows / runs[0].rows if scenario.rows else 1
        about = "≈ " if scale > 1 else ""
        yield scenario.title
        yield program
        yield self._cpu_cell(scenario, program)
        yield _number(self._ratio(scenario, program, scenario.floor))
        yield _number(self._ratio(scenario, "stock", program))
        yield "; ".join(self._aims(scenario)) if program == "target" else ""
        start_seconds = self._start(scenario, program).wall_seconds
        walls = [_scaled(run.usage.wall_seconds, start_seconds, scale) for run in runs]
        yield about + _spread(walls, 2)
        yield _memory(runs)
        requests = [sum(run.requests.values()) * scale for run in runs]
        about = about if any(requests) else ""
        yield about + _spread(requests, 0)
        yield about + _spread([run.sent_bytes * scale / 1_000 for run in runs], 1)

    def _aims(self, scenario: Scenario) -> Iterator[str]:
        """Yield whether each aim is reached, e.g. `floor ≤ 2: holds`."""
        aims = NO_AIMS if scenario in self.wrong else scenario.aims
        if scenario in self.wrong:
            yield "not judged, as something is wrong"
        if aims.floors:
            ratio = self._ratio(scenario, "target", scenario.floor)
            yield f"floor ≤ {aims.floors:g}: {_verdict(ratio, at_most=aims.floors)}"
        if aims.stock:
            ratio = self._ratio(scenario, "stock", "target")
            yield f"stock ≥ {aims.stock:g}: {_verdict(ratio, at_least=aims.stock)}"
        if aims.peak_mib:
            peak = self._peak_mib(scenario)
            yield f"peak ≤ {aims.peak_mib:g}: {_verdict(peak, at_most=aims.peak_mib)}"

    def _cpu_cell(self, scenario: Scenario, program: str) -> str:
        if scenario.rows:
            return _spread(self._net_us(scenario, program), 2)
        runs = self.runs[scenario][program]
        return _spread([1e3 * run.usage.cpu_seconds for run in runs], 0) + " ms in all"

    # Ratios

    def _ratio(self, scenario: Scenario, program: str, other: str) -> float | None:
        """Return how many times a program takes another's CPU; None if that cannot be told."""
        programs = {program, other}
        if not programs <= self.runs[scenario].keys():
            return None
        if any(self._drowns(scenario, name) for name in programs):
            return None
        return self._cost(scenario, program) / self._cost(scenario, other)

    def _drowns(self, scenario: Scenario, program: str) -> bool:
        """Whether all records together take less CPU than one start may take more than another."""
        starts = [start.cpu_seconds for start in self.starts[scenario, program]]
        rows = self.runs[scenario][program][0].rows
        spread_us = max(max(starts) - min(starts), START_NOISE * median(starts)) * 1e6
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

    def _start(self, scenario: Scenario, program: str) -> _Start:
        """Return what a program's start took beside a scenario: the medians."""
        starts = self.starts[scenario, program]
        return _Start(
            median(usage.cpu_seconds for usage in starts),
            median(usage.wall_seconds for usage in starts),
        )


@dataclass(frozen=True, slots=True)
class _Start:
    cpu_seconds: float
    wall_seconds: float


def _scaled(seconds: float, start_seconds: float, scale: float) -> float:
    """Return what all rows would take; starting is done once."""
    return start_seconds + (seconds - start_seconds) * scale


def _memory(runs: list[Run]) -> str:
    """Return the peak, and what was on disk beside it, e.g. `58.1, disk 35.2`."""
    peaks = [run.usage.peak_mib for run in runs if run.usage.peak_mib is not None]
    told = _spread(peaks, 1) if len(peaks) == len(runs) else "-"
    disk_mib = median(run.usage.disk_mib for run in runs)
    return f"{told}, disk {disk_mib:,.0f}" if disk_mib >= 1 else told


def _spread(values: list[float], digits: int) -> str:
    """Return the median with the least and the most, or one number if they look the same."""
    middle, least, most = (
        f"{value:,.{digits}f}" for value in (median(values), min(values), max(values))
    )
    return middle if least == most else f"{middle} ({least}-{most})"


def _number(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:,.2f}"


def _by_method(requests: dict[str, int]) -> str:
    parts = [f"{count} {method}" for method, count in requests.items()]
    return f"{sum(requests.values())} = {' + '.join(parts)}" if parts else "0"


def _verdict(
    value: float | None, *, at_most: float | None = None, at_least: float | None = None
) -> str:
    if value is None:
        return "cannot be told"
    is_reached = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    return "holds" if is_reached else "MISSED"


def _judged(value: float, *, at_most: float) -> str:
    return f"{value:.2f}, aim at most {at_most:g}: {_verdict(value, at_most=at_most)}"
