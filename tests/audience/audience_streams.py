"""Streams as the target sees them, without a target."""

from __future__ import annotations

from typing import Any

from audience_tables import SNAPSHOT
from configs import target

from target_launchdarkly.audience.streams import Stream, Streams
from target_launchdarkly.audience.words import IN, Words

NOW = 1_800_000_000
VERSION = NOW + 1
SEGMENT = "beta-users"
#: The settings of a stream whose records name their segments.
BY_FIELD = {"segment_key_field": "segment"}
SIZED = SNAPSHOT | {"audience_size_field": "size"}


def streams_of(**settings: Any) -> Streams:
    return Streams(target(**settings).settings, Words(), NOW, lambda: NOW + 10)


def opened(streams: Streams, name: str, alias: str | None = None) -> Stream:
    return streams.open(name, alias or name)


def rows(streams: Streams, stream: Stream, segment_key: str, *keys: str, size: object = 1) -> None:
    """Let rows come for a segment, one a key."""
    for key in keys:
        streams.note_record(stream.name, VERSION)
        stream.completeness.arrived += 1
        feed = streams.feed(stream, segment_key)
        feed.rows.note(size)
        feed.voice.say(key, IN)


def refused(streams: Streams) -> dict[str, str]:
    """Return why which segments are not proven whole."""
    return {segment_key: " ".join(gaps) for segment_key, gaps in streams.gaps().items()}
