"""The individual targets of a standard segment, as LaunchDarkly's answers list them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_launchdarkly.audience.plan import Sight

if TYPE_CHECKING:
    from target_launchdarkly.audience.plan import Change


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
    #: By key, what LaunchDarkly refuses of it: where it stands elsewhere, it may be had.
    refused: dict[str, Change] = field(default_factory=dict)

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
        self.refused.pop(key, None)
        if "uninclude" in change.steps and key in self.excluded:
            # It stood in both lists, of which being included counts: now it is out by this run.
            self.uncovered.add(key)
        if "lift" in change.steps:
            (self.barred.discard if key in self.barred else self.lifted.add)(key)
        if "exclude" in change.steps:
            (self.lifted.discard if key in self.lifted else self.barred.add)(key)
