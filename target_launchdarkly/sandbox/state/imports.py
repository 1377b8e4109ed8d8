"""CSV imports of big segments, which move on each time they are looked at."""

from __future__ import annotations

import codecs
import csv
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from .errors import invalid
from .history import Tally
from .segment import Targets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .segment import Segment

ImportMode: TypeAlias = Literal["merge", "replace"]
ImportOutcome: TypeAlias = Literal["complete", "stopped", "pending_approval"]
ImportStatus: TypeAlias = Literal["preparing", "in_progress"] | ImportOutcome

_FINISHED = ("complete", "stopped")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file sent for import: its keys in their order, and the form's fields."""

    filename: str
    keys: dict[str, None]
    mode: object


@dataclass(slots=True)
class Import:
    """One import; `outcome` is where it ends after `polls_left` more looks."""

    segment_key: str
    mode: ImportMode
    filename: str
    keys: dict[str, None]
    created_ms: int
    polls_left: int
    outcome: ImportOutcome
    status: ImportStatus = "preparing"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def is_in_progress(self) -> bool:
        """Say whether another import of the segment has to wait for this one."""
        return self.status not in _FINISHED

    def advance(self) -> bool:
        """Move on by one look; true when its keys become the segment's just now."""
        if self.status not in ("preparing", "in_progress"):
            return False
        self.polls_left -= 1
        self.status = self.outcome if self.polls_left <= 0 else "in_progress"
        return self.status == "complete"

    def approve(self) -> None:
        """Let an import that waits for approval complete at the next look."""
        self.status, self.outcome, self.polls_left = "in_progress", "complete", 1

    def document(self, segment_path: str) -> dict[str, object]:
        """Give the API's `Import`."""
        path = f"{segment_path}/imports/{self.id}"
        return {
            "id": self.id,
            "segmentKey": self.segment_key,
            "creationTime": self.created_ms,
            "mode": self.mode,
            "status": self.status,
            "files": [{"filename": self.filename, "status": self.status}],
            "_links": {
                "parent": {"href": segment_path, "type": "application/json"},
                "self": {"href": path, "type": "application/json"},
            },
        }


def move_keys(segment: Segment, one: Import) -> Tally:
    """Make the keys of a complete import the segment's; say what was different."""
    targets = segment.targets.setdefault(segment.context_kind, Targets())
    added = sum(key not in targets.included for key in one.keys)
    removed = 0
    if one.mode == "replace":
        removed = len(targets.included) - (len(one.keys) - added)
        targets.included = one.keys
    else:
        targets.included.update(one.keys)
    one.keys = {}
    return Tally(changed=True, added=added, removed=removed)


def checked_mode(mode: object) -> ImportMode:
    """Give the mode back, or refuse it."""
    if mode == "merge":
        return "merge"
    if mode == "replace":
        return "replace"
    raise invalid("mode must be merge or replace")


def read_keys(lines: Iterable[bytes]) -> dict[str, None]:
    """Read the keys in the first column of a CSV file; empty ones are passed over."""
    try:
        rows = csv.reader(codecs.iterdecode(lines, "utf-8-sig"), strict=True)
        return {row[0]: None for row in rows if row and row[0]}
    except UnicodeDecodeError as error:
        raise invalid("The file is not UTF-8") from error
    except csv.Error as error:
        raise invalid(f"The file is not CSV: {error}") from error
