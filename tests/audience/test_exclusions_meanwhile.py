"""Whom somebody excludes while a run is going on stays excluded, unless the settings lift it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audience_tables import CHANGES, cut_at, demand_done, excluded, included, put
from messages import leavers, members, schema, state
from running import SEGMENT

from target_launchdarkly.sandbox import ForeignChange

if TYPE_CHECKING:
    from audience_tables import Sync

    from target_launchdarkly.sandbox import Sandbox


@pytest.mark.parametrize("action", ["skip", "include"])
def test_key_that_somebody_excludes_as_it_leaves_is_excluded_by_hand(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """It never stood in both lists: the answer to our own patch is the first that shows it."""
    put(sandbox, "user-0", "user-1")
    cut_at(monkeypatch, {2})
    sandbox.meanwhile(ForeignChange(SEGMENT, exclude=("user-0",)), method="PATCH")
    messages = [schema(), *leavers("user-0"), *members("user-0"), state({"at": "end"})]

    demand_done(sync(messages, excluded_key_action=action, **CHANGES), {"at": "end"})

    stays = action == "skip"
    assert excluded(sandbox) == ({"user-0"} if stays else set())
    assert included(sandbox) == ({"user-1"} if stays else {"user-0", "user-1"})
