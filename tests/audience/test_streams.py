"""Which streams feed a segment, and what each of them has shown of itself."""

from __future__ import annotations

from typing import Any

import pytest
from audience_streams import BY_FIELD, SEGMENT, SIZED, VERSION, opened, refused, rows, streams_of
from audience_tables import CHANGES, SNAPSHOT

from target_launchdarkly.audience.words import Audience
from target_launchdarkly.errors import StreamError

# Who feeds what


def test_whole_stream_leaves_no_gap() -> None:
    streams = streams_of(**SNAPSHOT)
    rows(streams, opened(streams, "web"), SEGMENT, "a", "b")
    streams.note_activate_version("web", VERSION)

    assert streams.gaps() == {}


def test_stream_whose_schema_came_feeds_its_segment_without_a_record() -> None:
    """Its rows may be missing just because the tap died."""
    streams = streams_of(**SNAPSHOT)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    streams.note_activate_version("web", VERSION)
    opened(streams, "app")

    told = refused(streams)[SEGMENT]

    assert "stream 'app' is not proven whole (no record came)" in told
    assert "stream 'web'" not in told


def test_stream_feeds_only_the_segment_of_its_own_settings() -> None:
    streams = streams_of(streams={"web": SNAPSHOT | {"segment_key": "vips"}}, **SNAPSHOT)
    opened(streams, "web")

    assert list(streams.gaps()) == ["vips"]


def test_stream_that_names_its_segments_feeds_those_that_its_records_named() -> None:
    streams = streams_of(**SIZED, **BY_FIELD)
    stream = opened(streams, "web")
    rows(streams, stream, "one", "a")
    rows(streams, stream, "two", "a", size=2)

    told = refused(streams)

    assert list(told) == ["two"]
    assert "'size' says 2 keys, 1 came" in told["two"]


def test_streams_by_changes_need_no_proof() -> None:
    streams = streams_of(**CHANGES)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    opened(streams, "app")

    assert streams.gaps() == {}


def test_one_stream_counts_its_keys_over_all_its_schemas() -> None:
    streams = streams_of(**SIZED)
    for key in ("a", "b", "b"):
        rows(streams, opened(streams, "web"), SEGMENT, key, size=2)

    assert streams.gaps() == {}


# The tap's own streams


@pytest.mark.parametrize("whole", ["web", "app"])
def test_streams_joined_under_one_name_must_both_be_whole(whole: str) -> None:
    """The tap may have died in either of them."""
    streams = streams_of(**SNAPSHOT)
    both = {name: opened(streams, name, "audience") for name in ("web", "app")}
    rows(streams, both[whole], SEGMENT, "a")
    streams.note_activate_version(whole, VERSION)
    ((segment_key, told),) = refused(streams).items()

    (broken,) = {"web", "app"} - {whole}
    assert segment_key == SEGMENT
    assert f"stream '{broken}' (as 'audience') is not proven whole (no record came)" in told
    assert f"stream '{whole}'" not in told


def test_streams_joined_under_one_name_count_their_keys_apart() -> None:
    """One's duplicate must not stand in for the other's lost row."""
    joined = {name: {"__alias__": "audience"} for name in ("web", "app")}
    streams = streams_of(stream_maps=joined, **SIZED)
    for name in joined:
        rows(streams, opened(streams, name, "audience"), SEGMENT, "a", size=1)

    assert streams.gaps() == {}


def test_stream_made_into_two_is_judged_for_both() -> None:
    settings = {name: {"segment_key": name} for name in ("one", "two")}
    streams = streams_of(streams=settings, **SNAPSHOT)
    for alias in settings:
        stream = opened(streams, "web", alias)
        stream.completeness.arrived = 1
        streams.feed(stream, alias)
    streams.note_record("web", VERSION)

    assert set(streams.gaps()) == {"one", "two"}
    streams.note_activate_version("web", VERSION)

    assert streams.gaps() == {}


def test_schema_that_comes_again_is_of_the_same_stream() -> None:
    streams = streams_of(**SNAPSHOT)

    assert opened(streams, "web") is opened(streams, "web")
    assert opened(streams, "web") is streams["web", "web"]
    assert opened(streams, "web") is not opened(streams, "web", "app")


# Streams that would not be missed

UNMISSED = "could fail to come without being missed"


@pytest.mark.parametrize(
    ("settings", "unnamed"),
    [
        pytest.param({}, "'web', 'app'", id="none"),
        pytest.param({"streams": {"web": {}}}, "'app'", id="one-in-streams"),
        pytest.param({"stream_maps": {"web": {"__alias__": "web"}}}, "'app'", id="one-in-maps"),
        pytest.param({"streams": {"web": {}, "app": {}}}, None, id="both"),
        pytest.param(
            {"streams": {"web": {}}, "stream_maps": {"app": {"is_member": "True"}}},
            None,
            id="one-each",
        ),
    ],
)
def test_several_streams_of_one_segment_must_be_named(
    settings: dict[str, Any], unnamed: str | None
) -> None:
    """Whoever is named is missed; of another, nobody knows when it fails to come."""
    streams = streams_of(**settings, **SIZED)
    for name in ("web", "app"):
        rows(streams, opened(streams, name), SEGMENT, "a")

    if unnamed is None:
        assert streams.gaps() == {}
    else:
        assert f"several streams feed it, and {unnamed} {UNMISSED}" in refused(streams)[SEGMENT]


