"""What the streams said: the last word of each of them about each context key."""

from __future__ import annotations

import sqlite3
import weakref
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A word: out of the audience, in it, or neither to be added nor to be removed.
OUT, IN, SPARED = 0, 1, 2

#: Words that are held in memory; more of them go to disk together.
MAX_WORDS_IN_MEMORY = 200_000
#: A word and its place in the order of all words are one number: `place << PLACE_BITS | word`.
_PLACE_BITS = 2
_STEP = 1 << _PLACE_BITS
_WORD = _STEP - 1
#: Whether memory is full is looked at once in so many words.
_LOOK_EVERY = 1_024 << _PLACE_BITS
#: Rows of an answer that are held at once.
_FETCHED_ROWS = 1_000


class Audience(NamedTuple):
    """Whom words are about: the targets of one context kind in one segment."""

    segment_key: str
    context_kind: str


class Voice:
    """What one stream says about one audience. Made by `Words.voice`."""

    __slots__ = ("_latest", "_words", "number")

    def __init__(self, words: Words, number: int) -> None:
        self._words = words
        #: Which of the run's voices it is, from 0.
        self.number = number
        self._latest: dict[str, int] = {}

    def say(self, context_key: str, word: int) -> None:
        """Take a word about a key; it takes the place of what this voice said of it before."""
        words = self._words
        words.place = place = words.place + _STEP
        self._latest[context_key] = place | word
        if not place % _LOOK_EVERY:
            words.make_room()

    def count(self) -> int:
        """Return how many different keys this voice spoke of."""
        return self._words.count(self)


class Words:
    """The words of a run, in memory up to a bound and beyond it on disk.

    The disk is SQLite's temporary database, which it deletes before it writes the first byte:
    nothing is left behind, however the process ends.

    Args:
        max_in_memory: Words that are held in memory.
    """

    def __init__(self, max_in_memory: int = MAX_WORDS_IN_MEMORY) -> None:
        #: The number of the last word.
        self.place = 0
        self._max_in_memory = max_in_memory
        self._voices: dict[Audience, list[Voice]] = defaultdict(list)
        self._database: sqlite3.Connection | None = None
        #: Segments are planned anew in threads of their own.
        self._lock = Lock()

    def voice(self, audience: Audience) -> Voice:
        """Return a new voice that speaks of an audience."""
        voice = Voice(self, sum(map(len, self._voices.values())))
        self._voices[audience].append(voice)
        return voice

    def of(self, audience: Audience, *, after: int = 0) -> Iterator[tuple[str, int]]:
        """Yield every key of an audience once, with the last word of all voices about it.

        In memory in the order in which the keys first came, on disk in the order of the keys.

        Args:
            audience: Whom the words are about.
            after: Only words after this place.
        """
        voices = self._voices.get(audience, [])
        found = self._in_memory(voices) if self._database is None else self._on_disk(voices)
        for context_key, place in found:
            if place > after | _WORD:
                yield context_key, place & _WORD

    def count(self, voice: Voice) -> int:
        """Return how many different keys a voice spoke of."""
        if self._database is None:
            return len(voice._latest)  # noqa: SLF001 the voices are this room's
        rows = self._rows("SELECT count(*) FROM word WHERE voice = ?", (voice.number,))
        return int(next(rows)[0])

    def settle(self) -> None:
        """Prepare for reading: of what is on disk, keep the last word of each voice and key."""
        if self._database is None:
            return
        self._spill(self._database)
        self._database.execute("BEGIN")
        self._database.execute(_SETTLE)
        self._database.execute("DELETE FROM said")
        self._database.execute("COMMIT")

    def make_room(self) -> None:
        """Put the words on disk if there are too many for memory."""
        if sum(len(voice._latest) for voice in self._all) <= self._max_in_memory:  # noqa: SLF001
            return
        if self._database is None:
            self._database = _database()
            # However the run ends, nobody need think of closing it.
            weakref.finalize(self, self._database.close)
        self._spill(self._database)

    @property
    def _all(self) -> Iterator[Voice]:
        for voices in self._voices.values():
            yield from voices

    def _spill(self, database: sqlite3.Connection) -> None:
        database.execute("BEGIN")
        for voice in self._all:
            latest = voice._latest  # noqa: SLF001
            rows = ((voice.number, context_key, place) for context_key, place in latest.items())
            database.executemany("INSERT INTO said VALUES (?, ?, ?)", rows)
            latest.clear()
        database.execute("COMMIT")

    def _in_memory(self, voices: list[Voice]) -> Iterable[tuple[str, int]]:
        if len(voices) == 1:
            return voices[0]._latest.items()  # noqa: SLF001
        last: dict[str, int] = {}
        for voice in voices:
            for context_key, place in voice._latest.items():  # noqa: SLF001
                if place > last.get(context_key, 0):
                    last[context_key] = place
        return last.items()

    def _on_disk(self, voices: list[Voice]) -> Iterator[tuple[str, int]]:
        numbers = [voice.number for voice in voices]
        if len(numbers) == 1:
            yield from self._rows("SELECT context_key, place FROM word WHERE voice = ?", numbers)
            return
        marks = ", ".join("?" * len(numbers))
        yield from self._rows(
            f"SELECT context_key, max(place) FROM word WHERE voice IN ({marks}) "  # noqa: S608
            "GROUP BY context_key",
            numbers,
        )

    def _rows(self, query: str, values: Iterable[int]) -> Iterator[tuple[str, int]]:
        assert self._database is not None  # noqa: S101
        with self._lock:
            cursor = self._database.execute(query, tuple(values))
            rows = cursor.fetchmany(_FETCHED_ROWS)
        while rows:
            yield from rows
            with self._lock:
                rows = cursor.fetchmany(_FETCHED_ROWS)


#: Of each voice and key the last word. What is not settled yet is newer than what is.
_SETTLE = """
    INSERT INTO word SELECT voice, context_key, max(place) FROM said
    WHERE true GROUP BY voice, context_key
    ON CONFLICT (voice, context_key) DO UPDATE SET place = excluded.place
"""


def _database() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA cache_size = -4096")
    database.execute("CREATE TABLE said (voice INTEGER, context_key TEXT, place INTEGER)")
    database.execute(
        "CREATE TABLE word (voice INTEGER, context_key TEXT, place INTEGER, "
        "PRIMARY KEY (voice, context_key)) WITHOUT ROWID"
    )
    return database
