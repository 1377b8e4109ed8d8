"""Context keys on disk, in chunks of one part of all keys: what concerns a key lies in one part."""

from __future__ import annotations

import marshal
import sqlite3
import weakref
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

#: Into so many parts the keys are divided: one part of all of them is in memory at a time.
PARTS = 64


#: The format that is read and written fastest; later ones look for objects that come again.
MARSHAL_VERSION = 2


def divided(context_keys: Collection[str]) -> list[list[str]]:
    """Return keys by their parts, in their order; a key's part is the same in every run."""
    parts: list[list[str]] = [[] for _ in range(PARTS)]
    for key, number in zip(context_keys, _numbers(context_keys), strict=True):
        parts[number % PARTS].append(key)
    return parts


def divided_pairs(pairs: Mapping[str, int]) -> list[tuple[list[str], list[int]]]:
    """Return keys, and what belongs to each, by their parts, e.g. `[(["user-17"], [5])]`."""
    parts: list[tuple[list[str], list[int]]] = [([], []) for _ in range(PARTS)]
    for key, value, number in zip(pairs, pairs.values(), _numbers(pairs), strict=True):
        keys, values = parts[number % PARTS]
        keys.append(key)
        values.append(value)
    return parts


def _numbers(context_keys: Iterable[str]) -> Iterable[int]:
    # Nothing of this is done in Python: it is for each of millions of keys.
    return map(crc32, map(str.encode, context_keys))


class Chunks:
    """What is too much for memory, by its owner and by part. Safe for threads.

    The disk is SQLite's temporary database, which it deletes before it writes the first byte:
    nothing is left behind, however the process ends.
    """

    def __init__(self) -> None:
        self._database = _database()
        # However the run ends, nobody need think of closing it.
        self._finalizer = weakref.finalize(self, self._database.close)
        self._lock = Lock()

    def close(self) -> None:
        """Give the disk back."""
        self._finalizer()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Group what is written."""
        self._database.execute("BEGIN")
        yield
        self._database.execute("COMMIT")

    def write(self, owner: int, part: int, content: Any) -> None:
        """Write a chunk, e.g. `["user-17"]`."""
        row = (owner, part, marshal.dumps(content, MARSHAL_VERSION))
        self._database.execute("INSERT INTO chunk (owner, part, content) VALUES (?, ?, ?)", row)

    def read(self, owner: int, part: int | None = None) -> Iterator[Any]:
        """Yield an owner's chunks of a part, or of all, as they were written."""
        query = "SELECT content FROM chunk WHERE owner = ? AND part BETWEEN ? AND ? ORDER BY number"
        parts = (0, PARTS) if part is None else (part, part)
        with self._lock:
            cursor = self._database.execute(query, (owner, *parts))
            row = cursor.fetchone()
        while row:
            yield marshal.loads(row[0])  # noqa: S302 this process wrote it
            with self._lock:
                row = cursor.fetchone()

    def delete(self, owner: int, part: int) -> None:
        """Delete an owner's chunks of a part."""
        self._database.execute("DELETE FROM chunk WHERE owner = ? AND part = ?", (owner, part))


def _database() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    # Chunks are larger than most pages.
    database.execute("PRAGMA page_size = 32768")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA cache_size = -4096")
    database.execute(
        "CREATE TABLE chunk (number INTEGER PRIMARY KEY, owner INTEGER, part INTEGER, content BLOB)"
    )
    database.execute("CREATE INDEX chunk_by_part ON chunk (owner, part)")
    return database
