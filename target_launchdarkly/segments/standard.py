"""A standard segment: its lists as LaunchDarkly last showed them, and what to send."""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING, Any

from target_launchdarkly.audience.audiences import Audience, ChangePolicy
from target_launchdarkly.audience.rules import excess, leave_excluded
from target_launchdarkly.errors import RefusedError, SegmentError
from target_launchdarkly.segments.patches import (
    ADD_EXCLUDED,
    ADD_INCLUDED,
    REMOVE_INCLUDED,
    Change,
    chunks,
    semantic_patch,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.report.tally import Tally

logger = logging.getLogger(__name__)

#: https://launchdarkly.com/docs/home/flags/segment-types
MAX_TARGETS = 15_000


class StandardSegment:
    """A segment whose individual targets LaunchDarkly lists in every answer.

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
        self._client = client
        self._policy = policy
        self._answer = answer
        self._audiences: dict[str, Audience] = {}
        self._has_warned_of_size = False

    @property
    def operations(self) -> int:
        """How many operations are not sent yet."""
        return sum(audience.operations for audience in self._audiences.values())

    @property
    def has_full_request(self) -> bool:
        """Whether the changes not sent yet fill a request."""
        return self.operations >= self._policy.chunk_size

    def audience(self, context_kind: str) -> Audience:
        """Return the live targets of one kind; the same object throughout the run."""
        audience = self._audiences.get(context_kind)
        if audience is None:
            audience = Audience(context_kind, self._policy)
            audience.see(self._answer)
            self._audiences[context_kind] = audience
        return audience

    def want(self, context_kind: str, context_key: str, *, included: bool) -> None:
        """Ask for one key to be included or not. The last wish for a key wins.

        Raises:
            SegmentError: The key is excluded by hand, and the settings say to fail then.
        """
        if not self.audience(context_kind).want(context_key, included=included):
            leave_excluded(self.key, 1, self._policy, self.tally)

    def begin_snapshot(self, context_kind: str) -> None:
        """Keep from here on which keys of this kind a snapshot lists."""
        self.audience(context_kind).begin_snapshot()

    def list_member(self, context_kind: str, context_key: str) -> None:
        """Include a key that a snapshot lists, and keep it from being removed."""
        self.spare(context_kind, context_key)
        self.want(context_kind, context_key, included=True)

    def unlist(self, context_kind: str, context_key: str) -> None:
        """Take note that a snapshot says of a key that it is no member."""
        self.audience(context_kind).unlist(context_key)

    def spare(self, context_kind: str, context_key: str) -> None:
        """Keep a key from being removed by the snapshot, whether it is a member or not."""
        listed = self.audience(context_kind).listed
        if listed is not None:
            listed.add(context_key)

    def flush(self, *, everything: bool) -> None:
        """Send what is not sent yet: all of it, or as long as it fills whole requests.

        Raises:
            LaunchDarklyError: A patch was not accepted. What was acknowledged before stays counted,
                the rest stays pending.
        """
        while self.operations and (everything or self.has_full_request):
            self._send(self._next_chunk())

    @property
    def unlisted(self) -> int:
        """How many included keys the snapshot does not list."""
        return sum(len(audience.unlisted()) for audience in self._snapshots())

    def removal_problem(self) -> str | None:
        """Return why the snapshot's removals are too many to be meant, or None.

        They are counted against the members that the segment had when the run began.
        """
        leaving = sum(
            len(audience.members_at_start.intersection(audience.unlisted()))
            for audience in self._snapshots()
        )
        members = sum(len(audience.members_at_start) for audience in self._snapshots())
        return excess(self.key, leaving, members, self._policy)

    def end_snapshot(self, *, may_remove: bool) -> None:
        """Ask for every member that the snapshot does not list to be removed, if it may."""
        for audience in self._snapshots() if may_remove else ():
            for context_key in audience.unlisted():
                audience.want(context_key, included=False)
                self.tally.unlisted += 1

    def _snapshots(self) -> list[Audience]:
        return [each for each in self._audiences.values() if each.listed is not None]

    def _next_chunk(self) -> list[Change]:
        changes = chain.from_iterable(each.changes() for each in self._audiences.values())
        return next(chunks(changes, self._policy.chunk_size), [])

    def _send(self, chunk: list[Change]) -> None:
        self._warn_of_size(chunk)
        if self._policy.dry_run:
            for change in chunk:
                self._audiences[change.context_kind].imagine(change)
        else:
            answer = self._patch(chunk)
            if answer is None:
                return
            self._look_at(answer)
            self._demand_applied(chunk)
        self._count(chunk)

    def _warn_of_size(self, chunk: list[Change]) -> None:
        targets = sum(len(each.included) + len(each.excluded) for each in self._audiences.values())
        targets += sum(ADD_INCLUDED in change.instructions for change in chunk)
        if targets > MAX_TARGETS and not self._has_warned_of_size:
            logger.warning(
                "Segment '%s' passes %d individual targets, which is what LaunchDarkly supports in "
                "a standard segment. Create a big segment for this audience (create_segment: big "
                "makes missing ones so) and name it in segment_key.",
                self.key,
                MAX_TARGETS,
            )
            self._has_warned_of_size = True

    def _patch(self, chunk: list[Change]) -> Mapping[str, Any] | None:
        """Return LaunchDarkly's answer, or None if the segment changed so that it refused."""
        body = semantic_patch(
            chunk, environment_key=self._client.environment_key, comment=self._policy.comment
        )
        try:
            return self._client.patch_segment(self.key, body)
        except RefusedError:
            # Somebody may have excluded one of the keys by hand since the last look: look again,
            # and give up only if there is nothing new to see.
            self._look_at(self._client.get_segment(self.key))
            if self._next_chunk() == chunk:
                raise
            return None

    def _look_at(self, answer: Mapping[str, Any]) -> None:
        """Take LaunchDarkly's answer as the new view, and drop what it already has."""
        self._answer = answer
        excluded_meanwhile = sum(audience.see(answer) for audience in self._audiences.values())
        if excluded_meanwhile:
            leave_excluded(self.key, excluded_meanwhile, self._policy, self.tally)

    def _demand_applied(self, chunk: list[Change]) -> None:
        missing = sum(
            change.context_key in self._audiences[change.context_kind].pending for change in chunk
        )
        if missing:
            raise SegmentError(
                f"LaunchDarkly accepted a patch of segment '{self.key}', but its answer lacks "
                f"{missing} of {len(chunk)} changed keys. Run again; if it stays so, look at the "
                "segment's change history for somebody who changes it at the same time."
            )

    def _count(self, chunk: list[Change]) -> None:
        added = sum(ADD_INCLUDED in change.instructions for change in chunk)
        removed = sum(REMOVE_INCLUDED in change.instructions for change in chunk)
        self.tally.changed += len(chunk)
        self.tally.added += added
        self.tally.removed += removed
        self.tally.excluded += sum(ADD_EXCLUDED in change.instructions for change in chunk)
        told = "would add %d, would remove %d" if self._policy.dry_run else "added %d, removed %d"
        logger.info(f"Segment '%s': {told}.", self.key, added, removed)  # noqa: G004
