"""Segments as LaunchDarkly last showed them, the changes not sent yet, and what to send."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, Any

from target_launchdarkly.audiences import Audience, ChangePolicy
from target_launchdarkly.errors import RefusedError, SegmentError
from target_launchdarkly.patches import (
    ADD_EXCLUDED,
    ADD_INCLUDED,
    REMOVE_INCLUDED,
    Change,
    chunks,
    semantic_patch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_launchdarkly.client import Client

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What became of one segment's records. The counts are of records, except where they say."""

    records: int = 0
    #: Context keys that a patch included.
    added: int = 0
    #: Context keys that a patch took out of the included targets.
    removed: int = 0
    #: Context keys that a patch added to the excluded targets.
    excluded: int = 0
    #: Records whose flag means nothing in the stream's sync mode.
    not_acted_on: int = 0
    invalid: int = 0
    #: Records that ask to include a key which is excluded by hand.
    excluded_by_hand: int = 0

    #: Members that a snapshot did not list and that were therefore taken out.
    unlisted: int = 0
    #: Context keys that a patch changed in any of these ways.
    changed: int = 0

    @property
    def skipped(self) -> int:
        """Records that were left out, for whatever reason."""
        return self.not_acted_on + self.invalid + self.excluded_by_hand

    @property
    def already_in_place(self) -> int:
        """Records that needed no change, because of LaunchDarkly or of a later record."""
        return self.records - self.skipped - (self.changed - self.unlisted)


class Segment:
    """One segment of the run's environment. It is read on first use. Safe for threads.

    Args:
        key: The segment key.
        client: Asked on first use and at every flush.
        policy: How wishes become changes.
    """

    def __init__(self, key: str, client: Client, policy: ChangePolicy) -> None:
        self.key = key
        self.tally = Tally()
        self._client = client
        self._policy = policy
        self._lock = RLock()
        self._answer: Mapping[str, Any] | None = None
        self._audiences: dict[str, Audience] = {}

    @property
    def operations(self) -> int:
        """How many operations are not sent yet."""
        return sum(audience.operations for audience in self._audiences.values())

    @property
    def has_full_request(self) -> bool:
        """Whether the changes not sent yet fill a request."""
        return self.operations >= self._policy.chunk_size

    def want(self, context_kind: str, context_key: str, *, included: bool) -> None:
        """Ask for one key to be included or not. The last wish for a key wins.

        Raises:
            LaunchDarklyError: The segment could not be read.
            SegmentError: The segment, or this key in it, cannot be synced.
        """
        with self._lock:
            audience = self._audience(context_kind)
            self.tally.records += 1
            if not audience.want(context_key, included=included):
                self._leave_excluded(1)

    def begin_snapshot(self, context_kind: str) -> None:
        """Keep from here on which keys of this kind a snapshot lists."""
        with self._lock:
            self._audience(context_kind).begin_snapshot()

    def list_member(self, context_kind: str, context_key: str) -> None:
        """Include a key that a snapshot lists, and keep it from being removed."""
        self.spare(context_kind, context_key)
        self.want(context_kind, context_key, included=True)

    def unlist(self, context_kind: str, context_key: str) -> None:
        """Take note that a snapshot says of a key that it is no member."""
        with self._lock:
            self.tally.records += 1
            self._audience(context_kind).unlist(context_key)

    def spare(self, context_kind: str, context_key: str) -> None:
        """Keep a key from being removed by the snapshot, whether it is a member or not."""
        with self._lock:
            listed = self._audience(context_kind).listed
            if listed is not None:
                listed.add(context_key)

    def flush(self, *, everything: bool) -> None:
        """Send what is not sent yet: all of it, or as long as it fills whole requests.

        Raises:
            LaunchDarklyError: A patch was not accepted. What was acknowledged before stays counted,
                the rest stays pending.
        """
        with self._lock:
            while self.operations and (everything or self.has_full_request):
                self._send(self._next_chunk())

    def removal_problem(self) -> str | None:
        """Return why the snapshot's removals are too many to be meant, or None.

        They are counted against the members that the segment had when the run began.
        """
        with self._lock:
            leaving = sum(
                len(audience.members_at_start.intersection(audience.unlisted()))
                for audience in self._snapshots()
            )
            members = sum(len(audience.members_at_start) for audience in self._snapshots())
        if leaving * 100 <= members * self._policy.max_removal_percent:
            return None
        return (
            f"the snapshot would remove {leaving:,} of the {members:,} members that segment "
            f"'{self.key}' had when the run began ({leaving * 100 / members:.1f} %), and "
            f"max_removal_percent is {self._policy.max_removal_percent:g}"
        )

    @property
    def unlisted(self) -> int:
        """How many included keys the snapshot does not list."""
        with self._lock:
            return sum(len(audience.unlisted()) for audience in self._snapshots())

    def plan_removals(self) -> int:
        """Ask for every member that the snapshot does not list to be removed; return how many."""
        with self._lock:
            planned = 0
            for audience in self._snapshots():
                for context_key in audience.unlisted():
                    audience.want(context_key, included=False)
                    planned += 1
            self.tally.unlisted += planned
            return planned

    def _snapshots(self) -> list[Audience]:
        return [each for each in self._audiences.values() if each.listed is not None]

    def _audience(self, context_kind: str) -> Audience:
        audience = self._audiences.get(context_kind)
        if audience is None:
            if self._answer is None:
                self._answer = self._read()
            audience = Audience(context_kind, self._policy)
            audience.see(self._answer)
            self._audiences[context_kind] = audience
        return audience

    def _read(self) -> Mapping[str, Any]:
        answer = self._client.get_segment(self.key)
        if answer.get("_external"):
            raise SegmentError(
                f"Segment '{self.key}' is synced by {answer['_external']}, which would undo every "
                "change made here. Choose a segment that no other tool keeps."
            )
        if answer.get("unbounded"):
            raise SegmentError(
                f"Segment '{self.key}' is a big segment, and this version syncs standard segments "
                "only. Create a standard segment (up to 15,000 individual targets) and name it in "
                "segment_key."
            )
        return answer

    def _leave_excluded(self, count: int) -> None:
        """Tell of keys to include that are excluded by hand."""
        if self._policy.excluded_key_action == "fail":
            raise SegmentError(
                f"Segment '{self.key}' excludes a context that the stream includes, and "
                "excluded_key_action is 'fail'. Take the context off the segment's excluded "
                "targets, or set excluded_key_action to 'skip' or 'include'."
            )
        if not self.tally.excluded_by_hand:
            logger.warning(
                "Segment '%s' excludes a context that the stream includes. It stays excluded; set "
                "excluded_key_action to 'include' to lift such exclusions.",
                self.key,
            )
        self.tally.excluded_by_hand += count

    def _next_chunk(self) -> list[Change]:
        changes = chain.from_iterable(each.changes() for each in self._audiences.values())
        return next(chunks(changes, self._policy.chunk_size), [])

    def _send(self, chunk: list[Change]) -> None:
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
            self._leave_excluded(excluded_meanwhile)

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


