"""Streams that fail to come, end in the middle or are filtered out must be missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    BY_SEGMENT,
    END,
    FREELY,
    PER_SEGMENT,
    SIZED,
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
    whole,
)
from messages import keys, members, schema, state
from running import SEGMENT

from target_launchdarkly.errors import PlanRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

VERSION = 1_800_000_001


def stream(name: str, *context_keys: str) -> list[Message]:
    """Return a stream that is proven whole."""
    rows = versioned(members(*context_keys, stream=name), VERSION)
    return [schema(name), *rows, activate(VERSION, name)]


# Several streams, one segment


@pytest.mark.parametrize("streams", [{}, {"web": {}}], ids=["none-named", "one-named"])
def test_several_streams_of_one_segment_change_nothing_unless_each_is_named(
    sandbox: Sandbox, sync: Sync, streams: Message
) -> None:
    """The night one of them fails to come, its members would leave; so the first night says so."""
    put(sandbox, "gone", "user-0")

    run = sync([*stream("web", "user-0"), *stream("app", "user-1")], streams=streams, **FREELY)

    told = demand_untouched(sandbox, run, "gone", "user-0")
    assert "could fail to come without being missed. Name each of them in streams" in told


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"streams": {"web": {}, "app": {}}}, id="in-streams"),
        pytest.param(
            {"stream_maps": {name: {"__alias__": "audience"} for name in ("web", "app")}},
            id="in-stream-maps",
        ),
    ],
)
@pytest.mark.parametrize("came", [("web", "app"), ("web",), ("app",)], ids="-".join)
def test_streams_that_are_named_are_missed_when_they_do_not_come(
    sandbox: Sandbox, sync: Sync, settings: Message, came: tuple[str, ...]
) -> None:
    put(sandbox, "gone", "in-web", "in-app")

    run = sync([each for name in came for each in stream(name, f"in-{name}")], **settings, **FREELY)

    if len(came) == 2:
        demand_done(run)
        assert included(sandbox) == {"in-web", "in-app"}
    else:
        told = demand_untouched(sandbox, run, "gone", "in-web", "in-app")
        assert "never came" in told


def test_streams_joined_by_a_pattern_must_be_named_by_the_tap_s_names(
    sandbox: Sandbox, sync: Sync
) -> None:
    """That they have a name in common says nothing of how many there are."""
    put(sandbox, "gone", "in-web", "in-app")

    run = sync(
        [*stream("web", "in-web"), *stream("app", "in-app")],
        stream_maps={"*": {"__alias__": "audience"}},
        streams={"audience": {}},
        **FREELY,
    )

    demand_untouched(sandbox, run, "gone", "in-web", "in-app")


def test_size_says_nothing_of_a_segment_that_only_other_streams_named(
    sandbox: Sandbox, sync: Sync
) -> None:
    """The stream may have been cut off before its rows of that segment."""
    sandbox.add_segment("one", included=["gone"])
    put(sandbox, "gone")
    streams = {"names": {"segment_key_field": "segment"}, "web": {"segment_key": SEGMENT}}
    names = for_segment("one", sized(members("user-0", stream="names"), 1))
    web = sized(members("user-1", stream="web"), 1)

    run = sync(
        [schema("names", BY_SEGMENT), *names, schema("web", SIZED), *web],
        streams=streams,
        **WITH_SIZE,
    )

    told = demand_untouched(sandbox, run, "gone")
    assert "a size speaks of the segments that came alone" in told
    assert included(sandbox, "one") == {"user-0"}


# Streams that end in the middle


def test_end_in_the_middle_of_a_stream_is_not_trusted(sandbox: Sandbox, sync: Sync) -> None:
    """The last STATE says which stream the tap was at."""
    put(sandbox, *keys(4))
    so_far = state({"currently_syncing": "shop-audience", "bookmarks": {}})

    run = sync([schema(), *members("user-0"), so_far, *members("user-1")], **TRUSTING)

    told = demand_untouched(sandbox, run, *keys(4))
    assert "the last STATE is in the middle of it" in told


def test_end_after_a_stream_is_trusted(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *keys(4))
    so_far = state({"currently_syncing": "audience", "bookmarks": {}})
    done = state({"currently_syncing": None, "bookmarks": {}})

    run = sync([schema(), *members("user-0"), so_far, *members("user-1"), done], **TRUSTING)

    demand_done(run, done["value"])
    assert included(sandbox) == {*keys(2)}


@pytest.mark.parametrize("proof", ["version", "trust"])
@pytest.mark.parametrize("manifest", [(0, 1), (0, 0)], ids=["two-files", "one-twice"])
def test_file_that_comes_twice_is_no_end_to_trust(
    sandbox: Sandbox, sync: Sync, tmp_path: Path, proof: str, manifest: tuple[int, int]
) -> None:
    """The other half of the audience was in the file that is missing."""
    put(sandbox, *keys(2))
    paths = [tmp_path / f"{number}.jsonl" for number in range(2)]
    for number, path in enumerate(paths):
        path.write_text(f'{{"context_key": "user-{number}", "is_member": true}}\n')
    batch = {
        "type": "BATCH",
        "stream": "audience",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [paths[number].as_uri() for number in manifest],
        "version": VERSION,
    }

    run = sync([schema(), batch, activate(VERSION)], **(TRUSTING if proof == "trust" else FREELY))

    if manifest == (0, 1):
        demand_done(run)
    else:
        assert "a BATCH file came twice" in demand_untouched(sandbox, run, *keys(2))


# Streams of which nothing is left


@pytest.mark.parametrize(
    "settings", [FREELY, TRUSTING, WITH_SIZE], ids=["version", "trust", "size"]
)
def test_stream_that_was_filtered_out_whole_is_no_empty_audience(
    sandbox: Sandbox, sync: Sync, settings: Message
) -> None:
    """A filter that is wrong would empty the segment."""
    put(sandbox, *keys(4))
    rows = sized(versioned(members(*keys(4)), VERSION), 4)
    maps = {"audience": {"__filter__": "context_key == 'nobody'"}}

    run = sync(whole(*rows, activate(VERSION), columns=SIZED), stream_maps=maps, **settings)

    assert "stream_maps filtered all 4 rows out" in demand_untouched(sandbox, run, *keys(4))


# Segments that are not there yet


@pytest.mark.parametrize("create", ["standard", "big"])
@pytest.mark.parametrize("proven", [True, False], ids=["proven", "refused"])
def test_missing_segment_is_created_only_when_its_plan_is_carried_out(
    sandbox: Sandbox, sync: Sync, create: str, proven: bool
) -> None:
    """A refused one leaves nothing behind, not even an empty segment."""
    run = sync(
        whole(*members("user-0")),
        segment_key="new",
        create_segment=create,
        **(TRUSTING if proven else FREELY),
    )

    if proven:
        demand_done(run, {"at": "end"})
        assert included(sandbox, "new") == {"user-0"}
        return
    assert isinstance(run.error, PlanRefusedError)
    assert set(methods(sandbox)) == {"GET"}


@pytest.mark.parametrize("segment", ["one", "two"])
def test_stream_that_names_its_segments_reads_each_at_its_first_record(
    sandbox: Sandbox, sync: Sync, segment: str
) -> None:
    """Whichever is missing ends the run, before anything is changed."""
    sandbox.add_segment(segment, included=["gone"])
    rows = [
        row for name in ("one", "two") for row in for_segment(name, sized(members("user-0"), 1))
    ]

    run = sync([schema(columns=BY_SEGMENT), *rows, END], **PER_SEGMENT)

    assert run.error
    assert set(methods(sandbox)) == {"GET"}
    assert included(sandbox, segment) == {"gone"}
