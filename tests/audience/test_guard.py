"""How many may leave, to the last one, and what is said if more would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_launchdarkly.audience.guard import FREE_REMOVALS, excess, exclusion_problem
from target_launchdarkly.audience.plan import Plan, Policy


def snapshot_excess(members: int, leaving: int, percent: float) -> str | None:
    plan = Plan("user", members=members, members_leaving=leaving)
    return excess(plan, percent, is_snapshot=True)


def changes_excess(
    members: int, leaving: int, percent: float, joined: int = 0, joined_leaving: int = 0
) -> str | None:
    plan = Plan(
        "user",
        members=members,
        members_leaving=leaving,
        joined=joined,
        joined_leaving=joined_leaving,
    )
    return excess(plan, percent, is_snapshot=False)


@pytest.mark.parametrize(
    ("members", "leaving", "percent", "passes"),
    [
        pytest.param(100, 50, 50, True, id="exactly-the-percent"),
        pytest.param(100, 51, 50, False, id="one-above-the-percent"),
        pytest.param(3, 2, 50, False, id="two-of-three"),
        pytest.param(2, 1, 50, True, id="one-of-two"),
        pytest.param(1, 1, 50, False, id="the-only-one"),
        pytest.param(100, 0, 0, True, id="nobody-of-0-percent"),
        pytest.param(100, 1, 0, False, id="one-of-0-percent"),
        pytest.param(1_000_000, 1, 0, False, id="one-of-a-million-of-0-percent"),
        pytest.param(100, 100, 100, True, id="all-of-100-percent"),
        pytest.param(0, 0, 0, True, id="nobody-there"),
        pytest.param(1_000, 1, 0.1, True, id="exactly-a-fraction"),
        pytest.param(1_000, 2, 0.1, False, id="above-a-fraction"),
        pytest.param(10_000, 57, 0.57, True, id="exactly-a-fraction-that-no-float-holds"),
        pytest.param(10_000, 58, 0.57, False, id="above-a-fraction-that-no-float-holds"),
        pytest.param(10_000, 111, 1.1, False, id="above-a-fraction-rounded-up"),
        pytest.param(10, 10, 50, False, id="few-are-not-free"),
    ],
)
def test_guard_of_a_snapshot(members: int, leaving: int, percent: float, passes: bool) -> None:
    assert (snapshot_excess(members, leaving, percent) is None) == passes


@pytest.mark.parametrize(
    ("members", "leaving", "percent", "passes"),
    [
        pytest.param(10, 10, 0, True, id="ten-are-free"),
        pytest.param(10_000, 10, 0, True, id="ten-of-many-are-free"),
        pytest.param(11, 11, 50, False, id="eleven-are-not"),
        pytest.param(10_000, 11, 0, False, id="eleven-of-0-percent"),
        pytest.param(22, 11, 50, True, id="eleven-are-exactly-the-percent"),
        pytest.param(21, 11, 50, False, id="eleven-are-above-the-percent"),
        pytest.param(100, 100, 100, True, id="all-of-100-percent"),
        pytest.param(100, 100, 50, False, id="a-broken-join"),
    ],
)
def test_guard_by_changes(members: int, leaving: int, percent: float, passes: bool) -> None:
    assert (changes_excess(members, leaving, percent) is None) == passes


@pytest.mark.parametrize(
    ("members", "leaving", "joined", "joined_leaving", "passes"),
    [
        pytest.param(0, 0, 100, 100, False, id="all-that-it-included"),
        pytest.param(0, 0, 10, 10, True, id="ten-are-free"),
        pytest.param(0, 0, 22, 11, True, id="exactly-the-percent"),
        pytest.param(0, 0, 21, 11, False, id="above-the-percent"),
        pytest.param(10, 6, 10, 5, False, id="eleven-together"),
        pytest.param(12, 6, 10, 5, True, id="eleven-together-exactly-the-percent"),
        pytest.param(20, 11, 1_000, 0, False, id="who-joined-does-not-hide-who-leaves"),
        pytest.param(1_000, 11, 20, 20, True, id="few-of-all"),
    ],
)
def test_guard_by_changes_counts_whom_the_run_included(
    members: int, leaving: int, joined: int, joined_leaving: int, passes: bool
) -> None:
    told = changes_excess(members, leaving, 50, joined, joined_leaving)

    assert (told is None) == passes


def test_guard_of_a_snapshot_does_not_look_at_who_joined() -> None:
    plan = Plan("user", members=4, members_leaving=3, joined=100)

    assert excess(plan, 50, is_snapshot=True)


def test_number_of_members_that_lags_behind_is_no_less_than_who_leaves() -> None:
    """Else a remedy of more than 100 % would be named, or a share of nobody be reckoned."""
    assert "20 of the 20 members" in (snapshot_excess(0, 20, 50) or "")
    assert "20 of the 20 members" in (changes_excess(5, 20, 50) or "")
    assert snapshot_excess(0, 20, 100) is None
    assert changes_excess(5, 20, 100) is None


def test_refusal_says_both_numbers_the_limit_and_what_to_do() -> None:
    plan = Plan("organization", members=12_000, members_leaving=9_000)

    assert excess(plan, 50, is_snapshot=True) == (
        "9,000 of the 12,000 members of kind 'organization' when the run began would leave "
        "(75.0 %), and max_removal_percent is 50. Look whether the audience is right; if it is, "
        "raise max_removal_percent to 75 for one run."
    )


def test_refusal_by_changes_says_whether_it_counts_who_came_since() -> None:
    told = changes_excess(10, 6, 12.5, joined=10, joined_leaving=6)

    assert told
    assert (
        "12 of the 20 members of kind 'user' when the run began or since then would leave (60.0 %)"
        in told
    )
    assert "max_removal_percent is 12.5" in told


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 100))
def test_guard_refuses_just_what_is_above_the_percent(
    members: int, leaving: int, percent: int
) -> None:
    leaving = min(leaving, members)
    above = leaving * 100 > members * percent

    assert bool(snapshot_excess(members, leaving, float(percent))) == above
    assert bool(changes_excess(members, leaving, float(percent))) == (
        above and leaving > FREE_REMOVALS
    )


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_percent_that_a_refusal_names_lets_the_plan_pass(members: int, leaving: int) -> None:
    leaving = min(leaving, members)
    told = snapshot_excess(members, leaving, 0)

    assert told
    named = float(told.rpartition("max_removal_percent to ")[2].partition(" ")[0])
    assert snapshot_excess(members, leaving, named) is None


# Excluded by hand


@pytest.mark.parametrize(
    ("action", "count"), [("skip", 3), ("include", 3), ("fail", 0)], ids=["skip", "include", "none"]
)
def test_excluded_keys_are_no_problem_unless_the_settings_say_so(action: str, count: int) -> None:
    plan = Plan("user", excluded_by_hand=count)

    assert exclusion_problem("beta", plan, Policy(excluded_key_action=action)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "told"), [(1, "excludes 1 context that"), (1_200, "excludes 1,200 contexts that")]
)
def test_excluded_keys_are_a_problem_with_its_remedies(count: int, told: str) -> None:
    plan = Plan("user", excluded_by_hand=count)

    problem = exclusion_problem("beta", plan, Policy(excluded_key_action="fail"))

    assert problem
    for each in (told, "segment 'beta'", "excluded_key_action to 'skip' or 'include'"):
        assert each in problem
