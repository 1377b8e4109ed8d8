"""What a person sees who runs the target on a terminal: one live line, then a small table."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from target_launchdarkly.plural import counted
from target_launchdarkly.report.lines import largest, notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.table import Table

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.segments import Segments

#: As rich writes them. https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
ERASE_LINE, SHOW_CURSOR = b"\r\x1b[2K", b"\x1b[?25h"
#: What the SDK tells at INFO, whether settings are read from the environment and what the reader
#: counted, of which the summary tells the most, and filter rules, which may name a key; and its
#: measurements.
SDKS_LINES = (
    "Skipping parse of env var",
    "Parsing env var",
    "Reader '%s' completed processing",
    "Found '%s' filter rule",
)
METRIC = "METRIC: "
#: The variable that names how an SDK's program logs; Meltano sets it for structured logs.
LOG_CONFIG = "SINGER_SDK_LOG_CONFIG"
#: What is told where there is nothing to tell.
NOTHING = "No record came: nothing to do."
#: How often the line is drawn anew.
REFRESHES_PER_SECOND = 4


def is_wanted() -> bool:
    """Whether somebody watches: stderr is a terminal and the extra `terminal` is installed."""
    return sys.stderr is not None and sys.stderr.isatty() and find_spec("rich") is not None


@contextmanager
def shown(segments: Segments, client: Client) -> Iterator[None]:
    """Show a live line in place of INFO lines while the run goes on, and its table at the end.

    Warnings and errors appear above the line. If the run fails, its error is the last word.

    Args:
        segments: Their tallies are shown.
        client: Asked what it waits for and how many requests it sent.
    """
    from rich.console import Console  # noqa: PLC0415 an extra, and slow to import
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True)

    def line() -> Text:
        return Text(status(segments, client.waiting_until))

    live = Live(
        get_renderable=line,
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
    )
    # Live takes stderr while it runs, so that log lines appear above it.
    with live, _logs_above_the_line():
        yield
    for part in _told(segments, client):
        console.print(part)


def leave() -> None:
    """Give the terminal its line and its cursor back, where the live line is left without an end.

    It waits for nobody, so that it may interrupt whoever draws the line.
    """
    terminal = sys.__stderr__
    if terminal is not None and is_wanted():
        with suppress(OSError):
            os.write(terminal.fileno(), ERASE_LINE + SHOW_CURSOR)


def status(segments: Segments, waiting_until: float | None) -> str:
    """Return the live line, e.g. `12,000 records, 3,000 changes sent, 1 segment`."""
    tallies = [segment.tally for segment in segments]
    records = sum(tally.records for tally in tallies)
    changed = sum(tally.changed for tally in tallies)
    sent = "planned" if any(tally.is_dry_run for tally in tallies) else "sent"
    changes, of_segments = counted(changed, "change"), counted(len(tallies), "segment")
    line = f"{counted(records, 'record')}, {changes} {sent}, {of_segments}"
    if waiting_until is not None:
        line += f"; waiting until {time.strftime('%X', time.localtime(waiting_until))}"
    return line


def quiet() -> None:
    """Leave INFO lines out: the live line says the same."""
    for handler in logging.getLogger().handlers:
        handler.setLevel(max(handler.level, logging.WARNING))


class Needless(logging.Filter):
    """Leaves out what the SDK tells of itself, unless somebody looks for errors.

    Args:
        beginnings: Of the lines to leave out, before anything is put into them.
    """

    def __init__(self, *beginnings: str) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line stays."""
        return record.levelno != logging.INFO or not str(record.msg).startswith(self._beginnings)


def shorten() -> None:
    """Leave needless lines out, but for the measurements where logging is set up for them."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return
    needless = Needless(*SDKS_LINES, *(() if LOG_CONFIG in os.environ else (METRIC,)))
    for handler in logging.getLogger().handlers:
        handler.addFilter(needless)


@contextmanager
def _logs_above_the_line() -> Iterator[None]:
    """Let log handlers write to the stderr that knows of the live line."""
    handlers = [
        (handler, handler.stream)
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    for handler, _ in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler, stream in handlers:
            handler.setStream(stream)


def _told(segments: Segments, client: Client) -> Iterator[Table | str]:
    """Yield what is shown at the end: a table of the segments, and what else there is to say."""
    tallies = {segment.key: segment.tally for segment in segments}
    if not tallies:
        yield NOTHING
        return
    shown, told = largest(tallies)
    if shown:
        yield _table({key: tallies[key] for key in shown}, client)
    if told:
        yield told
    if any(tally.is_dry_run for tally in tallies.values()):
        yield "Dry run: nothing was sent."


def _table(tallies: Mapping[str, Tally], client: Client) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("segment")
    for column in ("records", "added", "removed", "in place", "skipped", "requests"):
        table.add_column(column, justify="right")
    noted = {key: notes(tally) for key, tally in tallies.items()}
    if any(noted.values()):
        table.add_column("to note")
    for key, tally in tallies.items():
        counts = (
            tally.records,
            tally.added,
            tally.removed,
            tally.already_in_place,
            tally.skipped,
            sum(client.requests_of(key).values()),
        )
        row = [key, *(f"{count:,}" for count in counts), noted[key]]
        table.add_row(*row[: len(table.columns)])
    return table
