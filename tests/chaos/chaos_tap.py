"""The tap of the chaos test: a case's messages as lines, and files for those of BATCH messages."""

from __future__ import annotations

import gzip
import io
import json
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from chaos_cases import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaos_cases import Attempt, Item


class Feed:
    """The tap's output in one run; knows how much of it was read.

    Args:
        items: What the tap would send.
        attempt: How it is cut, and how it is read.
        now: Epoch seconds, the version of what is sent now.
        folder: Where the files of BATCH messages go.
    """

    def __init__(self, items: list[Item], attempt: Attempt, now: float, folder: Path) -> None:
        groups = [list(group) for _, group in groupby(items, _line_of)]
        self._lines = [_line(group, now, folder) for group in groups]
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
        self._blocks = _Blocks(b"".join(self._lines), attempt.block_bytes)
        self._is_in_blocks = bool(attempt.block_bytes)

    @property
    def source(self) -> Any:
        """What the target reads from."""
        return self._blocks if self._is_in_blocks else iter(self._lines)

    @property
    def is_read(self) -> bool:
        return self.line_number() >= len(self._lines)

    @property
    def in_work(self) -> list[Item]:
        """The items up to the line that is in work."""
        return self.items[: self._end(self.line_number())]

    @property
    def given(self) -> list[Item]:
        """The items that the target may have looked at."""
        if self._is_in_blocks:
            text = self._blocks.getvalue()[: self._blocks.tell()]
            return self.items[: self._end(text.count(b"\n"))]
        return self.in_work

    def _end(self, lines: int) -> int:
        return self._ends[min(lines, len(self._ends) - 1)]


class _Blocks(io.BytesIO):
    """Gives so many bytes at a time, wherever that is in a line."""

    def __init__(self, text: bytes, block_bytes: int) -> None:
        super().__init__(text)
        self._block_bytes = block_bytes

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(self._block_bytes)


def _line_of(item: Item) -> tuple[bool, int]:
    """Return what the items of one line have in common."""
    return (True, item.index) if item.file is None else (False, item.file)


def _line(group: list[Item], now: float, folder: Path) -> bytes:
    first = group[0]
    message = first.message
    if first.file is not None:
        message = _batch(group, folder)
    if message.get("version") == FRESH:
        # Every record of a stream carries the same version, so its unit goes by the stream.
        assert first.stream is not None
        in_seconds = first.stream.kind == "user"
        message = message | {"version": int(now) if in_seconds else int(now * 1_000)}
    return json.dumps(message).encode() + b"\n"


def _batch(group: list[Item], folder: Path) -> dict[str, Any]:
    """Write a file of records; return the message that names it."""
    path = folder / f"{group[0].file}.jsonl"
    text = "".join(_rows(group)).encode()
    is_compressed = len(group) % 2 == 0
    path.write_bytes(gzip.compress(text) if is_compressed else text)
    compression = {"compression": "gzip"} if is_compressed else {}
    message = {key: value for key, value in group[0].message.items() if key != "record"}
    return message | {
        "type": "BATCH",
        "encoding": {"format": "jsonl"} | compression,
        "manifest": [path.as_uri()],
    }


def _rows(group: list[Item]) -> Iterator[str]:
    for item in group:
        yield json.dumps(item.message["record"]) + "\n"
