"""Expirations that LaunchDarkly refuses, or that follow from a plan that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from expiring_members import FIELD, MESSAGES, SCHEMA, SOON, demand_all_set, sent, until
from messages import keys, leavers, members, schema

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS: dict[str, Any] = {"audience_sync_mode": "mirror", "expires_at_field": FIELD}


def test_refused_plan_sends_no_expirations(sync: Callable[..., Run], sandbox: Sandbox) -> None:
    sync([schema(), *members(*keys(20))], audience_sync_mode="add")
    sandbox.clear_requests()

    run = sync([SCHEMA, *leavers(*keys(20, 0)[1:]), *until(SOON, "user-0")], **SETTINGS)

    assert "max_removal_percent" in str(run.error)
    assert sent(sandbox) == [("GET", "segment")]


def test_token_that_may_not_say_when_targets_expire_is_told_so(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync([schema(), *members("a")], audience_sync_mode="add")
    sandbox.read_only = True

    run = sync([SCHEMA, *until(SOON, "a")], **SETTINGS)

    assert "PATCH of the expiring targets of segment" in str(run.error)
    assert "updateExpiringTargets" in str(run.error)
    assert "expires_at_field" in str(run.error)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_404_of_expiring_targets_does_not_blame_the_keys_that_were_just_read(
    sync: Callable[..., Run], sandbox: Sandbox, method: str
) -> None:
    sandbox.faults.append(Fault("status", method=method, after=1, status=404))

    run = sync(MESSAGES, **SETTINGS)

    assert "the account's plan" in str(run.error)
    assert "expires_at_field" in str(run.error)
    assert "project_key" not in str(run.error)
    assert run.states == []


def test_environment_that_requires_approvals_is_told_so(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sync([schema(), *members("a")], audience_sync_mode="add")
    sandbox.approval_required = True

    run = sync([SCHEMA, *until(SOON, "a")], **SETTINGS)

    assert "bypassRequiredSegmentApproval" in str(run.error)


def test_patch_that_is_refused_whole_is_planned_again_once(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    refused = Fault(
        "status", method="PATCH", after=1, status=400, body='{"code": "invalid_request"}'
    )
    sandbox.faults.append(refused)

    demand_all_set(sync(MESSAGES, **SETTINGS), sandbox)


def test_patch_that_is_refused_whole_twice_says_why_and_what_may_help(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    """LaunchDarkly names no limit of instructions."""
    body = '{"code": "invalid_request"}'
    sandbox.faults.append(Fault("status", method="PATCH", after=1, status=400, body=body, times=2))

    run = sync(MESSAGES, **SETTINGS)

    assert "(refused with their patch: 2)" in str(run.error)
    assert "HTTP 400: invalid_request" in str(run.error)
    assert "set batch_size_rows to less" in str(run.error)
    assert "DEBUG" not in str(run.error)
    assert run.states == []
    demand_all_set(sync(MESSAGES, **SETTINGS), sandbox)
