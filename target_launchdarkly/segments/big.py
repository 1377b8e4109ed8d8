"""A big segment: its members cannot be listed, so wishes wait on disk and go as few requests."""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING, Any

from target_launchdarkly.audience.keyfile import KeyFile, csv_file
from target_launchdarkly.audience.rules import excess, leave_excluded
from target_launchdarkly.errors import LaunchDarklyError, RefusedError, SegmentError
from target_launchdarkly.segments.patches import (
    ADD_BIG_EXCLUDED,
    ADD_BIG_INCLUDED,
    REMOVE_BIG_EXCLUDED,
    REMOVE_BIG_INCLUDED,
    Change,
    chunks,
    semantic_patch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.audience.audiences import ChangePolicy
    from target_launchdarkly.report.tally import Tally

logger = logging.getLogger(__name__)

#: From so many patches on, additions go as one import, which takes one request to start and one
#: a look: 1, 2, 4 … seconds apart, so that 20 requests watch an import for 15 minutes.
IMPORT_INSTEAD_OF_PATCHES = 20


class BigSegment:
    """A segment with `unbounded: true`.

    Args:
        key: The segment key.
        answer: The segment as LaunchDarkly showed it first.
        client: Asked at every flush.
        policy: How wishes become changes.
        tally: Counts what becomes of the wishes.
    """

    def __init__(
        self,
        key: str,
        answer: Mapping[str, Any],
        client: Client,
        policy: ChangePolicy,
        tally: Tally,
    ) -> None:
        self.key = key
        self.tally = tally
        self.tally.is_big = True
        self._client = client
        self._policy = policy
        self._context_kind = answer.get("unboundedContextKind") or "user"
        counts = answer.get("_unboundedMetadata") or {}
        self._members_at_start = counts.get("includedCount")
        self._excludes_by_hand = counts.get("excludedCount") != 0
        self._wishes = KeyFile()
        self._has_wishes = False
        self._is_snapshot = False
        self._replaces = False
        self._adds_only = False
        self._spared = 0

    @property
    def operations(self) -> int:
        """1 if anything is not sent yet. How many operations it is shows only at the end."""
        return int(self._has_wishes and not self._is_snapshot)

    @property
    def has_full_request(self) -> bool:
        """Never: all wishes together take the fewest requests."""
        return False

    def audience(self, context_kind: str) -> None:
        """Return nothing: the members cannot be listed."""

    def want(self, context_kind: str, context_key: str, *, included: bool) -> None:
        """Ask for one key to be included or not. The last wish for a key wins.

        Raises:
            SegmentError: The segment is of another context kind.
        """
        self._demand_kind(context_kind)
        self._wishes.put(context_key, listed=included)
        self._has_wishes = True

    def begin_snapshot(self, context_kind: str) -> None:
        """Hold all wishes until the snapshot is judged.

        Raises:
            SegmentError: A snapshot of this segment cannot be made as the settings ask.
        """
        self._demand_kind(context_kind)
        if self._policy.removal_action == "exclude":
            raise SegmentError(
                f"Segment '{self.key}' is a big segment, whose members cannot be listed, so a "
                "snapshot cannot exclude who leaves. Set removal_action to 'remove', or mirror by "
                "changes."
            )
        self._is_snapshot = True

    def list_member(self, context_kind: str, context_key: str) -> None:
        """Include a key that a snapshot lists."""
        self.want(context_kind, context_key, included=True)

    def unlist(self, context_kind: str, context_key: str) -> None:
        """Take note that a snapshot says of a key that it is no member."""
        self.want(context_kind, context_key, included=False)

    def spare(self, context_kind: str, context_key: str) -> None:  # noqa: ARG002
        """Take note of a key that must not be removed, though it may be no member."""
        self._spared += 1

    @property
    def unlisted(self) -> int:
        """At least how many members the snapshot does not list."""
        return max(0, (self._members_at_start or 0) - self._wishes.counts()[0])

    def removal_problem(self) -> str | None:
        """Return why the snapshot may not replace the members, or None."""
        if self._spared:
            return (
                f"{self._spared:,} invalid records were skipped whose keys may be members of "
                f"segment '{self.key}'; of a big segment, that cannot be looked up"
            )
        if self._members_at_start is None:
            return (
                f"LaunchDarkly does not say how many members big segment '{self.key}' has, so "
                "max_removal_percent cannot be checked"
            )
        return excess(self.key, self.unlisted, self._members_at_start, self._policy)

    def end_snapshot(self, *, may_remove: bool) -> None:
        """Let the wishes go: as the whole audience if it may remove, else as additions only."""
        self._is_snapshot = False
        self._replaces = may_remove
        self._has_wishes = True
        self._adds_only = not may_remove

    def flush(self, *, everything: bool) -> None:
        """Send all wishes, when everything shall be sent.

        Raises:
            LaunchDarklyError: A patch or an import was not accepted, or did not complete.
        """
        if not everything or not self.operations:
            return
        adding, removing = self._wishes.counts()
        if self._replaces:
            self._warn_of_excluded()
            self._import("replace", adding)
            leaving = self.unlisted
            self.tally.removed += leaving
            self.tally.changed += leaving
            self.tally.unlisted += leaving
        else:
            self._send(adding, 0 if self._adds_only else removing)
        self._wishes.clear()
        self._has_wishes = self._replaces = False

    def _warn_of_excluded(self) -> None:
        if self._excludes_by_hand and self._policy.excluded_key_action != "include":
            logger.warning(
                "Segment '%s' has excluded targets, and an import does not look at them: who is "
                "listed becomes a member even if excluded by hand.",
                self.key,
            )

    def _send(self, adding: int, removing: int) -> None:
        """Send the wishes as patches, but many additions as one import."""
        additions = self._additions()
        # An import does not look at the excluded targets, so patches go where there are any.
        is_much = adding > IMPORT_INSTEAD_OF_PATCHES * self._policy.chunk_size
        if is_much and not self._excludes_by_hand:
            self._import("merge", adding)
            additions = iter(())
        removals = self._removals() if removing else iter(())
        for chunk in chunks(chain(removals, additions), self._policy.chunk_size):
            self._patch(chunk)

    def _additions(self) -> Iterator[Change]:
        instructions: tuple[str, ...] = (ADD_BIG_INCLUDED,)
        if self._policy.excluded_key_action == "include":
            instructions = (REMOVE_BIG_EXCLUDED, ADD_BIG_INCLUDED)
        for key in self._wishes.keys(listed=True):
            yield Change(self._context_kind, key, instructions)

    def _removals(self) -> Iterator[Change]:
        instructions: tuple[str, ...] = (REMOVE_BIG_INCLUDED,)
        if self._policy.removal_action == "exclude":
            instructions = (REMOVE_BIG_INCLUDED, ADD_BIG_EXCLUDED)
        for key in self._wishes.keys(listed=False):
            yield Change(self._context_kind, key, instructions)

    def _patch(self, chunk: list[Change]) -> None:
        if not self._policy.dry_run:
            body = semantic_patch(
                chunk, environment_key=self._client.environment_key, comment=self._policy.comment
            )
            try:
                self._client.patch_segment(self.key, body)
            except RefusedError as error:
                self._patch_around_excluded(chunk, error)
                return
        self._count(chunk)

    def _patch_around_excluded(self, chunk: list[Change], error: RefusedError) -> None:
        """Halve a refused patch until the keys stand alone that are excluded by hand."""
        if self._policy.excluded_key_action == "include":
            raise error
        if len(chunk) > 1:
            middle = len(chunk) // 2
            self._patch(chunk[:middle])
            self._patch(chunk[middle:])
            return
        (change,) = chunk
        if not self._client.get_membership(self.key, change.context_key).get("excluded"):
            raise error
        leave_excluded(self.key, 1, self._policy, self.tally)

    def _count(self, chunk: list[Change]) -> None:
        added = sum(ADD_BIG_INCLUDED in change.instructions for change in chunk)
        self.tally.changed += len(chunk)
        self.tally.added += added
        self.tally.removed += len(chunk) - added
        self.tally.excluded += sum(ADD_BIG_EXCLUDED in change.instructions for change in chunk)
        logger.info(
            "Segment '%s': %sincluded %d, un-included %d.",
            self.key,
            "would have " if self._policy.dry_run else "",
            added,
            len(chunk) - added,
        )

    def _import(self, mode: str, keys: int) -> None:
        if not self._policy.dry_run:
            with csv_file(self._wishes.keys(listed=True)) as file:
                import_id = self._client.create_import(self.key, file, mode)
            logger.info(
                "Segment '%s': import %s of %d keys (%s) begun.", self.key, import_id, keys, mode
            )
            self._await_import(import_id)
        self.tally.changed += keys
        self.tally.added += keys

    def _await_import(self, import_id: str) -> None:
        """Look at the import, ever more rarely, until it is complete.

        Raises:
            LaunchDarklyError: It was stopped, waits for an approval, or takes too long.
        """
        for waited in self._client.looks():  # noqa: B007 told when it ends
            status = str(self._client.get_import(self.key, import_id).get("status"))
            if status == "complete":
                return
            if status in IMPORT_ENDS:
                raise LaunchDarklyError(
                    f"Import {import_id} of segment '{self.key}' {IMPORT_ENDS[status]}"
                )
        raise LaunchDarklyError(
            f"Import {import_id} of segment '{self.key}' is not complete after {waited:.0f} s "
            f"(status '{status}'), and waiting on would pass max_retry_seconds. LaunchDarkly goes "
            "on with it; raise max_retry_seconds, or run again when it has ended."
        )

    def _demand_kind(self, context_kind: str) -> None:
        if context_kind != self._context_kind:
            raise SegmentError(
                f"Segment '{self.key}' is a big segment of context kind '{self._context_kind}', "
                f"but context_kind is '{context_kind}'. Set context_kind to "
                f"'{self._context_kind}', or name another segment."
            )


IMPORT_ENDS: Mapping[str, str] = {
    "stopped": "was stopped by LaunchDarkly or by somebody there; the members are as they were. "
    "Look at the segment's imports in LaunchDarkly, then run again.",
    "pending_approval": "waits for an approval in LaunchDarkly; nothing has changed yet. Have it "
    "approved, or give the token a role with the action bypassRequiredSegmentApproval.",
}
