"""Changes of a big segment over several checkpoints: what one sent unseen, another one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from big_runs import BIG, MIRROR, looks_at_members
from messages import keys, leavers, members, schema, state

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture
def cut_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a checkpoint due after the records on these lines, and at no other time."""

    def cut(*line_numbers: int) -> None:
        def age(self: TargetLaunchDarkly) -> float:
            return 6.0 if self.message_reader.line_number in line_numbers else 0.0

        monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", False)
        monkeypatch.setattr(TargetLaunchDarkly, "_max_record_age_in_minutes", property(age))

    return cut


def test_member_that_is_excluded_as_well_leaves_by_a_later_word(
    sandbox: Sandbox, sync: Callable[..., Run], cut_at: Callable[..., None]
) -> None:
    """That it could not be added again must not keep it in."""
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "both"], excluded=["both"])
    cut_at(2)

    run = sync([schema(), *members("both"), *leavers("both"), state(1)], **MIRROR)

    assert run.error is None
    assert "1 excluded by hand" in run.summary
    assert sandbox.included(BIG) == ["user-0"]
    assert run.states == [1]


def test_strangers_who_left_unseen_are_nobody_for_the_guard(
    sandbox: Sandbox, sync: Callable[..., Run], cut_at: Callable[..., None]
) -> None:
    """They count only as far as members may be gone."""
    everybody = [f"member-{number}" for number in range(20)]
    sandbox.add_segment(BIG, unbounded=True, included=everybody)
    cut_at(11)

    run = sync([schema(), *leavers(*keys(10), "member-0"), state(1)], **MIRROR)

    assert run.error is None
    assert looks_at_members(sandbox) == 1
    assert sandbox.included(BIG) == everybody[1:]


def test_members_who_left_unseen_count_for_the_guard(
    sandbox: Sandbox, sync: Callable[..., Run], cut_at: Callable[..., None]
) -> None:
    """Ten at a time would take all of them out."""
    sandbox.add_segment(BIG, unbounded=True, included=keys(20))
    cut_at(11)

    run = sync([schema(), *leavers(*keys(20)), state(1)], **MIRROR)

    assert "20 of the 20 members" in str(run.error)
    assert set(sandbox.included(BIG)) == set(keys(20, start=10)[:10])


def test_members_who_left_by_sight_count_for_the_guard_of_what_would_go_unseen(
    sandbox: Sandbox, sync: Callable[..., Run], cut_at: Callable[..., None]
) -> None:
    """Ten more pass unseen only where nobody has left before."""
    strangers = [f"stranger-{number}" for number in range(15)]
    sandbox.add_segment(BIG, unbounded=True, included=keys(100))
    cut_at(1 + 25 + 15)

    run = sync(
        [schema(), *leavers(*keys(25), *strangers, *keys(35)[25:]), state(1)],
        **MIRROR,
        max_removal_percent=30,
    )

    assert "35 of the 100 members" in str(run.error)
    assert len(sandbox.included(BIG)) == 75
    assert run.states == []


def test_who_joins_after_members_were_seen_makes_nobody_missing(
    sandbox: Sandbox, sync: Callable[..., Run], cut_at: Callable[..., None]
) -> None:
    """Strangers who left unseen before are not taken for members because others came."""
    everybody = [f"member-{number}" for number in range(20)]
    sandbox.add_segment(BIG, unbounded=True, included=everybody)
    strangers = [f"stranger-{number}" for number in range(20)]
    cut_at(11, 12, 22)

    run = sync(
        [
            schema(),
            *leavers(*strangers[:10], "member-0"),
            *members(*keys(10)),
            *leavers(*strangers[10:]),
            state(1),
        ],
        **MIRROR,
    )

    assert run.error is None
    assert looks_at_members(sandbox) == 2
    assert {*sandbox.included(BIG)} == {*everybody[1:], *keys(10)}
