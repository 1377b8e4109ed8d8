"""Bodies of requests other than semantic patches, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import invalid
from .patching import string_list
from .segment import USER_KIND, Segment, Side

if TYPE_CHECKING:
    from collections.abc import Iterator


def new_segment(document: object, now_ms: int) -> Segment:
    """Make a segment of the API's `SegmentBody`."""
    if not isinstance(document, dict):
        raise invalid("The body must be a JSON object")
    for required in ("name", "key"):
        if not isinstance(document.get(required), str) or not document[required]:
            raise invalid(f"{required} is required and must be a non-empty string")
    context_kind = document.get("unboundedContextKind", USER_KIND)
    if not isinstance(context_kind, str):
        raise invalid("unboundedContextKind must be a string")
    if not isinstance(document.get("unbounded", False), bool):
        raise invalid("unbounded must be true or false")
    if not isinstance(document.get("description", ""), str):
        raise invalid("description must be a string")
    return Segment(
        key=document["key"],
        name=document["name"],
        created_ms=now_ms,
        modified_ms=now_ms,
        context_kind=context_kind,
        unbounded=document.get("unbounded", False),
        description=document.get("description"),
        tags=string_list(document.get("tags", []), "tags"),
    )


def target_lists(document: object) -> Iterator[tuple[Side, bool, list[str]]]:
    """Read the API's `SegmentUserState`: side, whether its keys are added, the keys."""
    if not isinstance(document, dict):
        raise invalid("The body must be a JSON object")
    sides: tuple[Side, ...] = ("included", "excluded")
    for side in sides:
        lists = document.get(side, {})
        if not isinstance(lists, dict):
            raise invalid(f"{side} must be an object with add and remove")
        for action in ("remove", "add"):
            yield side, action == "add", string_list(lists.get(action, []), f"{side}.{action}")
