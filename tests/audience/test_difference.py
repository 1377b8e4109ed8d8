"""Who joins and who leaves, for some keys: as the plan of a standard segment has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_launchdarkly.audience.difference import (
    Difference,
    from_changes,
    from_snapshot,
    from_words,
)
from target_launchdarkly.audience.plan import Policy, Sight, plan_changes, plan_snapshot
from target_launchdarkly.audience.words import IN, OUT, PLACE_STEP, SPARED

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_launchdarkly.audience.plan import Plan

KEYS = "abcdefgh"
WORDS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from([IN, OUT, SPARED]))
SETS = st.sets(st.sampled_from(KEYS))


def held(words: dict[str, int]) -> dict[str, int]:
    """Return words as they are kept: with the place of each."""
    return {
        key: number * PLACE_STEP | word for number, (key, word) in enumerate(words.items(), start=1)
    }


def listed(keys: set[str]) -> dict[str, None]:
    return dict.fromkeys(sorted(keys))


def both(
    words: dict[str, int], members: set[str], first: set[str], *, is_snapshot: bool
) -> tuple[Difference, Plan]:
    """Return the difference, and the plan of a standard segment with the same members."""
    compare: Callable[..., Difference] = from_snapshot if is_snapshot else from_changes
    draw: Callable[..., Plan] = plan_snapshot if is_snapshot else plan_changes
    now = listed(members)
    before = now if members == first else listed(first)
    sight = Sight(members, set(), frozenset(first), joined=members - first)
    plan = draw("user", list(words.items()), sight, Policy())
    return compare(held(words), now, before), plan


@given(WORDS, SETS, SETS)
@pytest.mark.parametrize("is_snapshot", [False, True])
def test_difference_is_the_plan_of_a_standard_segment(
    is_snapshot: bool, words: dict[str, int], members: set[str], first: set[str]
) -> None:
    found, plan = both(words, members, first, is_snapshot=is_snapshot)

    assert {*found.joining} == {each.context_key for each in plan.joining}
    assert {*found.leaving, *found.unlisted} == {each.context_key for each in plan.leaving}
    assert {*found.unlisted} == {each.context_key for each in plan.leaving if each.is_unlisted}
    assert found.members_leaving == plan.members_leaving
    assert found.joined_leaving == plan.joined_leaving


@given(WORDS, SETS)
def test_whoever_is_out_by_a_word_and_no_member_is_told_apart(
    words: dict[str, int], members: set[str]
) -> None:
    """With removal_action exclude, they are excluded."""
    found, _ = both(words, members, members, is_snapshot=False)

    assert {*found.outside} == {key for key, word in words.items() if word == OUT} - members


@given(WORDS)
def test_unseen_every_word_counts(words: dict[str, int]) -> None:
    found = from_words(held(words))

    assert found.joining == [key for key, word in words.items() if word == IN]
    assert found.leaving == [key for key, word in words.items() if word == OUT]
    assert found.unlisted == found.outside == []


@given(WORDS, SETS, SETS)
def test_keys_can_be_left_out_and_what_is_counted_stays(
    words: dict[str, int], members: set[str], left_out: set[str]
) -> None:
    whole = from_snapshot(held(words), listed(members), listed(members))

    found = whole.without(left_out)

    for kept, keys in zip(found[:4], whole[:4], strict=True):
        assert isinstance(keys, list)
        assert kept == [key for key in keys if key not in left_out]
    assert found[4:] == whole[4:]


def test_order_is_that_of_the_words_and_of_the_members() -> None:
    """So that the same input gives the same requests."""
    words = held({"z": IN, "m": OUT, "a": IN, "b": OUT})
    members = dict.fromkeys(["y", "b", "x", "m"])

    found = from_snapshot(words, members, members)

    assert (found.joining, found.leaving, found.unlisted) == (["z", "a"], ["b", "m"], ["y", "x"])
    assert from_changes(words, members, members).leaving == ["m", "b"]
