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

    __slots__ = ("_words", "latest", "number")

    def __init__(self, words: Words, number: int) -> None:
        self._words = words
        #: Which of the run's voices it is, from 0.
        self.number = number
        #: By key, the last word and its place, but for what is on disk.
        self.latest: dict[str, int] = {}

    def say(self, context_key: str, word: int) -> None:
        """Take a word about a key; it takes the place of what this voice said of it before."""
        words = self._words
        words.place = place = words.place + _STEP
        self.latest[context_key] = place | word
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
        self._on_disk = self._compacted = 0
        #: Segments are planned anew in threads of their own.
        self._lock = Lock()

    def voice(self, audience: Audience) -> Voice:
        """Return a new voice that speaks of an audience."""
        voice = Voice(self, sum(map(len, self._voices.values())))
        self._voices[audience].append(voice)
        return voice

    def of(self, audience: Audience) -> Iterator[tuple[str, int]]:
        """Yield the keys of an audience with the words about them, the same order each time.

        A key may come again, and then the later word counts: to sort a million keys takes longer
        than all else, and only who needs each key once has to.
        """
        voices = self._voices.get(audience, [])
        if self._database is None or len(voices) != 1:
            return self.once(audience)
        rows = self._rows(f"SELECT context_key, place FROM {_said(voices[0])}")  # noqa: S608
        return ((context_key, place & _WORD) for context_key, place in rows)

    def once(self, audience: Audience, *, after: int = 0) -> Iterator[tuple[str, int]]:
        """Yield every key of an audience once, with the last word of all voices about it.

        Args:
            audience: Whom the words are about.
            after: Only words after this place.
        """
        voices = self._voices.get(audience, [])
        last = _last_words(voices) if self._database is None else self._last_rows(voices)
        for context_key, place in last:
            if place > after | _WORD:
                yield context_key, place & _WORD

    def count(self, voice: Voice) -> int:
        """Return how many different keys a voice spoke of."""
        if self._database is None:
            return len(voice.latest)
        query = f"SELECT count(*) FROM (SELECT 1 FROM {_said(voice)} GROUP BY context_key)"  # noqa: S608
        return int(next(self._rows(query))[0])

    def settle(self) -> None:
        """Prepare for reading: if anything is on disk, all is."""
        if self._database is not None:
            self._spill(self._database)

    def compact(self) -> None:
        """Keep of each voice and key the last word alone, if many words came since the last time.

        So the disk holds at most about twice as many words as there are keys, however long a run.
        """
        database = self._database
        if database is None or self._on_disk <= 2 * self._compacted:
            return
        self._on_disk = 0
        for voice in self._all:
            said = _said(voice)
            database.execute(
                "CREATE TABLE fresh AS SELECT context_key, max(place) AS place "  # noqa: S608
                f"FROM {said} GROUP BY context_key"
            )
            database.execute(f"DROP TABLE {said}")
            database.execute(f"ALTER TABLE fresh RENAME TO {said}")
            rows = database.execute(f"SELECT count(*) FROM {said}")  # noqa: S608
            self._on_disk += rows.fetchone()[0]
        self._compacted = self._on_disk

    def make_room(self) -> None:
        """Put the words on disk if there are too many for memory."""
        if sum(len(voice.latest) for voice in self._all) <= self._max_in_memory:
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
            said = _said(voice)
            database.execute(f"CREATE TABLE IF NOT EXISTS {said} (context_key TEXT, place INTEGER)")
            database.executemany(f"INSERT INTO {said} VALUES (?, ?)", voice.latest.items())  # noqa: S608
            self._on_disk += len(voice.latest)
            voice.latest.clear()
        database.execute("COMMIT")

    def _last_rows(self, voices: list[Voice]) -> Iterator[tuple[str, int]]:
        tables = " UNION ALL ".join(f"SELECT * FROM {_said(voice)}" for voice in voices)  # noqa: S608
        if not tables:
            return iter(())
        query = f"SELECT context_key, max(place) FROM ({tables}) GROUP BY context_key"  # noqa: S608
        return self._rows(query)

    def _rows(self, query: str) -> Iterator[tuple[str, int]]:
        assert self._database is not None  # noqa: S101
        with self._lock:
            cursor = self._database.execute(query)
            rows = cursor.fetchmany(_FETCHED_ROWS)
        while rows:
            yield from rows
            with self._lock:
                rows = cursor.fetchmany(_FETCHED_ROWS)


def _last_words(voices: list[Voice]) -> Iterable[tuple[str, int]]:
    if len(voices) == 1:
        return voices[0].latest.items()
    last: dict[str, int] = {}
    for voice in voices:
        for context_key, place in voice.latest.items():
            if place > last.get(context_key, 0):
                last[context_key] = place
    return last.items()


def _said(voice: Voice) -> str:
    """Return the table of a voice's words."""
    return f"said_{voice.number}"


def _database() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA cache_size = -4096")
    return database
