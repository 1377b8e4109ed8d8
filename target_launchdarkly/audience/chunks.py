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
    from collections.abc import Iterator

#: Into so many parts the keys are divided: one part of all of them is in memory at a time.
PARTS = 64


def part_of(context_key: str) -> int:
    """Return which part a key belongs to, from 0; the same in every run."""
    return crc32(context_key.encode()) % PARTS


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
        """Write a chunk, e.g. `{"user-17": 5}` or `["user-17"]`."""
        row = (owner, part, marshal.dumps(content))
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
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA cache_size = -4096")
    database.execute(
        "CREATE TABLE chunk (number INTEGER PRIMARY KEY, owner INTEGER, part INTEGER, content BLOB)"
    )
    database.execute("CREATE INDEX chunk_by_part ON chunk (owner, part)")
    return database
