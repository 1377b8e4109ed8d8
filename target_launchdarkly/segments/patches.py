"""Changes become semantic patch bodies. Pure: no I/O, no state."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_launchdarkly.audience.expirations import ExpirationChange
    from target_launchdarkly.audience.plan import Change

#: Target operations that LaunchDarkly takes in one request.
#: https://launchdarkly.com/docs/api/segments/patch-segment
MAX_OPERATIONS = 1_500

REMOVE_INCLUDED = "removeIncludedTargets"
REMOVE_EXCLUDED = "removeExcludedTargets"
ADD_INCLUDED = "addIncludedTargets"
ADD_EXCLUDED = "addExcludedTargets"

REMOVE_BIG_INCLUDED = "removeBigSegmentIncludedTargets"
REMOVE_BIG_EXCLUDED = "removeBigSegmentExcludedTargets"
ADD_BIG_INCLUDED = "addBigSegmentIncludedTargets"
ADD_BIG_EXCLUDED = "addBigSegmentExcludedTargets"

#: Removals come first, because no key may stand in both lists on the way.
INSTRUCTION_ORDER = (
    REMOVE_INCLUDED,
    REMOVE_EXCLUDED,
    ADD_INCLUDED,
    ADD_EXCLUDED,
    REMOVE_BIG_INCLUDED,
    REMOVE_BIG_EXCLUDED,
    ADD_BIG_INCLUDED,
    ADD_BIG_EXCLUDED,
)
#: What each step of a change is called, in a standard and in a big segment.
INSTRUCTIONS: Mapping[str, tuple[str, str]] = {
    "uninclude": (REMOVE_INCLUDED, REMOVE_BIG_INCLUDED),
    "lift": (REMOVE_EXCLUDED, REMOVE_BIG_EXCLUDED),
    "include": (ADD_INCLUDED, ADD_BIG_INCLUDED),
    "exclude": (ADD_EXCLUDED, ADD_BIG_EXCLUDED),
}


ADD_EXPIRING = "addExpiringTarget"
UPDATE_EXPIRING = "updateExpiringTarget"
REMOVE_EXPIRING = "removeExpiringTarget"
#: What a change of an expiration is called.
#: https://launchdarkly.com/docs/api/segments/patch-expiring-targets-for-segment
EXPIRING_INSTRUCTIONS: Mapping[str, str] = {
    "add": ADD_EXPIRING,
    "update": UPDATE_EXPIRING,
    "remove": REMOVE_EXPIRING,
}


class _ContextKind(TypedDict, total=False):
    contextKind: str


class Instruction(_ContextKind):
    """One instruction of a semantic patch, as LaunchDarkly reads it."""

    kind: str
    values: list[str]


class _Moment(TypedDict, total=False):
    value: int
    version: int


class ExpiringInstruction(_Moment):
    """One instruction of a semantic patch of expiring targets, as LaunchDarkly reads it."""

    kind: str
    targetType: str
    contextKind: str
    contextKey: str


class _PatchComment(TypedDict, total=False):
    comment: str


class SemanticPatch(_PatchComment):
    """The body of a PATCH request."""

    environmentKey: str
    instructions: list[Instruction]


class ExpiringPatch(_PatchComment):
    """The body of a PATCH request about expiring targets."""

    instructions: list[ExpiringInstruction]


def chunks(changes: Iterable[Change], limit: int) -> Iterator[list[Change]]:
    """Cut changes into requests of at most `limit` operations, in order.

    The operations of one key stay together, so that no request leaves it half changed.
    A key that needs more than `limit` operations goes alone.
    """
    chunk: list[Change] = []
    operations = 0
    for change in changes:
        if chunk and operations + len(change.steps) > limit:
            yield chunk
            chunk, operations = [], 0
        chunk.append(change)
        operations += len(change.steps)
    if chunk:
        yield chunk


def semantic_patch(
    changes: Iterable[Change],
    *,
    environment_key: str,
    comment: str | None = None,
    is_big: bool = False,
) -> SemanticPatch:
    """Return the body of the patch that makes `changes`, keys in the order they came.

    Args:
        changes: Of any context kinds; of a big segment, of its one kind.
        environment_key: The environment of the segment.
        comment: Shown in LaunchDarkly's change history.
        is_big: Whether the segment is big, whose instructions are called otherwise.
    """
    operations = [
        (INSTRUCTION_ORDER.index(INSTRUCTIONS[step][is_big]), change.context_kind, change)
        for change in changes
        for step in change.steps
    ]
    operations.sort(key=lambda operation: operation[:2])
    body: SemanticPatch = {
        "environmentKey": environment_key,
        "instructions": [
            _instruction(
                INSTRUCTION_ORDER[order],
                None if is_big else context_kind,
                [change.context_key for *_, change in group],
            )
            for (order, context_kind), group in groupby(operations, lambda each: each[:2])
        ],
    }
    if comment:
        body["comment"] = comment
    return body


def expiring_patch(changes: Iterable[ExpirationChange], comment: str | None) -> ExpiringPatch:
    """Return the body of the patch that makes changes of expirations, in their order."""
    body: ExpiringPatch = {"instructions": [_expiring_instruction(change) for change in changes]}
    if comment:
        body["comment"] = comment
    return body


def _expiring_instruction(change: ExpirationChange) -> ExpiringInstruction:
    instruction: ExpiringInstruction = {
        "kind": EXPIRING_INSTRUCTIONS[change.deed],
        "targetType": "included",
        "contextKind": change.context_kind,
        "contextKey": change.context_key,
    }
    if change.ends_ms is not None:
        instruction["value"] = change.ends_ms
    if change.version is not None:
        # So that a copy that comes late undoes nothing.
        instruction["version"] = change.version
    return instruction


def _instruction(kind: str, context_kind: str | None, values: list[str]) -> Instruction:
    if context_kind is None:
        # A big segment has one context kind, so that its instructions name none.
        return {"kind": kind, "values": values}
    return {"kind": kind, "contextKind": context_kind, "values": values}
