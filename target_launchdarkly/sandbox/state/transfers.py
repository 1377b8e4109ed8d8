"""Imports and exports of the big segments of one environment, without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import conflict, forbidden, invalid, not_found
from .exports import Export, ExportFile, ExportRules, FileRefused
from .imports import Import, ImportOutcome, Upload, checked_mode, move_keys
from .segments import Segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from .segment import Keys, Segment


class Transfers(Segments):
    """The segments, with what moves the keys of big ones in files.

    Attributes:
        read_only: the token may change nothing, nor export.
        import_outcome: where the next imports end.
        import_polls: how often an import has to be asked about until it ends; 0 ends it at once.
        export_rules: how the next exports go.
        files_base: where the files of exports lie, such as `http://localhost:8765`.
    """

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self.read_only = False
        self.import_outcome: ImportOutcome = "complete"
        self.import_polls = 2
        self.export_rules = ExportRules()
        self.files_base = ""

    def start_import(self, segment_key: str, upload: Upload) -> str:
        """Start an import and give its path."""
        with self._lock:
            segment = self._find_big(segment_key)
            self._check_writable()
            mode = checked_mode(upload.mode)
            if segment.import_in_progress:
                raise conflict(f"An import of {segment_key} is in progress")
            started = Import(
                segment_key,
                mode,
                upload.filename,
                upload.keys,
                self._now_ms(),
                self.import_polls,
                self.import_outcome,
            )
            segment.imports[started.id] = started
            if started.polls_left <= 0:
                self._advance(segment, started)
            return f"{self._path(segment_key)}/imports/{started.id}"

    def poll_import(self, segment_key: str, import_id: str) -> dict[str, object]:
        """Move an import on and give the API's `Import`."""
        with self._lock:
            segment = self._find_big(segment_key)
            if import_id not in segment.imports:
                raise not_found(f"Unknown import {import_id}")
            self._advance(segment, segment.imports[import_id])
            return segment.imports[import_id].document(self._path(segment_key))

    def start_export(self, segment_key: str) -> str:
        """Start an export and give its path."""
        rules = self.export_rules
        with self._lock:
            segment = self._find_big(segment_key)
            if rules.denied:
                raise forbidden()
            self._check_writable()
            if len(_members(segment)) > rules.max_members:
                raise invalid(f"Segments of more than {rules.max_members} are not exported")
            now = self.clock()
            segment.forget_expired_exports(now)
            started = Export.start(segment_key, _members(segment), rules, now)
            segment.exports[started.id] = started
            return f"{self._path(segment_key)}/exports/{started.id}"

    def poll_export(self, segment_key: str, export_id: str) -> dict[str, object]:
        """Move an export on and give the API's `Export`."""
        with self._lock:
            segment = self._find_big(segment_key)
            if export_id not in segment.exports:
                raise not_found(f"Unknown export {export_id}")
            one = segment.exports[export_id]
            one.advance(_members(segment), self.clock())
        # The size of a file of millions takes its time, in which others want to be served.
        return one.document(self._path(segment_key), self.files_base)

    def export_file(self, export_id: str, signature: str | None) -> ExportFile:
        """Give a file to whoever has its link.

        Raises:
            FileRefused: 404 for an unknown one, 403 when the link is not good, or not any more.
        """
        with self._lock:
            segments = [*self._segments.values(), *self._deleted.values()]
            one = next((s.exports[export_id] for s in segments if export_id in s.exports), None)
            if one is None or one.file is None or one.ended is None:
                raise FileRefused(404, "NoSuchKey", "The specified key does not exist.")
            if signature != one.signature:
                raise FileRefused(403, "SignatureDoesNotMatch", "The signature does not match.")
            if one.is_expired(self.clock()):
                raise FileRefused(403, "AccessDenied", "Request has expired")
            return one.file

    def _advance(self, segment: Segment, one: Import) -> None:
        if one.advance():
            self._change(segment, "import", lambda: move_keys(segment, one))

    def _find_big(self, segment_key: str) -> Segment:
        segment = self._find(segment_key)
        if not segment.unbounded:
            raise invalid(f"{segment_key} is a standard segment; this is for big segments only")
        return segment

    def _check_writable(self) -> None:
        if self.read_only and not self._is_somebody_else:
            raise forbidden()


def _members(segment: Segment) -> Keys:
    return segment.keys("included", segment.context_kind)