def test_lone_stream_of_a_segment_need_not_be_named() -> None:
    streams = streams_of(streams={"app": {"segment_key": "vips"}}, **SIZED)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    rows(streams, opened(streams, "app"), "vips", "a")

    assert streams.gaps() == {}


# STATE


def test_state_before_the_first_record_shows_a_resumed_table() -> None:
    streams = streams_of(**SNAPSHOT)
    streams.note_state({"bookmarks": {"web": {"xmin": 1}}})
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    streams.note_activate_version("web", VERSION)

    assert "a STATE shows a table that was resumed" in refused(streams)[SEGMENT]


def test_state_after_the_first_record_shows_how_far_it_is() -> None:
    """Taps write where they are, so that the next run could go on there."""
    streams = streams_of(**SNAPSHOT)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    streams.note_state({"bookmarks": {"web": {"xmin": 1}}})
    rows(streams, opened(streams, "web"), SEGMENT, "b")
    streams.note_activate_version("web", VERSION)

    assert streams.gaps() == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_state_may_show_at_any_time_that_only_what_is_new_comes(when: str) -> None:
    streams = streams_of(trust_end_of_input=True, **SNAPSHOT)
    shown = {"bookmarks": {"web": {"replication_key_value": 5}}}
    if when == "before":
        streams.note_state(shown)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    if when == "after":
        assert streams.gaps() == {}
        streams.note_state(shown)

    assert "a STATE holds a replication_key_value" in refused(streams)[SEGMENT]


@pytest.mark.parametrize("syncing", ["web", "other", None])
def test_trust_waits_for_a_state_that_says_that_the_stream_is_done(syncing: str | None) -> None:
    streams = streams_of(trust_end_of_input=True, **SNAPSHOT)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    streams.note_state({"currently_syncing": "web", "bookmarks": {}})
    assert "the last STATE is in the middle of it" in refused(streams)[SEGMENT]

    streams.note_state({"currently_syncing": syncing, "bookmarks": {}})

    assert bool(streams.gaps()) == (syncing == "web")


def test_file_that_comes_twice_is_of_its_own_stream() -> None:
    streams = streams_of(streams={"web": {"segment_key": "vips"}, "app": {}}, **SNAPSHOT)
    for name, segment_key in (("web", "vips"), ("app", SEGMENT)):
        rows(streams, opened(streams, name), segment_key, "a")
        streams.note_file(name, "file:///1")
        streams.note_activate_version(name, VERSION)
    assert streams.gaps() == {}

    streams.note_file("web", "file:///1")

    assert list(streams.gaps()) == ["vips"]


def test_schema_that_names_bookmark_properties_once_is_not_trusted_any_more() -> None:
    streams = streams_of(trust_end_of_input=True, **SNAPSHOT)
    rows(streams, opened(streams, "web"), SEGMENT, "a")
    streams.open("web", "web", ["updated_at"])
    opened(streams, "web")

    assert "its SCHEMA names bookmark_properties" in refused(streams)[SEGMENT]


# What else is known of them


def test_guard_is_that_of_the_stream_that_allows_least() -> None:
    own = {name: {"max_removal_percent": most} for name, most in (("web", 20), ("app", 5))}
    streams = streams_of(streams=own, max_removal_percent=80, **CHANGES)
    users = Audience(SEGMENT, "user")
    for name, least in (("other", 80), ("web", 20), ("app", 5)):
        streams.feed(opened(streams, name), SEGMENT)

        assert streams.max_removal_percent(users) == least


@pytest.mark.parametrize("mode", ["add", "remove"])
def test_no_guard_where_nothing_is_mirrored(mode: str) -> None:
    streams = streams_of(audience_sync_mode=mode)
    streams.feed(opened(streams, "web"), SEGMENT)

    assert streams.max_removal_percent(Audience(SEGMENT, "user")) is None


def test_guard_is_of_the_streams_of_one_segment_and_kind() -> None:
    own = {
        "web": {"max_removal_percent": 1, "segment_key": "vips"},
        "app": {"max_removal_percent": 2, "context_kind": "device"},
    }
    streams = streams_of(streams=own, **CHANGES)
    for name, segment_key in (("web", "vips"), ("app", SEGMENT), ("other", SEGMENT)):
        streams.feed(opened(streams, name), segment_key)

    percents = [
        streams.max_removal_percent(Audience(*each))
        for each in ((SEGMENT, "user"), (SEGMENT, "device"), ("vips", "user"), ("vips", "device"))
    ]
    assert percents == [50, 2, 1, None]


@pytest.mark.parametrize("order", [("web", "app"), ("app", "web")])
def test_snapshot_and_another_mode_cannot_feed_one_segment(order: tuple[str, str]) -> None:
    streams = streams_of(streams={"web": SNAPSHOT}, **CHANGES)
    opened(streams, order[0])

    with pytest.raises(StreamError, match="'web' and 'app' both feed segment 'beta-users'"):
        opened(streams, order[1])


def test_run_may_have_a_snapshot_by_its_settings_before_any_came() -> None:
    """Then no checkpoint is timed: a snapshot is judged once it is whole."""
    assert streams_of(**SNAPSHOT).has_snapshot
    assert streams_of(streams={"web": SNAPSHOT}).has_snapshot
    assert not streams_of(**CHANGES).has_snapshot
