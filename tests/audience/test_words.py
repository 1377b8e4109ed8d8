"""What the streams said is kept the same way in memory and on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.audience.words import IN, OUT, SPARED, Audience, Words

if TYPE_CHECKING:
    from pathlib import Path

USERS = Audience("beta", "user")
OTHERS = Audience("beta", "organization")
ELSEWHERE = Audience("vips", "user")
#: Whom each of the voices of a test speaks of.
AUDIENCES = (USERS, OTHERS, USERS, ELSEWHERE)

PLACES = pytest.mark.parametrize("on_disk", [False, True], ids=["in-memory", "on-disk"])


def words_that(*, on_disk: bool) -> Words:
    """Return a store; on disk, everything goes there whenever room is asked for."""
    return Words(max_in_memory=0) if on_disk else Words()


def settled(words: Words) -> Words:
    words.make_room()
    words.settle()
    return words


def last_words(words: Words, audience: Audience) -> dict[str, int]:
    """Return the last word about each key, which both ways of reading must agree on."""
    once = list(words.once(audience))
    assert len({key for key, _ in once}) == len(once)
    assert dict(words.of(audience)) == dict(once)
    return dict(once)


@PLACES
def test_last_word_about_a_key_counts(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    voice = words.voice(USERS)
    for word in (IN, OUT, IN, SPARED):
        voice.say("a", word)
        words.make_room()
    voice.say("b", IN)

    assert last_words(settled(words), USERS) == {"a": SPARED, "b": IN}


@PLACES
def test_last_word_of_all_voices_counts(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    first, second = words.voice(USERS), words.voice(USERS)
    first.say("a", IN)
    second.say("a", OUT)
    second.say("b", OUT)
    words.make_room()
    first.say("b", IN)

    assert last_words(settled(words), USERS) == {"a": OUT, "b": IN}


@PLACES
def test_audiences_do_not_hear_each_other(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    for audience, word in ((USERS, IN), (OTHERS, OUT), (ELSEWHERE, SPARED)):
        words.voice(audience).say("a", word)

    settled(words)

    assert [last_words(words, each) for each in (USERS, OTHERS, ELSEWHERE)] == [
        {"a": IN},
        {"a": OUT},
        {"a": SPARED},
    ]


@PLACES
def test_audience_that_nobody_spoke_of_has_no_words(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    words.voice(USERS).say("a", IN)

    assert last_words(settled(words), ELSEWHERE) == {}


@PLACES
def test_count_is_of_different_keys_of_one_voice(on_disk: bool) -> None:
    words = words_that(on_disk=on_disk)
    voice, other, silent = (words.voice(USERS) for _ in range(3))
    for key in ("a", "b", "a"):
        voice.say(key, IN)
        words.make_room()
    other.say("c", IN)
    settled(words)

    assert (voice.count(), other.count(), silent.count()) == (2, 1, 0)


@PLACES
@pytest.mark.parametrize("word", [OUT, IN, SPARED])
def test_words_after_a_place_are_those_said_since(on_disk: bool, word: int) -> None:
    """A big segment sends each word once: what came after the last checkpoint."""
    words = words_that(on_disk=on_disk)
    voice = words.voice(USERS)
    voice.say("a", word)
    voice.say("b", word)
    settled(words)
    place = words.place

    assert list(words.once(USERS, after=place)) == []

    voice.say("a", IN)
    voice.say("c", OUT)

    assert sorted(settled(words).once(USERS, after=place)) == [("a", IN), ("c", OUT)]


def test_keys_come_in_the_order_of_their_first_word_in_memory() -> None:
    words = Words()
    voice = words.voice(USERS)
    for key in ("z", "a", "m", "z", "a"):
        voice.say(key, IN)

    assert [key for key, _ in words.of(USERS)] == ["z", "a", "m"]


def test_keys_come_in_the_same_order_each_time() -> None:
    """So that the same input gives the same requests, and a plan made anew the same one."""
    words = words_that(on_disk=True)
    voice = words.voice(USERS)
    for key in ("z", "É", "a", "z", "b"):
        voice.say(key, IN)
        words.make_room()

    read = list(settled(words).of(USERS))

    assert sorted(key for key, _ in read) == ["a", "b", "z", "z", "É"]
    assert list(words.of(USERS)) == read
    once = list(words.once(USERS))
    assert sorted(key for key, _ in once) == ["a", "b", "z", "É"]
    assert list(words.once(USERS)) == once


def test_memory_stays_bounded_however_many_words_come() -> None:
    words = Words(max_in_memory=10)
    voice, other = words.voice(USERS), words.voice(ELSEWHERE)
    most = 0
    for number in range(10_000):
        voice.say(f"{number}", IN)
        other.say(f"{number % 7}", OUT)
        most = max(most, len(voice.latest) + len(other.latest))
    words.settle()

    assert most <= 10 + 1_024
    assert (voice.count(), other.count()) == (10_000, 7)


def test_words_within_the_bound_need_no_disk() -> None:
    words = Words(max_in_memory=2_048)
    voice = words.voice(USERS)
    for number in range(10_000):
        voice.say(f"{number % 2_048}", IN)
    words.settle()

    assert not words.is_on_disk


def test_settling_again_changes_nothing() -> None:
    words = words_that(on_disk=True)
    voice = words.voice(USERS)
    voice.say("a", OUT)
    settled(words)
    voice.say("a", IN)
    settled(words)
    words.settle()

    assert last_words(words, USERS) == {"a": IN}
    assert voice.count() == 1


def test_words_go_on_after_they_were_read() -> None:
    """Every checkpoint plans from all words so far."""
    words = words_that(on_disk=True)
    voice = words.voice(USERS)
    voice.say("a", IN)
    assert last_words(settled(words), USERS) == {"a": IN}

    late = words.voice(USERS)
    late.say("a", OUT)
    voice.say("b", IN)

    assert last_words(settled(words), USERS) == {"a": OUT, "b": IN}


def test_compacting_keeps_the_last_word_of_each_voice_and_key() -> None:
    """However long a run, the disk does not fill with words that later ones took the place of."""
    words = words_that(on_disk=True)
    voice, other = words.voice(USERS), words.voice(ELSEWHERE)
    for _ in range(9):
        for key, word in (("a", OUT), ("b", SPARED), ("a", IN)):
            voice.say(key, word)
            other.say("a", OUT)
            words.make_room()
    place = settled(words).place
    words.compact()

    assert list(words.of(USERS)) == [("a", IN), ("b", SPARED)]
    assert list(words.once(USERS, after=place)) == []
    assert (voice.count(), other.count()) == (2, 1)

    voice.say("b", OUT)
    assert last_words(settled(words), USERS) == {"a": IN, "b": OUT}


def test_compacting_has_nothing_to_do_in_memory() -> None:
    words = Words()
    words.voice(USERS).say("a", IN)
    words.compact()

    assert last_words(words, USERS) == {"a": IN}


@pytest.mark.parametrize(
    "key", ["\0", "a\0b", " ", "é", "e\u0301", "😀", "1", "'; --", "x" * 9_999]
)
def test_key_comes_back_from_disk_as_it_was(key: str) -> None:
    words = words_that(on_disk=True)
    words.voice(USERS).say(key, IN)

    assert last_words(settled(words), USERS) == {key: IN}


def test_threads_may_read_at_the_same_time() -> None:
    """Segments are planned anew in threads of their own."""
    words = words_that(on_disk=True)
    for audience in (USERS, ELSEWHERE):
        voice = words.voice(audience)
        for number in range(5_000):
            voice.say(f"{number:05}", number % 3)
    settled(words)
    wanted = [(f"{number:05}", number % 3) for number in range(5_000)]

    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda audience: sorted(words.of(audience)), [USERS, ELSEWHERE] * 4))

    assert read == [wanted] * 8


MANY_WORDS = """
import os, signal
from target_launchdarkly.audience.words import IN, Audience, Words

