"""Snapshots of big segments: exact by an export, and nobody leaves who stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from big_runs import BIG, SNAPSHOT, instructions_of, looks_at_members, requests_of
from messages import keys, leavers, members, record, schema, state

from target_launchdarkly.audience import words as words_room
from target_launchdarkly.errors import PlanRefusedError, SegmentError
from target_launchdarkly.sandbox import ExportRules, ForeignChange
from target_launchdarkly.segments.members import KeySet

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

#: A look at the members, but for the file.
EXPORTED = ["POST exports", "GET exports"]


@pytest.fixture(autouse=True)
def big_segment(sandbox: Sandbox) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "gone"])
    sandbox.export_rules.polls = 1


def test_snapshot_adds_and_removes_exactly_who_it_takes(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    odd = ["a,b", 'say "hi"', "line\nbreak", "in between", "größe", "\ufeffmark", "'", "😀"]
    sandbox.add_segment("odd", unbounded=True, included=["user-0", *odd[:4], "gone", *odd[4:]])

    run = sync(
        [schema(), *members("new", "user-0", *odd), state(1)], **SNAPSHOT | {"segment_key": "odd"}
    )

    assert run.error is None
    assert run.states == [1]
    assert set(sandbox.included("odd")) == {"new", "user-0", *odd}
    assert instructions_of(sandbox) == [
        [
            {"kind": "removeBigSegmentIncludedTargets", "values": ["gone"]},
            {"kind": "addBigSegmentIncludedTargets", "values": ["new"]},
        ]
    ]
    assert "1 added, 1 removed, 9 already in place" in run.summary


def test_unchanged_audience_costs_a_look(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("user-0", "gone"), state(1)], **SNAPSHOT)

    assert run.error is None
    assert run.states == [1]
    assert requests_of(sandbox) == ["GET", *EXPORTED]
    assert len(sandbox.downloads.exchanges()) == 1
    assert "0 added, 0 removed, 2 already in place" in run.summary


def test_empty_segment_needs_no_export(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("empty", unbounded=True)

    run = sync([schema(), *members("a", "b")], **SNAPSHOT | {"segment_key": "empty"})

    assert run.error is None
    assert requests_of(sandbox) == ["GET", "PATCH", "GET contexts"]
    assert set(sandbox.included("empty")) == {"a", "b"}


def test_segment_that_is_created_needs_no_export(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *members(*keys(50))],
        **SNAPSHOT | {"segment_key": "new", "create_segment": "big", "batch_size_rows": 2},
    )

    assert run.error is None
    assert set(sandbox.included("new")) == set(keys(50))
    assert "POST exports" not in requests_of(sandbox)


@pytest.mark.parametrize("kind", ["user", "device"])
def test_snapshot_of_any_context_kind(
    sandbox: Sandbox, sync: Callable[..., Run], kind: str
) -> None:
    sandbox.add_segment("kinds", unbounded=True, context_kind=kind, included=["a", "b"])

    run = sync(
        [schema(), *members("b", "c")],
        **SNAPSHOT | {"segment_key": "kinds", "context_kind": kind},
    )

    assert run.error is None
    assert set(sandbox.included("kinds", kind)) == {"b", "c"}


def test_last_record_of_a_key_wins_in_a_snapshot(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *members("a", "user-0"), *leavers("a", "b"), *members("b"), *members("b")],
        **SNAPSHOT,
    )

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", "b"}


def test_skipped_record_keeps_its_key_where_it_is(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *members("user-0"), record("gone", None), record("stranger", None)],
        **SNAPSHOT | {"invalid_record_action": "skip"},
    )

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


def test_who_leaves_a_snapshot_can_be_excluded(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("user-0")], **SNAPSHOT | {"removal_action": "exclude"})

    assert run.error is None
    assert (sandbox.included(BIG), sandbox.excluded(BIG)) == (["user-0"], ["gone"])


# Who may leave


def test_unproven_snapshot_changes_nothing(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("new"), state(1)], **SNAPSHOT | {"trust_end_of_input": False})

    assert "audience_size" in str(run.error)
    assert run.states == []
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}
    assert requests_of(sandbox) == ["GET", "POST exports"]


def test_other_audience_of_the_same_size_is_refused_in_people(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Numbers alone do not tell ten members from ten strangers."""
    sandbox.add_segment("many", unbounded=True, included=keys(10))

    run = sync(
        [schema(), *members(*keys(10, start=10)), state(1)], **SNAPSHOT | {"segment_key": "many"}
    )

    assert isinstance(run.error, PlanRefusedError)
    assert "10 of the 10 members" in str(run.error)
    assert run.states == []
    assert set(sandbox.included("many")) == set(keys(10))
    assert "PATCH" not in requests_of(sandbox)


