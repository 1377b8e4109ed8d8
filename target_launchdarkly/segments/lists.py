"""The individual targets of a standard segment, as LaunchDarkly's answers list them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_launchdarkly.audience.plan import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from target_launchdarkly.audience.plan import Change

#: The context kind whose targets stand in `included` and `excluded` themselves.
USER = "user"


@dataclass(slots=True)
class Lists:
    """The targets of one context kind."""

    included: set[str]
    excluded: set[str]
    first: frozenset[str]
    joined: set[str] = field(default_factory=set)
    lifted: set[str] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)
    uncovered: set[str] = field(default_factory=set)
    #: Keys that LaunchDarkly refuses.
    refused: set[str] = field(default_factory=set)

    @property
    def sight(self) -> Sight:
        """What a plan is made from."""
        return Sight(
            self.included,
            self.excluded,
            self.first,
            self.joined,
            self.lifted,
            self.barred | self.uncovered,
        )

    def note_made(self, change: Change) -> None:
        """Take note of a change that this run has made."""
        key = change.context_key
        if "uninclude" in change.steps and key in self.excluded:
            # It stood in both lists, of which being included counts: now it is out by this run.
            self.uncovered.add(key)
        if "lift" in change.steps:
            (self.barred.discard if key in self.barred else self.lifted.add)(key)
        if "exclude" in change.steps:
            (self.lifted.discard if key in self.lifted else self.barred.add)(key)


def listed(answer: Mapping[str, Any], name: str, context_kind: str) -> Iterator[str]:
    """Yield the included or excluded targets of a kind, as an answer lists them."""
    if context_kind == USER:
        yield from answer.get(name) or ()
    # Users stand in the plain list; a list of their own kind is read as well, should one appear.
    for targets in answer.get(f"{name}Contexts") or ():
        if targets.get("contextKind") == context_kind:
            yield from targets.get("values") or ()


def age_of(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Return what grows with every change of a segment, also when it is deleted and made anew."""
    created, version = answer.get("creationDate"), answer.get("version")
    return (
        created if isinstance(created, int) else 0,
        version if isinstance(version, int) else 0,
    )


def size_of(answer: Mapping[str, Any]) -> int:
    """Return how many individual targets a segment has, of all kinds."""
    lists = [answer.get(name) for name in ("included", "excluded")]
    for name in ("includedContexts", "excludedContexts"):
        lists += [targets.get("values") for targets in answer.get(name) or ()]
    return sum(len(each or ()) for each in lists)
