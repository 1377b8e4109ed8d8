"""What the runs that meet failures are fed, what they ask for, and what they may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messages import members, schema, state
from running import TOKEN

from target_launchdarkly.errors import LaunchDarklyError

if TYPE_CHECKING:
    from running import Run

    from target_launchdarkly.sandbox import Sandbox

#: Text that no message may hold.
KEY = "zoe.secret@example.com"
MESSAGES = [schema(), *members(KEY, "bob"), state({"done": 1})]


def methods(sandbox: Sandbox) -> list[str]:
    return [exchange.method for exchange in sandbox.requests]


def statuses(sandbox: Sandbox) -> list[int | None]:
    return [exchange.status for exchange in sandbox.requests]


def assert_failed(run: Run, *told: str) -> None:
    """The run ended with an error that says all of this, no secret, and wrote no STATE."""
    assert isinstance(run.error, LaunchDarklyError)
    message = str(run.error)
    for text in told:
        assert text in message
    assert KEY not in message
    assert "bob" not in message
    assert TOKEN not in message
    assert run.states == []
