"""What follows from a word about a key, wherever the key stands."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.audience.plan import (
    Change,
    ExcludedKeyAction,
    Plan,
    Policy,
    RemovalAction,
    Sight,
    plan_changes,
    plan_snapshot,
)
from target_launchdarkly.audience.words import IN, OUT, SPARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Where a key may stand: included at first, included now, excluded now.
PLACES: dict[str, tuple[bool, bool, bool]] = {
    "nowhere": (False, False, False),
    "member": (True, True, False),
    "left-meanwhile": (True, False, False),
    "came-meanwhile": (False, True, False),
    "excluded": (False, False, True),
    "excluded-meanwhile": (True, False, True),
    "in-both-lists": (True, True, True),
    "came-into-both-lists": (False, True, True),
}
POLICIES = [
    Policy(removal, excluded)
    for removal, excluded in product(get_args(RemovalAction), get_args(ExcludedKeyAction))
]
UNINCLUDE, EXCLUDE = ("uninclude",), ("exclude",)
LEAVE = ("uninclude", "exclude")


def sight_of(place: str, key: str = "a") -> Sight:
    first, included, excluded = PLACES[place]
    return Sight(
        included={key} if included else set(),
        excluded={key} if excluded else set(),
        first={key} if first else set(),
    )


def told(*keys: str, word: int = IN) -> list[tuple[str, int]]:
    return [(key, word) for key in keys]


def steps(plan: Plan) -> tuple[str, ...]:
    """Return what a plan does with the one key that it is about."""
    assert len(plan.changes) <= 1
    return tuple(step for change in plan.changes for step in change.steps)


BOTH_WAYS = pytest.mark.parametrize("draw", [plan_changes, plan_snapshot])


# A word that includes


@BOTH_WAYS
@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_word_in_includes_who_is_not_included(
    draw: Callable[..., Plan], place: str, policy: Policy
) -> None:
    """Who is included is in place, also if excluded as well: the inclusion counts there."""
    sight = sight_of(place)
    plan = draw("user", told("a"), sight, policy)

    stays_out = not sight.included and bool(sight.excluded)
    lifts = policy.excluded_key_action == "include"
    wanted: tuple[str, ...] = () if sight.included else ("include",)
    if stays_out:
        wanted = ("lift", "include") if lifts else ()
    assert steps(plan) == wanted
    assert plan.excluded_by_hand == (stays_out and not lifts)
    assert plan.leaving == ()
    assert plan.members_leaving == 0


def test_spared_key_stays_where_it_is() -> None:
    """Its record could not be used: nobody knows what it would have said."""
    for place, policy in product(PLACES, POLICIES):
        plan = plan_snapshot("user", told("a", word=SPARED), sight_of(place), policy)

        assert plan.changes == ()
        assert (plan.excluded_by_hand, plan.members_leaving) == (0, 0)


# Who leaves, by changes


@pytest.mark.parametrize(
    ("place", "if_removed", "if_excluded"),
    [
        ("nowhere", (), EXCLUDE),
        ("member", UNINCLUDE, LEAVE),
        ("left-meanwhile", (), EXCLUDE),
        ("came-meanwhile", UNINCLUDE, LEAVE),
        ("excluded", (), ()),
        ("excluded-meanwhile", (), ()),
        ("in-both-lists", UNINCLUDE, UNINCLUDE),
        ("came-into-both-lists", UNINCLUDE, UNINCLUDE),
    ],
)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_word_out_by_changes(
    place: str, if_removed: tuple[str, ...], if_excluded: tuple[str, ...], policy: Policy
) -> None:
    sight = sight_of(place)
    plan = plan_changes("user", told("a", word=OUT), sight, policy)

    assert steps(plan) == (if_excluded if policy.removal_action == "exclude" else if_removed)
    assert plan.joining == ()
    assert plan.members_leaving == len(sight.first)


def test_key_without_a_word_stays_by_changes() -> None:
    for place, policy in product(PLACES, POLICIES):
        assert plan_changes("user", [], sight_of(place), policy).changes == ()


def test_changes_count_who_leaves_of_whom_they_included() -> None:
    """Words are kept: who was included at one checkpoint may leave at the next."""
    sight = Sight(included={"a", "b", "c"}, excluded=set(), first={"a"}, joined={"b", "c"})
    plan = plan_changes("user", told("a", "b", "x", word=OUT), sight, Policy())

    assert (plan.members, plan.members_leaving) == (1, 1)
    assert (plan.joined, plan.joined_leaving) == (2, 1)


def test_changes_count_who_left_before() -> None:
    """The guard is over the whole run: it must not forget whom an earlier checkpoint took out."""
    sight = Sight(included=set(), excluded=set(), first={"a", "b"}, joined={"c"})
    plan = plan_changes("user", told("a", "b", "c", word=OUT), sight, Policy())

    assert plan.changes == ()
    assert (plan.members_leaving, plan.joined_leaving) == (2, 1)


# Who leaves, by a snapshot


@pytest.mark.parametrize("words", [[], told("a", word=OUT)], ids=["without-a-word", "told-out"])
@pytest.mark.parametrize(
    ("place", "if_removed", "if_excluded"),
    [
        ("nowhere", (), ()),
        ("member", UNINCLUDE, LEAVE),
        ("came-meanwhile", (), ()),
        ("excluded", (), ()),
        ("excluded-meanwhile", (), ()),
        ("in-both-lists", UNINCLUDE, UNINCLUDE),
        ("came-into-both-lists", (), ()),
    ],
)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_who_is_not_listed_leaves_if_the_first_read_showed_a_member(
    words: list[tuple[str, int]],
    place: str,
    if_removed: tuple[str, ...],
    if_excluded: tuple[str, ...],
    policy: Policy,
) -> None:
    """Nobody else is un-included or excluded: who came meanwhile was added by somebody else."""
    sight = sight_of(place)
    plan = plan_snapshot("user", words, sight, policy)

    assert steps(plan) == (if_excluded if policy.removal_action == "exclude" else if_removed)
    assert plan.joining == ()
    assert plan.members_leaving == len(sight.first)


def test_member_who_left_meanwhile_is_not_taken_out_again() -> None:
    plan = plan_snapshot("user", [], sight_of("left-meanwhile"), Policy())

    assert plan.changes == ()


def test_snapshot_tells_who_leaves_unnamed_from_who_is_told_out() -> None:
    """The summary counts records: who leaves without one must not count as one."""
    sight = Sight(included=set("abcd"), excluded=set(), first=set("abcd"))
    words = [*told("a"), *told("b", "x", word=OUT)]
    plan = plan_snapshot("user", words, sight, Policy())

    assert [(change.context_key, change.is_unlisted) for change in plan.leaving] == [
        ("b", False),
        ("c", True),
        ("d", True),
    ]
    assert (plan.members, plan.members_leaving) == (4, 3)


def test_snapshot_without_a_word_takes_all_out() -> None:
    """Whether it may, the proofs and the guard say."""
    sight = Sight(included=set("ab"), excluded=set(), first=set("ab"))
    plan = plan_snapshot("user", [], sight, Policy())

    assert plan.members_leaving == plan.members == len(plan.leaving) == 2


# What this run lifted or excluded itself


@BOTH_WAYS
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_key_that_this_run_excluded_is_not_excluded_by_hand(
    draw: Callable[..., Plan], policy: Policy
) -> None:
    """An earlier word of the run must not keep a later one from having its way."""
    sight = Sight(included=set(), excluded={"a"}, first={"a"}, barred={"a"})
    plan = draw("user", told("a"), sight, policy)

    assert steps(plan) == ("lift", "include")
    assert plan.excluded_by_hand == 0


@BOTH_WAYS
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_key_whose_exclusion_this_run_lifted_is_excluded_again_when_it_leaves(
    draw: Callable[..., Plan], policy: Policy
) -> None:
    """Somebody had excluded it, and the last word says that it is out."""
    sight = Sight(included={"a"}, excluded=set(), first={"a"}, lifted={"a"})
    plan = draw("user", told("a", word=OUT), sight, policy)

    assert steps(plan) == LEAVE


# All of it


def test_changes_of_a_plan_come_removals_first_in_the_order_of_the_words() -> None:
    """So that the same input always gives the same requests."""
    words = [*told("z"), *told("n", word=OUT), *told("y"), *told("m", word=OUT)]
    sight = Sight(included=set("mn"), excluded=set(), first=set("mn"))

    assert plan_changes("device", words, sight, Policy()).changes == (
        Change("device", "n", ("uninclude",)),
        Change("device", "m", ("uninclude",)),
        Change("device", "z", ("include",)),
        Change("device", "y", ("include",)),
    )


def test_who_leaves_a_snapshot_comes_in_the_order_of_the_keys() -> None:
    sight = Sight(included=set("zamb"), excluded=set(), first=set("zamb"))
    plan = plan_snapshot("device", told("y", "x"), sight, Policy())

    assert [change.context_key for change in plan.changes] == ["a", "b", "m", "z", "y", "x"]


def test_nothing_follows_from_nothing() -> None:
    nothing = Sight(included=set(), excluded=set(), first=set())
    for draw in (plan_changes, plan_snapshot):
        assert draw("user", [], nothing, Policy()) == Plan("user")


KEYS = st.sampled_from("abcdefg")
SETS = st.sets(KEYS)
WORDS = st.dictionaries(KEYS, st.sampled_from([OUT, IN, SPARED]))
SIGHTS = st.builds(Sight, *[SETS] * len(Sight._fields))


def after(plan: Plan, sight: Sight) -> Sight:
    """Return what LaunchDarkly has when a plan was carried out."""
    included, excluded = set(sight.included), set(sight.excluded)
    for change in plan.changes:
        for step in change.steps:
            if step in {"include", "uninclude"}:
                (included.add if step == "include" else included.remove)(change.context_key)
            else:
                (excluded.add if step == "exclude" else excluded.remove)(change.context_key)
    return sight._replace(included=included, excluded=excluded)


@settings(max_examples=500)
@given(WORDS, SIGHTS, st.sampled_from(POLICIES), st.sampled_from([plan_changes, plan_snapshot]))
def test_plan_that_is_carried_out_leaves_nothing_to_do(
    words: dict[str, int], sight: Sight, policy: Policy, draw: Callable[..., Plan]
) -> None:
    """Verifying relies on it: a plan made anew from the answer is empty. No step is idle."""
    plan = draw("user", words.items(), sight, policy)
    again = draw("user", words.items(), after(plan, sight), policy)

    assert again.changes == ()
    assert again.members_leaving == plan.members_leaving
    assert again.excluded_by_hand == plan.excluded_by_hand


@settings(max_examples=500)
@given(WORDS, SIGHTS, st.sampled_from(POLICIES))
def test_snapshot_never_touches_who_is_listed_spared_or_was_no_member(
    words: dict[str, int], sight: Sight, policy: Policy
) -> None:
    plan = plan_snapshot("user", words.items(), sight, policy)
    leaving = {change.context_key for change in plan.leaving}

    assert leaving <= sight.first
    assert not leaving & {key for key, word in words.items() if word != OUT}


@settings(max_examples=500)
@given(st.permutations("abcdefg"), WORDS, SIGHTS, st.sampled_from(POLICIES), st.data())
def test_order_of_the_words_changes_nothing_but_the_order(
    order: Iterable[str], words: dict[str, int], sight: Sight, policy: Policy, data: Any
) -> None:
    """From disk, words come in another order than from memory."""
    draw = data.draw(st.sampled_from([plan_changes, plan_snapshot]))
    plan = draw("user", words.items(), sight, policy)
    other = draw("user", [(key, words[key]) for key in order if key in words], sight, policy)

    assert set(other.changes) == set(plan.changes)
    assert other._replace(leaving=(), joining=()) == plan._replace(leaving=(), joining=())


@settings(max_examples=500)
@given(
    st.lists(st.tuples(KEYS, st.sampled_from([OUT, IN]))),
    SIGHTS,
    st.sampled_from(POLICIES),
    st.sampled_from([plan_changes, plan_snapshot]),
)
def test_word_that_comes_again_takes_the_place_of_the_earlier_one(
    words: list[tuple[str, int]], sight: Sight, policy: Policy, draw: Callable[..., Plan]
) -> None:
    """From disk, a key may come as often as it was spoken of."""
    plan = draw("user", words, sight, policy)
    once = draw("user", dict(words).items(), sight, policy)

    assert set(plan.changes) == set(once.changes)
    assert plan._replace(leaving=(), joining=()) == once._replace(leaving=(), joining=())
