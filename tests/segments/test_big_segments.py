"""Big segments by changes: unseen while they are few, else seen by an export and guarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from big_runs import BIG, MIRROR, SNAPSHOT, instructions_of, looks_at_members, requests_of
from messages import keys, leavers, members, record, schema, state

from target_launchdarkly.errors import PlanRefusedError, SegmentError
from target_launchdarkly.sandbox import Fault, ForeignChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture(autouse=True)
def big_segment(sandbox: Sandbox) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "gone"], excluded=["banned"])


def test_changes_of_a_big_segment_go_as_big_segment_instructions(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *members("new"), *leavers("gone"), *members("twice"), *leavers("twice")],
        **MIRROR,
    )

    assert run.error is None
    assert instructions_of(sandbox) == [
        [
            {"kind": "removeBigSegmentIncludedTargets", "values": ["gone", "twice"]},
            {"kind": "addBigSegmentIncludedTargets", "values": ["new"]},
        ]
    ]
    assert set(sandbox.included(BIG)) == {"user-0", "new"}


def test_few_changes_are_sent_unseen_and_two_of_them_are_looked_at(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """An export is a file of all members, which a handful of changes is not worth."""
    run = sync([schema(), *members("new"), *leavers("gone")], **MIRROR)

    assert run.error is None
    assert requests_of(sandbox) == ["GET", "PATCH", "GET contexts", "GET contexts"]
    assert "1 included, 1 un-included" in run.summary


@pytest.mark.parametrize(("count", "exports"), [(40, 0), (41, 1)])
def test_more_than_20_patches_are_worth_a_look_at_the_members(
    sandbox: Sandbox, sync: Callable[..., Run], count: int, exports: int
) -> None:
    run = sync([schema(), *members(*keys(count))], **MIRROR, batch_size_rows=2)

    assert run.error is None
    assert looks_at_members(sandbox) == exports
    assert set(sandbox.included(BIG)) == {"gone", *keys(count)}


def test_who_is_in_place_is_not_sent_again(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(100))
    messages = [schema(), *members(*keys(100)), *leavers("nobody")]

    run = sync(messages, **MIRROR | {"segment_key": "many"}, batch_size_rows=2)

    assert run.error is None
    assert requests_of(sandbox) == ["GET", "POST exports", "GET exports", "GET exports"]
    assert "0 added, 0 removed, 101 already in place" in run.summary


def test_20_000_changes_take_14_patches(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("many", unbounded=True, included=["gone", *keys(10_000, start=10_000)])

    run = sync(
        [schema(), *members(*keys(10_000)), *leavers(*keys(10_000, start=10_000))],
        **MIRROR | {"segment_key": "many", "max_removal_percent": 100},
    )

    assert run.error is None
    assert [each.method for each in sandbox.requests].count("PATCH") == 14
    assert set(sandbox.included("many")) == {*keys(10_000), "gone"}


def test_removal_action_exclude_also_adds_to_the_excluded_targets(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sync([schema(), *leavers("gone", "stranger")], **MIRROR, removal_action="exclude")

    assert sandbox.included(BIG) == ["user-0"]
    assert sandbox.excluded(BIG) == ["banned", "gone", "stranger"]


def test_whoever_is_out_is_excluded_also_where_the_members_are_seen(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *leavers("gone", *keys(60, start=1))],
        **MIRROR,
        removal_action="exclude",
        batch_size_rows=4,
    )

    assert run.error is None
    assert looks_at_members(sandbox) == 1
    assert sandbox.included(BIG) == ["user-0"]
    assert set(sandbox.excluded(BIG)) == {"banned", "gone", *keys(60, start=1)}
    # Of the others it is not known whether they are excluded, but they need no second operation.
    assert [each.method for each in sandbox.requests].count("PATCH") == 16


# The guard


@pytest.mark.parametrize(
    ("leaving", "is_refused"),
    [pytest.param(50, False, id="half"), pytest.param(51, True, id="more")],
)
def test_too_many_who_leave_are_refused_in_people(
    sandbox: Sandbox, sync: Callable[..., Run], leaving: int, is_refused: bool
) -> None:
    """A broken join sets every flag to false: nobody may leave then."""
    sandbox.add_segment("many", unbounded=True, included=keys(100))

    run = sync([schema(), *leavers(*keys(leaving)), state(1)], **MIRROR | {"segment_key": "many"})

    assert isinstance(run.error, PlanRefusedError) == is_refused
    if is_refused:
        assert "51 of the 100 members" in str(run.error)
        assert run.states == []
        assert set(sandbox.included("many")) == set(keys(100))
    else:
        assert looks_at_members(sandbox) == 0


def test_strangers_who_leave_do_not_count(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """A table of all customers names many who were never members."""
    sandbox.add_segment("many", unbounded=True, included=keys(100))

    run = sync([schema(), *leavers(*keys(90, start=50))], **MIRROR | {"segment_key": "many"})

    assert run.error is None
    assert looks_at_members(sandbox) == 1
    assert set(sandbox.included("many")) == set(keys(50))
    assert "50 removed, 40 already in place" in run.summary


def test_mode_remove_is_not_guarded(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(100))

    run = sync([schema(), *leavers(*keys(100))], segment_key="many", audience_sync_mode="remove")

    assert run.error is None
    assert sandbox.included("many") == []
    assert looks_at_members(sandbox) == 0


# Where there are no exports


def test_changes_go_on_unseen_where_the_token_may_not_export(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(100))
    sandbox.export_rules.denied = True

    run = sync([schema(), *leavers(*keys(60))], **MIRROR | {"segment_key": "many"})

    assert run.error is None
    assert set(sandbox.included("many")) == set(keys(40, start=60))
    (warning,) = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert "createSegmentExport" in warning
    assert "max_removal_percent" in warning
    assert "60 un-included" in run.summary


def test_changes_go_on_unseen_where_members_are_too_many_to_export(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(100))
    sandbox.export_rules.max_members = 99

    run = sync(
        [schema(), *members(*keys(50, start=100))],
        **MIRROR | {"segment_key": "many"},
        batch_size_rows=2,
    )

    assert run.error is None
    assert set(sandbox.included("many")) == set(keys(150))
    assert any("refuses to export" in each.message for each in caplog.records)


def test_export_that_cannot_be_trusted_refuses_changes_that_need_it(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(100))
    sandbox.export_rules.missing = 1

    run = sync([schema(), *leavers(*keys(60)), state(1)], **MIRROR | {"segment_key": "many"})

    assert "99 rows" in str(run.error)
    assert run.states == []
    assert set(sandbox.included("many")) == set(keys(100))


# What must hold


def test_patch_that_does_not_hold_is_made_good(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """Somebody takes the new member off again, just after the patch."""
    sandbox.meanwhile(ForeignChange(BIG, remove=("new",)), method="PATCH", when="after")

    run = sync([schema(), *members("new"), state(1)], **MIRROR)

    assert run.error is None
    assert run.states == [1]
    assert "new" in sandbox.included(BIG)
    assert looks_at_members(sandbox) == 1
    assert "1 included" in run.summary


def test_patch_that_never_holds_ends_the_run(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.meanwhile(ForeignChange(BIG, remove=("new",)), method="PATCH", when="after", times=10)

    run = sync([schema(), *members("new"), state(1)], **MIRROR)

    assert isinstance(run.error, SegmentError)
    assert "do not show" in str(run.error)
    assert run.states == []


def test_patch_of_unknown_fate_is_followed_by_a_look_at_all_members(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """A late copy of it may come yet, of any of its keys."""
    sandbox.faults.append(Fault("drop-after", method="PATCH"))

    run = sync([schema(), *members("new"), state(1)], **MIRROR)

    assert run.error is None
    assert "new" in sandbox.included(BIG)
    assert looks_at_members(sandbox) == 1


# What cannot be


def test_other_context_kind_than_the_segment_s_is_refused(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("a")], segment_key=BIG, context_kind="device")

    assert "context kind 'user'" in str(run.error)
    assert [each.method for each in sandbox.requests] == ["GET"]


def test_synced_segment_is_refused_naming_its_owner(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("cohort", unbounded=True, external="amplitude")

    run = sync([schema(), *members("a")], segment_key="cohort")

    assert "amplitude" in str(run.error)
    assert [each.method for each in sandbox.requests] == ["GET"]


def test_skipped_record_says_nothing_by_changes(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync(
        [schema(), *members("new"), record("gone", None)],
        **MIRROR,
        invalid_record_action="skip",
    )

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", "gone", "new"}


def test_standard_segment_past_15_000_targets_is_warned_about_once(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = sync([schema(), *members(*keys(18_000))])

    assert run.error is None
    warnings = [each.message for each in caplog.records if "passes 15,000" in each.message]
    assert len(warnings) == 1
    assert "create_segment" in warnings[0]


@pytest.mark.parametrize("key", [".", ".."])
@pytest.mark.parametrize("has_others", [True, False])
def test_key_that_no_path_can_name_is_synced_though_nobody_can_ask_for_it(
    sandbox: Sandbox, sync: Callable[..., Run], key: str, has_others: bool
) -> None:
    """A path with dots alone leads to another resource, which knows no membership."""
    others = ["new"] if has_others else []

    assert sync([schema(), *members(*others, key)], **MIRROR).error is None
    assert {*others, key} < set(sandbox.included(BIG))
    assert sync([schema(), *leavers(*others, key)], **MIRROR).error is None
    assert not {*others, key} & set(sandbox.included(BIG))


@pytest.mark.parametrize("mode", [MIRROR, SNAPSHOT], ids=["changes", "snapshot"])
def test_segment_that_is_created_meanwhile_with_another_kind_gets_nothing(
    sandbox: Sandbox, sync: Callable[..., Run], mode: dict[str, Any]
) -> None:
    """Its instructions name no kind, so that the keys of people would become devices."""
    sandbox.meanwhile(
        lambda each: each.add_segment("new", unbounded=True, context_kind="device"), method="POST"
    )

    run = sync(
        [schema(), *members("a"), state(1)],
        **mode | {"segment_key": "new", "create_segment": "big"},
    )

    assert isinstance(run.error, SegmentError)
    assert "context kind" in str(run.error)
    assert run.states == []
    assert sandbox.included("new", "device") == []
