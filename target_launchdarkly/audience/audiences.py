"""The individual targets of one segment and context kind, and what they still lack. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from target_launchdarkly.segments.patches import (
    ADD_EXCLUDED,
    ADD_INCLUDED,
    MAX_OPERATIONS,
    REMOVE_EXCLUDED,
    REMOVE_INCLUDED,
    Change,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RemovalAction = Literal["remove", "exclude"]
ExcludedKeyAction = Literal["skip", "include", "fail"]
CreateSegment = Literal["never", "standard", "big"]

#: The context kind whose targets stand in `included` and `excluded` themselves.
USER = "user"


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    """How wishes become changes, the same for every segment of a run."""

    #: Target operations a request.
    chunk_size: int = MAX_OPERATIONS
    removal_action: RemovalAction = "remove"
    excluded_key_action: ExcludedKeyAction = "skip"
    #: Comment of every patch.
    comment: str | None = None
    dry_run: bool = False
    #: The share of a segment's members that a snapshot may remove.
    max_removal_percent: float = 50
    #: What to create where a segment is missing.
    create_segment: CreateSegment = "never"


@dataclass(slots=True)
class Audience:
    """LaunchDarkly's lists of one context kind in a standard segment, and the wishes about them."""

    context_kind: str
    policy: ChangePolicy
    included: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    #: Context key to the instructions it needs, in the order in which the records came.
    pending: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: How many operations the pending instructions are.
    operations: int = 0
    #: The keys that a snapshot has listed so far; None where no snapshot feeds this audience.
    listed: set[str] | None = None
    #: The included keys when the run began, kept for a snapshot's guard.
    members_at_start: frozenset[str] = frozenset()

    def want(self, context_key: str, *, included: bool) -> bool:
        """Ask for one key to be included or not. The last wish for a key wins.

        Returns:
            False if the key is left out because it is excluded by hand.
        """
        needed = self._needed(context_key, included=included)
        self.operations += len(needed) - len(self.pending.pop(context_key, ()))
        if needed:
            self.pending[context_key] = needed
        return bool(needed) or not included or context_key in self.included

    def is_settled(self, context_key: str, *, included: bool) -> bool:
        """Whether a wish for a key would change nothing, neither here nor in LaunchDarkly."""
        return (
            (context_key in self.included) is included
            and context_key not in self.pending
            and (included or self.policy.removal_action == "remove")
        )

    def begin_snapshot(self) -> None:
        """Keep from here on which keys a snapshot lists. Once is enough."""
        if self.listed is None:
            self.listed = set()
            self.members_at_start = frozenset(self.included)

    def unlist(self, context_key: str) -> None:
        """Take a key off the snapshot, as a later record wins. Nothing is removed yet."""
        assert self.listed is not None  # noqa: S101
        self.listed.discard(context_key)
        # Not a wish to leave: who was no member is not to be excluded either.
        self.operations -= len(self.pending.pop(context_key, ()))

    def unlisted(self) -> list[str]:
        """Return the included keys that the snapshot does not list, in a fixed order."""
        return sorted(self.included - (self.listed or set()))

    def see(self, answer: Mapping[str, Any]) -> int:
        """Take LaunchDarkly's answer as the new view; drop the wishes that it already grants.

        Returns:
            How many keys to include are now left out because somebody excluded them by hand.
        """
        wishes = {key: ADD_INCLUDED in needed for key, needed in self.pending.items()}
        self.included = set(_listed(answer, "included", self.context_kind))
        self.excluded = set(_listed(answer, "excluded", self.context_kind))
        self.pending = {}
        self.operations = 0
        return sum(not self.want(key, included=included) for key, included in wishes.items())

    def imagine(self, change: Change) -> None:
        """Change the view as LaunchDarkly would."""
        key = change.context_key
        self.operations -= len(self.pending.pop(key))
        if REMOVE_INCLUDED in change.instructions:
            self.included.discard(key)
        if REMOVE_EXCLUDED in change.instructions:
            self.excluded.discard(key)
        if ADD_INCLUDED in change.instructions:
            self.included.add(key)
        if ADD_EXCLUDED in change.instructions:
            self.excluded.add(key)

    def changes(self) -> Iterator[Change]:
        """Yield what is not sent yet."""
        for context_key, instructions in self.pending.items():
            yield Change(self.context_kind, context_key, instructions)

    def _needed(self, context_key: str, *, included: bool) -> tuple[str, ...]:
        """Return what the key needs, nothing where LaunchDarkly already has it so."""
        if included:
            return self._needed_to_include(context_key)
        removal = (REMOVE_INCLUDED,) if context_key in self.included else ()
        if self.policy.removal_action == "exclude" and context_key not in self.excluded:
            return (*removal, ADD_EXCLUDED)
        return removal

    def _needed_to_include(self, context_key: str) -> tuple[str, ...]:
        if context_key in self.included:
            return ()
        if context_key not in self.excluded:
            return (ADD_INCLUDED,)
        if self.policy.excluded_key_action == "include":
            return (REMOVE_EXCLUDED, ADD_INCLUDED)
        return ()


def _listed(answer: Mapping[str, Any], name: str, context_kind: str) -> Iterable[str]:
    if context_kind == USER:
        yield from answer.get(name) or ()
    # Users stand in the plain list; a list of their own kind is read as well, should one appear.
    for targets in answer.get(f"{name}Contexts") or ():
        if targets.get("contextKind") == context_kind:
            yield from targets.get("values") or ()
