"""Several streams feed a segment: all of them must be whole, and the last word of all counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    BY_SEGMENT,
    CHANGES,
    END,
    FREELY,
    SIZED,
    SNAPSHOT,
    TRUSTING,
    WITH_SIZE,
    activate,
    demand_done,
    demand_untouched,
    for_segment,
    included,
    methods,
    put,
    sized,
    versioned,
)
from messages import keys, leavers, members, schema
from running import SEGMENT
from singer_sdk.exceptions import ConfigValidationError

from target_launchdarkly.errors import PlanRefusedError, StreamError

if TYPE_CHECKING:
    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

VERSION = 1_800_000_001
HALVES = (keys(1_500), keys(1_500, 1_500))
THERE = ("stranger", "user-0", "user-2000")
TWO_STREAMS = {"streams": {"web": {"segment_key": SEGMENT}, "app": {"segment_key": SEGMENT}}}


def half(number: int, stream: str) -> list[Message]:
    rows = versioned(members(*HALVES[number], stream=stream), VERSION)
    return [schema(stream), *rows, activate(VERSION, stream)]


def halves() -> list[Message]:
    return [*half(0, "web"), *half(1, "app")]


def test_two_streams_give_the_union(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *THERE)

    demand_done(sync(halves(), **SNAPSHOT, **TWO_STREAMS))
    assert included(sandbox) == {*HALVES[0], *HALVES[1]}


@pytest.mark.parametrize(
    ("kept", "gap"),
    [
        pytest.param(slice(1_502), "stream 'app', which streams names, never came", id="one-only"),
        pytest.param(slice(1_502, None), "stream 'web', which streams names", id="other-only"),
        pytest.param(slice(1_503), "stream 'app' is not proven whole (no record", id="no-record"),
        pytest.param(slice(-2), "stream 'app' is not proven whole", id="without-the-last-record"),
        pytest.param(slice(-1), "stream 'app' is not proven whole", id="without-the-last-sign"),
    ],
)
def test_two_streams_change_nothing_when_either_is_cut_short(
    sandbox: Sandbox, sync: Sync, kept: slice, gap: str
) -> None:
    put(sandbox, *THERE)

    run = sync(halves()[kept], **FREELY, **TWO_STREAMS)

    assert gap in demand_untouched(sandbox, run, *THERE)


def test_segment_of_a_whole_stream_gets_its_own_beside_one_that_broke_off(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "stranger")
    sandbox.add_segment("other", included=["stranger"])
    own = {"streams": {"web": {"segment_key": "other"}, "app": {"segment_key": SEGMENT}}}

    run = sync([*halves()[:-1], END], **FREELY, **own)

    demand_untouched(sandbox, run, "stranger")
    assert included(sandbox, "other") == {*HALVES[0]}


def test_last_word_of_all_streams_wins(sandbox: Sandbox, sync: Sync) -> None:
    """In the order of the input, whichever stream it comes from."""
    put(sandbox, "user-0", "user-1")
    web, app = schema("web"), schema("app")
    rows = [
        *members("user-0", "user-1", stream="web"),
        *leavers("user-0", "user-2", stream="app"),
        *members("user-2", stream="web"),
    ]

    run = sync([web, app, *rows], **TRUSTING, **TWO_STREAMS)

    demand_done(run)
    assert included(sandbox) == {"user-1", "user-2"}


# Streams that stream maps join


ALIASED = {name: {"__alias__": "audience"} for name in ("web", "app")}


@pytest.mark.parametrize("settings", [FREELY, TRUSTING], ids=["by-version", "trusted"])
def test_two_streams_under_one_name_change_nothing_when_the_tap_died_in_the_second(
    sandbox: Sandbox, sync: Sync, settings: Message
) -> None:
    """The first is whole and the second's SCHEMA came: its members are still to come."""
    put(sandbox, *THERE)

    run = sync([*half(0, "web"), schema("app")], stream_maps=ALIASED, **settings)

    told = demand_untouched(sandbox, run, *THERE)
    assert "stream 'app' (as 'audience') is not proven whole (no record came)" in told


def test_two_streams_under_one_name_give_the_union(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *THERE)

    demand_done(sync(halves(), stream_maps=ALIASED, **FREELY))
    assert included(sandbox) == {*HALVES[0], *HALVES[1]}


