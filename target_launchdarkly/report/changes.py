"""Who changes and why: one JSON line a change, a skipped record, a refusal.

The lines hold context keys, which may be personal data: nobody but the file's owner may read it.
"""

from __future__ import annotations

import json
import os
import sys
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, Any

from target_launchdarkly.report.files import cannot_be_written, moment, place_of, size_of_own

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from target_launchdarkly.audience.expirations import ExpirationChange
    from target_launchdarkly.audience.plan import Change

#: What each step of a change is called, as the summary calls it.
ACTIONS = {"include": "add", "uninclude": "remove", "exclude": "exclude", "lift": "lift"}
#: What each change of an expiration is called.
DEEDS = {"add": "set_expiration", "update": "move_expiration", "remove": "drop_expiration"}
EXPIRATION_REASONS = {
    "add": "stated by a record",
    "update": "stated by a record",
    "remove": "no longer stated",
}
#: By whether a change's key leaves because no record named it.
REASONS = {False: "stated by a record", True: "listed by no record"}
EXCLUDED_BY_HAND = "excluded by hand"
REFUSED = "refused by LaunchDarkly"
REPLACED = "replaced by an import of all members, which does not tell whom"
#: How every line begins.
LINE_BEGINS = b'{"segment":'
#: The owner's, and nobody else's.
MODE = 0o600
#: So many lines are written together.
LINES_AT_ONCE = 1_000
#: How long a signal waits for a line that another thread is writing.
SIGNAL_PATIENCE_SECONDS = 2.0


class Changes:
    """Where it is told who changes. This one tells nobody."""

    #: Whether anybody is told.
    is_told = False
    #: Where the file of an earlier run was moved to, if there was one.
    kept: Path | None = None

    def of(self, segment_key: str) -> SegmentChanges | None:  # noqa: ARG002
        """Return where it is told who changes in a segment; None for nowhere."""
        return None

    def note(self, action: str, reason: str, **more: Any) -> None:
        """Take note of what is not done: `skip` or `refuse`.

        Args:
            action: Which of them.
            reason: Why.
            more: Any of `segment`, `context_kind`, `context_key`, `stream`, `line` and `count`.

        Raises:
            ReportError: It cannot be written down.
        """

    def hold(self) -> None:
        """Let no line be begun any more, and wait for the one that is being written."""

    def close(self) -> None:
        """Write nothing more."""


class SegmentChanges:
    """Where it is told who changes in one segment."""

    __slots__ = ("_changes", "_excluded", "_segment_key")

    def __init__(self, changes: ChangesFile, segment_key: str) -> None:
        self._changes = changes
        self._segment_key = segment_key
        self._excluded: set[tuple[str, str]] = set()

    def note(self, changes: Iterable[Change]) -> None:
        """Take note of changes that are planned, in a dry run, or acknowledged.

        Raises:
            ReportError: They cannot be written down.
        """
        self._changes.note_changes(self._segment_key, changes)

    def note_replaced(self, count: int) -> None:
        """Take note of members whom an import has replaced; nobody knows who they are."""
        if count:
            self._changes.note("remove", REPLACED, segment=self._segment_key, count=count)

    def note_expirations(self, changes: Sequence[ExpirationChange]) -> None:
        """Take note of expirations that are changed, as `note` does."""
        self._changes.note_expirations(self._segment_key, changes)

    def note_left_out(self, change: Change) -> None:
        """Take note of a change that is not made, because LaunchDarkly refuses it."""
        self._note_key("refuse", REFUSED, change.context_kind, change.context_key)

    def note_excluded(self, context_kind: str, context_keys: Iterable[str]) -> None:
        """Take note of keys that stay out because they are excluded by hand, each once."""
        for context_key in sorted(context_keys):
            if (context_kind, context_key) not in self._excluded:
                self._excluded.add((context_kind, context_key))
                self._note_key("skip", EXCLUDED_BY_HAND, context_kind, context_key)

    def _note_key(self, action: str, reason: str, context_kind: str, context_key: str) -> None:
        self._changes.note(
            action,
            reason,
            segment=self._segment_key,
            context_kind=context_kind,
            context_key=context_key,
        )

    def note_refused(self, problems: Sequence[str]) -> None:
        """Take note that the segment is left as it is."""
        self._changes.note("refuse", " ".join(problems), segment=self._segment_key)


