"""The segments of a run: each is read on first use, and changed as its plan says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from target_launchdarkly.api.shapes import UserSegment
from target_launchdarkly.errors import NotFoundError, SegmentError, TargetError
from target_launchdarkly.report.tally import Tally
from target_launchdarkly.segments.big import BigSegment
from target_launchdarkly.segments.drafts import Draft
from target_launchdarkly.segments.standard import StandardSegment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_launchdarkly.api.transfers import Transfers
    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.report.changes import Changes, SegmentChanges
    from target_launchdarkly.segments.drafts import Requests

CreateSegment = Literal["never", "standard", "big"]


class Segment:
    """One segment of the run's environment.

    Args:
        key: The segment key.
        transfers: Imports and exports the members of big segments; its client is asked on first
            use and when a plan is carried out.
        requests: How plans are sent.
        create: What to create if it is missing.
        told: Where it is told who changes.
    """

    def __init__(
        self,
        key: str,
        transfers: Transfers,
        requests: Requests,
        create: CreateSegment,
        told: SegmentChanges | None = None,
    ) -> None:
        self.key = key
        self.tally = Tally(requests.is_dry_run, told)
        self._client = transfers.client
        self._transfers = transfers
        self._requests = requests
        self._create = create
        self._opened: StandardSegment | BigSegment | None = None
        self._is_created = False

    def open(self, context_kind: str, planner: Planner) -> None:
        """Read the segment, if that was not done yet, and plan its targets of this kind.

        Raises:
            LaunchDarklyError: The segment could not be read.
            SegmentError: The segment, or this kind in it, cannot be synced.
        """
        if self._opened is None:
            shown = self._read(context_kind)
            self._body = self._body_of(context_kind)
            self._opened = self._of_its_type(shown)
        self._opened.open(context_kind, planner)

    def _of_its_type(self, shown: UserSegment) -> StandardSegment | BigSegment:
        how = (self._requests, self.tally)
        if shown.is_big:
            return BigSegment(self.key, shown, self._transfers, *how)
        return StandardSegment(self.key, shown, self._client, *how)

    def draft(self, planner: Planner) -> Draft:
        """Return what its plan comes to; if the segment is missing, carrying it out creates it."""
        assert self._opened is not None  # noqa: S101 only opened segments are kept
        draft = self._opened.draft(planner)
        if not self.tally.was_created or self._is_created:
            return draft
        return Draft(draft.problems, lambda: self._create_and_carry_out(planner))

    def _create_and_carry_out(self, planner: Planner) -> None:
        """Create the segment, and plan anew: somebody else may have created it meanwhile.

        Raises:
            LaunchDarklyError: The segment could not be created or changed.
            SegmentError: The plan made anew may not be carried out.
        """
        assert self._opened is not None  # noqa: S101
        if not self._requests.is_dry_run:
            shown = self._create_it()
            kind = shown.context_kind if shown.is_big else None
            if kind != self._body.get("unboundedContextKind"):
                raise SegmentError(
                    f"Segment '{self.key}' was created meanwhile, of another type or context kind. "
                    "Run again."
                )
            self._opened.see(shown)
        self._is_created = True
        draft = self._opened.draft(planner)
        if draft.problems:
            raise SegmentError(f"Segment '{self.key}': {' '.join(draft.problems)}")
        draft.carry_out()

    def _read(self, context_kind: str) -> UserSegment:
        """Return the segment, or what it will be once it is created."""
        try:
            shown = self._client.get_segment(self.key)
        except NotFoundError as error:
            if self._create == "never" or "segment" not in error.unknown:
                raise
            self.tally.was_created = True
            is_big = self._create == "big"
            # What is there has a version of at least 1.
            return UserSegment(self.key, 0, 0, is_big, context_kind, {}, {}, 0, 0)
        if shown.external:
            raise SegmentError(
                f"Segment '{self.key}' is synced by {shown.external}, which would undo every "
                "change made here. Choose a segment that no other tool keeps."
            )
        return self._transfers.await_foreign(self.key, shown)

    def _body_of(self, context_kind: str) -> dict[str, Any]:
        """Return the segment to create, saying in it where it comes from."""
        is_big = self._create == "big"
        body: dict[str, Any] = {
            "key": self.key,
            "name": self.key,
            "description": "Audience synced by target-launchdarkly. Its individual targets are "
            "kept in step with a warehouse; change them there.",
            "tags": ["target-launchdarkly"],
            "unbounded": is_big,
        }
        return body | ({"unboundedContextKind": context_kind} if is_big else {})

    def _create_it(self) -> UserSegment:
        for _ in self._client.looks():
            self._client.create_segment(self.key, self._body)
            try:
                return self._client.get_segment(self.key)
            except NotFoundError as error:
                # The conflict that was taken for "exists already" was of another kind.
                missing = error
        raise missing


class Segments:
    """The segments of a run that a record has named, by segment key.

    Args:
        transfers: Shared by all of them, and its client.
        requests: The same for all of them.
        create: What to create where a segment is missing.
        changes: Where it is told who changes; None for nowhere.
        parallelism: How many segments are sent at the same time. Of one segment it is always one
            request after the other.
    """

    def __init__(
        self,
        transfers: Transfers,
        requests: Requests,
        create: CreateSegment = "never",
        changes: Changes | None = None,
        *,
        parallelism: int = 4,
    ) -> None:
        self._transfers = transfers
        self._requests = requests
        self._create = create
        self._changes = changes
        self._parallelism = parallelism
        self._segments: dict[str, Segment] = {}
        #: Invalid records that name no segment.
        self.without_segment = 0
        #: Why segments were refused, by their keys, opened or not; "" stands for the run.
        self.refusals: Mapping[str, Sequence[str]] = {}

    def __iter__(self) -> Iterator[Segment]:
        # A copy: the live line looks at them from a thread of its own.
        return iter([*self._segments.values()])

    def open(self, segment_key: str, context_kind: str, planner: Planner) -> Segment:
        """Return the one segment of that key, read on its first use.

        Raises:
            LaunchDarklyError: The segment could not be read.
            SegmentError: The segment, or this kind in it, cannot be synced.
        """
        segment = self._segments.get(segment_key)
        if segment is None:
            told = self._changes.of(segment_key) if self._changes else None
            segment = Segment(segment_key, self._transfers, self._requests, self._create, told)
        segment.open(context_kind, planner)
        self._segments[segment_key] = segment
        return segment

    def each(self, work: Callable[[Segment], None], segments: Sequence[Segment]) -> None:
        """Do some work for segments, several at a time; all have ended when this returns.

        Raises:
            TargetError: The failures, of which the first gives the type. What the others did
                stays done and counted.
        """
        if len(segments) <= 1:
            for segment in segments:
                work(segment)
            return
        with ThreadPoolExecutor(self._parallelism, thread_name_prefix="segment") as pool:
            futures = [pool.submit(work, segment) for segment in segments]
        failures = [error for future in futures if (error := future.exception())]
        if failures:
            first, *others = failures
            if others and isinstance(first, TargetError):
                first.args = (" ".join(map(str, failures)), *first.args[1:])
            raise first


class UnreadSegments(Segments):
    """Segments that records have named, none of which is read."""

    def open(self, segment_key: str, context_kind: str, planner: Planner) -> Segment:  # noqa: ARG002
        """Return the one segment of that key."""
        if segment_key not in self._segments:
            self._segments[segment_key] = Segment(
                segment_key, self._transfers, self._requests, self._create
            )
        return self._segments[segment_key]