def test_two_streams_under_one_name_state_a_size_each(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone")
    rows = {
        name: [schema(name, SIZED), *sized(members("user-0", f"in-{name}", stream=name), 2)]
        for name in ("web", "app")
    }

    run = sync([*rows["web"], *rows["app"]], stream_maps=ALIASED, **WITH_SIZE)

    demand_done(run)
    assert included(sandbox) == {"user-0", "in-web", "in-app"}


def test_stream_that_stream_maps_leave_out_need_not_be_whole(sandbox: Sandbox, sync: Sync) -> None:
    """It feeds no segment, so that nobody waits for it."""
    put(sandbox, "gone")
    messages = [schema("other"), *members("user-9", stream="other"), *half(0, "web")]

    run = sync(messages, stream_maps={"other": None}, **FREELY)

    demand_done(run)
    assert included(sandbox) == {*HALVES[0]}


def test_stream_that_is_renamed_has_the_settings_of_its_new_name(
    sandbox: Sandbox, sync: Sync
) -> None:
    sandbox.add_segment("vips", included=["gone"])
    streams = {"audience": {"segment_key": "vips"}}

    maps = {"web": ALIASED["web"]}
    run = sync(half(0, "web"), stream_maps=maps, streams=streams, **FREELY)

    demand_done(run)
    assert included(sandbox, "vips") == {*HALVES[0]}
    assert included(sandbox) == set()


# Streams that never came


def test_stream_that_never_came_fails_the_run_though_nothing_else_feeds_its_segment(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Its segment is not even read; the other gets its own."""
    sandbox.add_segment("vips", included=["stays"])
    streams = {"lost": {"segment_key": "vips"}}

    run = sync([*half(0, "web"), END], streams=streams, **FREELY)

    told = demand_untouched(sandbox, run, "stays", segment="vips")
    assert "stream 'lost', which streams names, never came" in told
    assert "or take it out of the settings" in told
    assert included(sandbox) == {*HALVES[0]}


NAMING = {"streams": {"names": {"segment_key_field": "segment"}, "web": {"segment_key": SEGMENT}}}


@pytest.mark.parametrize("schema_came", [False, True], ids=["never", "without-a-record"])
def test_stream_that_may_have_named_a_segment_keeps_it_from_changing(
    sandbox: Sandbox, sync: Sync, schema_came: bool
) -> None:
    put(sandbox, *THERE)
    names = [schema("names", BY_SEGMENT)] if schema_came else []

    run = sync([*names, *half(0, "web")], **FREELY, **NAMING)

    told = demand_untouched(sandbox, run, *THERE)
    assert "stream 'names' names its segments, and may have been about to name this one" in told


def test_stream_cut_off_in_one_segment_keeps_others_streams_segments_from_changing(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Those that it named itself and whole get theirs."""
    put(sandbox, *THERE)
    sandbox.add_segment("one", included=["gone"])
    sandbox.add_segment("two", included=["gone"])
    web = [schema("web", SIZED), *sized(members("user-0", stream="web"), 1)]
    names = [
        schema("names", BY_SEGMENT),
        *for_segment("one", sized(members("user-1", stream="names"), 1)),
        *for_segment("two", sized(members("user-1", stream="names"), 2)),
    ]

    run = sync([*web, *names], **WITH_SIZE, **NAMING)

    assert isinstance(run.error, PlanRefusedError)
    assert set(run.error.segments) == {SEGMENT, "two"}
    assert included(sandbox, "one") == {"user-1"}
    assert included(sandbox, "two") == {"gone"}
    assert included(sandbox) == {*THERE}


# Streams that do not go together


def test_snapshot_and_another_mode_on_one_segment_are_refused_at_start(
    sandbox: Sandbox, sync: Sync
) -> None:
    streams = {
        "web": SNAPSHOT | {"segment_key": SEGMENT},
        "app": {"audience_sync_mode": "add", "segment_key": SEGMENT},
    }

    with pytest.raises(ConfigValidationError) as refusal:
        sync([], streams=streams)

    (problem,) = refusal.value.errors
    for told in ("'web'", "'app'", f"'{SEGMENT}'"):
        assert told in problem
    assert sandbox.requests == []


@pytest.mark.parametrize("order", [("web", "app"), ("app", "web")], ids=["first", "second"])
def test_snapshot_and_another_mode_on_one_segment_are_refused_at_schema(
    sandbox: Sandbox, sync: Sync, order: tuple[str, str]
) -> None:
    put(sandbox, "gone")

    run = sync([schema(name) for name in order], streams={"web": SNAPSHOT}, trust_end_of_input=True)

    assert isinstance(run.error, StreamError)
    for told in ("'web'", "'app'", f"'{SEGMENT}'"):
        assert told in str(run.error)
    assert included(sandbox) == {"gone"}
    assert run.states == []


def test_snapshot_and_another_mode_on_one_segment_named_by_records_are_refused(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone")
    streams = {"web": SNAPSHOT | {"segment_key_field": "segment"}, "app": {}}
    rows = for_segment(SEGMENT, members("user-0", stream="web"))

    run = sync(
        [schema("web", BY_SEGMENT), schema("app"), *members("user-1", stream="app"), *rows],
        streams=streams,
        trust_end_of_input=True,
    )

    assert isinstance(run.error, StreamError)
    assert included(sandbox) == {"gone"}
    assert set(methods(sandbox)) <= {"GET"}


def test_default_snapshot_does_not_make_another_streams_run_fail(
    sandbox: Sandbox, sync: Sync
) -> None:
    """The stream that came has a mode of its own; no snapshot stream is named, and none came."""
    run = sync(
        [schema("app"), *members("user-0", stream="app"), END],
        streams={"app": {"audience_sync_mode": "add"}},
        **TRUSTING,
    )

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0"}


def test_refused_snapshot_does_not_keep_another_stream_from_removing_by_changes(
    sandbox: Sandbox, sync: Sync
) -> None:
    """Each segment is told what became of it, and of it alone."""
    put(sandbox, "user-0", "user-1")
    sandbox.add_segment("vips", included=["stays"])
    streams = {"vips": SNAPSHOT | {"segment_key": "vips"}}
    rows = [*members("user-9", stream="vips"), *leavers("user-0", stream="web")]

    run = sync([schema("vips"), schema("web"), *rows, END], streams=streams, **CHANGES)

    demand_untouched(sandbox, run, "stays", segment="vips")
    assert included(sandbox) == {"user-1"}
    vips, beta = sorted(run.target.summary(), reverse=True)
    assert "Segment 'vips': 1 record: left as it is, because its plan was refused" in vips
    assert f"Segment '{SEGMENT}': 1 record: 0 added, 1 removed" in beta
    assert "Nobody was removed" not in str(run.error)
