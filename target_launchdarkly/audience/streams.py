"""The tap's streams: which segments they feed, what they said, and whether that came whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_launchdarkly.audience.bookmarks import LOG_PROPERTIES, Bookmarks
from target_launchdarkly.audience.completeness import Completeness, Gap, Rows
from target_launchdarkly.audience.words import Audience, Words
from target_launchdarkly.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from target_launchdarkly.audience.words import Voice
    from target_launchdarkly.settings import Settings, StreamSettings

REMEDY_NEVER_CAME = (
    "Look whether the tap failed, and whether the stream is selected and named just so; or take it "
    "out of the settings."
)
REMEDY_NO_STREAM = "Look whether the tap failed, and whether its stream is selected."
UNMISSED = (
    "could fail to come without being missed. Name each of them in streams (with {} if it has no "
    "settings of its own), or, if stream_maps join them under one name, each in stream_maps."
)
OVERSHADOWED = (
    "names its segments, and may have been about to name this one: a size speaks of the segments "
    "that came alone. Let one stream name all segments, or give each stream a segment_key."
)


@dataclass(slots=True)
class Feed:
    """What one stream says about one segment."""

    audience: Audience
    voice: Voice
    rows: Rows = field(default_factory=Rows)
    #: When it was judged last: why it is not proven whole, or else what proves it.
    gap: Gap | None = None
    proven_by: str | None = None
    #: How many different keys it named, if they were counted.
    keys: int | None = None


@dataclass(slots=True)
class Stream:
    """A stream of the tap on its way to one sink; stream maps may make several of them.

    Two streams that stream maps join under one name are two, since each may be cut off.
    """

    #: As the tap calls it.
    name: str
    #: As the stream maps call it, and `streams` of the settings.
    alias: str
    settings: StreamSettings
    completeness: Completeness
    #: By segment key.
    feeds: dict[str, Feed] = field(default_factory=dict)
    #: Whether its SCHEMA names a position in the database's log as its bookmark.
    is_log_based: bool = False

    def __str__(self) -> str:
        alias = "" if self.alias == self.name else f" (as '{self.alias}')"
        return f"stream '{self.name}'{alias}"

    @property
    def is_mirror(self) -> bool:
        """Whether its words may take people away by a mirror."""
        return bool(self.settings.audience_sync_mode == "mirror")

    def gap(self, segment_key: str, now: float) -> Gap | None:
        """Return why its rows for a segment are not proven whole, or None."""
        feed = self.feeds.get(segment_key)
        if feed is None:
            return self.completeness.gap(Rows(), 0, now=now)
        if self.settings.audience_size_field is not None:
            feed.keys = feed.voice.count()
        feed.gap = self.completeness.gap(feed.rows, feed.keys or 0, now=now)
        feed.proven_by = None if feed.gap else self.completeness.proven_by(feed.rows, now)
        return feed.gap

    def may_name_more(self, now: float) -> bool:
        """Whether it names its segments, and may have been about to name another one.

        A size says of one segment that its rows came; of other segments it says nothing.
        """
        return bool(self.settings.segment_key_field) and not self.completeness.is_whole(now)


class Streams:
    """The streams of a run, over all their SCHEMA messages.

    Args:
        settings: The run's settings.
        words: Where the streams' words go.
        started_at: Epoch seconds when this process began.
        now: Epoch seconds.
    """

    def __init__(
        self, settings: Settings, words: Words, started_at: float, now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._words = words
        self._started_at = started_at
        self._now = now
        self._bookmarks = Bookmarks()
        self._streams: dict[tuple[str, str], Stream] = {}
        #: The snapshot streams by the tap's name: of them alone is noted how they came.
        self._snapshots: dict[str, list[Stream]] = {}
        #: The first stream that fed a segment.
        self._first_feeder: dict[str, Stream] = {}

    @property
    def has_snapshot(self) -> bool:
        """Whether this run has or may have a snapshot stream."""
        return self._settings.expects_snapshot

    def open(self, name: str, alias: str, bookmark_properties: Sequence[str] = ()) -> Stream:
        """Take note of a stream's SCHEMA, and return the stream.

        Args:
            name: As the tap calls it.
            alias: As the stream maps call it.
            bookmark_properties: As the SCHEMA names them.

        Raises:
            StreamError: It cannot feed its segment, because of how another one does.
        """
        stream = self._streams.get((name, alias))
        if stream is None:
            settings = self._settings.for_stream(alias)
            completeness = Completeness(
                started_at=self._started_at,
                audience_size_field=settings.audience_size_field,
                trust_end_of_input=self._settings.trust_end_of_input,
            )
            stream = Stream(name, alias, settings, completeness)
            if settings.segment_key and not settings.segment_key_field:
                self._demand_same_way(stream, settings.segment_key)
            self._streams[name, alias] = stream
            self._bookmarks.streams.add(name)
            if settings.is_snapshot:
                self._snapshots.setdefault(name, []).append(stream)
        stream.completeness.note_schema()
        stream.is_log_based |= bool(LOG_PROPERTIES.intersection(bookmark_properties))
        if bookmark_properties:
            stream.completeness.incremental_because = "its SCHEMA names bookmark_properties"
        return stream

    def __getitem__(self, name_and_alias: tuple[str, str]) -> Stream:
        return self._streams[name_and_alias]

    def feed(self, stream: Stream, segment_key: str) -> Feed:
        """Take note that a stream feeds a segment, and return where its words go.

        Raises:
            StreamError: Another stream feeds it in another way.
        """
        feed = stream.feeds.get(segment_key)
        if feed is None:
            self._demand_same_way(stream, segment_key)
            audience = Audience(segment_key, stream.settings.context_kind)
            has_moments = stream.settings.expires_at_field is not None
            voice = self._words.voice(audience, has_moments=has_moments)
            feed = stream.feeds[segment_key] = Feed(audience, voice)
        return feed

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def is_log_based(self, stream: Stream) -> bool:
        """Whether a stream follows the database's log, by its SCHEMA or by a STATE so far."""
        return stream.is_log_based or self._bookmarks.show_log_based(stream.name)

    def never_came(self) -> list[str]:
        """Return the names in `streams` that no SCHEMA has named."""
        came = {alias for _, alias in self._streams}
        return [alias for alias in self._settings.streams if alias not in came]

    def told_missing(self, alias: str) -> str:
        """Return what to do about a name in `streams` that no SCHEMA has named."""
        told = f"stream '{alias}', which streams names,"
        other = next((other for name, other in self._streams if name == alias), None)
        if other:
            return f"{told} came as '{other}' by stream_maps. Name '{other}' in streams."
        return f"{told} never came. {REMEDY_NEVER_CAME}"

    def note_record(self, name: str, version: object, count: int = 1) -> None:
        """Take note of records that the tap sent, all alike, whatever becomes of them."""
        for stream in self._snapshots.get(name, ()):
            if not stream.completeness.records:
                stream.completeness.is_resumed = self._bookmarks.show_resumed(name)
            stream.completeness.note_record(version, count)

    def note_activate_version(self, name: str, version: object) -> None:
        """Take note of an ACTIVATE_VERSION message."""
        for stream in self._snapshots.get(name, ()):
            stream.completeness.note_activate_version(version)

    def note_file(self, name: str, url: str) -> None:
        """Take note of a file that a BATCH message names."""
        for stream in self._snapshots.get(name, ()):
            stream.completeness.note_file(url)

    def note_state(self, value: Any) -> None:
        """Take note of what a STATE message tells about the streams."""
        self._bookmarks.note(value)

    # What is known at a checkpoint

    def is_snapshot(self, segment_key: str) -> bool:
        """Whether the streams of a segment list its whole audience."""
        first = self._first_feeder.get(segment_key)
        return first is not None and first.settings.is_snapshot

    def max_removal_percent(self, audience: Audience) -> float | None:
        """Return the least percentage of members that may leave; None where there is no guard."""
        percents = [
            stream.settings.max_removal_percent
            for stream in self._streams.values()
            if stream.is_mirror
            and (feed := stream.feeds.get(audience.segment_key))
            and feed.audience == audience
        ]
        return min(percents, default=None)

    def gaps(self) -> dict[str, list[str]]:
        """Return, by segment key, why its streams are not proven whole; "" stands for the run."""
        found: dict[str, list[str]] = {}
        for segment_key, problem in (*self._missing(), *self._incomplete(), *self._unnamed()):
            found.setdefault(segment_key, []).append(problem)
        return found

    @property
    def _all_snapshots(self) -> list[Stream]:
        return [stream for streams in self._snapshots.values() for stream in streams]

    def _incomplete(self) -> Iterator[tuple[str, str]]:
        """Yield the streams that came, but are not proven whole."""
        now = self._now()
        for stream in self._all_snapshots:
            completeness = stream.completeness
            completeness.incremental_because = (
                completeness.incremental_because or self._bookmarks.why_incremental(stream.name)
            )
            completeness.is_unfinished = self._bookmarks.show_unfinished(stream.name)
            for segment_key in stream.feeds or [stream.settings.segment_key or ""]:
                if gap := stream.gap(segment_key, now):
                    told = f"{stream} is not proven whole ({gap.reason}). {gap.remedy}"
                    yield segment_key, told
            if stream.may_name_more(now):
                yield from self._overshadowed(stream.settings, str(stream), stream.feeds)

    def _missing(self) -> Iterator[tuple[str, str]]:
        """Yield the snapshot streams that the settings name and that never came."""
        for told, alias in self._expected():
            settings = self._settings.for_stream(alias)
            if not settings.is_snapshot:
                continue
            yield settings.segment_key or "", told
            if settings.segment_key_field:
                yield from self._overshadowed(settings, f"stream '{alias}'", ())
        if not self._streams and self._settings.stream.is_snapshot:
            segment_key = self._settings.stream.segment_key or ""
            yield segment_key, f"no stream came at all. {REMEDY_NO_STREAM}"

    def _expected(self) -> Iterator[tuple[str, str]]:
        """Yield the streams that the settings name and that never came, with their aliases."""
        for alias in self.never_came():
            yield self.told_missing(alias), alias
        for name, alias in self._settings.mapped_streams:
            if (name, alias) not in self._streams:
                yield (
                    f"stream '{name}', which stream_maps names, never came. {REMEDY_NEVER_CAME}",
                    alias,
                )

    def _unnamed(self) -> Iterator[tuple[str, str]]:
        """Yield the segments of which nobody would notice that one of their streams is missing."""
        feeders: dict[str, list[Stream]] = {}
        for stream in self._all_snapshots:
            for segment_key in stream.feeds or [stream.settings.segment_key or ""]:
                feeders.setdefault(segment_key, []).append(stream)
        for segment_key, streams in feeders.items():
            aliases = [stream.alias for stream in streams]
            names = [
                stream.name
                for stream in streams
                if (stream.name, stream.alias) not in self._settings.mapped_streams
                # Two streams under one name of `streams` are told apart by `stream_maps` alone.
                and not (
                    stream.alias in self._settings.streams and aliases.count(stream.alias) == 1
                )
            ]
            if len(streams) > 1 and names:
                told = "', '".join(names)
                yield segment_key, f"several streams feed it, and '{told}' {UNMISSED}"

    def _overshadowed(
        self, settings: StreamSettings, told: str, named: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield the snapshot segments that a stream may have been about to name."""
        for stream in self._all_snapshots:
            for segment_key, feed in stream.feeds.items():
                if segment_key not in named and feed.audience.context_kind == settings.context_kind:
                    yield segment_key, f"{told} {OVERSHADOWED}"

    def _demand_same_way(self, stream: Stream, segment_key: str) -> None:
        first = self._first_feeder.setdefault(segment_key, stream)
        if first.settings.is_snapshot == stream.settings.is_snapshot:
            return
        snapshot, other = (first, stream) if first.settings.is_snapshot else (stream, first)
        raise StreamError(
            f"streams '{snapshot.alias}' and '{other.alias}' both feed segment '{segment_key}', "
            "but only the first is a snapshot, which would remove what the second adds. Give them "
            "the same audience_sync_mode and mirror_source, or a segment each."
        )
