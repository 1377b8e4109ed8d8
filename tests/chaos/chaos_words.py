"""What the messages of a run say about each key: written from the design, imports nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos_cases import MEANING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chaos_cases import Item, Place, Sink

#: The words that a key may have at a checkpoint, of which one is the last; None is no word.
Words = frozenset[str | None]


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
    """The words of one run, by place and key."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self._words: dict[Place, dict[str, list[tuple[int, str]]]] = {}
        for number, item in enumerate(items):
            for place, key, word in _words_of(item):
                self._words.setdefault(place, {}).setdefault(key, []).append((number, word))

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

    def last(self, place: Place, key: str) -> str | None:
        said = self._words.get(place, {}).get(key)
        return said[-1][1] if said else None

    def is_said_between(self, place: Place, key: str, low: int, high: int) -> bool:
        said = self._words.get(place, {}).get(key, [])
        return any(low <= number < high for number, _ in said)

    def all_words(self, place: Place, key: str) -> list[str]:
        return [word for _, word in self._words.get(place, {}).get(key, [])]


def _words_of(item: Item) -> Iterator[tuple[Place, str, str]]:
    for sink in sinks_of(item):
        place = item.place(sink)
        assert item.row is not None
        word = MEANING[sink.mode, item.row.intent]
        if place and item.row.key is not None and word:
            yield place, item.row.key, word


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
