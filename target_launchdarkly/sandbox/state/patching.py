"""Semantic patches: checked as a whole first, then applied, so that none applies in part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from .errors import invalid
from .history import Tally
from .segment import USER_KIND, Side, Targets

if TYPE_CHECKING:
    from .imports import Import
    from .segment import Segment

Instruction: TypeAlias = Mapping[str, object]
_Scope: TypeAlias = Literal["kind", "users", "big"]

# https://launchdarkly.com/docs/api/segments/patch-segment
MAX_TARGET_OPERATIONS = 1_500
_TARGET_INSTRUCTIONS: dict[str, tuple[_Scope, Side, bool]] = {
    "addIncludedTargets": ("kind", "included", True),
    "removeIncludedTargets": ("kind", "included", False),
    "addExcludedTargets": ("kind", "excluded", True),
    "removeExcludedTargets": ("kind", "excluded", False),
    "addIncludedUsers": ("users", "included", True),
    "removeIncludedUsers": ("users", "included", False),
    "addExcludedUsers": ("users", "excluded", True),
    "removeExcludedUsers": ("users", "excluded", False),
    "addBigSegmentIncludedTargets": ("big", "included", True),
    "removeBigSegmentIncludedTargets": ("big", "included", False),
    "addBigSegmentExcludedTargets": ("big", "excluded", True),
    "removeBigSegmentExcludedTargets": ("big", "excluded", False),
}


@dataclass(slots=True)
class Plan:
    """What a patch would change in a segment, collected before anything is changed.

    `targets` says of each side and context kind which keys are to be present (true) or absent.
    """

    segment: Segment
    targets: dict[tuple[Side, str], dict[str, bool]] = field(default_factory=dict)
    operations: int = 0
    name: str | None = None
    tags: dict[str, bool] = field(default_factory=dict)
    approved_imports: list[Import] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def set_targets(self, side: Side, context_kind: str, keys: list[str], *, present: bool) -> None:
        """Plan keys to be present or absent; a later word on a key wins."""
        self.operations += len(keys)
        planned = self.targets.setdefault((side, context_kind), {})
        planned.update(dict.fromkeys(keys, present))

    def check_conflicts(self) -> None:
        """Refuse a plan that would leave a key both included and excluded."""
        for (side, context_kind), planned in self.targets.items():
            other: Side = "excluded" if side == "included" else "included"
            replanned = self.targets.get((other, context_kind), {})
            present = self.segment.keys(other, context_kind)
            for key, is_added in planned.items():
                if is_added and replanned.get(key, key in present):
                    raise invalid(
                        f'The key "{key}" of context kind "{context_kind}" '
                        "would be both included and excluded"
                    )

    def check_keys(self, refused: AbstractSet[str]) -> None:
        """Refuse a plan that would add a key which may be in no segment."""
        for planned in self.targets.values():
            for key, is_added in planned.items():
                if is_added and key in refused:
                    raise invalid(f'The key "{key}" is not allowed')

    def commit(self) -> Tally:
        """Change the segment as planned; say what was different."""
        for place in self.targets:
            self._commit_targets(*place)
        others = [self._commit_name(), self._commit_tags(), bool(self.approved_imports)]
        for one in self.approved_imports:
            one.approve()
        self.tally.changed |= any(others)
        return self.tally

    def _commit_targets(self, side: Side, context_kind: str) -> None:
        planned = self.targets[side, context_kind]
        present = self.segment.keys(side, context_kind)
        changes = {key: added for key, added in planned.items() if added != (key in present)}
        if not changes:
            return
        keys = self.segment.targets.setdefault(context_kind, Targets()).side(side)
        for key, added in changes.items():
            if added:
                keys[key] = None
            else:
                del keys[key]
                if side == "included":
                    self.segment.note_left(context_kind, (key,))
            self.tally.count(side, added=added)

    def _commit_name(self) -> bool:
        if self.name is None or self.name == self.segment.name:
            return False
        self.segment.name = self.name
        return True

    def _commit_tags(self) -> bool:
        before = list(self.segment.tags)
        for tag, added in self.tags.items():
            if added and tag not in self.segment.tags:
                self.segment.tags.append(tag)
            elif not added and tag in self.segment.tags:
                self.segment.tags.remove(tag)
        return before != self.segment.tags


def apply_patch(
    segment: Segment,
    document: object,
    environment_key: str,
    refused_keys: AbstractSet[str] = frozenset(),
) -> Tally:
    """Apply a semantic patch, whole or not at all; say what was different.

    Raises:
        ApiError: 400, when the patch is malformed or not allowed.
    """
    plan = Plan(segment)
    for instruction in _instructions(document, environment_key):
        _plan_instruction(plan, instruction)
    if plan.operations > MAX_TARGET_OPERATIONS:
        raise invalid(
            f"The patch has {plan.operations} operations on targets, "
            f"more than the limit of {MAX_TARGET_OPERATIONS}"
        )
    plan.check_keys(refused_keys)
    plan.check_conflicts()
    return plan.commit()


def comment_of(document: object) -> str | None:
    """Give the comment of a semantic patch that is well-formed."""
    return document.get("comment") if isinstance(document, dict) else None


def string_list(value: object, name: str) -> list[str]:
    """Give a list of non-empty strings back, or refuse it."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise invalid(f"{name} must be a list of non-empty strings")
    return value


