"""What has ended is decided once a checkpoint, and a tap that never ends keeps to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from audience_tables import cut_at, included
from expiring_members import FIELD, NOW_MS, SCHEMA, SOON, expirations, instructions, sent, until
from messages import keys, members, schema, state
from running import SEGMENT

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS: dict[str, Any] = {"audience_sync_mode": "mirror", "expires_at_field": FIELD}
MINUTE_MS = 60_000


@pytest.fixture
def pass_minutes(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Callable[..., None]:
    """Let a minute pass at each record from a line on, and make a checkpoint at some lines."""

    def arrange(*, since: int, checkpoints: set[int]) -> None:
        def age(self: TargetLaunchDarkly) -> float:
            line = self.message_reader.line_number
            if line >= since:
                clock.elapsed += 60
            return 6.0 if line in checkpoints else 0.0

        monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", False)
        monkeypatch.setattr(TargetLaunchDarkly, "_max_record_age_in_minutes", property(age))

    return arrange


def test_tap_that_never_ends_brings_nobody_back_whose_membership_has_ended(
    sync: Callable[..., Run], sandbox: Sandbox, pass_minutes: Callable[..., None]
) -> None:
    """LaunchDarkly took `trial` out between two checkpoints, which no answer has shown yet."""
    messages = [
        SCHEMA,
        *until(NOW_MS + MINUTE_MS, "trial"),
        *until(SOON, "longer"),
        *until(None, "other", "late"),
        state({"done": 1}),
    ]
    pass_minutes(since=4, checkpoints={3, 5})

    run = sync(messages, **SETTINGS)

    assert run.error is None
    assert included(sandbox) == {"longer", "other", "late"}
    assert expirations(sandbox) == {"longer": SOON}
    assert run.states == [{"done": 1}]


def test_moments_that_end_one_by_one_are_no_removals_to_guard(
    sync: Callable[..., Run], sandbox: Sandbox, pass_minutes: Callable[..., None]
) -> None:
    """Each record stated its moment; `max_removal_percent` is for who leaves by mistake."""
    sync([schema(), *members(*keys(20))], audience_sync_mode="add")
    trials = [*until(NOW_MS + MINUTE_MS, *keys(19)), *until(None, "user-19", "x", "y")]
    pass_minutes(since=20, checkpoints={19, 22})

    run = sync([SCHEMA, *trials], **SETTINGS, max_removal_percent=0)

    assert run.error is None
    assert included(sandbox) == {"user-19", "x", "y"}


@pytest.mark.parametrize("removal_action", ["remove", "exclude"])
def test_moment_that_passes_before_the_only_checkpoint_is_kept(
    sync: Callable[..., Run],
    sandbox: Sandbox,
    pass_minutes: Callable[..., None],
    removal_action: str,
) -> None:
    """The run takes out whom LaunchDarkly would have taken out, and does no more to them."""
    sync([schema(), *members("trial", "other")], audience_sync_mode="add")
    sandbox.clear_requests()
    pass_minutes(since=2, checkpoints=set())

    run = sync(
        [SCHEMA, *until(NOW_MS + MINUTE_MS, "trial", "new"), *until(SOON, "other")],
        **SETTINGS,
        removal_action=removal_action,
    )

    assert run.error is None
    assert included(sandbox) == {"other"}
    assert sandbox.excluded(SEGMENT) == []
    assert sent(sandbox) == [
        ("GET", "segment"),
        ("PATCH", "segment"),
        ("GET", "expiring"),
        ("PATCH", "expiring"),
    ]
    assert expirations(sandbox) == {"other": SOON}


@pytest.mark.parametrize("cuts", [range(1_000), [3, 7], [2, 4, 6, 8]])
@pytest.mark.parametrize("batch_size_rows", [1, 3])
def test_moments_do_not_depend_on_where_the_input_is_cut(
    sync: Callable[..., Run],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    cuts: Any,
    batch_size_rows: int,
) -> None:
    rows = [
        *until(SOON, *keys(3)),
        *until(None, "user-0"),
        *until(NOW_MS, "user-1"),
        *until(SOON + 1, "user-2", "user-3"),
        *until(SOON, "user-1"),
    ]
    cut_at(monkeypatch, cuts)

    run = sync([SCHEMA, *rows], **SETTINGS, batch_size_rows=batch_size_rows)

    assert run.error is None
    assert included(sandbox) == {*keys(4)}
    assert expirations(sandbox) == {"user-1": SOON, "user-2": SOON + 1, "user-3": SOON + 1}
    assert all(len(each) <= batch_size_rows for each in instructions(sandbox))
