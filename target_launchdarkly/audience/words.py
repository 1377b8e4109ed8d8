"""What the streams said: the last word of each of them about each context key."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.audience.chunks import PARTS, Chunks, divided_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: A word: out of the audience, in it, or neither to be added nor to be removed.
OUT, IN, SPARED = 0, 1, 2
#: What the word "in" has become by the time of a plan if its membership has ended; nobody says it.
ENDED = 3
#: What stands for the moment when a membership ends, in epoch milliseconds, where there is none:
#: the voice says nothing of it, or says that it never ends.
UNSAID, NEVER = 0, 1

#: Words that are held in memory; more of them go to disk together.
MAX_WORDS_IN_MEMORY = 200_000
#: A word and its place in the order of all words are one number: `place << _PLACE_BITS | word`.
_PLACE_BITS = 2
PLACE_STEP = 1 << _PLACE_BITS
WORD = PLACE_STEP - 1
#: A voice that speaks of moments puts them between the two:
#: `place << _MOMENT_BITS | moment << _PLACE_BITS | word`.
_MOMENT_BITS = 50
_MOMENT = (1 << (_MOMENT_BITS - _PLACE_BITS)) - 1
#: Whether memory is full is looked at once in so many words.
_LOOK_EVERY = 1_024 << _PLACE_BITS


class Audience(NamedTuple):
    """Whom words are about: the targets of one context kind in one segment."""

    segment_key: str
    context_kind: str


class Voice:
    """What one stream says about one audience. Made by `Words.voice`."""

    __slots__ = ("has_moments", "latest", "number", "words")

    def __init__(self, words: Words, number: int, *, has_moments: bool) -> None:
        self.words = words
        #: Which of the run's voices it is, from 0.
        self.number = number
        #: Whether its words say when a membership ends.
        self.has_moments = has_moments
        #: By key, the last word and its place, but for what is on disk.
        self.latest: dict[str, int] = {}

    def say(self, context_key: str, word: int, moment: int = NEVER) -> None:
        """Take a word about a key; it takes the place of what this voice said of it before.

        Args:
            context_key: The key.
            word: The word.
            moment: When a membership ends, in epoch milliseconds, or `NEVER`; only of a voice that
                speaks of moments.
        """
        words = self.words
        words.place = place = words.place + PLACE_STEP
        if self.has_moments:
            self.latest[context_key] = place << _MOMENT_BITS | moment << _PLACE_BITS | word
        else:
            self.latest[context_key] = place | word
        if not place % _LOOK_EVERY:
            words.make_room()

    def count(self) -> int:
        """Return how many different keys this voice spoke of."""
        return self.words.count(self)


class Words:
    """The words of a run, in memory up to a bound and beyond it on disk.

    On disk they stand in chunks of one voice and of the keys of one part, so that all words about
    a key are found by reading one part.

    Args:
        max_in_memory: Words that are held in memory.
    """

    def __init__(self, max_in_memory: int = MAX_WORDS_IN_MEMORY) -> None:
        #: That of the last word; places may be left out.
        self.place = 0
        self._max_in_memory = max_in_memory
        self._voices: dict[Audience, list[Voice]] = defaultdict(list)
        self._chunks: Chunks | None = None
        self._on_disk = self._compacted = 0

    def voice(self, audience: Audience, *, has_moments: bool = False) -> Voice:
        """Return a new voice that speaks of an audience, and perhaps of when memberships end."""
        voice = Voice(self, sum(map(len, self._voices.values())), has_moments=has_moments)
        self._voices[audience].append(voice)
        return voice

    def look_since(self, place: int) -> None:
        """Make room if it is needed, which is looked at once in so many words.

        Args:
            place: That of the last word before those that went into voices.
        """
        if self.place // _LOOK_EVERY > place // _LOOK_EVERY:
            self.make_room()

    def of(self, audience: Audience) -> Iterator[tuple[str, int]]:
        """Yield the keys of an audience with the words about them, the same order each time.

        A key may come again, and then the later word counts: only who needs each key once has to
        pay for that.
        """
        return ((context_key, value & WORD) for context_key, value in self.placed(audience))

    def placed(self, audience: Audience) -> Iterator[tuple[str, int]]:
        """Yield the same with what holds each word, and `WORD` masks it."""
        # There are millions of them, and nothing of this is done in Python for each.
        return chain.from_iterable(map(dict.items, self._values(audience)))

    def has_moments(self, audience: Audience) -> bool:
        """Whether any voice says of an audience when memberships end."""
        return any(voice.has_moments for voice in self._voices.get(audience, ()))

    def with_moments(self, audience: Audience) -> Iterator[tuple[str, int, int]]:
        """Yield the keys of an audience, the words about them and their moments, as `of` does.

        A moment is epoch milliseconds, `NEVER`, or `UNSAID` where the last voice does not speak of
        moments.
        """
        has_moments = self.has_moments(audience)
        for values in self._values(audience):
            for context_key, value in values.items():
                moment = value >> _PLACE_BITS & _MOMENT if has_moments else UNSAID
                yield context_key, value & WORD, moment

    def once(self, audience: Audience, *, after: int = 0) -> Iterator[tuple[str, int]]:
        """Yield every key of an audience once, with the last word of all voices about it.

        Args:
            audience: Whom the words are about.
            after: Only words after this place.
        """
        for values in self.parts(audience, after=after):
            for context_key, value in values.items():
                yield context_key, value & WORD

    def parts(
        self, audience: Audience, *, after: int = 0, is_divided: bool = False
    ) -> Iterator[dict[str, int]]:
        """Yield every key of an audience once, a part of the keys at a time.

        Args:
            audience: Whom the words are about.
            after: Only words after this place.
            is_divided: Whether to divide them as on disk also where all are in memory.

        Yields:
            By key, what holds the last word of all voices, and `WORD` masks it. All at once, or
            `PARTS` times, some of them empty.
        """
        least = after + PLACE_STEP
        if self.has_moments(audience):
            least <<= _MOMENT_BITS
        for last in self._last_words(self._voices.get(audience, [])):
            kept = last
            if after:
                kept = {key: value for key, value in last.items() if value >= least}
            if is_divided and not self.is_on_disk:
                for keys, values in divided_pairs(kept):
                    yield dict(zip(keys, values, strict=True))
            else:
                yield kept

    @property
    def is_on_disk(self) -> bool:
        """Whether words went to disk, so that they come divided in any case."""
        return self._chunks is not None

    def count(self, voice: Voice) -> int:
        """Return how many different keys a voice spoke of."""
        return sum(map(len, self._last_words([voice])))

    def settle(self) -> None:
        """Prepare for reading: if anything is on disk, all is."""
        if self._chunks is not None:
            self._spill(self._chunks)

    def compact(self) -> None:
        """Keep of each voice and key the last word alone, if many words came since the last time.

        Called at checkpoints in mid-run, so that the disk holds at most about twice as many words
        as there are keys and came since the last one, however long a run.
        """
        chunks = self._chunks
        if chunks is None or self._on_disk <= 2 * self._compacted:
            return
        self._on_disk = 0
        for voice in self._all:
            for part in range(PARTS):
                last = self._last_of_part([voice], part)
                chunks.delete(voice.number, part)
                self._write(chunks, voice.number, part, [*last], [*last.values()])
        self._compacted = self._on_disk

    def make_room(self) -> None:
        """Put the words on disk if there are too many for memory."""
        if sum(len(voice.latest) for voice in self._all) <= self._max_in_memory:
            return
        if self._chunks is None:
            self._chunks = Chunks()
        self._spill(self._chunks)

    @property
    def _all(self) -> Iterator[Voice]:
        for voices in self._voices.values():
            yield from voices

    def _spill(self, chunks: Chunks) -> None:
        with chunks.writing():
            for voice in self._all:
                for part, (keys, values) in enumerate(divided_pairs(voice.latest)):
                    self._write(chunks, voice.number, part, keys, values)
                voice.latest.clear()

    def _write(
        self, chunks: Chunks, voice: int, part: int, keys: list[str], values: list[int]
    ) -> None:
        if keys:
            chunks.write(voice, part, (keys, values))
            self._on_disk += len(keys)

    def _values(self, audience: Audience) -> Iterator[dict[str, int]]:
        """Yield what holds the words about an audience, some keys at a time, the last ones last."""
        voices = self._voices.get(audience, [])
        if self._chunks is None or len(voices) != 1:
            yield from self._last_words(voices)
        else:
            for keys, values in self._chunks.read(voices[0].number):
                yield dict(zip(keys, values, strict=True))

    def _last_words(self, voices: list[Voice]) -> Iterator[dict[str, int]]:
        """Yield the last word about every key and its place, some keys at a time."""
        if self._chunks is None:
            yield _latest(voices, [voice.latest for voice in voices])
            return
        for part in range(PARTS):
            yield self._last_of_part(voices, part)

    def _last_of_part(self, voices: list[Voice], part: int) -> dict[str, int]:
        # Of one voice, the later chunk has the later words.
        chunks = self._chunks
        assert chunks is not None  # noqa: S101
        of_voices = [_merged(chunks.read(voice.number, part)) for voice in voices]
        return _latest(voices, of_voices)


def _merged(chunks: Iterable[tuple[list[str], list[int]]]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for keys, values in chunks:
        merged.update(zip(keys, values, strict=True))
    return merged


def _latest(voices: list[Voice], of_voices: Sequence[dict[str, int]]) -> dict[str, int]:
    """Return the last word of all voices about each key."""
    if len({voice.has_moments for voice in voices}) > 1:
        of_voices = [
            words if voice.has_moments else _with_room(words)
            for voice, words in zip(voices, of_voices, strict=True)
        ]
    last: dict[str, int] = {}
    for words in of_voices:
        if not last:
            last = words
            continue
        last = dict(last)
        for context_key, place in words.items():
            if place > last.get(context_key, 0):
                last[context_key] = place
    return last


def _with_room(words: dict[str, int]) -> dict[str, int]:
    """Return words that say nothing of moments, to stand among others that do."""
    return {
        key: value - (value & WORD) << _MOMENT_BITS | value & WORD for key, value in words.items()
    }
