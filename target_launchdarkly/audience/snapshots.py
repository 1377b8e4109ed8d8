"""The snapshot streams of a run, the segments they feed, and their removals at the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_launchdarkly.audience.completeness import StreamCompleteness
from target_launchdarkly.errors import IncompleteSnapshotError, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_launchdarkly.segments.segments import Segment
    from target_launchdarkly.settings import Settings, StreamSettings

logger = logging.getLogger(__name__)

WAYS_TO_PROVE = (
    "Give one proof that the stream is whole: add `count(*) over () as audience_size` to the model "
    "(with segment_key_field: `count(*) over (partition by` that column `)`) and set "
    "audience_size_field to 'audience_size'; or use a tap that writes ACTIVATE_VERSION after the "
    "last record, started without STATE; or set trust_end_of_input to true, if a tap that fails "
    "cannot end its output unnoticed. To sync now without removals, set audience_sync_mode to "
    "'add'."
)


class Snapshots:
    """Keeps, per stream and over SCHEMA changes, whether a snapshot is complete.

    Args:
        settings: The run's settings.
        now: Epoch seconds.
    """

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._started_at = now()
        self._streams: dict[str, StreamCompleteness] = {}
        #: Whether any stream came, a snapshot or not.
        self._has_opened = False
        #: The segments that each stream has named.
        self._fed: dict[str, dict[str, Segment]] = {}
        #: The first stream that fed a segment, and whether as a snapshot.
        self._first_feeder: dict[str, tuple[str, bool]] = {}

    def __getitem__(self, stream_name: str) -> StreamCompleteness:
        return self._streams[stream_name]

    @property
    def are_expected(self) -> bool:
        """Whether this run has or may have a snapshot stream."""
        return bool(self._streams) or self._settings.expects_snapshot

    def open(self, stream_name: str, stream: StreamSettings) -> None:
        """Take note of a stream's SCHEMA.

        Raises:
            StreamError: The stream cannot feed its segment, because of how another one does.
        """
        self._has_opened = True
        if stream.segment_key and not stream.segment_key_field:
            self._demand_same_way(stream_name, stream, stream.segment_key)
        if stream.is_snapshot and stream_name not in self._streams:
            self._streams[stream_name] = StreamCompleteness(
                stream_name,
                started_at=self._started_at,
                audience_size_field=stream.audience_size_field,
                trust_end_of_input=self._settings.trust_end_of_input,
            )
            self._fed[stream_name] = {}

    def note_incremental(self, stream_name: str) -> None:
        """Take note that a SCHEMA names bookmark properties."""
        if stream_name in self._streams:
            self._streams[stream_name].is_incremental = True

    def note_records(self, stream_names: Iterable[str], version: object) -> None:
        """Take note of a record that the tap sent, whatever becomes of it."""
        for name in stream_names:
            if name in self._streams:
                self._streams[name].note_record(version)

    def note_activate_version(self, stream_names: Iterable[str], version: object) -> None:
        """Take note of an ACTIVATE_VERSION message."""
        for name in stream_names:
            if name in self._streams:
                self._streams[name].note_activate_version(version)

    def feed(self, stream_name: str, stream: StreamSettings, segment: Segment) -> None:
        """Take note that a stream feeds a segment, before its first record does.

        Raises:
            StreamError: Another stream feeds it in another way.
            LaunchDarklyError: The segment could not be read.
        """
        self._demand_same_way(stream_name, stream, segment.key)
        if stream.is_snapshot:
            segment.begin_snapshot(stream.context_kind)
            self._fed[stream_name][segment.key] = segment

    def conclude(self) -> IncompleteSnapshotError | None:
        """Ask for the removals of all snapshots if every one of them may remove, else for none.

        One snapshot that is not proven keeps all of them from removing: what broke it may have
        broken the others in ways that do not show.

        Returns:
            Why nobody may be removed; to be raised when the additions are acknowledged.
        """
        segments = {segment.key: segment for fed in self._fed.values() for segment in fed.values()}
        gaps = list(self._gaps())
        for segment in segments.values():
            logger.info(
                "Segment '%s': the snapshot %s complete and does not list %d of its members.",
                segment.key,
                "is not proven" if gaps else "is proven",
                segment.unlisted,
            )
        problem = _problem(gaps, segments.values())
        for segment in segments.values():
            segment.end_snapshot(may_remove=problem is None)
        return problem

    def _gaps(self) -> Iterator[str]:
        """Yield a clause for every stream that is not proven complete."""
        named = (name for name, stream in self._settings.streams.items() if stream.is_snapshot)
        for stream_name in named:
            if stream_name not in self._streams:
                yield f"stream '{stream_name}', which streams names, never came"
        if not self._has_opened and self._settings.stream.is_snapshot:
            yield "no stream came at all"
        for stream_name, completeness in self._streams.items():
            for segment_key in self._fed[stream_name] or [""]:
                gaps = completeness.gaps(segment_key, now=self._now())
                if gaps:
                    where = f" for segment '{segment_key}'" if segment_key else ""
                    yield f"stream '{stream_name}'{where} is not complete ({', '.join(gaps)})"

    def _demand_same_way(self, stream_name: str, stream: StreamSettings, segment_key: str) -> None:
        first, is_snapshot = self._first_feeder.setdefault(
            segment_key, (stream_name, stream.is_snapshot)
        )
        if is_snapshot == stream.is_snapshot:
            return
        snapshot, other = (first, stream_name) if is_snapshot else (stream_name, first)
        raise StreamError(
            f"streams '{snapshot}' and '{other}' both feed segment '{segment_key}', but only the "
            "first is a snapshot, which would remove what the second adds. Give them the same "
            "audience_sync_mode and mirror_source, or a segment each."
        )


def _problem(gaps: list[str], segments: Iterable[Segment]) -> IncompleteSnapshotError | None:
    if gaps:
        return IncompleteSnapshotError(f"Nobody was removed: {'; '.join(gaps)}. {WAYS_TO_PROVE}")
    excesses = [problem for segment in segments if (problem := segment.removal_problem())]
    if excesses:
        return IncompleteSnapshotError(
            f"Nobody was removed: {'; '.join(excesses)}. Look whether the audience is right; if it "
            "is, raise max_removal_percent for one run."
        )
    return None
