"""The state of one environment and every operation of the API on it, without HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .bodies import new_segment, target_lists
from .errors import documented_error, forbidden, invalid, not_found
from .expiring import apply_instructions, item_documents, patch_document
from .patching import Plan, apply_patch, comment_of
from .places import environment_document, project_document
from .transfers import Transfers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .history import Tally
    from .past import Document
    from .segment import Segment

DEFAULT_PROJECT_KEY = "default"
DEFAULT_ENVIRONMENT_KEY = "test"
DEFAULT_TOKEN = "api-sandbox"  # noqa: S105 - public, as it opens nothing but a sandbox
DEFAULT_SDK_KEY = "sdk-sandbox"

# What a token that is read-only may not do to a segment.
_CHANGES = ("updateIncluded", "updateExcluded", "updateExpiringTargets")


class Store(Transfers):
    """The segments of one environment of one project.

    Attributes:
        refused_keys: context keys that no patch may add, as if LaunchDarkly had a reason.
        ignores_dry_run: a PATCH with `dryRun` is one like any other.
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
        super().__init__(f"/api/v2/segments/{project_key}/{environment_key}", clock)
        self.project_key = project_key
        self.environment_key = environment_key
        self.token = token
        self.sdk_key = sdk_key
        self.refused_keys: set[str] = set()
        self.ignores_dry_run = False

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
        with self.read():
            page = list(self._segments.values())[offset : offset + limit]
            return {
                "items": [self._document(segment) for segment in page],
                "totalCount": len(self._segments),
                "_links": {"self": {"href": self._path(), "type": "application/json"}},
            }

    def get_segment(self, segment_key: str, *, behind: int = 0) -> Document:
        """Give a segment as it was so many changes ago, with what is denied to the token."""
        with self._lock:
            document = dict(self._look(segment_key, behind))
            if segment := self._segments.get(segment_key):
                segment.pass_read()
        denied = list(_CHANGES) if self.read_only else []
        if self.read_only or self.export_rules.denied:
            denied.append("createSegmentExport")
        if denied:
            reasons = [
                {"action": action, "reason": {"effect": "deny", "actions": [action]}}
                for action in denied
            ]
            document["_access"] = {"denied": reasons, "allowed": []}
        return document

    def create_segment(self, document: object) -> dict[str, object]:
        """Create a segment of the API's `SegmentBody`."""
        self._check_writable()
        with self._lock:
            segment = new_segment(document, self._now_ms())
            self._insert(segment)
            self._past.add(segment.key, None)
            return self._document(segment)

    def delete_segment(self, segment_key: str) -> None:
        """Delete a segment."""
        with self._lock:
            segment = self._find(segment_key)
            self._check_writable()
            self._delete(segment)

    def patch_segment(
        self, segment_key: str, document: object, *, behind: int = 0, is_dry_run: bool = False
    ) -> Document:
        """Apply a semantic patch and give the whole segment.

        Args:
            segment_key: which segment.
            document: the patch.
            behind: 1 to give the segment as it was before the patch, 2 one change earlier, and so
                on.
            is_dry_run: the segment stays as it is, and is given as it would be.
        """
        with self._lock:
            segment = self._find(segment_key)
            self._check_writable()
            self._check_approved()
            if segment.external is not None:
                raise invalid(f"{segment_key} is synced from {segment.external}")
            if is_dry_run:
                return self._preview(segment, document)
            before = self._look(segment_key, behind - 1) if behind else None
            self._change(
                segment, "patch", lambda: self._patch(segment, document), comment_of(document)
            )
            return before or self._document(segment)

    def _check_approved(self) -> None:
        if self._needs_approval and not self._is_somebody_else:
            raise forbidden("Segments of this environment: approval is required to change them")

    def _preview(self, segment: Segment, document: object) -> Document:
        segment = segment.copied()
        if self._patch(segment, document).changed:
            segment.touch(self._now_ms())
        return self._document(segment)

    def _patch(self, segment: Segment, document: object) -> Tally:
        return apply_patch(segment, document, self.environment_key, self.refused_keys)

    def get_expirations(self, segment_key: str, *, behind: int = 0) -> Document:
        """Give the API's `ExpiringTargetGetResponse`, as it was so many changes ago."""
        with self._lock:
            now = self._expirations(self._find(segment_key))
            return self._past_expirations.look(segment_key, behind, now) or now

    def patch_expirations(
        self, segment_key: str, document: object, *, behind: int = 0
    ) -> dict[str, object]:
        """Apply a semantic patch of when targets leave; give its `ExpiringTargetPatchResponse`.

        Args:
            segment_key: which segment.
            document: the patch.
            behind: 1 for results as they were before the patch.
        """
        with self._lock:
            segment = self._find(segment_key)
            self._check_writable()
            self._check_approved()
            if segment.unbounded:
                raise invalid(f"{segment_key} is a big segment; its targets do not expire")
            before, changes = self._expirations(segment), segment.expirations.changes
            errors = apply_instructions(segment, document, self._now_ms())
            if segment.expirations.changes != changes:
                self._past_expirations.add(segment_key, before)
            shown = before if behind else self._expirations(segment)
            items: list[dict[str, object]] = shown["items"]  # type: ignore[assignment]
            return patch_document(items, document, errors)

    def _expirations(self, segment: Segment) -> Document:
        resource = {
            "projectKey": self.project_key,
            "environmentKey": self.environment_key,
            "key": segment.key,
            "kind": "segment",
        }
        return {"items": item_documents(segment, resource)}

    def change_targets(self, segment_key: str, document: object) -> None:
        """Change a big segment's targets by the API's `SegmentUserState`."""
        with self._lock:
            segment = self._find_big(segment_key)
            self._check_writable()
            plan = Plan(segment)
            for side, is_added, keys in target_lists(document):
                plan.set_targets(side, segment.context_kind, keys, present=is_added)
            plan.check_conflicts()
            self._change(segment, "targets", plan.commit)

    def target_state(self, segment_key: str, context_key: str) -> dict[str, object]:
        """Give the API's `BigSegmentTarget`."""
        with self._lock:
            segment = self._find_big(segment_key)
            return {
                "userKey": context_key,
                "included": context_key in segment.keys("included", segment.context_kind),
                "excluded": context_key in segment.keys("excluded", segment.context_kind),
            }
