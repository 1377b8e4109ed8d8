"""CSV imports of big segments, which go on each time they are looked at, or with the clock."""

from __future__ import annotations

import csv
import io
import os
import uuid
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

from .errors import invalid
from .history import Tally
from .rules import ImportOutcome
from .segment import Targets

if TYPE_CHECKING:
    from .rules import ImportRules
    from .segment import Segment

ImportMode: TypeAlias = Literal["merge", "replace"]
ImportStatus: TypeAlias = Literal["preparing", "ready", "in_progress"] | ImportOutcome

_FINISHED = ("complete", "stopped")
_NOT_BEGUN = ("preparing", "ready")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file sent for import, and the form's fields.

    Attributes:
        keys: in their order.
        lines: how many of its lines hold a key.
        size_bytes: of the file.
        waits_on_approvals: whether the import is to wait until it is approved.
    """

    filename: str
    keys: dict[str, None]
    mode: object
    lines: int = 0
    size_bytes: int = 0
    waits_on_approvals: bool = False


@dataclass(slots=True)
class Import:
    """One import, which goes as the rules were when it was started."""

    segment_key: str
    mode: ImportMode
    filename: str
    keys: dict[str, None]
    created: float
    rules: ImportRules
    polls_left: float
    is_foreign: bool = False
    status: ImportStatus = "preparing"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    #: How many keys the file has; `keys` are let go of in the end.
    size: int = 0

    @property
    def is_in_progress(self) -> bool:
        """Say whether other imports of the environment have to wait for this one."""
        return self.status not in _FINISHED

    def advance(self, segment: Segment, now: float) -> Tally | None:
        """Go on as far as looks and clock allow; None when the segment is left as it is."""
        if self.status in _FINISHED or self.status == "pending_approval":
            return None
        if self.polls_left <= 0 and now >= self.created + self.rules.seconds:
            self.status = self.rules.outcome
            return self._end(segment)
        if self.status in _NOT_BEGUN and self.rules.outcome != "pending_approval":
            self.status = "in_progress"
            return None if self.rules.is_one_step else _show_half(segment, self)
        return None

    def approve(self) -> None:
        """Let an import that waits for approval complete at the next look."""
        self.status, self.rules.outcome = "ready", "complete"
        self.polls_left = min(1, self.rules.polls)

    def copied(self) -> Import:
        """Give an import that can be approved in place of this one."""
        return replace(self, rules=replace(self.rules))

    def stop(self) -> None:
        """Leave everything as it is now."""
        self.status, self.keys = "stopped", {}

    def document(self, segment_path: str) -> dict[str, object]:
        """Give the API's `Import`."""
        path = f"{segment_path}/imports/{self.id}"
        return {
            "id": self.id,
            "segmentKey": self.segment_key,
            "creationTime": int(self.created * 1_000),
            "mode": self.mode,
            "status": self.status,
            "files": [{"filename": self.filename, "status": self.status}],
            "_links": {
                "parent": {"href": segment_path, "type": "application/json"},
                "self": {"href": path, "type": "application/json"},
            },
        }

    def _end(self, segment: Segment) -> Tally | None:
        if self.status == "pending_approval":
            return None
        tally = _move_keys(segment, self) if self.status == "complete" else None
        self.keys = {}
        return tally


def _show_half(segment: Segment, one: Import) -> Tally:
    """Show an import on its way: who stays is out for a while when it replaces."""
    targets = segment.targets.setdefault(segment.context_kind, Targets())
    removed = 0
    if one.mode == "replace":
        removed = len(targets.included)
        segment.note_left(segment.context_kind, targets.included)
        targets.included = {}
    size = len(targets.included)
    targets.included.update(dict.fromkeys(islice(one.keys, len(one.keys) // 2)))
    added = len(targets.included) - size
    return Tally(changed=bool(added or removed), added=added, removed=removed)


def _move_keys(segment: Segment, one: Import) -> Tally:
    """Make the keys of a complete import the segment's; say what was different."""
    targets = segment.targets.setdefault(segment.context_kind, Targets())
    size = len(targets.included)
    if one.mode == "merge":
        targets.included.update(one.keys)
        return Tally(changed=True, added=len(targets.included) - size)
    leaving = targets.included.keys() - one.keys.keys()
    segment.note_left(segment.context_kind, leaving)
    targets.included = one.keys
    added = len(one.keys) - (size - len(leaving))
    return Tally(changed=True, added=added, removed=len(leaving))


def checked_mode(mode: object) -> ImportMode:
    """Give the mode back, or refuse it."""
    if mode == "merge":
        return "merge"
    if mode == "replace":
        return "replace"
    raise invalid("mode must be merge or replace")


def read_upload(file: IO[bytes], filename: str, mode: object, *, waits: bool) -> Upload:
    """Read a file: the keys in its first column, and how large it is."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    keys, lines = read_keys(file)
    return Upload(filename, keys, mode, lines, size_bytes, waits)


def read_keys(file: IO[bytes]) -> tuple[dict[str, None], int]:
    """Read the keys in the first column of a CSV file, and count them; empty ones are none."""
    try:
        rows = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
        keys = [row[0] for row in rows if row and row[0]]
    except UnicodeDecodeError as error:
        raise invalid("The file is not UTF-8") from error
    except csv.Error as error:
        raise invalid(f"The file is not CSV: {error}") from error
    return dict.fromkeys(keys), len(keys)


def check_size(upload: Upload, rules: ImportRules) -> None:
    """Refuse a file that is too large."""
    if upload.lines > rules.max_keys:
        raise invalid(f"The file has {upload.lines} keys, more than {rules.max_keys:.0f}")
    if upload.size_bytes > rules.max_bytes:
        raise invalid(f"The file has {upload.size_bytes} bytes, more than {rules.max_bytes:.0f}")
