"""A snapshot changes its segment only when it is proven whole: versions, STATE and trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    END,
    FREELY,
    SIZED,
    TRUSTING,
    WITH_SIZE,
    activate,
    demand_done,
    demand_untouched,
    included,
    put,
    sized,
    versioned,
    whole,
)
from messages import COLUMNS, members, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audience_tables import Message, Sync
    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

#: When the run begins, as its clock says.
START = 1_800_000_000


def run_with(
    sandbox: Sandbox, sync: Sync, messages: Iterable[Message], settings: Message = FREELY
) -> Run:
    put(sandbox, "gone", "user-0")
    return sync(whole(*messages), **settings)


# Versions


@pytest.mark.parametrize("version", [START + 1, START + 60, START * 1_000 + 1])
def test_new_version_activated_last_proves(sandbox: Sandbox, sync: Sync, version: int) -> None:
    messages = [*versioned(members("user-0", "user-1"), version), activate(version)]

    demand_done(run_with(sandbox, sync, messages), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(True, id="true"),
        pytest.param(1, id="a-counter"),
        pytest.param(str(START + 1), id="text"),
        pytest.param(START + 1.0, id="a-float"),
        pytest.param(START, id="of-the-start"),
        pytest.param(START - 30, id="half-a-minute-old"),
        pytest.param((START - 30) * 1_000, id="milliseconds-half-a-minute-old"),
        pytest.param(START + 61, id="of-the-future"),
        pytest.param(START * 1_000_000, id="microseconds"),
        pytest.param(10**400, id="a-number-that-no-float-holds"),
    ],
)
def test_version_that_is_no_time_of_this_run_changes_nothing(
    sandbox: Sandbox, sync: Sync, version: object
) -> None:
    messages = [*versioned(members("user-0", "user-1"), version), activate(version)]

    demand_untouched(sandbox, run_with(sandbox, sync, messages), "gone", "user-0")


def test_version_counts_from_the_start_of_the_process_not_from_the_end_of_the_input(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    """A run that takes an hour must not take a version of its first minute for another's."""
    clock.elapsed = 3_600
    rows = versioned(members("user-0", "user-1"), START + 1)

    demand_done(run_with(sandbox, sync, [*rows, activate(START + 1)]), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(["activate", "record", "record"], id="before-the-first-record-only"),
        pytest.param(["record", "activate", "record"], id="between-records"),
        pytest.param(["record", "newer", "activate"], id="records-of-two-versions"),
        pytest.param(["newer", "record", "activate"], id="records-of-two-versions-newer-first"),
        pytest.param(["plain", "activate"], id="records-without-a-version"),
        pytest.param(["record", "activate-newer"], id="another-version-activated"),
        pytest.param(["activate"], id="no-record"),
        pytest.param(["record", "activate", "schema", "record"], id="a-record-after-a-new-schema"),
        pytest.param(["record", "schema", "activate"], id="announcing-the-next-partition"),
    ],
)
def test_activation_that_does_not_end_one_whole_table_changes_nothing(
    sandbox: Sandbox, sync: Sync, order: list[str]
) -> None:
    row = record("user-0")
    kinds: dict[str, Message] = {
        "activate": activate(START + 1),
        "activate-newer": activate(START + 2),
        "record": row | {"version": START + 1},
        "newer": row | {"version": START + 2},
        "plain": row,
        "schema": schema(columns=COLUMNS | {"more": {"type": ["string", "null"]}}),
    }

    run = run_with(sandbox, sync, [kinds[kind] for kind in order])

    demand_untouched(sandbox, run, "gone", "user-0")


