"""What became of a segment: its last changes and its last sizes."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from .segment import Side

ChangeSource: TypeAlias = Literal["patch", "targets", "import", "foreign", "expiry"]

MAX_CHANGES = 100
MAX_SIZES = 200


@dataclass(slots=True)
class Tally:
    """How many keys a change added to and removed from the included and the excluded ones.

    `changed` is also true when something else than keys is different.
    """

    changed: bool = False
    added: int = 0
    removed: int = 0
    excluded: int = 0
    unexcluded: int = 0

    def count(self, side: Side, *, added: bool) -> None:
        """Count one key."""
        self.changed = True
        if side == "included":
            self.added += added
            self.removed += not added
        else:
            self.excluded += added
            self.unexcluded += not added


@dataclass(frozen=True, slots=True)
class Change:
    """One change that was accepted, also when it made no difference.

    Attributes:
        at_ms: epoch milliseconds, by the sandbox's clock.
        version: of the segment, after the change.
        source: a semantic patch, a change of a big segment's targets, an import, somebody else, or
            the moment at which targets were to leave.
        comment: of the patch.
    """

    at_ms: int
    version: int
    source: ChangeSource
    tally: Tally
    comment: str | None = None

    def document(self) -> dict[str, object]:
        """Give the JSON, such as `{"at_ms": 1, "version": 2, "added": 3, ...}`."""
        return {
            "at_ms": self.at_ms,
            "version": self.version,
            "source": self.source,
            "comment": self.comment,
            **asdict(self.tally),
        }


@dataclass(slots=True)
class History:
    """The last changes and sizes of a segment, oldest first; `total` counts all changes ever."""

    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=MAX_CHANGES))
    sizes: deque[int] = field(default_factory=lambda: deque(maxlen=MAX_SIZES))
    total: int = 0

    def add(self, change: Change, size: int) -> None:
        """Keep a change, and the number of included keys after it if it made a difference."""
        self.total += 1
        self.changes.append(change)
        if change.tally.changed:
            self.sizes.append(size)
