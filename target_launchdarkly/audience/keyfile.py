"""Any number of context keys on disk: the last word about each key wins."""

from __future__ import annotations

import csv
import io
import sqlite3
import weakref
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Words that wait in memory before they go to disk together.
BUFFERED_WORDS = 10_000
#: Rows of the answer that are held at once.
FETCHED_ROWS = 1_000


class KeyFile:
    """Words about keys, `listed` or not, in the order in which they came.

    They stand in SQLite's temporary database, which it deletes from the disk before it writes the
    first byte: nothing is left behind, however the process ends.
    """

    def __init__(self) -> None:
        # Segments may be sent from other threads than the one that reads, but never at a time.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # However the run ends, nobody need think of closing it.
        weakref.finalize(self, self._database.close)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -4096")
        self._buffer: list[tuple[str, bool]] = []
        self.clear()

    def put(self, context_key: str, *, listed: bool) -> None:
        """Take a word about a key."""
        self._buffer.append((context_key, listed))
        if len(self._buffer) >= BUFFERED_WORDS:
            self._spill()

    def clear(self) -> None:
        """Forget all words."""
        self._buffer.clear()
        self._database.execute("DROP TABLE IF EXISTS word")
        self._database.execute(
            "CREATE TABLE word (number INTEGER PRIMARY KEY, context_key TEXT, listed INTEGER)"
        )

    def counts(self) -> tuple[int, int]:
        """Return how many keys are listed, and how many are not."""
        self._spill()
        row = self._database.execute(
            f"SELECT count(*), total(listed) FROM ({_LAST_WORDS})"  # noqa: S608
        ).fetchone()
        return int(row[1]), int(row[0] - row[1])

    def keys(self, *, listed: bool) -> Iterator[str]:
        """Yield every key once whose last word is `listed`, or is not, in a fixed order."""
        self._spill()
        cursor = self._database.execute(
            f"SELECT context_key FROM ({_LAST_WORDS}) WHERE listed = ?",  # noqa: S608
            (listed,),
        )
        while rows := cursor.fetchmany(FETCHED_ROWS):
            for (context_key,) in rows:
                yield context_key

    def _spill(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO word (context_key, listed) VALUES (?, ?)", self._buffer
        )
        self._database.execute("COMMIT")
        self._buffer.clear()


#: SQLite takes the other columns from the row with the maximum.
#: https://www.sqlite.org/lang_select.html#bareagg
_LAST_WORDS = "SELECT context_key, listed, max(number) FROM word GROUP BY context_key"


def csv_file(context_keys: Iterator[str]) -> IO[bytes]:
    """Return a temporary file with one key a line, at its end. Closing it deletes it."""
    file = TemporaryFile()  # noqa: SIM115 the caller closes it
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    # All quoted, so that no key can look like a byte order mark or lose a blank.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([context_key] for context_key in context_keys)
    text.flush()
    return text.detach()