class Segments:
    """The segments of a run, by segment key.

    Args:
        client: Shared by all of them.
        policy: The same for all of them.
        parallelism: How many segments are sent at the same time. Of one segment it is always one
            request after the other.
    """

    def __init__(self, client: Client, policy: ChangePolicy, *, parallelism: int = 4) -> None:
        self._client = client
        self._policy = policy
        self._parallelism = parallelism
        self._segments: dict[str, Segment] = {}
        #: Invalid records that name no segment.
        self.without_segment = 0
        #: The segments that have a whole request to send.
        self._full: dict[str, Segment] = {}

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments.values())

    def __getitem__(self, segment_key: str) -> Segment:
        """Return the one segment of that key; nothing is asked of LaunchDarkly yet."""
        if segment_key not in self._segments:
            self._segments[segment_key] = Segment(segment_key, self._client, self._policy)
        return self._segments[segment_key]

    def note(self, segment: Segment) -> None:
        """Take note that a segment got a wish."""
        if segment.has_full_request:
            self._full[segment.key] = segment

    @property
    def are_due(self) -> bool:
        """Whether it is time to send whole requests.

        One segment alone is sent as soon as it fills a request. Of many, so many are sent together
        as may be under way at once, unless one has enough for that many requests alone.
        """
        if not self._full:
            return False
        enough = min(self._parallelism, len(self._segments))
        return len(self._full) >= enough or any(
            segment.operations >= self._parallelism * self._policy.chunk_size
            for segment in self._full.values()
        )

    def flush_full(self) -> None:
        """Send the requests that are full."""
        full = list(self._full.values())
        self._full.clear()
        self._flush(full, everything=False)

    def flush(self) -> None:
        """Send everything that is not sent yet."""
        self._full.clear()
        self._flush([segment for segment in self if segment.operations], everything=True)

    def _flush(self, segments: Iterable[Segment], *, everything: bool) -> None:
        todo = list(segments)
        if len(todo) <= 1:
            for segment in todo:
                segment.flush(everything=everything)
            return
        with ThreadPoolExecutor(self._parallelism, thread_name_prefix="segment") as pool:
            futures = [pool.submit(segment.flush, everything=everything) for segment in todo]
        # All have ended here, so that what each of them applied is counted before one fails.
        for future in futures:
            future.result()
