"""A checkpoint ends when LaunchDarkly was seen to keep every word, whatever else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from audience_tables import (
    CHANGES,
    END,
    TRUSTING,
    cut_at,
    demand_done,
    excluded,
    included,
    methods,
    put,
    whole,
)
from messages import keys, leavers, members, schema, state
from running import SEGMENT

from target_launchdarkly.errors import LaunchDarklyError, SegmentError
from target_launchdarkly.sandbox import Fault, ForeignChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from audience_tables import Sync
    from running import FakeClock, Run

    from target_launchdarkly.sandbox import FaultKind, Sandbox

#: All that a run may need to lose patience with.
FOR_EVER = 1_000


def meanwhile(sandbox: Sandbox, *, at: str = "PATCH", **change: Any) -> None:
    """Let somebody else change the segment just before a request of ours is handled."""
    sandbox.meanwhile(ForeignChange(SEGMENT, **change), method=at)


# Copies that come late


@pytest.fixture
def opposed(sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Run]:
    """Add user-1 at a checkpoint, and take it out at the end: two requests that oppose."""
    put(sandbox, "user-0")
    messages = [schema(), state({"at": 0}), *members("user-1"), END, *leavers("user-1")]
    cut_at(monkeypatch, [3])
    return lambda: sync(messages, **CHANGES)


@pytest.mark.parametrize("kind", ["late-drop", "late-status"])
@pytest.mark.parametrize(
    ("later", "when"),
    [(1, "before"), (2, "before"), (3, "before"), (4, "before"), (1, "after"), (3, "after")],
)
def test_first_copy_that_lands_after_a_later_request_does_not_undo_the_last_word(
    sandbox: Sandbox, opposed: Callable[[], Run], kind: FaultKind, later: int, when: Any
) -> None:
    """A request whose fate is unknown may land at any time: one look more before STATE."""
    sandbox.faults.append(Fault(kind, method="PATCH", later=later, when=when))

    run = opposed()

    demand_done(run, {"at": 0}, {"at": "end"})
    assert sandbox.late == 0
    assert included(sandbox) == {"user-0"}


@pytest.mark.parametrize("kind", ["drop-after", "reset-after", "status-after", "garbage", "empty"])
def test_request_whose_fate_is_unknown_costs_one_look_more(
    sandbox: Sandbox, sync: Sync, kind: FaultKind
) -> None:
    sandbox.faults.append(Fault(kind, method="PATCH", status=504 if "status" in kind else None))

    demand_done(sync(whole(*members("user-0")), **CHANGES), {"at": "end"})
    assert methods(sandbox) == ["GET", "PATCH", "PATCH", "GET"]
    assert included(sandbox) == {"user-0"}


def test_request_that_was_refused_for_now_costs_no_look_more(sandbox: Sandbox, sync: Sync) -> None:
    """A 429 says that nothing was done."""
    sandbox.faults.append(Fault("status", method="PATCH", status=429, headers={"Retry-After": "1"}))

    demand_done(sync(whole(*members("user-0")), **CHANGES), {"at": "end"})
    assert methods(sandbox) == ["GET", "PATCH", "PATCH"]


def test_doubt_stays_until_the_end_of_the_run(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that has nothing to send looks whether the late copy came."""
    sandbox.faults.append(Fault("late-drop", method="PATCH", later=None))
    put(sandbox, "user-0")
    cut_at(monkeypatch, [3, 5])
    sandbox.meanwhile(lambda sandbox: sandbox.apply_late(), method="GET", after=3)
    messages = [schema(), END, *members("user-1"), *leavers("user-1", "user-1"), END]

    run = sync(messages, **CHANGES)

    assert run.error is None
    assert included(sandbox) == {"user-0"}
    assert sandbox.late == 0


# Answers that lag


