"""The tap of the chaos test: a case's messages as lines, and files for those of BATCH messages."""

from __future__ import annotations

import gzip
import io
import json
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from chaos_cases import Version
from chaos_proofs import is_twice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaos_cases import Attempt, Item


class Feed:
    """The tap's output in one run; knows how much of it was read.

    Args:
        items: What the tap would send.
        attempt: How it is cut, and how it is read.
        started: Epoch seconds of the start of the target's process.
        folder: Where the files of BATCH messages go.
    """

    def __init__(self, items: list[Item], attempt: Attempt, started: float, folder: Path) -> None:
        groups = [list(group) for _, group in groupby(items, _line_of)]
        self._lines = [_line(group, started, folder) for group in groups]
        #: How many items each line ends.
        self._ends = [0, *accumulate(len(group) for group in groups)]
        self.is_torn = False
        if attempt.cut is not None:
            count = int(attempt.cut * len(groups))
            self.is_torn = attempt.is_cut_in_line and count < len(groups)
            torn = self._lines[count][: len(self._lines[count]) // 2] if self.is_torn else b""
            self._lines = [*self._lines[:count], *([torn] if torn else [])]
            self._ends = self._ends[: count + 1]
        #: What is sent, but for the line that is cut.
        self.items = items[: self._ends[-1]]
        #: Asks the target for the line in work, counted from 1.
        self.line_number: Callable[[], int] = int
        #: Whether the target has seen the end.
        self.is_exhausted = False
        self.on_exhausted: Callable[[], object] = int
        self._blocks = _Blocks(b"".join(self._lines), attempt.block_bytes, self)
        self._is_in_blocks = bool(attempt.block_bytes)

    @property
    def source(self) -> Any:
        """What the target reads from."""
        return self._blocks if self._is_in_blocks else self._each_line()

    def _each_line(self) -> Iterator[bytes]:
        yield from self._lines
        self.note_end()

    def note_end(self) -> None:
        """Take note that the target has seen the end of the input, and tell it on."""
        if not self.is_exhausted:
            self.is_exhausted = True
            self.on_exhausted()

    @property
    def bounds(self) -> tuple[int, int]:
        """How many items the target has processed: at least, and at most."""
        if self.is_exhausted:
            return len(self.items), len(self.items)
        line = self.line_number()
        before, after = self._end(line - 1), self._end(line)
        if self._is_in_blocks:
            text = self._blocks.getvalue()[: self._blocks.tell()]
            return before, max(after, self._end(text.count(b"\n")))
        # In a file, it is anywhere.
        return (before, after) if after - before > 1 else (after, after)

    @property
    def in_work(self) -> int:
        """How many items there are up to the line in work."""
        return self._end(self.line_number())

    def _end(self, lines: int) -> int:
        return self._ends[max(0, min(lines, len(self._ends) - 1))]


class _Blocks(io.BytesIO):
    """Gives so many bytes at a time, wherever that is in a line."""

    def __init__(self, text: bytes, block_bytes: int, feed: Feed) -> None:
        super().__init__(text)
        self._block_bytes = block_bytes
        self._feed = feed

    def read1(self, size: int | None = -1, /) -> bytes:
        block = super().read1(self._block_bytes)
        if not block:
            self._feed.note_end()
        return block


def _line_of(item: Item) -> tuple[bool, int]:
    """Return what the items of one line have in common."""
    return (True, item.index) if item.file is None else (False, item.file)


def _line(group: list[Item], started: float, folder: Path) -> bytes:
    first = group[0]
    message = first.message
    if first.file is not None:
        message = _batch(group, folder)
    version = message.get("version")
    if isinstance(version, Version):
        message = message | {"version": version.at(started)}
    return json.dumps(message).encode() + b"\n"


def _batch(group: list[Item], folder: Path) -> dict[str, Any]:
    """Write records to files; return the message that names them.

    The same records twice are a file that is named twice; else there are two files, or one.
    """
    records = [item.message["record"] for item in group]
    rows = [f"{json.dumps(record)}\n" for record in records]
    middle = len(rows) // 2
    parts = [rows[:middle], rows[middle:]] if middle else [rows]
    is_compressed = len(group) % 3 == 0
    names = [f"{group[0].file}-{number}.jsonl" for number in range(len(parts))]
    if is_twice(records):
        names[-1] = names[0]
    for name, part in zip(names, parts, strict=True):
        text = "".join(part).encode()
        (folder / name).write_bytes(gzip.compress(text) if is_compressed else text)
    compression = {"compression": "gzip"} if is_compressed else {}
    message = {key: value for key, value in group[0].message.items() if key != "record"}
    return message | {
        "type": "BATCH",
        "encoding": {"format": "jsonl"} | compression,
        "manifest": [(folder / name).as_uri() for name in names],
    }