words = Words(max_in_memory=1_000)
voice = words.voice(Audience("beta", "user"))
for number in range(200_000):
    voice.say(f"{number:040}", IN)
words.settle()
links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
files = [os.readlink(link) for link in links if os.path.lexists(link)]
here = [each for each in files if each.startswith(os.environ["SQLITE_TMPDIR"])]
print(voice.count(), len(here), os.listdir(os.environ["SQLITE_TMPDIR"]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_on_disk_however_the_process_ends(tmp_path: Path) -> None:
    """Keys name people: the file has no name even while it is written."""
    result = subprocess.run(
        [sys.executable, "-c", MANY_WORDS],
        env=os.environ | {"SQLITE_TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == -signal.SIGKILL
    assert result.stdout == "200000 1 []\n"
    assert list(tmp_path.iterdir()) == []


class Said(NamedTuple):
    """One word of one voice, by its number."""

    voice: int
    key: str
    word: int


SAID = st.builds(
    Said,
    st.sampled_from(range(len(AUDIENCES))),
    st.one_of(st.sampled_from("abc"), st.text(min_size=1, max_size=3)),
    st.sampled_from([OUT, IN, SPARED]),
)
ACTION = st.one_of(SAID, SAID, SAID, st.sampled_from(["room", "settle", "compact", "mark"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTION, max_size=40), st.sampled_from([0, 2, 1_000]))
def test_store_says_what_a_dictionary_would(actions: list[Said | str], max_in_memory: int) -> None:
    """Whatever comes when, in memory and on disk alike."""
    words = Words(max_in_memory)
    voices = [words.voice(audience) for audience in AUDIENCES]
    model: dict[Audience, dict[str, tuple[int, int]]] = {each: {} for each in AUDIENCES}
    spoken: list[set[str]] = [set() for _ in AUDIENCES]
    marks = [(0, 0)]
    for number, action in enumerate(actions, start=1):
        if isinstance(action, Said):
            voices[action.voice].say(action.key, action.word)
            model[AUDIENCES[action.voice]][action.key] = (number, action.word)
            spoken[action.voice].add(action.key)
        elif action == "room":
            words.make_room()
        elif action == "settle":
            words.settle()
        elif action == "compact":
            words.settle()
            words.compact()
        else:
            marks.append((number, words.place))
    words.settle()

    assert [voice.count() for voice in voices] == [len(keys) for keys in spoken]
    for audience, said_of in model.items():
        assert last_words(words, audience) == {key: word for key, (_, word) in said_of.items()}
        for since, place in marks:
            wanted = sorted((key, word) for key, (when, word) in said_of.items() if when > since)
            assert sorted(words.once(audience, after=place)) == wanted
