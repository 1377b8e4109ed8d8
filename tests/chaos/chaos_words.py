"""What the messages of a run say about each key: written from the design, imports nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos_cases import IN, MEANING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chaos_cases import Item, Place, Sink

#: The words that a key may have at a checkpoint, of which one is the last; None is no word.
Words = frozenset[str | None]
#: A word, and when the membership ends in epoch milliseconds: 0 for never, None if nobody says it.
Ending = tuple[str | None, int | None]


@dataclass(eq=False)
class Checkpoint:
    """A moment at which the target plans, judges and sends.

    When it is in the middle of a file or of a block, what it has read is known by bounds only.
    """

    #: It has read at least so many items, and at most so many.
    low: int
    high: int
    #: So many requests were seen before.
    begun: int
    is_end: bool = False
    #: So many requests were seen when the next record came; None if none did.
    over: int | None = None


class Said:
    """The words of one run, by place and key.

    Args:
        items: What the tap sent.
        started: Epoch seconds of the start of the process.
    """

    def __init__(self, items: list[Item], started: float) -> None:
        self.items = items
        self._words: dict[Place, dict[str, list[tuple[int, str]]]] = {}
        self._endings: dict[tuple[Place, str], list[tuple[int, Ending]]] = {}
        for number, item in enumerate(items):
            for place, key, word, ends in _words_of(item, started):
                self._words.setdefault(place, {}).setdefault(key, []).append((number, word))
                self._endings.setdefault((place, key), []).append((number, (word, ends)))

    def keys(self, place: Place) -> set[str]:
        return {*self._words.get(place, {})}

    @property
    def places(self) -> set[Place]:
        return {*self._words}

    def at(self, place: Place, key: str, moment: Checkpoint) -> Words:
        """Return what may be the last word on a key at a checkpoint."""
        said = self._words.get(place, {}).get(key, [])
        before = [word for number, word in said if number < moment.low]
        later = [word for number, word in said if moment.low <= number < moment.high]
        return frozenset([before[-1] if before else None, *later])

    def endings(self, place: Place, key: str, moment: Checkpoint) -> set[Ending]:
        """Return what may have been said last of a key at a checkpoint, and of its end."""
        said = self._endings.get((place, key), [])
        before = [ending for number, ending in said if number < moment.low]
        later = [ending for number, ending in said if moment.low <= number < moment.high]
        return {before[-1] if before else (None, None), *later}

    def all_endings(self, place: Place, key: str) -> list[Ending]:
        return [ending for _, ending in self._endings.get((place, key), [])]

    def speaks_of_endings(self, place: Place, before: int) -> bool:
        """Whether a stream that says when memberships end has named a place by then."""
        return any(
            sink.has_moments and item.place(sink) == place
            for item in self.items[:before]
            for sink in sinks_of(item)
        )

    def last(self, place: Place, key: str) -> str | None:
        said = self._words.get(place, {}).get(key)
        return said[-1][1] if said else None

    def is_said_between(self, place: Place, key: str, low: int, high: int) -> bool:
        said = self._words.get(place, {}).get(key, [])
        return any(low <= number < high for number, _ in said)

    def all_words(self, place: Place, key: str) -> list[str]:
        return [word for _, word in self._words.get(place, {}).get(key, [])]


def _words_of(item: Item, started: float) -> Iterator[tuple[Place, str, str, int | None]]:
    for sink in sinks_of(item):
        place, row = item.place(sink), item.row
        assert row is not None
        word = MEANING[sink.mode, item.intent(sink, started)]
        if place and row.key is not None and word:
            ends = row.ends if word == IN and isinstance(row.ends, int) else 0
            yield place, row.key, word, ends if sink.has_moments else None


def sinks_of(item: Item) -> Iterable[Sink]:
    """Return the streams that a record reaches, the stream maps applied."""
    if item.tap is None or item.row is None or item.row.is_dropped:
        return ()
    return item.tap.sinks


def first_invalid(items: list[Item]) -> int | None:
    """Return where the first record is that cannot be used."""
    for number, item in enumerate(items):
        if any(item.is_invalid(sink) for sink in sinks_of(item)):
            return number
    return None
