"""The segments of a run: each is read on first use, and sent when there is something to send."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import RLock
from typing import TYPE_CHECKING

from target_launchdarkly.errors import NotFoundError, SegmentError
from target_launchdarkly.report.tally import Tally
from target_launchdarkly.segments.big import BigSegment
from target_launchdarkly.segments.standard import StandardSegment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_launchdarkly.api.answers import Answer
    from target_launchdarkly.api.client import Client
    from target_launchdarkly.audience.audiences import Audience, ChangePolicy


class Segment:
    """One segment of the run's environment. Safe for threads.

    Args:
        key: The segment key.
        client: Asked on first use and at every flush.
        policy: How wishes become changes.
    """

    def __init__(self, key: str, client: Client, policy: ChangePolicy) -> None:
        self.key = key
        self.tally = Tally(is_dry_run=policy.dry_run)
        self._client = client
        self._policy = policy
        self._lock = RLock()
        self._opened: StandardSegment | BigSegment | None = None

    @property
    def operations(self) -> int:
        """How many operations are not sent yet."""
        return self._opened.operations if self._opened else 0

    @property
    def has_full_request(self) -> bool:
        """Whether the changes not sent yet fill a request."""
        return self._opened is not None and self._opened.has_full_request

    def audience(self, context_kind: str) -> Audience | None:
        """Return the live targets of one kind, if the segment was read and shows them."""
        with self._lock:
            return self._opened.audience(context_kind) if self._opened else None

    def want(self, context_kind: str, context_key: str, *, included: bool) -> None:
        """Ask for one key to be included or not. The last wish for a key wins.

        Raises:
            LaunchDarklyError: The segment could not be read.
            SegmentError: The segment, or this key in it, cannot be synced.
        """
        with self._lock:
            self.tally.records += 1
            self._open(context_kind).want(context_kind, context_key, included=included)

    def begin_snapshot(self, context_kind: str) -> None:
        """Keep from here on which keys of this kind a snapshot lists."""
        with self._lock:
            self._open(context_kind).begin_snapshot(context_kind)

    def list_member(self, context_kind: str, context_key: str) -> None:
        """Include a key that a snapshot lists, and keep it from being removed."""
        with self._lock:
            self.tally.records += 1
            self._open(context_kind).list_member(context_kind, context_key)

    def unlist(self, context_kind: str, context_key: str) -> None:
        """Take note that a snapshot says of a key that it is no member."""
        with self._lock:
            self.tally.records += 1
            self._open(context_kind).unlist(context_kind, context_key)

    def spare(self, context_kind: str, context_key: str) -> None:
        """Keep a key from being removed by a snapshot, whether it is a member or not."""
        with self._lock:
            if self._opened:
                self._opened.spare(context_kind, context_key)

    def flush(self, *, everything: bool) -> None:
        """Send what is not sent yet: all of it, or as long as it fills whole requests.

        Raises:
            LaunchDarklyError: A change was not accepted. What was acknowledged before stays
                counted, the rest stays pending.
        """
        with self._lock:
            if self._opened:
                self._opened.flush(everything=everything)

    def removal_problem(self) -> str | None:
        """Return why the snapshot's removals may not be made, or None."""
        with self._lock:
            return self._opened.removal_problem() if self._opened else None

    @property
    def unlisted(self) -> int:
        """How many members the snapshot does not list; of a big segment, at least how many."""
        with self._lock:
            return self._opened.unlisted if self._opened else 0

    def end_snapshot(self, *, may_remove: bool) -> None:
        """Ask for every member that the snapshot does not list to be removed, if it may."""
        with self._lock:
            if self._opened:
                self._opened.end_snapshot(may_remove=may_remove)

    def _open(self, context_kind: str) -> StandardSegment | BigSegment:
        if self._opened is None:
            answer = self._read_or_create(context_kind)
            kind = BigSegment if answer.get("unbounded") else StandardSegment
            self._opened = kind(self.key, answer, self._client, self._policy, self.tally)
        return self._opened

    def _read_or_create(self, context_kind: str) -> Answer:
        try:
            answer = self._client.get_segment(self.key)
        except NotFoundError as error:
            if self._policy.create_segment == "never" or "segment" not in error.unknown:
                raise
            return self._create(context_kind)
        if answer.get("_external"):
            raise SegmentError(
                f"Segment '{self.key}' is synced by {answer['_external']}, which would undo every "
                "change made here. Choose a segment that no other tool keeps."
            )
        return self._await_import(answer)

    def _await_import(self, answer: Answer) -> Answer:
        """Wait until no import is going on: it would undo what is changed meanwhile."""
        if not answer.get("_importInProgress"):
            return answer
        for _ in self._client.looks():
            answer = self._client.get_segment(self.key)
            if not answer.get("_importInProgress"):
                return answer
        raise SegmentError(
            f"Segment '{self.key}' has an import in progress, which would undo changes made "
            "meanwhile. Look at the segment in LaunchDarkly: let the import end, or have it "
            "approved or stopped; then run again."
        )

    def _create(self, context_kind: str) -> Answer:
        """Create the segment, saying in it where it comes from; a dry run only plans it."""
        is_big = self._policy.create_segment == "big"
        body: Answer = {
            "key": self.key,
            "name": self.key,
            "description": "Audience synced by target-launchdarkly. Its individual targets are "
            "kept in step with a warehouse; change them there.",
            "tags": ["target-launchdarkly"],
            "unbounded": is_big,
        }
        if is_big:
            body["unboundedContextKind"] = context_kind
        self.tally.was_created = True
        if self._policy.dry_run:
            return body | {"_unboundedMetadata": {"includedCount": 0, "excludedCount": 0}}
        for _ in self._client.looks():
            self._client.create_segment(self.key, body)
            try:
                return self._client.get_segment(self.key)
            except NotFoundError as error:
                # The conflict that was taken for "exists already" was of another kind.
                missing = error
        raise missing


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
