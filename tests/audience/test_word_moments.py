"""Words say when a membership ends; that is kept the same way in memory and on disk."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.audience.words import IN, NEVER, OUT, SPARED, UNSAID, Audience, Words

USERS = Audience("beta", "user")
SOON = 1_800_000_000_000
#: The last moment that Python's dates can hold.
LAST = 253_402_300_799_999

PLACES = pytest.mark.parametrize("on_disk", [False, True], ids=["in-memory", "on-disk"])


def words_that(*, on_disk: bool) -> Words:
    return Words(max_in_memory=0) if on_disk else Words()


def said(words: Words) -> dict[str, tuple[int, int]]:
    """Return the last word about each key and its moment, on which all ways of reading agree."""
    words.make_room()
    words.settle()
    found = {key: (word, moment) for key, word, moment in words.with_moments(USERS)}
    plain = {key: word for key, (word, _) in found.items()}
    assert dict(words.of(USERS)) == plain
    assert sorted(words.once(USERS)) == sorted(plain.items())
    return found


@PLACES
def test_last_word_brings_its_moment(on_disk: bool) -> None:
    """Whoever is told to stay for ever stays, though an earlier word named a moment."""
    words = words_that(on_disk=on_disk)
    voice = words.voice(USERS, has_moments=True)
    for key, *moments in [("a", SOON, NEVER), ("b", NEVER, SOON), ("c", SOON, LAST), ("d", SOON)]:
        for moment in moments:
            voice.say(str(key), IN, int(moment))
            words.make_room()
    voice.say("d", OUT)
    voice.say("e", SPARED)

    assert said(words) == {
        "a": (IN, NEVER),
        "b": (IN, SOON),
        "c": (IN, LAST),
        "d": (OUT, NEVER),
        "e": (SPARED, NEVER),
    }


@PLACES
@pytest.mark.parametrize("speaks_first", [True, False])
def test_word_of_a_voice_without_moments_says_nothing_of_them(
    on_disk: bool, speaks_first: bool
) -> None:
    words = words_that(on_disk=on_disk)
    voices = [words.voice(USERS, has_moments=speaks_first is each) for each in (True, False)]
    first, second = voices
    for key, order in (("a", (first, second)), ("b", (second, first))):
        for voice in order:
            voice.say(key, IN, SOON)
            words.make_room()

    last_of = {"a": second, "b": first}
    assert said(words) == {
        key: (IN, SOON if voice.has_moments else UNSAID) for key, voice in last_of.items()
    }
    assert words.has_moments(USERS)


@PLACES
def test_nobody_speaks_of_moments_unless_a_voice_does(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    words.voice(USERS).say("a", IN)

    assert said(words) == {"a": (IN, UNSAID)}
    assert not words.has_moments(USERS)
    assert not words.has_moments(Audience("vips", "user"))


@PLACES
def test_words_with_moments_after_a_place_are_those_said_since(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    voice = words.voice(USERS, has_moments=True)
    voice.say("a", IN, LAST)
    words.make_room()
    place = words.place
    voice.say("b", IN, SOON)
    said(words)

    assert dict(words.once(USERS, after=place)) == {"b": IN}
    assert dict(words.once(USERS, after=words.place)) == {}


@given(
    said_so=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from("abc"),
            st.sampled_from([OUT, IN, SPARED]),
            st.sampled_from([NEVER, SOON, LAST]),
        ),
        max_size=30,
    ),
    bound=st.integers(0, 8),
    tidied=st.sets(st.integers(0, 30)),
)
@settings(max_examples=200, derandomize=True, deadline=None, database=None)
def test_moments_are_those_of_the_last_words_wherever_they_stand(
    said_so: list[tuple[int, str, int, int]], bound: int, tidied: set[int]
) -> None:
    """Whatever voices say in whatever order, on disk, in memory or tidied between."""
    words = Words(max_in_memory=bound)
    voices = [words.voice(USERS, has_moments=number != 1) for number in range(3)]
    expected: dict[str, tuple[int, int]] = {}
    for number, (speaker, key, word, moment) in enumerate(said_so):
        voice = voices[speaker]
        voice.say(key, word, moment)
        expected[key] = (word, moment if voice.has_moments else UNSAID)
        words.make_room()
        if number in tidied:
            words.compact()

    assert said(words) == expected
