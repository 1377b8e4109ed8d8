"""Streams that never came or broke off, and which segments they may have been about to name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from audience_streams import BY_FIELD, SEGMENT, SIZED, VERSION, opened, refused, rows, streams_of
from audience_tables import CHANGES, SNAPSHOT

if TYPE_CHECKING:
    from target_launchdarkly.audience.streams import Streams

# What never came


def test_stream_that_is_named_and_never_came_keeps_its_segment_from_changing() -> None:
    streams = streams_of(streams={"web": SNAPSHOT | {"segment_key": "vips"}})
    rows(streams, opened(streams, "app"), SEGMENT, "a")

    told = refused(streams)

    assert list(told) == ["vips"]
    assert "stream 'web', which streams names, never came" in told["vips"]
    assert "take it out of the settings" in told["vips"]


def test_stream_that_is_named_in_another_mode_may_stay_away() -> None:
    streams = streams_of(streams={"web": {"segment_key": "vips"}})
    rows(streams, opened(streams, "app"), SEGMENT, "a")

    assert streams.gaps() == {}


def test_stream_came_if_stream_maps_called_it_so() -> None:
    streams = streams_of(streams={"web": SNAPSHOT})
    rows(streams, opened(streams, "public-web", "web"), SEGMENT, "a")
    streams.note_activate_version("public-web", VERSION)

    assert streams.gaps() == {}


def test_no_stream_at_all_is_no_empty_audience() -> None:
    ((segment_key, told),) = refused(streams_of(**SNAPSHOT)).items()

    assert segment_key == SEGMENT
    assert "no stream came at all" in told
    assert "Look whether the tap failed" in told


def test_no_stream_at_all_of_those_that_name_their_segments_is_of_the_whole_run() -> None:
    assert list(streams_of(segment_key=None, **SNAPSHOT, **BY_FIELD).gaps()) == [""]


def test_no_stream_at_all_by_changes_is_nothing_new() -> None:
    assert streams_of(**CHANGES).gaps() == {}


@pytest.mark.parametrize(
    ("changes", "is_missed"),
    [
        pytest.param({"__alias__": "audience"}, True, id="renamed"),
        pytest.param({"is_member": "True"}, True, id="with-a-column"),
        pytest.param(None, False, id="left-out"),
    ],
)
def test_stream_that_stream_maps_name_is_missed(
    changes: dict[str, str] | None, is_missed: bool
) -> None:
    streams = streams_of(stream_maps={"lost": changes}, **SIZED)
    rows(streams, opened(streams, "web"), SEGMENT, "a")

    told = refused(streams)

    assert bool(told) == is_missed
    if is_missed:
        assert "stream 'lost', which stream_maps names, never came" in told[SEGMENT]


@pytest.mark.parametrize("pattern", ["*", "pub*", "we?", "[w]eb"])
def test_pattern_of_stream_maps_names_no_stream(pattern: str) -> None:
    streams = streams_of(stream_maps={pattern: {"is_member": "True"}}, **SIZED)
    rows(streams, opened(streams, "app"), SEGMENT, "a")

    assert streams.gaps() == {}


def test_stream_that_stream_maps_renamed_is_told_by_its_new_name() -> None:
    """`streams` goes by the new name: what stands there under the old one has no effect."""
    streams = streams_of(streams={"web": {}}, **SIZED)
    rows(streams, opened(streams, "web", "audience"), SEGMENT, "a")

    told = refused(streams)[SEGMENT]

    assert "stream 'web', which streams names, came as 'audience' by stream_maps" in told
    assert "Name 'audience' in streams" in told


# What a stream that names its segments leaves open

OVERSHADOWED = "stream 'names' names its segments, and may have been about to name this one"
NAMING = {"names": {"segment_key_field": "segment"}, "web": {"segment_key": "vips"}}


def with_whole_web(**own: Any) -> Streams:
    """Return streams of which `web` came whole and feeds `vips`."""
    web = NAMING["web"] | own
    streams = streams_of(streams=NAMING | {"web": web}, **SIZED)
    rows(streams, opened(streams, "web"), "vips", "a")
    return streams


@pytest.mark.parametrize("size", [1, 2], ids=["whole", "in-part"])
def test_sizes_say_nothing_of_segments_that_a_stream_did_not_name(size: int) -> None:
    """The rows of another segment may all be missing."""
    streams = with_whole_web()
    names = opened(streams, "names")
    rows(streams, names, "one", "a", size=size)
    rows(streams, names, "two", "a", size=1)

    told = refused(streams)

    assert set(told) == {"vips"} | ({"one"} if size == 2 else set())
    assert OVERSHADOWED in told["vips"]
    assert "one" not in told or OVERSHADOWED not in told["one"]


def test_segments_that_such_a_stream_named_whole_stay_fine_by_their_own_size() -> None:
    streams = with_whole_web()
    names = opened(streams, "names")
    rows(streams, names, "one", "a", size=2)
    rows(streams, names, "vips", "b", size=1)

    assert set(refused(streams)) == {"one"}


def test_stream_whose_end_is_proven_could_name_no_more() -> None:
    streams = with_whole_web()
    rows(streams, opened(streams, "names"), "one", "a")
    assert set(refused(streams)) == {"vips"}

    streams.note_activate_version("names", VERSION)

    assert streams.gaps() == {}


def test_row_that_cannot_be_read_overshadows_all() -> None:
    """It may have named any segment, also one that the stream named."""
    streams = with_whole_web()
    names = opened(streams, "names")
    rows(streams, names, "one", "a")
    streams.note_activate_version("names", VERSION)
    names.completeness.unreadable = 1

    told = refused(streams)

    assert set(told) == {"one", "vips"}
    assert "1 row came whose key or segment cannot be read" in told["one"]
    assert OVERSHADOWED in told["vips"]


@pytest.mark.parametrize("schema_came", [False, True], ids=["never", "without-a-record"])
def test_stream_that_came_to_nothing_overshadows_those_of_others(schema_came: bool) -> None:
    streams = with_whole_web()
    if schema_came:
        opened(streams, "names")

    told = refused(streams)

    assert set(told) == {"", "vips"}
    assert OVERSHADOWED in told["vips"]
    assert ("no record came" if schema_came else "never came") in told[""]


def test_stream_overshadows_only_its_own_context_kind() -> None:
    streams = with_whole_web(context_kind="device")

    assert set(refused(streams)) == {""}


def test_streams_that_name_their_segments_overshadow_each_other() -> None:
    both = {name: {"segment_key_field": "segment"} for name in ("names", "others")}
    streams = streams_of(streams=both, **SIZED)
    rows(streams, opened(streams, "names"), "one", "a")
    rows(streams, opened(streams, "others"), "two", "a")

    assert set(refused(streams)) == {"one", "two"}
    for name in both:
        streams.note_activate_version(name, VERSION)

    assert streams.gaps() == {}