def test_who_came_after_the_look_stays(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """Somebody added them, who may know more than the snapshot."""
    sandbox.export_rules.is_taken_at_start = True
    sandbox.meanwhile(ForeignChange(BIG, add=("came",)), method="GET", after=1)

    run = sync([schema(), *members("user-0"), state(1)], **SNAPSHOT)

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", "came"}


def test_who_came_stays_also_where_what_is_missing_is_sent_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    change = ForeignChange(BIG, add=("came", "gone"))
    sandbox.meanwhile(change, method="PATCH", when="after")

    run = sync([schema(), *members("user-0", "new"), state(1)], **SNAPSHOT)

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", "new", "came"}
    assert looks_at_members(sandbox) == 2
    assert "1 added, 1 removed" in run.summary


def test_change_that_never_holds_ends_the_run(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    change = ForeignChange(BIG, add=("gone",))
    sandbox.meanwhile(change, method="PATCH", when="after", times=10)

    run = sync([schema(), *members("user-0"), state(1)], **SNAPSHOT)

    assert isinstance(run.error, SegmentError)
    assert "do not show" in str(run.error)
    assert run.states == []
    assert looks_at_members(sandbox) == 3


# A dry run


def test_dry_run_is_the_same_plan_and_sends_no_change(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("user-0", "new")], **SNAPSHOT | {"dry_run": True})

    assert run.error is None
    assert requests_of(sandbox) == ["GET", *EXPORTED]
    assert "1 would be added, 1 would be removed, 1 already in place" in run.summary
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


def test_dry_run_is_refused_as_the_run_would_be(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("a", "b")], **SNAPSHOT | {"dry_run": True})

    assert "2 of the 2 members" in str(run.error)


# What it costs


def test_two_percent_of_a_large_audience_take_at_most_20_requests(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """As 1,000,000 members at 1,500 operations a request: 1 % join, 1 % leave."""
    sandbox.add_segment("many", unbounded=True, included=keys(30_000))
    sandbox.export_rules = ExportRules()
    audience = keys(30_000, start=300)

    run = sync(
        [schema(), *members(*audience), state(1)],
        **SNAPSHOT | {"segment_key": "many", "batch_size_rows": 45},
    )

    assert run.error is None
    assert set(sandbox.included("many")) == set(audience)
    # Nobody who stays was out at any moment.
    assert sandbox.left("many") == set(keys(300))
    assert len(sandbox.requests) <= 20
    assert requests_of(sandbox).count("PATCH") == 14
    assert "300 added, 300 removed, 29,700 already in place" in run.summary

    sandbox.clear_requests()
    again = sync([schema(), *members(*audience)], **SNAPSHOT | {"segment_key": "many"})

    assert again.error is None
    assert requests_of(sandbox) == ["GET", "POST exports", "GET exports", "GET exports"]


@pytest.mark.parametrize("disks", ["words", "members", "both"])
def test_plan_is_the_same_where_memory_is_too_small(
    sandbox: Sandbox, sync: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, disks: str
) -> None:
    """Words and members are compared part by part then."""
    if disks != "members":
        monkeypatch.setattr(words_room, "_LOOK_EVERY", 1)
        monkeypatch.setattr(words_room.Words.__init__, "__defaults__", (100,))
    if disks != "words":
        monkeypatch.setattr(KeySet.__init__, "__defaults__", (100,))
    sandbox.add_segment("many", unbounded=True, included=keys(2_000))

    run = sync(
        [schema(), *members(*keys(2_000, start=500)), state(1)],
        **SNAPSHOT | {"segment_key": "many"},
    )

    assert run.error is None
    assert set(sandbox.included("many")) == set(keys(2_000, start=500))
    assert sandbox.left("many") == set(keys(500))
    assert "500 added, 500 removed, 1,500 already in place" in run.summary
