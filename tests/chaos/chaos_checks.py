"""What every request of a run must be, whatever the run is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos_cases import KEYS, MANY_KEYS, TOKEN, Place
from chaos_model import MEMBER
from chaos_stage import WatchedLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_cases import Attempt, Case, Standing
    from chaos_stage import Seen, Stage

INSTRUCTION_ORDER = (
    "removeIncludedTargets",
    "removeExcludedTargets",
    "addIncludedTargets",
    "addExcludedTargets",
    "removeBigSegmentIncludedTargets",
    "removeBigSegmentExcludedTargets",
    "addBigSegmentIncludedTargets",
    "addBigSegmentExcludedTargets",
)


class DivergenceError(AssertionError):
    """The target did what it must not."""


def demand(holds: object, problem: str) -> None:
    """Raise unless it holds.

    Raises:
        DivergenceError: It does not.
    """
    if not holds:
        raise DivergenceError(problem)


def check_told(told: str) -> None:
    """Look for what no error may tell."""
    demand(TOKEN not in told, f"the token in an error: {told}")
    for key in {*KEYS, *MANY_KEYS}:
        demand(key not in told, f"a context key in an error: {told}")


def check_requests(stage: Stage, case: Case, attempt: Attempt) -> None:
    """Look at the order, the time and the size of all requests of a run."""
    last: dict[str, Seen] = {}
    for seen in stage.seen:
        previous = last.get(seen.segment)
        if previous:
            in_turn = seen.exchange.started >= previous.exchange.finished
            demand(in_turn, f"two requests of {seen.segment} at a time")
            early = previous.not_before - seen.at
            demand(early < 1e-3, f"a request of {seen.segment} came {early} s too early")
        if seen.exchange.method != "GET":
            demand(not attempt.is_dry, f"a dry run sent a {seen.exchange.method}")
            demand(previous, f"a {seen.exchange.method} before the segment was read")
        if seen.exchange.method == "PATCH":
            assert previous is not None
            _check_patch(seen, previous, case, attempt)
        last[seen.segment] = seen
    if not attempt.is_parallel and isinstance(stage.sandbox.rate_limit, WatchedLimit):
        for one, other in zip(stage.seen, stage.seen[1:], strict=False):
            early = one.not_before - other.at
            demand(early < 1e-3, f"a request came {early} s before the window ended")


def _check_patch(seen: Seen, previous: Seen, case: Case, attempt: Attempt) -> None:
    body: Any = seen.exchange.body
    kinds = [one["kind"] for one in body["instructions"]]
    in_order = kinds == sorted(kinds, key=INSTRUCTION_ORDER.index)
    demand(in_order, f"instructions in the order {kinds}")
    count = len(seen.operations)
    allowed = case.settings["batch_size_rows"]
    demand(1 <= count <= allowed, f"{count} operations in one patch of {allowed}")
    demand(len(set(seen.operations)) == count, "an operation twice in one patch")
    if seen.segment in case.bigs:
        # What is there already does not show.
        return
    if previous.exchange.body == body:
        failed = previous.fault is not None or previous.exchange.status != 200
        demand(failed or attempt.is_parallel, "an acknowledged patch was sent again")
        return
    for kind, place, key in seen.operations:
        where = seen.before[place].get(key, "out")
        is_there = where == ("in" if "Included" in kind else "ex")
        changes = is_there != kind.startswith("add")
        demand(changes, f"{kind} of a key that is {where} already")


def gone(before: Standing, after: Standing) -> Iterator[tuple[Place, str]]:
    """Yield who was a member before and is none after."""
    for place, there in before.items():
        now = after[place]
        for key, where in there.items():
            if where in MEMBER and now.get(key) not in MEMBER:
                yield place, key


def newly_excluded(before: Standing, after: Standing) -> Iterator[tuple[Place, str]]:
    """Yield who is excluded after and was not before."""
    for place, there in after.items():
        for key, where in there.items():
            if where in {"ex", "both"} and before[place].get(key) not in {"ex", "both"}:
                yield place, key
