"""Big segments: patches for changes, one import for a whole audience, nothing left on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import keys, leavers, members, record, schema, state

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

BIG = "customers"
SNAPSHOT = {
    "segment_key": BIG,
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
}


@pytest.fixture(autouse=True)
def big_segment(sandbox: Sandbox) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "gone"], excluded=["banned"])


def requests_of(sandbox: Sandbox) -> list[str]:
    """Return method and last part of the path of each request."""
    return [
        f"{each.method} {each.path.rsplit('/', 1)[-1].split('-')[0]}" for each in sandbox.requests
    ]


def instructions_of(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    bodies: list[Any] = [each.body for each in sandbox.requests if each.method == "PATCH"]
    return [body["instructions"] for body in bodies]


def test_changes_of_a_big_segment_go_as_big_segment_instructions(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *members("new"), *leavers("gone"), *members("twice"), *leavers("twice")],
        segment_key=BIG,
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert instructions_of(sandbox) == [
        [
            {"kind": "removeBigSegmentIncludedTargets", "values": ["gone", "twice"]},
            {"kind": "addBigSegmentIncludedTargets", "values": ["new"]},
        ]
    ]
    assert set(sandbox.included(BIG)) == {"user-0", "new"}


def test_20_000_changes_take_14_patches(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync(
        [schema(), *members(*keys(10_000, start=1)), *leavers(*keys(10_000, start=10_001))],
        segment_key=BIG,
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert [each.method for each in sandbox.requests] == ["GET"] + ["PATCH"] * 14
    assert set(sandbox.included(BIG)) == {*keys(10_001), "gone"}


def test_removal_action_exclude_also_adds_to_the_excluded_targets(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sync(
        [schema(), *leavers("gone")],
        segment_key=BIG,
        audience_sync_mode="mirror",
        removal_action="exclude",
    )

    assert sandbox.included(BIG) == ["user-0"]
    assert sandbox.excluded(BIG) == ["banned", "gone"]


@pytest.mark.parametrize("action", ["skip", "include", "fail"])
def test_key_excluded_by_hand_is_treated_as_the_settings_say(
    sandbox: Sandbox, sync: Callable[..., Run], action: str
) -> None:
    """LaunchDarkly refuses the whole patch, and does not list who is excluded."""
    run = sync(
        [schema(), *members(*keys(20, start=1), "banned")],
        segment_key=BIG,
        excluded_key_action=action,
    )

    assert ("banned" in sandbox.included(BIG)) == (action == "include")
    if action == "fail":
        assert "excluded_key_action" in str(run.error)
        assert "banned" not in str(run.error)
    else:
        assert run.error is None
        assert set(keys(20)) < set(sandbox.included(BIG))
    assert ("1 excluded by hand" in run.summary) == (action == "skip")


def test_proven_snapshot_replaces_the_members_with_one_import(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    odd = ["a,b", 'say "hi"', "line\nbreak", "in between", "größe", "\ufeffmark", "'", "😀"]

    run = sync([schema(), *members("user-0", *odd), state(1)], **SNAPSHOT)

    assert run.error is None
    assert run.states == [1]
    assert set(sandbox.included(BIG)) == {"user-0", *odd}
    assert sandbox.excluded(BIG) == ["banned"]
    assert requests_of(sandbox)[:2] == [f"GET {BIG}", "POST imports"]
    assert {each.method for each in sandbox.requests[2:]} == {"GET"}


@pytest.mark.parametrize("dry_run", [False, True])
def test_summary_tells_who_left_by_a_replacing_import(
    sync: Callable[..., Run], *, dry_run: bool
) -> None:
    """Of a big segment, nothing can be said to be in place already."""
    run = sync([schema(), *members("user-0")], **SNAPSHOT | {"dry_run": dry_run})

    would = "would be " if dry_run else ""
    assert f"1 {would}included, 1 {would}un-included, 0 already in place" in run.summary


def test_last_record_of_a_key_wins_in_a_snapshot(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        [schema(), *members("a", "user-0"), *leavers("a", "b"), *members("b"), *members("b")],
        **SNAPSHOT,
    )

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", "b"}


def test_unproven_snapshot_changes_nothing(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("new"), state(1)], **SNAPSHOT | {"trust_end_of_input": False})

    assert "audience_size" in str(run.error)
    assert run.states == []
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}
    assert [each.method for each in sandbox.requests] == ["GET"]


@pytest.mark.parametrize(("count", "method"), [(40, "PATCH"), (41, "POST")])
def test_additions_go_as_a_merge_where_that_takes_fewer_requests(
    sandbox: Sandbox, sync: Callable[..., Run], count: int, method: str
) -> None:
    sandbox.add_segment("plain", unbounded=True, included=["user-0", "gone"])

    run = sync(
        [schema(), *members(*keys(count, start=1)), *leavers("gone")],
        segment_key="plain",
        audience_sync_mode="mirror",
        batch_size_rows=2,
    )

    assert run.error is None
    assert sandbox.requests[1].method == method
    assert set(sandbox.included("plain")) == set(keys(count + 1))


@pytest.mark.parametrize("action", ["skip", "include", "fail"])
def test_many_additions_respect_who_is_excluded_by_hand(
    sandbox: Sandbox, sync: Callable[..., Run], action: str
) -> None:
    """An import would not look at the excluded targets."""
    run = sync(
        [schema(), *members(*keys(60, start=1), "banned")],
        segment_key=BIG,
        batch_size_rows=2,
        excluded_key_action=action,
    )

    assert (run.error is None) == (action != "fail")
    assert ("banned" in sandbox.included(BIG)) == (action == "include")
    assert "POST" not in {each.method for each in sandbox.requests}


def test_import_of_an_earlier_run_is_waited_for(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """It would bring back who leaves now."""
    sandbox.add_segment("plain", unbounded=True)
    sandbox.import_rules.polls = 10
    first = sync(
        [schema(), *members(*keys(50))],
        segment_key="plain",
        batch_size_rows=2,
        max_retry_seconds=0,
    )
    assert "not complete" in str(first.error)

    second = sync([schema(), *leavers("user-1")], segment_key="plain", audience_sync_mode="mirror")

    assert "import in progress" in str(second.error)
    assert "PATCH" not in {each.method for each in sandbox.requests}


def test_guard_counts_against_the_included_count(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(10))

    run = sync([schema(), *members(*keys(4))], **SNAPSHOT | {"segment_key": "many"})

    assert "6 of the 10 members" in str(run.error)
    assert set(sandbox.included("many")) == set(keys(10))
    assert not any(each.method == "POST" for each in sandbox.requests)


def test_skipped_record_with_a_readable_key_keeps_the_snapshot_from_replacing(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Whether that key is a member cannot be looked up, so nobody may be removed."""
    run = sync(
        [schema(), *members("user-0"), record("gone", None)],
        **SNAPSHOT | {"invalid_record_action": "skip"},
    )

    assert "invalid records were skipped" in str(run.error)
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


