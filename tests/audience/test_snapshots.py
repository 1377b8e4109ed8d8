"""Mirroring by a list of the whole audience: what each record does to its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    END,
    FREELY,
    TRUSTING,
    demand_done,
    demand_untouched,
    excluded,
    included,
    instructions,
    methods,
    operations,
    put,
    whole,
)
from messages import COLUMNS, keys, leavers, members, record, schema, state

from target_launchdarkly.errors import InvalidRecordError, LaunchDarklyError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

EXCLUDING = TRUSTING | {"removal_action": "exclude"}


# What a record does to its key


def test_later_false_record_wins_over_an_earlier_true_one(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "user-0", "user-1", "user-2")
    rows = [
        *members("user-0", "user-1", "user-3"),
        *leavers("user-1", "user-3"),
        *members("user-2"),
    ]

    demand_done(sync(whole(*rows), batch_size_rows=1, **TRUSTING), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-2"}


def test_later_true_record_wins_over_an_earlier_false_one(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "user-0", "user-1")
    rows = [*leavers("user-0", "new"), *members("user-0", "new")]

    demand_done(sync(whole(*rows), **TRUSTING), {"at": "end"})
    assert included(sandbox) == {"user-0", "new"}


def test_word_that_a_later_one_takes_back_costs_no_operation(sandbox: Sandbox, sync: Sync) -> None:
    """Nobody leaves and comes back, nor comes and leaves, on the way."""
    put(sandbox, "user-0", "user-1")
    rows = [
        *leavers("user-0"),
        *members("user-2", "user-0", "user-1"),
        *leavers("user-2"),
        *members("new"),
    ]

    demand_done(sync(whole(*rows), batch_size_rows=2, **TRUSTING), {"at": "end"})
    assert operations(sandbox) == {("addIncludedTargets", "new"): 1}


@pytest.mark.parametrize("proven", [True, False], ids=["proven", "unproven"])
def test_false_record_of_a_stranger_excludes_nobody(
    sandbox: Sandbox, sync: Sync, proven: bool
) -> None:
    """Only who was a member at first and is not listed leaves, and only once that is proven."""
    put(sandbox, "user-0")
    rows = [*leavers("stranger", "twice"), *members("user-0", "twice")]

    run = sync(whole(*rows), removal_action="exclude", **(TRUSTING if proven else FREELY))

    assert (run.error is None) == proven
    assert sandbox.excluded("beta-users") == []


def test_listed_member_with_an_earlier_false_record_is_not_excluded(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "user-0")
    rows = [*leavers("new", "stranger", "other"), *members("user-0", "new")]

    demand_done(sync(whole(*rows), batch_size_rows=2, **EXCLUDING), {"at": "end"})
    assert included(sandbox) == {"user-0", "new"}
    assert excluded(sandbox) == set()


def test_snapshot_excludes_who_left_with_removal_action_exclude(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    demand_done(sync(whole(*members("user-0")), **EXCLUDING), {"at": "end"})
    assert included(sandbox) == {"user-0"}
    assert excluded(sandbox) == {"gone"}


def test_who_was_excluded_when_leaving_comes_back_when_listed_again(
    sandbox: Sandbox, sync: Sync
) -> None:
    """With removal_action exclude, the default of excluded_key_action is to include."""
    put(sandbox, "user-0", "user-1")
    sync(whole(*members("user-0")), **EXCLUDING)
    assert excluded(sandbox) == {"user-1"}

    demand_done(sync(whole(*members("user-0", "user-1")), **EXCLUDING), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}
    assert excluded(sandbox) == set()


@pytest.mark.parametrize("action", ["skip", "include"])
def test_key_excluded_by_hand_stays_so_unless_the_settings_lift_it(
    sandbox: Sandbox, sync: Sync, action: str
) -> None:
    sandbox.add_segment("table", included=["gone", "user-0"], excluded=["listed", "unlisted"])

    run = sync(
        whole(*members("user-0", "listed")),
        segment_key="table",
        excluded_key_action=action,
        **TRUSTING,
    )

    demand_done(run, {"at": "end"})
    lifted = {"listed"} if action == "include" else set()
    assert included(sandbox, "table") == {"user-0"} | lifted
    assert excluded(sandbox, "table") == {"listed", "unlisted"} - lifted


def test_stream_without_a_flag_lists_by_its_records(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", "user-0")
    rows = [
        {"type": "RECORD", "stream": "audience", "record": {"context_key": key}}
        for key in ("user-0", "user-1")
    ]

    run = sync(whole(*rows, columns={"context_key": COLUMNS["context_key"]}), **TRUSTING)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


def test_row_deleted_at_its_source_is_not_listed(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "user-0", "user-1")
    columns = COLUMNS | {"_sdc_deleted_at": {"type": ["string", "null"]}}
    rows = [
        record("user-0", _sdc_deleted_at=None),
        record("user-1", _sdc_deleted_at="2026-11-22T09:42:04Z"),
    ]

    demand_done(sync(whole(*rows, columns=columns), **TRUSTING), {"at": "end"})
    assert included(sandbox) == {"user-0"}


def test_keys_of_another_kind_stay(sandbox: Sandbox, sync: Sync) -> None:
    sandbox.add_segment("table", context_kind="organization", included=["acme"])
    put(sandbox, "gone", "user-0", segment="table")

    demand_done(sync(whole(*members("user-0")), segment_key="table", **TRUSTING), {"at": "end"})
    assert included(sandbox, "table") == {"user-0"}
    assert sandbox.included("table", "organization") == ["acme"]


# Records that cannot be used


@pytest.mark.parametrize("spoilt", [{"is_member": "perhaps"}, {"is_member": None}])
@pytest.mark.parametrize("settings", [TRUSTING, EXCLUDING], ids=["remove", "exclude"])
def test_invalid_record_that_is_skipped_neither_adds_nor_removes_its_key(
    sandbox: Sandbox, sync: Sync, spoilt: Message, settings: Message
) -> None:
    put(sandbox, "gone", "user-0", "user-1")
    rows = [record(key) for key in ("user-1", "stranger")]
    for row in rows:
        row["record"] |= spoilt
    columns = COLUMNS | {"is_member": {"type": ["boolean", "string", "null"]}}

    run = sync(
        whole(*members("user-0"), *rows, columns=columns),
        invalid_record_action="skip",
        **settings,
    )

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}
    assert excluded(sandbox) <= {"gone"}
    assert "2 invalid" in run.summary


@pytest.mark.parametrize(
    ("last", "stays"), [("good", False), ("spoilt", True)], ids=["good-last", "spoilt-last"]
)
def test_invalid_record_is_the_last_word_only_if_it_comes_last(
    sandbox: Sandbox, sync: Sync, last: str, stays: bool
) -> None:
    put(sandbox, "user-0", "user-1")
    columns = COLUMNS | {"is_member": {"type": ["boolean", "string"]}}
    good, spoilt = record("user-1", is_member=False), record("user-1", is_member="perhaps")
    rows = [spoilt, good] if last == "good" else [good, spoilt]

    run = sync(
        whole(*members("user-0"), *rows, columns=columns),
        invalid_record_action="skip",
        **TRUSTING,
    )

    demand_done(run, {"at": "end"})
    assert ("user-1" in included(sandbox)) == stays


def test_invalid_record_fails_a_snapshot_before_it_changes_anything(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync(whole(*members("user-0", "new"), record(None)), **TRUSTING)

    assert isinstance(run.error, InvalidRecordError)
    assert included(sandbox) == {"gone", "user-0"}
    assert methods(sandbox) == ["GET"]
    assert run.states == []


# Dry runs


@pytest.mark.parametrize("proven", [True, False], ids=["proven", "unproven"])
def test_dry_run_draws_and_judges_the_same_plan_and_changes_nothing(
    sandbox: Sandbox, sync: Sync, proven: bool
) -> None:
    put(sandbox, "gone", "user-0")
    settings = TRUSTING if proven else FREELY

    run = sync(whole(*members("user-0", "new")), dry_run=True, **settings)

    assert included(sandbox) == {"gone", "user-0"}
    assert methods(sandbox) == ["GET"]
    assert run.states == []
    if proven:
        assert run.error is None
        assert "1 would be added, 1 would be removed, 1 already in place" in run.summary
        return
    told = demand_untouched(sandbox, run, "gone", "user-0")
    assert told == str(sync(whole(*members("user-0", "new")), **settings).error)


# Order and number of the requests


def test_removals_come_before_additions_in_full_requests(sandbox: Sandbox, sync: Sync) -> None:
    """A segment near its limit must not pass it because who joins comes first."""
    put(sandbox, *(f"gone-{number}" for number in range(5)), *keys(10))

    run = sync(whole(*members(*keys(15))), batch_size_rows=2, **TRUSTING)

    demand_done(run, {"at": "end"})
    remove, add = "removeIncludedTargets", "addIncludedTargets"
    assert instructions(sandbox) == [[remove], [remove], [remove, add], [add], [add]]


def test_exchange_of_a_third_of_a_full_segment_warns_of_no_limit(
    sandbox: Sandbox, sync: Sync, caplog: pytest.LogCaptureFixture
) -> None:
    """12,000 members, 4,000 join, 4,001 leave: at no time more than 15,000 targets."""
    put(sandbox, *keys(12_000))

    run = sync(whole(*members(*keys(11_999, 4_001))), **TRUSTING)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {*keys(11_999, 4_001)}
    assert methods(sandbox) == ["GET", *["PATCH"] * 6]
    assert "15,000" not in caplog.text


def test_state_waits_for_the_last_request(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *(f"gone-{number}" for number in range(4)), "user-0")
    sandbox.faults.append(Fault("status", method="PATCH", status=503, after=1, times=1_000))

    run = sync(
        whole(*members("user-0", "new")), batch_size_rows=2, max_retry_seconds=30, **TRUSTING
    )

    assert isinstance(run.error, LaunchDarklyError)
    assert len(included(sandbox)) == 3
    assert run.states == []


def test_snapshot_is_not_cut_into_checkpoints(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK drains every five minutes and writes STATE then; here it waits for the end."""
    monkeypatch.setattr("singer_sdk.target_base.Target._MAX_RECORD_AGE_IN_MINUTES", -1)
    put(sandbox, "gone", "user-0")
    rows: list[Message] = []
    for number in range(5):
        rows += [state({"at": number}), *members(f"user-{number}")]

    run = sync([schema(), *rows], **TRUSTING)

    demand_done(run, {"at": 4})
    assert len(instructions(sandbox)) == 1
    assert included(sandbox) == {*keys(5)}


