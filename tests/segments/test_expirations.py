"""Memberships that end by themselves: what is sent, what it costs, and who is in afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from expiring_members import (
    FIELD,
    SCHEMA,
    SOON,
    expirations,
    expire_by_hand,
    flags,
    instructions,
    sent,
    until,
)
from messages import keys, leavers, members, schema
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS: dict[str, Any] = {"audience_sync_mode": "mirror", "expires_at_field": FIELD}
SNAPSHOT = SETTINGS | {"mirror_source": "snapshot", "trust_end_of_input": True}
READ, LOOK = ("GET", "segment"), ("GET", "expiring")
PATCH, EXPIRE = ("PATCH", "segment"), ("PATCH", "expiring")


def test_ten_thousand_moments_cost_as_few_requests_as_the_bound_allows(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """The same again costs two GETs and nothing else."""
    messages = [SCHEMA, *until(SOON, *keys(10_000))]

    run = sync(messages, **SETTINGS)

    assert run.error is None
    assert sent(sandbox) == [READ, *[PATCH] * 7, LOOK, *[EXPIRE] * 7]
    assert list(map(len, instructions(sandbox))) == [1_500] * 6 + [1_000]
    assert expirations(sandbox) == dict.fromkeys(keys(10_000), SOON)
    assert "10,000 expirations set" in run.summary
    sandbox.clear_requests()

    again = sync(messages, **SETTINGS)

    assert again.error is None
    assert sent(sandbox) == [READ, LOOK]
    assert "expiration" not in again.summary


def test_instruction_says_who_leaves_when(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    run = sync(
        [SCHEMA, *until("2027-01-15T10:00:00+01:00", "a")],
        **SETTINGS,
        context_kind="organization",
        comment="Nightly",
    )

    assert run.error is None
    assert sandbox.requests[-1].body == {
        "comment": "Nightly",
        "instructions": [
            {
                "kind": "addExpiringTarget",
                "targetType": "included",
                "contextKind": "organization",
                "contextKey": "a",
                "value": SOON,
            }
        ],
    }


def test_instructions_are_at_most_batch_size_rows_a_request(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync([SCHEMA, *until(SOON, *keys(5))], **SETTINGS, batch_size_rows=2)

    assert list(map(len, instructions(sandbox))) == [2, 2, 1]


def test_without_the_setting_nobody_asks_for_expirations(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync([SCHEMA, *until(SOON, "a")], audience_sync_mode="mirror")

    assert sent(sandbox) == [READ, PATCH]
    assert expirations(sandbox) == {}


def test_trial_that_ends_while_no_run_happens_is_out(
    sync: Callable[..., Run], sandbox: Sandbox, clock: FakeClock
) -> None:
    """LaunchDarkly's SDK sees the flag off, and a later run does not bring anybody back."""
    messages = [SCHEMA, *until(SOON, "trial"), *until(None, "customer")]
    sync(messages, **SETTINGS)
    assert flags(sandbox, "trial", "customer") == {"trial": True, "customer": True}

    clock.elapsed += 3_600

    assert flags(sandbox, "trial", "customer") == {"trial": False, "customer": True}
    assert sandbox.included(SEGMENT) == ["customer"]
    sandbox.clear_requests()
    run = sync(messages, **SETTINGS)
    assert run.error is None
    assert sent(sandbox) == [READ, LOOK]
    assert sandbox.included(SEGMENT) == ["customer"]


@pytest.mark.parametrize(
    ("moments", "expected", "kinds"),
    [
        pytest.param([SOON, SOON + 1], SOON + 1, ["update"], id="later"),
        pytest.param([SOON, SOON - 1], SOON - 1, ["update"], id="earlier"),
        pytest.param([SOON, None], None, ["remove"], id="for-ever-now"),
        pytest.param([None, SOON], SOON, ["add"], id="no-more-for-ever"),
        pytest.param([SOON, "2027-01-15T09:00:00Z"], SOON, [], id="the-same-in-other-words"),
    ],
)
def test_moment_that_a_later_run_names_takes_the_place_of_the_first(
    sync: Callable[..., Run],
    sandbox: Sandbox,
    moments: list[Any],
    expected: int | None,
    kinds: list[str],
) -> None:
    first, second = moments
    sync([SCHEMA, *until(first, "a")], **SETTINGS)
    sandbox.clear_requests()

    run = sync([SCHEMA, *until(second, "a")], **SETTINGS)

    assert run.error is None
    assert [each["kind"] for sent in instructions(sandbox) for each in sent] == [
        f"{kind}ExpiringTarget" for kind in kinds
    ]
    assert expirations(sandbox) == ({} if expected is None else {"a": expected})
    assert sandbox.included(SEGMENT) == ["a"]


