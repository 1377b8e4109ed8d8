"""Memberships that end, by mode: who leaves, who comes back, who is rehearsed or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from expiring_members import (
    FIELD,
    NOW_MS,
    SCHEMA,
    SOON,
    expirations,
    sent,
    until,
)
from messages import COLUMNS, keys, leavers, members, record, schema
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS: dict[str, Any] = {"audience_sync_mode": "mirror", "expires_at_field": FIELD}
SNAPSHOT = SETTINGS | {"mirror_source": "snapshot", "trust_end_of_input": True}
READ, LOOK = ("GET", "segment"), ("GET", "expiring")
PATCH, EXPIRE = ("PATCH", "segment"), ("PATCH", "expiring")


@pytest.mark.parametrize("outlives", [False, True], ids=["goes-along", "outlives-its-target"])
@pytest.mark.parametrize("how", ["flag", "passed", "unlisted", "deleted"])
def test_who_leaves_takes_the_expiration_along(
    sync: Callable[..., Run], sandbox: Sandbox, outlives: bool, how: str
) -> None:
    """Whether it outlives its target is not documented: it must not meet whoever comes back."""
    sandbox.keeps_orphans = outlives
    sync([SCHEMA, *until(SOON, "a", "b")], **SETTINGS)
    leaving = {
        "flag": until(SOON, "a", flag=False),
        "passed": until(NOW_MS, "a"),
        "unlisted": [],
        "deleted": [record("a", _sdc_deleted_at="2026-11-22T09:42:06Z")],
    }[how]
    settings = SNAPSHOT if how == "unlisted" else SETTINGS

    run = sync([SCHEMA, *leaving, *until(SOON, "b")], **settings)

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["b"]
    assert expirations(sandbox) == {"b": SOON}


@pytest.mark.parametrize("outlives", [False, True], ids=["went-along", "outlived-its-target"])
@pytest.mark.parametrize("moment", [SOON + 7, SOON, None])
def test_who_comes_back_has_the_moment_of_the_last_word(
    sync: Callable[..., Run], sandbox: Sandbox, outlives: bool, moment: int | None
) -> None:
    sandbox.keeps_orphans = outlives
    sync([SCHEMA, *until(SOON, "a", "b")], **SETTINGS)
    sync([schema(), *leavers("a")], audience_sync_mode="mirror")

    run = sync([SCHEMA, *until(moment, "a")], **SETTINGS)

    assert run.error is None
    assert sorted(sandbox.included(SEGMENT)) == ["a", "b"]
    assert expirations(sandbox) == {"b": SOON} | ({} if moment is None else {"a": moment})


@pytest.mark.parametrize("mode", ["add", "remove", "mirror", "snapshot"])
def test_moment_means_the_same_in_every_mode(
    sync: Callable[..., Run], sandbox: Sandbox, mode: str
) -> None:
    """Each mode does with a moment that has passed what it does with a flag that says no."""
    sync([schema(), *members(*keys(8))], audience_sync_mode="add")
    settings = {"snapshot": SNAPSHOT}.get(mode, SETTINGS | {"audience_sync_mode": mode})

    run = sync(
        [
            SCHEMA,
            *until(NOW_MS, "user-0"),
            *until(SOON, "user-1", "new"),
            *until(None, *keys(6, 2)),
        ],
        **settings,
    )

    assert run.error is None
    joins, leaves = mode != "remove", mode != "add"
    expected = {*keys(8), *(["new"] if joins else [])} - {*(["user-0"] if leaves else [])}
    assert {*sandbox.included(SEGMENT)} == expected
    assert expirations(sandbox) == ({"user-1": SOON, "new": SOON} if joins else {})


def test_row_without_a_flag_is_a_member_until_its_moment(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """Whoever has a trial does not leave by a stream of mode remove, or of a mirror by changes."""
    columns = {"context_key": COLUMNS["context_key"], FIELD: {"type": ["integer", "null"]}}
    rows = [
        {"type": "RECORD", "stream": "audience", "record": {"context_key": key, FIELD: moment}}
        for key, moment in (("over", NOW_MS), ("on-trial", SOON), ("for-ever", None))
    ]
    sync([schema(), *members("over", "on-trial", "for-ever")], audience_sync_mode="add")

    for mode in ("remove", "mirror"):
        run = sync([schema(columns=columns), *rows], **SETTINGS | {"audience_sync_mode": mode})
        assert run.error is None
        assert sorted(sandbox.included(SEGMENT)) == ["for-ever", "on-trial"]


def test_dry_run_plans_expirations_and_changes_nothing(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync([SCHEMA, *until(SOON, "moved", "kept", "leaves"), *until(None, "set")], **SETTINGS)
    before = expirations(sandbox)
    sandbox.clear_requests()

    run = sync(
        [
            SCHEMA,
            *until(SOON + 1, "moved", "new"),
            *until(SOON, "set"),
            *until(None, "kept"),
            *until(SOON, "leaves", flag=False),
        ],
        **SETTINGS,
        dry_run=True,
    )

    assert run.error is None
    assert sent(sandbox) == [READ, LOOK]
    assert expirations(sandbox) == before
    told = "2 expirations would be set, 1 expiration would be moved, 1 expiration would be removed"
    assert told in run.summary


def test_dry_run_of_a_missing_segment_plans_without_a_look(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = sync(
        [SCHEMA, *until(SOON, "a")],
        **SETTINGS,
        segment_key="trials",
        create_segment="standard",
        dry_run=True,
    )

    assert run.error is None
    assert sent(sandbox) == [READ]
    assert "1 expiration would be set" in run.summary


@pytest.mark.parametrize("create", ["never", "big"])
def test_big_segment_is_refused_at_its_first_record_with_a_moment(
    sync: Callable[..., Run], sandbox: Sandbox, create: Any
) -> None:
    if create == "never":
        sandbox.add_segment("many", unbounded=True)

    run = sync(
        [SCHEMA, *until(None, "a"), *until(SOON, "b"), *until("soon", "c")],
        **SETTINGS,
        segment_key="many",
        create_segment=create,
    )

    assert "Segment 'many' is a big segment" in str(run.error)
    assert "standard segments only" in str(run.error)
    assert sent(sandbox) == [READ]


def test_big_segment_without_moments_is_synced(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.add_segment("many", unbounded=True, included=["b"])

    run = sync(
        [SCHEMA, *until(None, "a"), *until(SOON, "b", flag=False)], **SETTINGS, segment_key="many"
    )

    assert run.error is None
    assert sandbox.included("many") == ["a"]
    # Two of the keys that were sent are looked at.
    assert sent(sandbox) == [READ, PATCH, READ, READ]