class ChangesFile(Changes):
    """The file of one run, made anew; that of an earlier run is kept beside it.

    Lines are handed to the system, whole, as soon as there is something to tell, so that none is
    lost however the process ends. Safe for threads.

    Args:
        path: Where; `~` is the user's home.
        now: Epoch seconds.
        is_dry_run: Whether changes are planned only, and none is acknowledged.

    Raises:
        ReportError: The file cannot be written, or is something else.
    """

    is_told = True

    def __init__(self, path: str, now: Callable[[], float], *, is_dry_run: bool) -> None:
        self._now = now
        self._is_dry_run = is_dry_run
        # A signal's handler may interrupt the thread that is writing.
        self._lock = RLock()
        try:
            self.path = place_of(path)
            self.kept = _keep_earlier(self.path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            self._file = os.open(self.path, flags, MODE)
        except OSError as error:
            raise cannot_be_written("changes_file", error) from error
        self._size = 0
        # However the run ends, nobody need think of closing it.
        self._close = weakref.finalize(self, os.close, self._file)

    @override
    def of(self, segment_key: str) -> SegmentChanges:
        return SegmentChanges(self, segment_key)

    def note_changes(self, segment_key: str, changes: Iterable[Change]) -> None:
        """Take note of changes, a line each."""
        acknowledged_at = self._acknowledged_at()
        self._write(
            {
                "segment": segment_key,
                "context_kind": change.context_kind,
                "context_key": change.context_key,
                "action": "+".join(ACTIONS[step] for step in change.steps),
                "reason": REASONS[change.is_unlisted],
                "acknowledged_at": acknowledged_at,
            }
            for change in changes
        )

    def note_expirations(self, segment_key: str, changes: Iterable[ExpirationChange]) -> None:
        """Take note of expirations that are changed, a line each."""
        acknowledged_at = self._acknowledged_at()
        self._write(
            {
                "segment": segment_key,
                "context_kind": change.context_kind,
                "context_key": change.context_key,
                "action": DEEDS[change.deed],
                "reason": EXPIRATION_REASONS[change.deed],
                "acknowledged_at": acknowledged_at,
                "expires_at": None if change.ends_ms is None else moment(change.ends_ms / 1000),
            }
            for change in changes
        )

    def _acknowledged_at(self) -> str | None:
        return None if self._is_dry_run else moment(self._now())

    @override
    def note(self, action: str, reason: str, **more: Any) -> None:
        line = {
            "segment": more.pop("segment", None),
            "context_kind": more.pop("context_kind", None),
            "context_key": more.pop("context_key", None),
            "action": action,
            "reason": reason,
            "acknowledged_at": None,
        }
        self._write([line | more])

    @override
    def hold(self) -> None:
        # Not for ever: a folder on a network may hang.
        self._lock.acquire(timeout=SIGNAL_PATIENCE_SECONDS)

    @override
    def close(self) -> None:
        with self._lock:
            self._close()

    def _write(self, lines: Iterable[dict[str, Any]]) -> None:
        todo = iter(lines)
        while some := [*islice(todo, LINES_AT_ONCE)]:
            text = "".join(f"{_encode(line)}\n" for line in some)
            # A stream's name may be no valid Unicode, and is escaped then as JSON escapes it.
            self._write_block(memoryview(text.encode(errors="backslashreplace")))

    def _write_block(self, block: memoryview) -> None:
        with self._lock:
            assert self._close.alive  # noqa: S101 closed when nothing more is done
            try:
                while block:
                    block = block[os.write(self._file, block) :]
            except OSError as error:
                # The disk is full, say. What is there of these lines goes, so that all are whole.
                with suppress(OSError):
                    os.ftruncate(self._file, self._size)
                    os.lseek(self._file, self._size, os.SEEK_SET)
                raise cannot_be_written("changes_file", error) from error
            self._size = os.lseek(self._file, 0, os.SEEK_CUR)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _keep_earlier(path: Path) -> Path | None:
    """Move the file of an earlier run out of the way, and return where it is now.

    Raises:
        OSError: It cannot be moved, or is something else.
    """
    size = size_of_own(path, LINE_BEGINS)
    if size is None:
        return None
    if not size:
        path.unlink()
        return None
    changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept, number = path.with_stem(f"{path.stem}.{changed_at}"), 1
    while kept.exists():
        number += 1
        kept = path.with_stem(f"{path.stem}.{changed_at}-{number}")
    return path.rename(kept)
