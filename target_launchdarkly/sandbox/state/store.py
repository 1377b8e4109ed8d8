"""The state of one environment and every operation of the API on it, without HTTP."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .bodies import new_segment, target_lists
from .errors import conflict, documented_error, forbidden, invalid, not_found
from .history import Change, Tally
from .imports import Import, ImportOutcome, Upload, checked_mode
from .patching import Plan, apply_patch, comment_of
from .places import environment_document, project_document
from .segment import USER_KIND, Segment, Targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .history import ChangeSource
    from .segment import Side

DEFAULT_PROJECT_KEY = "default"
DEFAULT_ENVIRONMENT_KEY = "test"
DEFAULT_TOKEN = "api-sandbox"  # noqa: S105 - public, as it opens nothing but a sandbox
DEFAULT_SDK_KEY = "sdk-sandbox"

_SEGMENT_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")
_CONTEXT_KIND = re.compile(r"[A-Za-z0-9._-]+")


class Store:
    """The segments of one environment of one project.

    Attributes:
        read_only: the token may change nothing.
        approval_required: patches need an approval, which nobody can give here.
        import_outcome: where the next imports end.
        import_polls: how often an import has to be asked about until it ends; 0 ends it at once.
    """

    def __init__(
        self,
        project_key: str = DEFAULT_PROJECT_KEY,
        environment_key: str = DEFAULT_ENVIRONMENT_KEY,
        token: str = DEFAULT_TOKEN,
        clock: Callable[[], float] = time.time,
        *,
        sdk_key: str = DEFAULT_SDK_KEY,
    ) -> None:
        self.project_key = project_key
        self.environment_key = environment_key
        self.token = token
        self.sdk_key = sdk_key
        self.clock = clock
        self.read_only = False
        self.approval_required = False
        self.import_outcome: ImportOutcome = "complete"
        self.import_polls = 2
        self._segments: dict[str, Segment] = {}
        # Tests look at segments while the server's thread changes them.
        self._lock = threading.RLock()

    def add_segment(  # noqa: PLR0913 - these are the properties of a segment
        self,
        key: str,
        *,
        context_kind: str = USER_KIND,
        included: Iterable[str] = (),
        excluded: Iterable[str] = (),
        unbounded: bool = False,
        external: str | None = None,
    ) -> None:
        """Put a segment in place behind the API's back.

        Raises:
            ApiError: 400 for a malformed key or kind, 409 for a key that is taken.
        """
        now = self._now_ms()
        segment = Segment(key, key, now, now, context_kind, unbounded, external=external)
        segment.targets[context_kind] = Targets(dict.fromkeys(included), dict.fromkeys(excluded))
        with self._lock:
            self._insert(segment)

    def included(self, segment_key: str, context_kind: str = USER_KIND) -> list[str]:
        """List the included keys of a kind, of a standard or a big segment, oldest first."""
        return self._keys(segment_key, "included", context_kind)

    def excluded(self, segment_key: str, context_kind: str = USER_KIND) -> list[str]:
        """List the excluded keys of a kind, of a standard or a big segment, oldest first."""
        return self._keys(segment_key, "excluded", context_kind)

    def changes(self, segment_key: str) -> list[Change]:
        """List a segment's last changes, oldest first."""
        with self.read(segment_key) as segments:
            return list(segments[segment_key].history.changes)

    @contextmanager
    def read(self, *segment_keys: str) -> Iterator[Mapping[str, Segment]]:
        """Hold all segments still, to look at them only.

        Raises:
            ApiError: 404 when one of the keys is unknown.
        """
        with self._lock:
            for segment_key in segment_keys:
                self._find(segment_key)
            yield self._segments

    def authorize(self, authorization: str | None) -> None:
        """Refuse any Authorization but the bare token."""
        if authorization != self.token:
            raise documented_error(401)

    def authorize_sdk(self, authorization: str | None) -> None:
        """Refuse any Authorization but the bare SDK key."""
        if authorization != self.sdk_key:
            raise documented_error(401)

    def check_place(self, project_key: str, environment_key: str) -> None:
        """Refuse a project or an environment that is not this one."""
        if project_key != self.project_key:
            raise not_found(f"Unknown project key {project_key}")
        if environment_key != self.environment_key:
            raise not_found(f"Unknown environment key {environment_key}")

    def caller_identity(self) -> dict[str, object]:
        """Give the API's `CallerIdentityRep`."""
        return {"tokenName": "sandbox", "tokenKind": "auth", "authKind": "token", "scopes": []}

    def get_project(self, project_key: str) -> dict[str, object]:
        """Give the project."""
        self.check_place(project_key, self.environment_key)
        return project_document(self.project_key)

    def get_environment(self) -> dict[str, object]:
        """Give the environment."""
        return environment_document(
            self.project_key,
            self.environment_key,
            self.sdk_key,
            approval_required=self.approval_required,
        )

    def list_segments(self, limit: int, offset: int) -> dict[str, object]:
        """Give the API's `UserSegments`: at most `limit` of them, from `offset` on."""
        with self._lock:
            page = list(self._segments.values())[offset : offset + limit]
            return {
                "items": [self._document(segment) for segment in page],
                "totalCount": len(self._segments),
                "_links": {"self": {"href": self._path(), "type": "application/json"}},
            }

    def get_segment(self, segment_key: str) -> dict[str, object]:
        """Give a segment, with what is denied to the token."""
        with self._lock:
            document = self._document(self._find(segment_key))
        if self.read_only:
            denied = [
                {"action": action, "reason": {"effect": "deny", "actions": [action]}}
                for action in ("updateIncluded", "updateExcluded")
            ]
            document["_access"] = {"denied": denied, "allowed": []}
        return document

    def create_segment(self, document: object) -> dict[str, object]:
        """Create a segment of the API's `SegmentBody`."""
        self._check_writable()
        with self._lock:
            segment = new_segment(document, self._now_ms())
            self._insert(segment)
            return self._document(segment)

    def delete_segment(self, segment_key: str) -> None:
        """Delete a segment."""
        with self._lock:
            self._find(segment_key)
            self._check_writable()
            del self._segments[segment_key]

    def patch_segment(self, segment_key: str, document: object) -> dict[str, object]:
        """Apply a semantic patch and give the whole segment."""
        with self._lock:
            segment = self._find(segment_key)
            self._check_writable()
            if self.approval_required:
                raise forbidden("Segments of this environment: approval is required to change them")
            if segment.external is not None:
                raise invalid(f"{segment_key} is synced from {segment.external}")
            tally = apply_patch(segment, document, self.environment_key)
            self._count(segment, tally, "patch", comment_of(document))
            return self._document(segment)

    def change_targets(self, segment_key: str, document: object) -> None:
        """Change a big segment's targets by the API's `SegmentUserState`."""
        with self._lock:
            segment = self._find_big(segment_key)
            self._check_writable()
            plan = Plan(segment)
            for side, is_added, keys in target_lists(document):
                plan.set_targets(side, segment.context_kind, keys, present=is_added)
            plan.check_conflicts()
            self._count(segment, plan.commit(), "targets")

    def target_state(self, segment_key: str, context_key: str) -> dict[str, object]:
        """Give the API's `BigSegmentTarget`."""
        with self._lock:
            segment = self._find_big(segment_key)
            return {
                "userKey": context_key,
                "included": context_key in segment.keys("included", segment.context_kind),
                "excluded": context_key in segment.keys("excluded", segment.context_kind),
            }

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

    def _advance(self, segment: Segment, one: Import) -> None:
        if not one.advance():
            return
        targets = segment.targets.setdefault(segment.context_kind, Targets())
        added = sum(key not in targets.included for key in one.keys)
        removed = 0
        if one.mode == "replace":
            removed = len(targets.included) - (len(one.keys) - added)
            targets.included = one.keys
        else:
            targets.included.update(one.keys)
        one.keys = {}
        self._count(segment, Tally(changed=True, added=added, removed=removed), "import")

    def _count(
        self, segment: Segment, tally: Tally, source: ChangeSource, comment: str | None = None
    ) -> None:
        now_ms = self._now_ms()
        if tally.changed:
            segment.touch(now_ms)
        change = Change(now_ms, segment.version, source, tally, comment)
        segment.history.add(change, segment.size)

    def _insert(self, segment: Segment) -> None:
        if not _SEGMENT_KEY.fullmatch(segment.key):
            raise invalid(f'Malformed segment key "{segment.key}"')
        if not _CONTEXT_KIND.fullmatch(segment.context_kind):
            raise invalid(f'Malformed context kind "{segment.context_kind}"')
        if segment.key in self._segments:
            raise conflict(f"Segment key {segment.key} is taken")
        segment.history.sizes.append(segment.size)
        self._segments[segment.key] = segment

    def _find(self, segment_key: str) -> Segment:
        if segment_key not in self._segments:
            raise not_found(f"Unknown segment key {segment_key}")
        return self._segments[segment_key]

    def _find_big(self, segment_key: str) -> Segment:
        segment = self._find(segment_key)
        if not segment.unbounded:
            raise invalid(f"{segment_key} is a standard segment; this is for big segments only")
        return segment

    def _keys(self, segment_key: str, side: Side, context_kind: str) -> list[str]:
        with self._lock:
            return list(self._find(segment_key).keys(side, context_kind))

    def _check_writable(self) -> None:
        if self.read_only:
            raise forbidden()

    def _document(self, segment: Segment) -> dict[str, object]:
        return segment.document(self._path(segment.key))

    def _path(self, *segment_key: str) -> str:
        return "/".join(("/api/v2/segments", self.project_key, self.environment_key, *segment_key))

    def _now_ms(self) -> int:
        return int(self.clock() * 1_000)
