"""Imports and exports of the big segments of one environment, without HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import conflict, forbidden, invalid, not_found
from .exports import Export, ExportFile, FileRefused
from .imports import Import, Upload, check_size, checked_mode
from .rules import ExportRules, ImportRules
from .segments import Segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from .segment import Keys, Segment


class Transfers(Segments):
    """The segments, with what moves the keys of big ones in files.

    Attributes:
        read_only: the token may change nothing, nor export.
        approval_required: changes need an approval, which the token cannot give.
        approval_bypassed: the token needs none.
        import_rules: how the next imports go.
        export_rules: how the next exports go.
        files_base: where the files of exports lie, such as `http://localhost:8765`.
    """

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self.read_only = False
        self.approval_required = False
        self.approval_bypassed = False
        self.import_rules = ImportRules()
        self.export_rules = ExportRules()
        self.files_base = ""

    @property
    def _needs_approval(self) -> bool:
        return self.approval_required and not self.approval_bypassed

    def start_import(
        self, segment_key: str, upload: Upload, rules: ImportRules | None = None
    ) -> str:
        """Start an import and give its path; None are the rules of all."""
        with self._lock:
            segment = self._find_big(segment_key)
            self._check_writable()
            one = self._new_import(segment_key, upload, rules or self.import_rules)
            for other in self._segments.values():
                if other.import_in_progress:
                    raise conflict(f"An import of {other.key} is in progress")
            segment.imports[one.id] = one
            if one.polls_left <= 0:
                self._advance(segment, one)
            return f"{self._path(segment_key)}/imports/{one.id}"

    def poll_import(self, segment_key: str, import_id: str) -> dict[str, object]:
        """Move an import on and give the API's `Import`."""
        with self._lock:
            segment = self._find_big(segment_key)
            if import_id not in segment.imports:
                raise not_found(f"Unknown import {import_id}")
            one = segment.imports[import_id]
            one.polls_left -= 1
            self._advance(segment, one)
            return one.document(self._path(segment_key))

    def approve_import(self, segment_key: str) -> None:
        """Let somebody approve the import that waits for it; it goes on at the next look."""
        self._import_in_progress(segment_key).approve()

    def stop_import(self, segment_key: str) -> None:
        """Let somebody stop the import that is in progress; what showed of it stays."""
        self._import_in_progress(segment_key).stop()

    def _import_in_progress(self, segment_key: str) -> Import:
        with self._lock:
            imports = self._find_big(segment_key).imports.values()
            one = next((one for one in imports if one.is_in_progress), None)
            if one is None:
                raise not_found(f"No import of {segment_key} is in progress")
            return one

    def _new_import(self, segment_key: str, upload: Upload, rules: ImportRules) -> Import:
        rules = replace(rules)
        mode = checked_mode(upload.mode)
        check_size(upload, rules)
        is_foreign = self._is_somebody_else
        if upload.waits_on_approvals or (self._needs_approval and not is_foreign):
            rules.outcome = "pending_approval"
        now = self.clock()
        return Import(
            *(segment_key, mode, upload.filename, upload.keys, now, rules, rules.polls),
            is_foreign=is_foreign,
            size=len(upload.keys),
        )

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

    def _pass_time(self) -> None:
        super()._pass_time()
        for segment in self._segments.values():
            for one in segment.imports.values():
                if one.is_in_progress and one.polls_left <= 0:
                    self._advance(segment, one)

    def _advance(self, segment: Segment, one: Import) -> None:
        self._change(
            segment,
            "foreign" if one.is_foreign else "import",
            lambda: one.advance(segment, self.clock()),
        )

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
