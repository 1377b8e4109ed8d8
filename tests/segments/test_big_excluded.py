"""Whoever is excluded by hand from a big segment, which no list shows, is found by trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from big_runs import BIG, requests_of
from messages import keys, members, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture(autouse=True)
def big_segment(sandbox: Sandbox) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "gone"], excluded=["banned"])


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
    assert "POST imports" not in requests_of(sandbox)


def test_search_for_many_who_are_excluded_by_hand_ends(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """100 among 1,500 would take a thousand requests, in every run."""
    banned = [f"banned-{number}" for number in range(100)]
    sandbox.add_segment("many", unbounded=True, excluded=banned)
    everybody = [
        key for each in zip(*[iter(keys(1_400))] * 14, banned, strict=True) for key in each
    ]

    run = sync([schema(), *members(*everybody), state(1)], segment_key="many")

    assert "excluded_key_action" in str(run.error)
    assert run.states == []
    assert [each.method for each in sandbox.requests].count("PATCH") <= 61
    assert not set(banned) & set(sandbox.included("many"))


def test_key_that_is_refused_for_another_reason_is_counted(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.refused_keys = {"user-7"}

    run = sync([schema(), *members(*keys(20))], segment_key=BIG, invalid_record_action="skip")

    assert run.error is None
    assert "1 refused by LaunchDarkly" in run.summary
    assert set(sandbox.included(BIG)) == {"gone", *keys(20)} - {"user-7"}
