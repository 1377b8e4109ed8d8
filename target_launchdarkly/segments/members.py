"""Many context keys, in memory up to a bound and beyond it on disk."""

from __future__ import annotations

import csv
import io
import marshal
import weakref
from io import SEEK_END
from itertools import chain, islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from target_launchdarkly.audience.chunks import MARSHAL_VERSION, PARTS, Chunks, divided
from target_launchdarkly.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Keys that are held in memory, of one set and of one list.
MAX_KEYS_IN_MEMORY = 200_000
MAX_LISTED_IN_MEMORY = 20_000
#: Rows and bytes that are read at once.
BATCH_KEYS = 10_000
READ_BYTES = 262_144
#: What is special in CSV: a text without any of it is one key a line.
SPECIAL = ('"', ",", "\r")


class KeySet:
    """The members of a segment, each once, that can be read beside the words about them.

    Args:
        max_in_memory: Keys that are held in memory.
    """

    def __init__(self, max_in_memory: int = MAX_KEYS_IN_MEMORY) -> None:
        #: How many keys were added.
        self.count = 0
        #: What stands in the first row of a file: one of the keys, or its header.
        self.first_row: str | None = None
        self.has_header = False
        self._max_in_memory = max_in_memory
        self._keys: list[str] = []
        self._chunks: Chunks | None = None
        self._without: str | None = None

    def add(self, keys: list[str]) -> None:
        """Add keys."""
        self.count += len(keys)
        self._keys += keys
        if len(self._keys) > self._max_in_memory:
            self._spill()

    def remove(self, key: str) -> None:
        """Remove one key, which was none."""
        self._without = key
        self.count -= 1

    @property
    def is_on_disk(self) -> bool:
        """Whether keys went to disk, so that they come divided in any case."""
        return self._chunks is not None

    def parts(self, *, is_divided: bool = False) -> Iterator[dict[str, None]]:
        """Yield the keys, a part of them at a time.

        Args:
            is_divided: Whether to divide them as on disk also where all are in memory.

        Yields:
            All at once, or `PARTS` times, some of them empty. In the order in which they came.
        """
        for keys in self._lists(is_divided=is_divided):
            part = dict.fromkeys(keys)
            if self._without is not None:
                part.pop(self._without, None)
            yield part

    def _lists(self, *, is_divided: bool) -> Iterator[Iterable[str]]:
        if self._chunks is not None:
            self._spill()
            for part in range(PARTS):
                yield chain.from_iterable(self._chunks.read(0, part))
        else:
            yield from divided(self._keys) if is_divided else [self._keys]

    def close(self) -> None:
        """Give the disk back."""
        if self._chunks is not None:
            self._chunks.close()

    def _spill(self) -> None:
        self._chunks = chunks = self._chunks or Chunks()
        with chunks.writing():
            for part, keys in enumerate(divided(self._keys)):
                if keys:
                    chunks.write(0, part, keys)
        self._keys.clear()


class KeyList:
    """Some keys, in the order in which they came."""

    def __init__(self) -> None:
        self.count = 0
        #: As they stand in a file of keys.
        self.size_bytes = 0
        self._latest: list[str] = []
        self._file: IO[bytes] | None = None
        #: Of what stands in the file.
        self._sizes: list[int] = []

    def add(self, keys: list[str]) -> None:
        """Add keys at the end."""
        self.count += len(keys)
        self.size_bytes += _size_bytes(keys)
        self._latest += keys
        if len(self._latest) > MAX_LISTED_IN_MEMORY:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115 closed below
                weakref.finalize(self, self._file.close)
            self._file.seek(0, SEEK_END)
            self._sizes.append(self._file.write(marshal.dumps(self._latest, MARSHAL_VERSION)))
            self._latest = []

    def batches(self) -> Iterator[list[str]]:
        """Yield all keys, some at a time. Not while keys are added, nor twice at a time."""
        if self._file is not None:
            self._file.seek(0)
            for size in self._sizes:
                yield marshal.loads(self._file.read(size))  # noqa: S302 this process wrote it
        yield self._latest

    def __iter__(self) -> Iterator[str]:
        for keys in self.batches():
            yield from keys


def _size_bytes(keys: list[str]) -> int:
    """Return what keys take in a file: each has a line, in quotes, and its own quotes twice."""
    text = "".join(keys)
    return len(text.encode()) + text.count('"') + 3 * len(keys)


def read_keys(file: IO[bytes]) -> Iterator[list[str]]:
    """Yield the first column of a CSV file, many rows at a time; blank lines are passed over.

    No byte order mark is looked for: a key may begin with one.

    Raises:
        ExportError: It is no CSV file in UTF-8.
    """
    try:
        yield from _read_plain(file)
        yield from _read_csv(file)
    except UnicodeDecodeError as error:
        raise ExportError("the file of the export is not UTF-8.") from error
    except csv.Error as error:
        raise ExportError("the file of the export is no CSV, or was cut off.") from error


def _read_plain(file: IO[bytes]) -> Iterator[list[str]]:
    """Yield the keys up to where a row is not just a key, and leave the file there.

    Most files are nothing but keys, which need not be read as CSV: that would take ten times as
    long.
    """
    start = file.tell()
    while block := file.read(READ_BYTES):
        whole = block[: block.rfind(b"\n") + 1]
        if not whole and len(block) < READ_BYTES:
            # The last row need not end as others do.
            whole = block
        text = whole.decode()
        if not text or any(special in text for special in SPECIAL):
            break
        lines = text.removesuffix("\n").split("\n")
        if "" in lines:
            break
        yield lines
        start += len(whole)
        file.seek(start)
    file.seek(start)


def _read_csv(file: IO[bytes]) -> Iterator[list[str]]:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    rows = csv.reader(text, strict=True)
    try:
        while some := [*islice(rows, BATCH_KEYS)]:
            yield [row[0] for row in some if row]
    finally:
        # The file is the caller's to close.
        text.detach()
