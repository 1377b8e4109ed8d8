"""Somebody else changes the segment while a sync sends its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messages import members, schema, state
from running import SEGMENT
from sent_requests import bodies, methods

from target_launchdarkly.sandbox import RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Exchange, Sandbox


def after(sandbox: Sandbox, method: str, change: dict[str, list[str]]) -> None:
    """Let somebody else change the segment once, right after the first request of a method."""
    instructions = [
        {"kind": kind, "contextKind": "user", "values": values} for kind, values in change.items()
    ]
    waiting = [{"environmentKey": "test", "instructions": instructions}]

    def meanwhile(exchange: Exchange) -> None:
        if waiting and exchange.method == method:
            sandbox.patch_segment(SEGMENT, waiting.pop())

    sandbox.log = RequestLog(on_exchange=meanwhile)


def test_answer_of_a_patch_is_the_new_view(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """`c`, which somebody included after our GET, shows in the first answer and is not sent."""
    after(sandbox, "GET", {"addIncludedTargets": ["c"]})

    run = sync([schema(), *members("a", "b", "c", "d")], batch_size_rows=2)

    assert run.error is None
    assert [body["instructions"][0]["values"] for body in bodies(sandbox)] == [["a", "b"], ["d"]]
    assert set(sandbox.included(SEGMENT)) == {"a", "b", "c", "d"}


def test_key_that_somebody_included_meanwhile_is_no_error(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """A patch states where keys shall stand, so it succeeds where they stand already."""
    after(sandbox, "GET", {"addIncludedTargets": ["a"]})

    run = sync([schema(), *members("a"), state({"done": 1})])

    assert run.error is None
    assert methods(sandbox) == {"GET": 1, "PATCH": 1}
    assert sandbox.included(SEGMENT) == ["a"]
    assert run.states == [{"done": 1}]


def test_change_of_somebody_else_does_not_undo_the_last_word(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """`a` is taken out by hand after our patch: STATE would claim a word that does not hold."""
    after(sandbox, "PATCH", {"removeIncludedTargets": ["a"]})

    run = sync([schema(), *members("a", "b", "c", "d")], batch_size_rows=2)

    assert run.error is None
    assert methods(sandbox) == {"GET": 2, "PATCH": 3}
    assert sandbox.included(SEGMENT) == ["b", "c", "d", "a"]