def test_answer_that_lags_is_looked_at_again(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    """It shows the segment as before the patch, which was applied."""
    put(sandbox, "user-0")
    sandbox.faults.append(Fault("stale", method="PATCH"))

    demand_done(sync(whole(*members("user-0", "new")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"user-0", "new"}
    assert methods(sandbox) == ["GET", "PATCH", "GET"]
    assert clock.slept == [1.0]


def test_reads_that_lag_are_looked_at_again_ever_more_rarely(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    """What is sent again meanwhile is there already, and changes nothing."""
    put(sandbox, "user-0")
    sandbox.faults.append(Fault("stale", method="PATCH", times=2, behind=10))
    sandbox.faults.append(Fault("stale", method="GET", after=1, behind=10))

    demand_done(sync(whole(*leavers("user-0"), *members("new")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"new"}
    assert clock.slept == [1.0, 2.0]


def test_reads_that_never_show_the_change_end_the_run_without_state(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    sandbox.faults.append(Fault("stale", method="PATCH", times=FOR_EVER, behind=10))
    sandbox.faults.append(Fault("stale", method="GET", times=FOR_EVER, behind=10))

    run = sync(whole(*members("user-0")), **CHANGES)

    assert isinstance(run.error, SegmentError)
    assert "did not hold, looked at 3 times" in str(run.error)
    assert "run again" in str(run.error)
    assert run.states == []
    assert clock.slept == [1.0, 2.0, 4.0]


def test_read_that_is_older_than_another_is_no_view(sandbox: Sandbox, sync: Sync) -> None:
    """One look shows that user-0 was taken out, and the next one, from before, that he is there."""
    sandbox.faults.append(Fault("drop-after", method="PATCH"))
    sandbox.meanwhile(ForeignChange(SEGMENT, remove=("user-0",)), method="GET", after=1)
    sandbox.faults.append(Fault("stale", method="GET", after=2))

    demand_done(sync(whole(*members("user-0")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"user-0"}
    assert methods(sandbox) == ["GET", "PATCH", "PATCH", "GET", "GET", "PATCH", "GET"]


def test_look_that_shows_only_what_is_older_is_no_look(sandbox: Sandbox, sync: Sync) -> None:
    """After a request whose fate is unknown, STATE waits for a look that shows what came of it."""
    sandbox.faults.append(Fault("drop-after", method="PATCH"))
    sandbox.faults.append(Fault("stale", method="GET", after=1, times=FOR_EVER))

    run = sync(whole(*members("user-0")), **CHANGES)

    assert isinstance(run.error, SegmentError)
    assert "it shows only what is older than its answers" in str(run.error)
    assert run.states == []


def test_first_read_that_lags_settles_no_word(sandbox: Sandbox, sync: Sync) -> None:
    """It shows a member who was taken out just before: the next answer does not."""
    put(sandbox, "user-0", "user-1")
    ForeignChange(SEGMENT, remove=("user-0",))(sandbox)
    sandbox.faults.append(Fault("stale", method="GET"))

    demand_done(sync(whole(*members("user-0", "user-1", "new")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1", "new"}


def test_first_read_that_lags_lets_a_snapshot_remove_nobody_who_came_since(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")
    ForeignChange(SEGMENT, add=("theirs",))(sandbox)
    sandbox.faults.append(Fault("stale", method="GET"))

    demand_done(sync(whole(*members("user-0", "new")), **TRUSTING), {"at": "end"})
    assert included(sandbox) == {"user-0", "new", "theirs"}


# Somebody else


def test_member_whom_somebody_takes_out_between_read_and_patch_is_included_again(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "user-0")
    meanwhile(sandbox, remove=("user-0",))

    demand_done(sync(whole(*members("user-0", "new")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"user-0", "new"}


def test_leaver_whom_somebody_includes_between_read_and_patch_is_taken_out_again(
    sandbox: Sandbox, sync: Sync
) -> None:
    """By changes, his record said so, whoever included him."""
    put(sandbox, "user-0")
    meanwhile(sandbox, add=("user-1",))

    demand_done(sync(whole(*leavers("user-1"), *members("new")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"user-0", "new"}


def test_who_leaves_a_snapshot_and_is_included_again_meanwhile_is_taken_out_again(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Who was a member at first and is not listed leaves; only who came meanwhile stays."""
    put(sandbox, "gone", "user-0")
    sandbox.meanwhile(ForeignChange(SEGMENT, add=("gone", "theirs")), method="PATCH", when="after")
    sandbox.faults.append(Fault("drop-after", method="PATCH"))

    demand_done(sync(whole(*members("user-0")), **TRUSTING), {"at": "end"})
    assert included(sandbox) == {"user-0", "theirs"}


@pytest.mark.parametrize("batch_size_rows", [2, 1_500])
def test_key_that_somebody_excludes_between_read_and_patch_stays_excluded(
    sandbox: Sandbox, sync: Sync, batch_size_rows: int
) -> None:
    """The refused patch is planned anew; all others are included."""
    meanwhile(sandbox, exclude=("user-1",))

    run = sync(whole(*members(*keys(5))), batch_size_rows=batch_size_rows, **CHANGES)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {*keys(5)} - {"user-1"}
    assert excluded(sandbox) == {"user-1"}


def test_key_that_an_answer_shows_excluded_is_not_asked_for(sandbox: Sandbox, sync: Sync) -> None:
    """A refused patch would cost two requests more, and of a limit that the account shares."""
    meanwhile(sandbox, exclude=("user-4",))

    demand_done(sync(whole(*members(*keys(5))), batch_size_rows=2, **CHANGES), {"at": "end"})
    assert included(sandbox) == {*keys(4)}
    assert [each.status for each in sandbox.requests] == [200] * 3


def test_key_that_somebody_excludes_meanwhile_fails_the_run_if_so_set(
    sandbox: Sandbox, sync: Sync
) -> None:
    meanwhile(sandbox, exclude=("user-1",))

    run = sync(whole(*members(*keys(5))), excluded_key_action="fail", **CHANGES)

    assert isinstance(run.error, SegmentError)
    assert "excluded_key_action is 'fail'" in str(run.error)
    assert excluded(sandbox) == {"user-1"}
    assert run.states == []


def test_exclusion_that_is_lifted_meanwhile_is_no_reason_to_leave_a_key_out(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Every answer shows it, and every plan is drawn anew from the last one."""
    ForeignChange(SEGMENT, exclude=("user-0",))(sandbox)
    sandbox.forget_past()
    meanwhile(sandbox, unexclude=("user-0",))

    demand_done(sync(whole(*members("user-0", "new")), **CHANGES), {"at": "end"})
    assert included(sandbox) == {"user-0", "new"}


def test_somebody_who_goes_on_changing_ends_the_run_without_state(
    sandbox: Sandbox, sync: Sync
) -> None:
    """At each of our patches, somebody takes out another member whom a record included."""
    put(sandbox, *keys(9))
    others = iter(keys(9))

    def take_out(sandbox: Sandbox) -> None:
        ForeignChange(SEGMENT, remove=(next(others),))(sandbox)

    sandbox.meanwhile(take_out, method="PATCH", times=FOR_EVER)

    run = sync(whole(*members(*keys(9), "new")), **CHANGES)

    assert isinstance(run.error, SegmentError)
    assert "somebody who changes it at the same time" in str(run.error)
    assert run.states == []
    assert methods(sandbox) == ["GET", "PATCH", *["GET", "PATCH"] * 3]


def test_guard_holds_as_well_for_who_came_meanwhile(sandbox: Sandbox, sync: Sync) -> None:
    """They left long ago, by the words; if somebody includes them now, somebody means it."""
    put(sandbox, *keys(20))
    theirs = tuple(keys(40, 100))
    meanwhile(sandbox, add=theirs)

    run = sync(whole(*leavers(*theirs), *members("new")), **CHANGES)

    assert isinstance(run.error, SegmentError)
    assert "was changed meanwhile: 40 of the 61 members" in str(run.error)
    assert included(sandbox) == {*keys(20), *theirs, "new"}
    assert run.states == []


# Segments that go


def test_segment_that_is_deleted_meanwhile_ends_the_run_without_state(
    sandbox: Sandbox, sync: Sync
) -> None:
    meanwhile(sandbox, fate="delete")

    run = sync(whole(*members("user-0")), **CHANGES)

    assert isinstance(run.error, LaunchDarklyError)
    assert SEGMENT in str(run.error)
    assert run.states == []


@pytest.mark.parametrize("settings", [CHANGES, TRUSTING], ids=["changes", "snapshot"])
def test_segment_that_is_made_anew_meanwhile_gets_all_that_the_words_say(
    sandbox: Sandbox, sync: Sync, settings: dict[str, Any]
) -> None:
    """Those in place at the first read are missing in the next answer, and sent."""
    put(sandbox, "gone", *keys(5))
    meanwhile(sandbox, fate="recreate")

    demand_done(sync(whole(*members(*keys(6))), **settings), {"at": "end"})
    assert included(sandbox) == {*keys(6)}
