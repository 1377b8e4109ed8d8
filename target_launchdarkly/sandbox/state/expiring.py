"""When targets leave a segment by themselves, and the semantic patches that say so.

https://launchdarkly.com/docs/api/segments/patch-expiring-targets-for-segment
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .errors import invalid
from .history import Tally

if TYPE_CHECKING:
    from .segment import Segment, Side

Instruction: TypeAlias = Mapping[str, object]

ADD, UPDATE, REMOVE = "addExpiringTarget", "updateExpiringTarget", "removeExpiringTarget"
KINDS = (ADD, UPDATE, REMOVE)
# LaunchDarkly names no limit. This one holds a client to requests of a reasonable size.
MAX_INSTRUCTIONS = 1_500


class Place(NamedTuple):
    """Which individual target."""

    side: Side
    context_kind: str
    context_key: str


@dataclass(slots=True)
class Expiration:
    """When one target leaves, in epoch milliseconds."""

    at_ms: int
    version: int = 1
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:24])


@dataclass(slots=True)
class Expirations:
    """Those of one segment; `changes` counts how often any of them came, went or moved."""

    by_place: dict[Place, Expiration] = field(default_factory=dict)
    changes: int = 0

    def of(self, side: Side, context_kind: str) -> dict[str, int]:
        """Give the epoch milliseconds by key."""
        return {
            place.context_key: one.at_ms
            for place, one in self.by_place.items()
            if place[:2] == (side, context_kind)
        }

    def are_due(self, now_ms: int) -> bool:
        """Say whether any target is to leave by now."""
        return any(one.at_ms <= now_ms for one in self.by_place.values())

    def put(self, place: Place, at_ms: int) -> None:
        """Let a target leave at a moment, whatever was said before."""
        known = self.by_place.get(place)
        if known:
            known.at_ms, known.version = at_ms, known.version + 1
        else:
            self.by_place[place] = Expiration(at_ms)
        self.changes += 1

    def drop(self, place: Place) -> None:
        """Let a target stay."""
        del self.by_place[place]
        self.changes += 1


def expire(segment: Segment, now_ms: int) -> Tally:
    """Take out the targets that are due; say how many."""
    tally = Tally()
    due = [place for place, one in segment.expirations.by_place.items() if one.at_ms <= now_ms]
    for place in due:
        segment.expirations.drop(place)
        keys = segment.keys(place.side, place.context_kind)
        if place.context_key in keys:
            del keys[place.context_key]
            if place.side == "included":
                segment.note_left(place.context_kind, (place.context_key,))
            tally.count(place.side, added=False)
    return tally


def drop_orphans(segment: Segment) -> None:
    """Forget when targets leave that are none any more."""
    expirations = segment.expirations
    for place in [one for one in expirations.by_place if not _is_target(segment, one)]:
        expirations.drop(place)


def apply_instructions(segment: Segment, document: object, now_ms: int) -> list[dict[str, object]]:
    """Apply a semantic patch as far as its instructions can be; give those that failed.

    Raises:
        ApiError: 400, when the patch is malformed; then nothing is applied.
    """
    errors: list[dict[str, object]] = []
    for index, instruction in enumerate(_instructions(document)):
        if problem := _problem(segment, instruction, now_ms):
            errors.append({"instructionIndex": index, "message": problem})
        else:
            _apply(segment.expirations, instruction)
    return errors


def patch_document(
    items: list[dict[str, object]], document: object, errors: list[dict[str, object]]
) -> dict[str, object]:
    """Give the API's `ExpiringTargetPatchResponse`: the results of the instructions.

    Args:
        items: Those of the segment.
        document: The patch.
        errors: Of the instructions that failed.
    """
    failed = {error["instructionIndex"] for error in errors}
    instructions = _instructions(document)
    done = {_place(one) for index, one in enumerate(instructions) if index not in failed}
    answer: dict[str, object] = {
        "items": [
            item
            for item in items
            if (item["targetType"], item["contextKind"], item["contextKey"]) in done
        ],
        "totalInstructions": len(instructions),
        "successfulInstructions": len(instructions) - len(failed),
        "failedInstructions": len(failed),
    }
    return answer | ({"errors": errors} if errors else {})


def item_documents(segment: Segment, resource: dict[str, str]) -> list[dict[str, object]]:
    """Give the API's `ExpiringTarget` of every target that is to leave."""
    return [
        {
            "_id": one.id,
            "_version": one.version,
            "expirationDate": one.at_ms,
            "contextKind": place.context_kind,
            "contextKey": place.context_key,
            "targetType": place.side,
            "_resourceId": resource,
        }
        for place, one in segment.expirations.by_place.items()
    ]


def _instructions(document: object) -> list[Instruction]:
    if not isinstance(document, dict):
        raise invalid("The body of a semantic patch must be a JSON object")
    if not isinstance(document.get("comment", ""), str):
        raise invalid("comment must be a string")
    instructions = document.get("instructions")
    if not isinstance(instructions, list) or not instructions:
        raise invalid("instructions must be a list with at least one instruction")
    if len(instructions) > MAX_INSTRUCTIONS:
        raise invalid(f"The patch has more than {MAX_INSTRUCTIONS} instructions")
    for one in instructions:
        _check(one)
    return instructions


def _check(instruction: object) -> None:
    if not isinstance(instruction, dict) or instruction.get("kind") not in KINDS:
        raise invalid(f"Every instruction needs a kind of {', '.join(KINDS)}")
    if instruction.get("targetType") not in ("included", "excluded"):
        raise invalid("targetType must be included or excluded")
    for name in ("contextKey", "contextKind"):
        if not isinstance(instruction.get(name), str) or not instruction[name]:
            raise invalid(f"{name} must be a non-empty string")
    if instruction["kind"] != REMOVE and not _is_whole(instruction.get("value")):
        raise invalid("value must be Unix milliseconds")
    if not _is_whole(instruction.get("version", 0)):
        raise invalid("version must be a whole number")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _place(instruction: Instruction) -> Place:
    return Place(
        instruction["targetType"],  # type: ignore[arg-type]
        str(instruction["contextKind"]),
        str(instruction["contextKey"]),
    )


def _is_target(segment: Segment, place: Place) -> bool:
    return place.context_key in segment.keys(place.side, place.context_kind)


def _problem(segment: Segment, instruction: Instruction, now_ms: int) -> str | None:
    """Say why an instruction fails."""
    place, kind = _place(instruction), instruction["kind"]
    known = segment.expirations.by_place.get(place)
    named = f'"{place.context_key}" of context kind "{place.context_kind}"'
    if kind == ADD and not _is_target(segment, place):
        return f"The key {named} is no individual target"
    if (kind == ADD) == (known is not None):
        return f"The key {named} has {'an' if known else 'no'} expiration date"
    if kind == REMOVE:
        return None
    if known and instruction.get("version", known.version) != known.version:
        return f"The expiration date of {named} has another version"
    return f"The expiration date of {named} has passed" if _value(instruction) <= now_ms else None


def _apply(expirations: Expirations, instruction: Instruction) -> None:
    place = _place(instruction)
    if instruction["kind"] == REMOVE:
        expirations.drop(place)
    else:
        expirations.put(place, _value(instruction))


def _value(instruction: Instruction) -> int:
    value = instruction["value"]
    assert isinstance(value, int)  # noqa: S101 - as it was checked
    return value