def test_schema_change_does_not_forget_what_came_before(sandbox: Sandbox, sync: Sync) -> None:
    messages = [
        *versioned(members("user-0"), START + 1),
        schema(columns=COLUMNS | {"more": {"type": ["string", "null"]}}),
        *versioned(members("user-1"), START + 1),
        activate(START + 1),
        schema(columns=COLUMNS | {"most": {"type": ["string", "null"]}}),
    ]

    demand_done(run_with(sandbox, sync, messages), {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


def test_schema_change_does_not_forget_another_version(sandbox: Sandbox, sync: Sync) -> None:
    messages = [
        *versioned(members("user-0"), START + 2),
        schema(columns=COLUMNS | {"more": {"type": ["string", "null"]}}),
        *versioned(members("user-1"), START + 1),
        activate(START + 1),
    ]

    demand_untouched(sandbox, run_with(sandbox, sync, messages), "gone", "user-0")


# What came to nothing


@pytest.mark.parametrize("settings", [FREELY, TRUSTING], ids=["by-version", "trusted"])
def test_stream_without_a_record_changes_nothing(
    sandbox: Sandbox, sync: Sync, settings: Message
) -> None:
    """A tap that dies just after its SCHEMA looks the same."""
    run = run_with(sandbox, sync, [activate(START + 1)], settings)

    told = demand_untouched(sandbox, run, "gone", "user-0")
    assert "no record came" in told
    assert "one row with a null key and the size 0" in told


def test_input_without_a_message_changes_nothing(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone")

    told = demand_untouched(sandbox, sync([], **TRUSTING), "gone")

    assert "no stream came at all" in told


# Streams that send only what is new


@pytest.mark.parametrize("bookmark_comes", ["first", "later"])
def test_incremental_stream_changes_nothing_however_it_is_trusted(
    sandbox: Sandbox, sync: Sync, bookmark_comes: str
) -> None:
    put(sandbox, "gone", "user-0")
    incremental = schema(bookmark_properties=["updated_at"])
    schemas = [incremental] if bookmark_comes == "first" else [schema(), incremental]

    run = sync([*schemas, *members("user-0", "user-1")], **TRUSTING)

    assert "bookmark_properties" in demand_untouched(sandbox, run, "gone", "user-0")


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param({"replication_key_value": "2026-11-22"}, id="replication-key"),
        pytest.param({"last_replication_method": "INCREMENTAL"}, id="incremental"),
        pytest.param({"last_replication_method": "LOG_BASED", "lsn": 5}, id="log-based"),
        pytest.param({"partitions": [{"replication_key_value": 5}]}, id="in-a-partition"),
    ],
)
@pytest.mark.parametrize("place", [1, 2, 4], ids=["first", "between", "last"])
def test_stream_that_a_state_shows_as_incremental_is_not_trusted(
    sandbox: Sandbox, sync: Sync, bookmark: Message, place: int
) -> None:
    put(sandbox, "gone", "user-0")
    messages = [schema(), *members("user-0", "user-1"), END]
    messages.insert(place, state({"bookmarks": {"audience": bookmark}}))

    told = demand_untouched(sandbox, sync(messages, **TRUSTING), "gone", "user-0")

    assert "trust_end_of_input does not count, because a STATE" in told


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"bookmarks": {"audience": {}}}, id="empty"),
        pytest.param(
            {"bookmarks": {"audience": {"last_replication_method": "FULL_TABLE"}}}, id="full-table"
        ),
        pytest.param({"bookmarks": {"other": {"replication_key_value": 5}}}, id="another-stream"),
        pytest.param({"bookmarks": [5]}, id="odd"),
        pytest.param([], id="no-object"),
    ],
)
def test_state_of_a_full_table_takes_no_trust_away(
    sandbox: Sandbox, sync: Sync, value: object
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync([schema(), state(value), *members("user-0", "user-1"), END], **TRUSTING)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0", "user-1"}


def test_incremental_stream_that_states_its_size_and_is_whole_removes(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    run = sync(
        [schema(columns=SIZED, bookmark_properties=["at"]), *sized(members("user-0", "user-1"), 2)],
        **WITH_SIZE,
    )

    demand_done(run)
    assert included(sandbox) == {"user-0", "user-1"}


@pytest.mark.parametrize("sign", ["xmin", "last_pk_fetched"])
def test_table_that_a_state_shows_resumed_changes_nothing(
    sandbox: Sandbox, sync: Sync, sign: str
) -> None:
    """Its version may be of this run, if somebody made one up; its rows began earlier."""
    put(sandbox, "gone", "user-0")
    rows = [*versioned(members("user-0"), START + 1), activate(START + 1)]
    resumed = state({"bookmarks": {"shop-audience": {sign: 5, "version": START + 1}}})

    told = demand_untouched(sandbox, sync([schema(), resumed, *rows], **FREELY), "gone", "user-0")

    assert "a STATE shows a table that was resumed" in told


def test_table_whose_state_comes_after_its_first_record_is_proven(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Taps write how far they are, for the case that they are interrupted."""
    put(sandbox, "gone", "user-0")
    first, second = versioned(members("user-0", "user-1"), START + 1)
    so_far = state({"bookmarks": {"audience": {"xmin": 5}}})

    run = sync([schema(), first, so_far, second, activate(START + 1)], **FREELY)

    assert run.error is None
    assert included(sandbox) == {"user-0", "user-1"}
