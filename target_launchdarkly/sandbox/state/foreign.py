"""What somebody else does to a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .imports import Upload
from .rules import ImportRules

if TYPE_CHECKING:
    from .imports import ImportMode
    from .rules import ImportOutcome
    from .segment import Segment
    from .store import Store

Fate: TypeAlias = Literal["change", "delete", "recreate"]

COMMENT = "Changed by somebody else"
FOREIGN_FILE = "of-somebody-else.csv"
# An included key is one that is not excluded, and the other way round, or the patch is refused.
VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "add": (("remove", "Excluded"), ("add", "Included")),
    "remove": (("remove", "Included"),),
    "exclude": (("remove", "Included"), ("add", "Excluded")),
    "unexclude": (("remove", "Excluded"),),
}


@dataclass(frozen=True, slots=True)
class ForeignImport:
    """An import that somebody else starts, such as `ForeignImport("many", ("a",), seconds=600)`.

    Called with a store, it is started there, unless another one is in progress.

    Attributes:
        seconds: it takes so long, by the sandbox's clock.
        outcome: the status in which it ends.
    """

    segment_key: str
    keys: tuple[str, ...] = ()
    mode: ImportMode = "merge"
    seconds: float = 60.0
    outcome: ImportOutcome = "complete"

    def __call__(self, store: Store) -> None:
        """Start the import, whatever the token may.

        Raises:
            ApiError: when the segment is unknown or refuses it, 409 beside another import.
        """
        upload = Upload(FOREIGN_FILE, dict.fromkeys(self.keys), self.mode, len(self.keys))
        rules = ImportRules(polls=0, seconds=self.seconds, outcome=self.outcome)
        with store.as_somebody_else():
            store.start_import(self.segment_key, upload, rules)


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """A change that no request of the token made, such as `ForeignChange("beta", add=("a",))`.

    Called with a store, it happens there.

    Attributes:
        add: keys to include, whose exclusion is lifted.
        remove: keys to include no longer.
        exclude: keys to exclude, and to include no longer.
        unexclude: keys to exclude no longer.
        context_kind: of the keys; None for the one that the segment was made with.
        fate: whether the segment lives on, is deleted, or is deleted and made anew, empty and with
            version 1; one that is made anew may be gone already. Keys are for the first only.
    """

    segment_key: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    unexclude: tuple[str, ...] = ()
    context_kind: str | None = None
    fate: Fate = "change"

    def __post_init__(self) -> None:
        has_keys = any(getattr(self, verb) for verb in VERBS)
        if has_keys != (self.fate == "change"):
            raise ValueError(
                f"somebody else does one thing to {self.segment_key}: "
                f"{', '.join(VERBS)} of keys, delete or recreate"
            )

    def __call__(self, store: Store) -> None:
        """Make the change, whatever the token may.

        Raises:
            ApiError: when the segment is unknown or refuses it.
        """
        with store.as_somebody_else():
            if self.fate == "delete":
                store.delete_segment(self.segment_key)
            elif self.fate == "recreate":
                store.recreate_segment(self.segment_key)
            else:
                store.patch_segment(self.segment_key, self._patch(store))

    def _patch(self, store: Store) -> dict[str, object]:
        with store.read(self.segment_key) as segments:
            segment = segments[self.segment_key]
        return {
            "environmentKey": store.environment_key,
            "comment": COMMENT,
            "instructions": [
                self._instruction(segment, action, side, keys)
                for verb, steps in VERBS.items()
                if (keys := getattr(self, verb))
                for action, side in steps
            ],
        }

    def _instruction(
        self, segment: Segment, action: str, side: str, keys: tuple[str, ...]
    ) -> dict[str, object]:
        if segment.unbounded:
            return {"kind": f"{action}BigSegment{side}Targets", "values": list(keys)}
        return {
            "kind": f"{action}{side}Targets",
            "contextKind": self.context_kind or segment.context_kind,
            "values": list(keys),
        }