def _instructions(document: object, environment_key: str) -> list[Instruction]:
    if not isinstance(document, dict):
        raise invalid("The body of a semantic patch must be a JSON object")
    if document.get("environmentKey") != environment_key:
        raise invalid(f'environmentKey must be given and be "{environment_key}"')
    if not isinstance(document.get("comment", ""), str):
        raise invalid("comment must be a string")
    instructions = document.get("instructions")
    if not isinstance(instructions, list) or not instructions:
        raise invalid("instructions must be a list with at least one instruction")
    if not all(isinstance(one, dict) for one in instructions):
        raise invalid("Every instruction must be a JSON object")
    return instructions


def _plan_instruction(plan: Plan, instruction: Instruction) -> None:
    kind = instruction.get("kind")
    if not isinstance(kind, str):
        raise invalid("Every instruction needs a kind")
    if kind in _TARGET_INSTRUCTIONS:
        _plan_targets(plan, kind, instruction)
    elif kind in _OTHER_INSTRUCTIONS:
        _OTHER_INSTRUCTIONS[kind](plan, instruction)
    else:
        raise invalid(f'Unknown instruction kind "{kind}"')


def _plan_targets(plan: Plan, kind: str, instruction: Instruction) -> None:
    scope, side, present = _TARGET_INSTRUCTIONS[kind]
    if (scope == "big") != plan.segment.unbounded:
        wanted = "big" if scope == "big" else "standard"
        raise invalid(f"{kind} is for {wanted} segments only")
    context_kind: object = USER_KIND
    if scope == "big":
        context_kind = plan.segment.context_kind
    elif scope == "kind":
        context_kind = instruction.get("contextKind")
    if not isinstance(context_kind, str) or not context_kind:
        raise invalid(f"{kind} needs a contextKind")
    keys = string_list(instruction.get("values"), f"values of {kind}")
    plan.set_targets(side, context_kind, keys, present=present)


def _plan_name(plan: Plan, instruction: Instruction) -> None:
    name = instruction.get("value")
    if not isinstance(name, str) or not name:
        raise invalid("value of updateName must be a non-empty string")
    plan.name = name


def _plan_added_tags(plan: Plan, instruction: Instruction) -> None:
    tags = string_list(instruction.get("values"), "values of addTags")
    plan.tags.update(dict.fromkeys(tags, True))


def _plan_removed_tags(plan: Plan, instruction: Instruction) -> None:
    tags = string_list(instruction.get("values"), "values of removeTags")
    plan.tags.update(dict.fromkeys(tags, False))


def _plan_import(plan: Plan, instruction: Instruction) -> None:
    import_id = instruction.get("importId")
    pending = plan.segment.imports.get(import_id) if isinstance(import_id, str) else None
    if pending is None or pending.status != "pending_approval":
        raise invalid("importId of processBigSegmentImport must name a pending import")
    plan.approved_imports.append(pending)


_OTHER_INSTRUCTIONS: dict[str, Callable[[Plan, Instruction], None]] = {
    "updateName": _plan_name,
    "addTags": _plan_added_tags,
    "removeTags": _plan_removed_tags,
    "processBigSegmentImport": _plan_import,
}