def test_snapshot_that_fails_writes_no_state_however_long_it_takes(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singer_sdk.target_base.Target._MAX_RECORD_AGE_IN_MINUTES", -1)
    put(sandbox, "gone", "user-0")
    rows = [state({"at": 1}), *members("user-0"), state({"at": 2}), *members("user-1")]

    demand_untouched(sandbox, sync(whole(*rows), **FREELY), "gone", "user-0")


def test_same_snapshot_again_costs_one_get(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", "user-0")
    messages = whole(*members("user-0", "user-1"))
    sync(messages, **TRUSTING)
    sandbox.clear_requests()

    demand_done(sync(messages, **TRUSTING), {"at": "end"})
    assert methods(sandbox) == ["GET"]


def test_first_load_of_a_full_segment_costs_one_get_and_ten_patches(
    sandbox: Sandbox, sync: Sync
) -> None:
    demand_done(sync(whole(*members(*keys(15_000))), **TRUSTING), {"at": "end"})
    assert methods(sandbox) == ["GET", *["PATCH"] * 10]


def test_one_percent_changed_costs_one_get_and_one_patch(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *keys(10_000))

    demand_done(sync([schema(), *members(*keys(10_000, 50)), END], **TRUSTING), {"at": "end"})
    assert methods(sandbox) == ["GET", "PATCH"]
