"""What follows from the words about when targets leave by themselves, and of those that have."""

from __future__ import annotations

from itertools import product

import pytest

from target_launchdarkly.audience.expirations import (
    Expiration,
    ExpirationChange,
    plan_expirations,
)
from target_launchdarkly.audience.plan import Policy, Sight, plan_changes, plan_snapshot
from target_launchdarkly.audience.words import ENDED, IN, NEVER, OUT, SPARED, UNSAID

SOON, LATER = 1_800_000_000_000, 1_900_000_000_000
REMOVED = ("remove", None, None)


def change(
    word: int, moment: int, *, is_member: bool, listed: int | None, is_unlisted: bool = False
) -> tuple[str, int | None, int | None] | None:
    """Return what the one key's expiration needs: deed, moment and version."""
    changes = plan_expirations(
        "user",
        [("a", word, moment)],
        {"a"} if is_member else set(),
        {} if listed is None else {"a": Expiration(listed, 3)},
        {"a"} if is_unlisted else set(),
    )
    assert [each[1:3] for each in changes] in ([], [("user", "a")])
    return (changes[0].deed, changes[0].ends_ms, changes[0].version) if changes else None


@pytest.mark.parametrize(
    ("moment", "listed", "expected"),
    [
        pytest.param(SOON, None, ("add", SOON, None), id="new"),
        pytest.param(SOON, SOON, None, id="in-place"),
        pytest.param(SOON, LATER, ("update", SOON, 3), id="moved"),
        pytest.param(NEVER, LATER, REMOVED, id="taken-back"),
        pytest.param(NEVER, None, None, id="never-and-none"),
        pytest.param(UNSAID, LATER, None, id="unsaid-and-set-by-hand"),
        pytest.param(UNSAID, None, None, id="unsaid-and-none"),
    ],
)
def test_member_gets_the_moment_of_the_word(
    moment: int, listed: int | None, expected: tuple[str, int | None, int | None] | None
) -> None:
    assert change(IN, moment, is_member=True, listed=listed) == expected


@pytest.mark.parametrize("moment", [SOON, NEVER, UNSAID])
@pytest.mark.parametrize("listed", [SOON, None])
def test_who_is_excluded_by_hand_is_left_alone(moment: int, listed: int | None) -> None:
    """Its word is "in", and it is no target that could expire."""
    assert change(IN, moment, is_member=False, listed=listed) is None


@pytest.mark.parametrize("word", [OUT, ENDED])
def test_expiration_that_outlives_its_target_is_removed(word: int) -> None:
    assert change(word, NEVER, is_member=False, listed=SOON) == REMOVED
    assert change(word, NEVER, is_member=False, listed=None) is None
    assert change(word, UNSAID, is_member=False, listed=SOON) is None


@pytest.mark.parametrize("word", [OUT, ENDED])
def test_who_came_while_a_snapshot_was_read_keeps_an_expiration(word: int) -> None:
    assert change(word, NEVER, is_member=True, listed=SOON) is None


@pytest.mark.parametrize(("moment", "is_member"), [*product([SOON, NEVER, UNSAID], [True, False])])
def test_spared_key_keeps_an_expiration(moment: int, is_member: bool) -> None:
    assert change(SPARED, moment, is_member=is_member, listed=SOON) is None


def test_who_left_unlisted_leaves_no_expiration_behind() -> None:
    left = {"gone", "came-back", "spared"}
    listed = {key: Expiration(SOON) for key in (*left, "by-hand")}
    words = [("came-back", IN, SOON), ("spared", SPARED, NEVER)]

    changes = plan_expirations("user", words, {"came-back"}, listed, left)

    assert changes == [ExpirationChange("remove", "user", "gone")]


def test_last_word_counts_and_removals_come_first() -> None:
    words = [
        ("a", IN, SOON),
        ("b", IN, SOON),
        ("c", IN, NEVER),
        ("d", IN, SOON),
        ("a", IN, LATER),
        ("d", IN, UNSAID),
    ]

    changes = plan_expirations(
        "user", words, {*"abcd"}, {key: Expiration(SOON, 1) for key in "acd"}
    )

    assert changes == [
        ExpirationChange("remove", "user", "c"),
        ExpirationChange("update", "user", "a", LATER, 1),
        ExpirationChange("add", "user", "b", SOON),
    ]


# Memberships that have ended by the time of the plan

SIGHT = Sight({"member", "joined"}, {"excluded"}, frozenset({"member", "left"}), {"joined"})


@pytest.mark.parametrize("draw", [plan_changes, plan_snapshot])
@pytest.mark.parametrize("removal_action", ["remove", "exclude"])
@pytest.mark.parametrize(
    ("key", "steps"),
    [("member", ("uninclude",)), ("joined", ("uninclude",)), ("left", ()), ("excluded", ())],
)
def test_membership_that_has_ended_ends_as_launchdarkly_ends_it(
    draw: object, removal_action: object, key: str, steps: tuple[str, ...]
) -> None:
    """Nobody is excluded, and no guard counts it: the record stated the moment."""
    others = [(each, IN) for each in ("member", "left") if each != key]

    plan = draw("user", [*others, (key, ENDED)], SIGHT, Policy(removal_action))  # type: ignore[operator,arg-type]

    assert [each.steps for each in plan.changes if each.context_key == key] == [steps] * bool(steps)
    assert (plan.members_leaving, plan.joined_leaving) == (0, 0)


@pytest.mark.parametrize("draw", [plan_changes, plan_snapshot])
@pytest.mark.parametrize(
    ("words", "leaves", "counts"),
    [
        ((ENDED, IN), False, 0),
        ((ENDED, OUT), True, 1),
        ((OUT, ENDED), True, 0),
        ((IN, ENDED), True, 0),
    ],
)
def test_word_after_an_end_and_end_after_a_word(
    draw: object, words: tuple[int, ...], leaves: bool, counts: int
) -> None:
    told = [("member", word) for word in words]

    plan = draw("user", [("left", IN), *told], SIGHT, Policy())  # type: ignore[operator]

    assert ("member" in {each.context_key for each in plan.leaving}) is leaves
    assert plan.members_leaving == counts


def test_spared_key_of_a_snapshot_stays_though_its_membership_had_ended() -> None:
    words = [("left", IN), ("member", ENDED), ("member", SPARED)]

    assert plan_snapshot("user", words, SIGHT, Policy()).leaving == ()
