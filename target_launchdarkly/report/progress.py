"""What a person sees who runs the target on a terminal: one live line, then a small table."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.segments.segments import Segments

#: As rich writes them. https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
ERASE_LINE, SHOW_CURSOR = b"\r\x1b[2K", b"\x1b[?25h"
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
    console.print(_table(segments, client))


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
    noun = "segment" if len(tallies) == 1 else "segments"
    line = f"{records:,} records, {changed:,} changes sent, {len(tallies):,} {noun}"
    if waiting_until is not None:
        line += f"; waiting until {time.strftime('%X', time.localtime(waiting_until))}"
    return line


def quiet() -> None:
    """Leave INFO lines out: the live line says the same."""
    for handler in logging.getLogger().handlers:
        handler.setLevel(max(handler.level, logging.WARNING))


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


def _table(segments: Segments, client: Client) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("segment")
    for column in ("records", "added", "removed", "in place", "skipped", "requests"):
        table.add_column(column, justify="right")
    for segment in segments:
        tally = segment.tally
        counts = (
            tally.records,
            tally.added,
            tally.removed,
            tally.already_in_place,
            tally.skipped,
            sum(client.requests_of(segment.key).values()),
        )
        table.add_row(segment.key, *(f"{count:,}" for count in counts))
    return table
