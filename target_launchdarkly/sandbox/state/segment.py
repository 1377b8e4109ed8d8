"""A segment's state and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from .expiring import Expirations
from .history import History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .exports import Export
    from .imports import Import

Side: TypeAlias = Literal["included", "excluded"]
# A dict without values is a set that keeps its order.
Keys: TypeAlias = dict[str, None]

USER_KIND = "user"
# Counts how often a big segment began anew, which never happens here.
GENERATION = 1


@dataclass(slots=True)
class Targets:
    """The individual targets of one context kind."""

    included: Keys = field(default_factory=dict)
    excluded: Keys = field(default_factory=dict)

    def side(self, side: Side) -> Keys:
        """Give the included or the excluded keys, to read or to change."""
        return self.included if side == "included" else self.excluded

    def copied(self) -> Targets:
        """Give the same keys, to be changed apart."""
        return Targets(dict(self.included), dict(self.excluded))


@dataclass(slots=True)
class Segment:
    """One segment; a big one (`unbounded`) has targets of `context_kind` only."""

    key: str
    name: str
    created_ms: int
    modified_ms: int
    context_kind: str = USER_KIND
    unbounded: bool = False
    description: str | None = None
    external: str | None = None
    tags: list[str] = field(default_factory=list)
    version: int = 1
    targets: dict[str, Targets] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    exports: dict[str, Export] = field(default_factory=dict)
    history: History = field(default_factory=History)
    expirations: Expirations = field(default_factory=Expirations)
    #: Who ever left the included keys, by kind.
    left: dict[str, set[str]] = field(default_factory=dict)
    #: How many included and excluded targets a big segment still shows at so many reads to come.
    held_counts: tuple[int, int] = (0, 0)
    held_reads: int = 0

    @property
    def size(self) -> int:
        """Count the included keys of all kinds."""
        return sum(len(one.included) for one in self.targets.values())

    @property
    def import_in_progress(self) -> bool:
        """Say whether an import has neither completed nor stopped."""
        return any(one.is_in_progress for one in self.imports.values())

    def keys(self, side: Side, context_kind: str) -> Keys:
        """Give the keys of a kind, to read only: a kind without targets has a dict of its own."""
        targets = self.targets.get(context_kind)
        return targets.side(side) if targets else {}

    def forget_expired_exports(self, now: float) -> None:
        """Let go of the files that nobody can read any more."""
        self.exports = {key: one for key, one in self.exports.items() if not one.is_expired(now)}

    def note_left(self, context_kind: str, keys: Iterable[str]) -> None:
        """Keep that keys left the included ones."""
        self.left.setdefault(context_kind, set()).update(keys)

    @property
    def shown_counts(self) -> tuple[int, int]:
        """Give how many included and excluded targets a big segment shows."""
        if self.held_reads:
            return self.held_counts
        kind = self.context_kind
        return len(self.keys("included", kind)), len(self.keys("excluded", kind))

    def hold_counts(self, counts: tuple[int, int], reads: int) -> None:
        """Show these counts at so many reads more."""
        self.held_counts, self.held_reads = counts, reads

    def pass_read(self) -> None:
        """Count a read."""
        self.held_reads = max(0, self.held_reads - 1)

    def copied(self) -> Segment:
        """Give a segment that a patch can change in place of this one."""
        return replace(
            self,
            tags=[*self.tags],
            targets={kind: one.copied() for kind, one in self.targets.items()},
            imports={key: one.copied() for key, one in self.imports.items()},
            left={},
        )

    def touch(self, now_ms: int) -> None:
        """Count a change."""
        self.version += 1
        self.modified_ms = now_ms

    def made_anew(self, now_ms: int) -> Segment:
        """Give a segment of the same key, name and type that has just begun."""
        return Segment(self.key, self.name, now_ms, now_ms, self.context_kind, self.unbounded)

    def document(self, path: str) -> dict[str, object]:
        """Give the API's `UserSegment`."""
        document: dict[str, object] = {
            "key": self.key,
            "name": self.name,
            "tags": list(self.tags),
            "creationDate": self.created_ms,
            "lastModifiedDate": self.modified_ms,
            "rules": [],
            "version": self.version,
            "deleted": False,
            "generation": GENERATION,
            "unbounded": self.unbounded,
            "_links": {"self": {"href": path, "type": "application/json"}},
        }
        document |= self._big_fields() if self.unbounded else self.target_fields()
        if self.description is not None:
            document["description"] = self.description
        if self.external is not None:
            document["_external"] = self.external
        return document

    def target_fields(self) -> dict[str, object]:
        """Give the individual targets of a standard segment, as the API and SDKs write them."""
        others = [(kind, one) for kind, one in self.targets.items() if kind != USER_KIND]
        return {
            "included": list(self.keys("included", USER_KIND)),
            "excluded": list(self.keys("excluded", USER_KIND)),
            "includedContexts": [
                {"contextKind": kind, "values": list(one.included)} for kind, one in others
            ],
            "excludedContexts": [
                {"contextKind": kind, "values": list(one.excluded)}
                for kind, one in others
                if one.excluded
            ],
        }

    def _big_fields(self) -> dict[str, object]:
        included, excluded = self.shown_counts
        return {
            "included": [],
            "excluded": [],
            "includedContexts": [],
            "excludedContexts": [],
            "unboundedContextKind": self.context_kind,
            "_unboundedMetadata": {
                "segmentId": self.key,
                "version": self.version,
                "includedCount": included,
                "excludedCount": excluded,
                "lastModified": self.modified_ms,
                "deleted": False,
            },
            "_importInProgress": self.import_in_progress,
        }