def test_last_moment_of_a_key_in_one_input_counts(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync(
        [SCHEMA, *until(SOON, "a", "b", "c"), *until(SOON + 1, "a"), *until(None, "b")],
        **SETTINGS,
    )

    assert expirations(sandbox) == {"a": SOON + 1, "c": SOON}


def test_expirations_of_other_keys_stay_as_somebody_set_them(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """So do those of excluded targets and of other context kinds."""
    sync([schema(), *members("by-hand", "kept")], audience_sync_mode="add")
    sync([schema(), *members("kept")], audience_sync_mode="add", context_kind="organization")
    expire_by_hand(sandbox, SOON, "by-hand", "kept")
    expire_by_hand(sandbox, SOON, "kept", kind="organization")

    run = sync([SCHEMA, *until(None, "kept"), *until(SOON + 5, "new")], **SETTINGS)

    assert run.error is None
    assert expirations(sandbox) == {"by-hand": SOON, "new": SOON + 5}
    assert expirations(sandbox, kind="organization") == {"kept": SOON}


def test_stream_without_moments_leaves_those_of_its_keys_alone(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """Only the stream that has the setting speaks of them, if it has the last word."""
    other = schema("members")

    run = sync(
        [SCHEMA, other, *until(SOON, "a", "b"), *members("b", "c", stream="members")],
        audience_sync_mode="mirror",
        streams={"audience": {"expires_at_field": FIELD}, "members": {}},
    )

    assert run.error is None
    assert expirations(sandbox) == {"a": SOON}


def test_who_is_excluded_by_hand_gets_no_expiration(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync([schema(), *leavers("a")], audience_sync_mode="mirror", removal_action="exclude")

    run = sync([SCHEMA, *until(SOON, "a", "b")], **SETTINGS)

    assert run.error is None
    assert sandbox.excluded(SEGMENT) == ["a"]
    assert expirations(sandbox) == {"b": SOON}


def test_spared_key_keeps_its_expiration(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    """A record that cannot be used says nothing, of a moment neither."""
    sync([SCHEMA, *until(SOON, "a", "b")], **SETTINGS)

    run = sync(
        [SCHEMA, *until("soon", "a"), *until(SOON, "b")], **SNAPSHOT, invalid_record_action="skip"
    )

    assert run.error is None
    assert expirations(sandbox) == {"a": SOON, "b": SOON}
    assert "1 invalid" in run.summary


def test_moment_that_cannot_be_read_fails_the_run(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = sync([SCHEMA, *until(SOON, "a"), *until("2027-01-15T08:00:00", "b")], **SETTINGS)

    assert "'expires_at' holds a time without an offset" in str(run.error)
    assert "invalid_record_action" in str(run.error)
    assert sent(sandbox) == [READ]


def test_property_that_no_schema_has_is_refused(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    """Else everybody would keep what was to end."""
    run = sync([schema(), *members("a")], **SETTINGS)

    assert "has no property 'expires_at'" in str(run.error)
    assert "Set expires_at_field to one of its properties" in str(run.error)
    assert sandbox.requests == []


def test_created_segment_gets_moments_too(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    run = sync(
        [SCHEMA, *until(SOON, "a")], **SETTINGS, segment_key="trials", create_segment="standard"
    )

    assert run.error is None
    assert expirations(sandbox, "trials") == {"a": SOON}


def test_two_kinds_of_one_segment_share_one_look(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    streams = {
        "audience": {"expires_at_field": FIELD},
        "orgs": {"expires_at_field": FIELD, "context_kind": "organization"},
    }
    other = SCHEMA | {"stream": "orgs"}

    run = sync(
        [SCHEMA, other, *until(SOON, "a"), *until(SOON + 1, "a", stream="orgs")],
        audience_sync_mode="mirror",
        streams=streams,
    )

    assert run.error is None
    assert sent(sandbox) == [READ, PATCH, LOOK, EXPIRE]
    assert expirations(sandbox) == {"a": SOON}
    assert expirations(sandbox, kind="organization") == {"a": SOON + 1}