@pytest.mark.parametrize(
    ("outcome", "told"), [("stopped", "was stopped"), ("pending_approval", "waits for an approval")]
)
def test_import_that_does_not_complete_is_told_for_what_it_is(
    sandbox: Sandbox, sync: Callable[..., Run], outcome: str, told: str
) -> None:
    # Nothing has shown on the way yet.
    sandbox.import_rules.polls = 1
    sandbox.import_rules.outcome = outcome  # type: ignore[assignment]

    run = sync([schema(), *members("user-0"), state(1)], **SNAPSHOT)

    assert told in str(run.error)
    assert run.states == []
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


def test_import_is_looked_at_ever_more_rarely_and_not_for_ever(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    sandbox.import_rules.polls = 1_000

    run = sync([schema(), *members("user-0")], **SNAPSHOT | {"max_retry_seconds": 100})

    assert "not complete after 63 s" in str(run.error)
    assert "max_retry_seconds" in str(run.error)
    assert clock.slept == [1, 2, 4, 8, 16, 32]


def test_import_already_in_progress_is_waited_for(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(Fault("status", method="POST", status=409))

    run = sync([schema(), *members("user-0")], **SNAPSHOT)

    assert run.error is None
    assert sandbox.included(BIG) == ["user-0"]


def test_import_already_in_progress_is_told_when_patience_ends(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(Fault("status", method="POST", status=409, times=100))

    run = sync([schema(), *members("user-0")], **SNAPSHOT)

    assert "HTTP 409" in str(run.error)
    assert "import" in str(run.error)
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


def test_lost_answer_to_an_import_is_made_good(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """The second try meets the first one's import, which must have ended before it is made."""
    sandbox.faults.append(Fault("drop-after", method="POST"))
    sandbox.import_rules.polls = 0

    run = sync([schema(), *members("user-0")], **SNAPSHOT)

    assert run.error is None
    assert sandbox.included(BIG) == ["user-0"]


def test_other_context_kind_than_the_segment_s_is_refused(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("a")], segment_key=BIG, context_kind="device")

    assert "context kind 'user'" in str(run.error)
    assert [each.method for each in sandbox.requests] == ["GET"]


def test_snapshot_of_a_big_segment_cannot_exclude_who_leaves(sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("a")], **SNAPSHOT | {"removal_action": "exclude"})

    assert "removal_action" in str(run.error)


def test_dry_run_plans_an_import_and_sends_nothing(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("user-0", "new")], **SNAPSHOT | {"dry_run": True})

    assert run.error is None
    assert [each.method for each in sandbox.requests] == ["GET"]
    assert "2 would be included" in run.summary


def test_synced_segment_is_refused_naming_its_owner(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("cohort", unbounded=True, external="amplitude")

    run = sync([schema(), *members("a")], segment_key="cohort")

    assert "amplitude" in str(run.error)
    assert [each.method for each in sandbox.requests] == ["GET"]


def test_standard_segment_past_15_000_targets_is_warned_about_once(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = sync([schema(), *members(*keys(18_000))])

    assert run.error is None
    warnings = [each.message for each in caplog.records if "15000" in each.message]
    assert len(warnings) == 1
    assert "create_segment" in warnings[0]
