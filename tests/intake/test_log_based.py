"""Streams that follow the database's log: their first load has no deletes yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from messages import STREAM, leavers, record, schema, state
from odd_captures import CHANGES, FIRST_LOAD, odd_capture

from target_launchdarkly.errors import StreamError
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

LIVE: dict[str, Any] = {
    "segment_key": "live",
    "context_key_field": "user_id",
    "audience_sync_mode": "mirror",
}
#: Who stands in the first load, the one on the free plan included.
LOADED = {
    *(f"live-{number}" for number in (1, 2, 5, *range(7, 45))),
    *("live-new", "live-6b"),
}
BARE = {"context_key": {"type": ["string", "null"]}}
MIRROR: dict[str, Any] = {"segment_key": "live", "audience_sync_mode": "mirror"}


@pytest.fixture(params=[True, False], ids=["short-way", "sdks-way"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", request.param)


@pytest.fixture(autouse=True)
def segment(sandbox: Sandbox) -> None:
    sandbox.add_segment("live", included=["stranger"])


def live(sandbox: Sandbox) -> set[str]:
    return set(sandbox.included("live"))


def row(context_key: str) -> dict[str, Any]:
    """Return a record without a flag."""
    message = record(context_key)
    del message["record"]["is_member"]
    return message


# What pipelinewise tap-postgres wrote


def test_first_load_includes_every_row_and_removes_nobody(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Its SCHEMA has no `_sdc_deleted_at` and no bookmark_properties; the STATE before tells."""
    run = sync(odd_capture(FIRST_LOAD), **LIVE)

    assert run.error is None
    assert live(sandbox) == LOADED | {"stranger"}
    assert run.states[-1]["bookmarks"]["marts-live"]["lsn"] == 48111576


def test_changes_after_the_first_load_include_and_remove(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    assert sync(odd_capture(FIRST_LOAD), **LIVE).error is None

    run = sync(odd_capture(CHANGES), **LIVE)

    assert run.error is None
    assert live(sandbox) == LOADED - {"live-13", "live-14"} | {"live-new2", "live-7b", "stranger"}
    assert run.states[-1]["bookmarks"]["marts-live"]["lsn"] == 48111888


def test_first_load_and_changes_in_one_run_end_the_same(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """The SCHEMA gets its `_sdc_deleted_at` in mid-run."""
    run = sync([*odd_capture(FIRST_LOAD), *odd_capture(CHANGES)], **LIVE)

    assert run.error is None
    assert live(sandbox) == LOADED - {"live-13", "live-14"} | {"live-new2", "live-7b", "stranger"}


def test_first_load_with_a_flag_from_a_stream_map_is_read_by_it(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    stream_maps = {"marts-live": {"is_member": "plan == 'pro'"}}

    run = sync(odd_capture(FIRST_LOAD), **LIVE, stream_maps=stream_maps)

    assert run.error is None
    assert live(sandbox) == LOADED - {"live-5"} | {"stranger"}


def test_first_load_without_its_state_is_refused_with_what_to_do(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    lines = [line for line in odd_capture(FIRST_LOAD) if json.loads(line)["type"] != "STATE"]

    demand_refused(sandbox, sync(lines, **LIVE))


def demand_refused(sandbox: Sandbox, run: Run) -> None:
    """Assert that nothing says who left, and that the remedy names every way out."""
    assert isinstance(run.error, StreamError)
    told = str(run.error)
    assert "nothing says who left" in told
    for remedy in ("membership_field", "mirror_source to 'snapshot'"):
        assert remedy in told
    # The case at hand: what a log-based stream lacks.
    assert "log-based" in told
    assert "_sdc_deleted_at" in told
    assert "STATE before its first record that says LOG_BASED" in told
    assert live(sandbox) == {"stranger"}
    assert run.states == []


# What shows it


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param({"last_replication_method": "LOG_BASED"}, id="method"),
        pytest.param({"lsn": 48111576}, id="lsn"),
        pytest.param({"log_file": "binlog.1", "log_pos": 4}, id="log-pos"),
    ],
)
@pytest.mark.parametrize("stream", [STREAM, f"warehouse-{STREAM}"], ids=["plain", "with-database"])
def test_state_before_the_first_record_shows_it(
    sandbox: Sandbox, sync: Callable[..., Run], bookmark: dict[str, Any], stream: str
) -> None:
    shown = state({"bookmarks": {stream: bookmark}})

    for told in ([schema(columns=BARE), shown], [shown, schema(columns=BARE)]):
        run = sync([*told, row("a")], **MIRROR)
        assert run.error is None

    assert live(sandbox) == {"a", "stranger"}


@pytest.mark.parametrize("name", ["_sdc_lsn", "lsn", "log_pos"])
def test_bookmark_properties_with_a_log_position_show_it(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    run = sync([schema(columns=BARE, bookmark_properties=[name]), row("a")], **MIRROR)

    assert run.error is None
    assert live(sandbox) == {"a", "stranger"}


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"bookmarks": {STREAM: {"last_replication_method": "FULL_TABLE"}}}, id="full"),
        pytest.param({"bookmarks": {STREAM: {"last_replication_method": "INCREMENTAL"}}}, id="inc"),
        pytest.param({"bookmarks": {STREAM: {"lsn": None}}}, id="null-position"),
        pytest.param({"bookmarks": {"other": {"lsn": 5}}}, id="another-stream"),
        pytest.param({"bookmarks": {f"{STREAM}-2": {"lsn": 5}}}, id="longer-name"),
        pytest.param({"bookmarks": [STREAM, "lsn"]}, id="no-bookmarks"),
        pytest.param("lsn", id="text"),
        pytest.param({}, id="empty"),
    ],
)
def test_other_states_do_not_show_it(
    sandbox: Sandbox, sync: Callable[..., Run], shown: object
) -> None:
    demand_refused(sandbox, sync([state(shown), schema(columns=BARE), row("a")], **MIRROR))


@pytest.mark.parametrize("names", [[], ["updated_at"], ["id", "xmin"]], ids=str)
def test_other_bookmark_properties_do_not_show_it(
    sandbox: Sandbox, sync: Callable[..., Run], names: list[str]
) -> None:
    run = sync([schema(columns=BARE, bookmark_properties=names), row("a")], **MIRROR)

    demand_refused(sandbox, run)


def test_state_after_the_first_record_comes_too_late(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    shown = state({"bookmarks": {STREAM: {"lsn": 5}}})

    demand_refused(sandbox, sync([schema(columns=BARE), row("a"), shown, row("b")], **MIRROR))


def test_flag_that_is_named_and_not_there_is_refused_though_the_stream_is_log_based(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(odd_capture(FIRST_LOAD), **LIVE, membership_field="active")

    assert isinstance(run.error, StreamError)
    assert "Set membership_field to one of its properties: " in str(run.error)
    assert live(sandbox) == {"stranger"}


def test_log_based_stream_with_a_flag_is_read_by_its_flag(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    shown = state({"bookmarks": {STREAM: {"lsn": 5}}})

    run = sync([shown, schema(), record("a"), *leavers("stranger")], **MIRROR)

    assert run.error is None
    assert live(sandbox) == {"a"}
