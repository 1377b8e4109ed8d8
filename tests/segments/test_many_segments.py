"""One pipeline, many segments: fields, streams, creation, stream maps, parallel requests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, keys, leavers, members, record, schema
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

WITH_SEGMENT = COLUMNS | {"segment": {"type": ["string", "null"]}}


def test_40_000_changes_over_20_segments_take_20_gets_and_40_patches(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Records of all segments arrive mixed; of one segment, requests never overlap."""
    names = [f"segment-{number}" for number in range(20)]
    for name in names:
        sandbox.add_segment(name)

    run = sync(
        [
            schema(columns=WITH_SEGMENT),
            *(record(key, segment=name) for key in keys(2_000) for name in names),
        ],
        segment_key_field="segment",
    )

    assert run.error is None
    methods = [each.method for each in sandbox.requests]
    assert (methods.count("GET"), methods.count("PATCH"), len(methods)) == (20, 40, 60)
    for name in names:
        assert set(sandbox.included(name)) == set(keys(2_000))
        spans = sorted(
            (each.started, each.finished) for each in sandbox.requests if each.segment_key == name
        )
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_streams_have_settings_of_their_own(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("orgs", context_kind="organization", included=["old-org"])
    columns = {"org": {"type": "string"}, "active": {"type": "string"}}

    run = sync(
        [
            schema("users"),
            *members("user-1", stream="users"),
            schema("companies", columns=columns),
            {"type": "RECORD", "stream": "companies", "record": {"org": "acme", "active": "yes"}},
            {"type": "RECORD", "stream": "companies", "record": {"org": "old-org", "active": "n"}},
        ],
        streams={
            "companies": {
                "segment_key": "orgs",
                "context_kind": "organization",
                "audience_sync_mode": "mirror",
                "context_key_field": "org",
                "membership_field": "active",
            }
        },
    )

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["user-1"]
    assert sandbox.included("orgs", "organization") == ["acme"]


def test_two_streams_of_two_kinds_feed_one_segment(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """A standard segment holds targets of any kind; both go in one patch."""
    run = sync(
        [
            schema("users"),
            schema("companies"),
            *members("same", stream="users"),
            *members("same", stream="companies"),
        ],
        streams={"companies": {"context_kind": "organization"}},
    )

    assert run.error is None
    assert sandbox.included(SEGMENT, "user") == ["same"]
    assert sandbox.included(SEGMENT, "organization") == ["same"]
    assert [each.method for each in sandbox.requests] == ["GET", "PATCH"]


def test_stream_without_a_segment_is_refused_naming_both_ways(
    sandbox: Sandbox, config: dict[str, Any], sync: Callable[..., Run]
) -> None:
    del config["segment_key"]

    run = sync([schema("lost")], streams={"found": {"segment_key": SEGMENT}})

    assert "stream 'lost'" in str(run.error)
    assert "segment_key" in str(run.error)
    assert "segment_key_field" in str(run.error)
    assert sandbox.requests == []


@pytest.mark.parametrize("value", [None, "", "with blank", "../other", 7])
def test_malformed_segment_key_makes_the_record_invalid(
    sandbox: Sandbox, sync: Callable[..., Run], value: object
) -> None:
    rows = [schema(columns={}), record("a", segment=value), record("b", segment=SEGMENT)]

    failed = sync(rows, segment_key_field="segment", context_key_field="context_key")
    assert failed.error is not None
    assert sandbox.requests == []

    run = sync(
        [schema(columns=WITH_SEGMENT | {"segment": {}}), *rows[1:]],
        segment_key_field="segment",
        invalid_record_action="skip",
    )
    assert run.error is None
    assert sandbox.included(SEGMENT) == ["b"]
    assert "1 invalid record named no segment" in run.summary


@pytest.mark.parametrize(("setting", "unbounded"), [("standard", False), ("big", True)])
def test_missing_segment_is_created_as_asked(
    sandbox: Sandbox, sync: Callable[..., Run], setting: str, unbounded: bool
) -> None:
    run = sync(
        [schema(), *members("a")],
        segment_key="fresh",
        create_segment=setting,
        context_kind="device",
    )

    assert run.error is None
    assert sandbox.included("fresh", "device") == ["a"]
    (body,) = [each.body for each in sandbox.requests if each.method == "POST"]
    assert isinstance(body, dict)
    assert body["unbounded"] is unbounded
    assert body["key"] == "fresh"
    assert body["tags"] == ["target-launchdarkly"]
    assert "warehouse" in body["description"]
    assert "'fresh' (created)" in run.summary


def test_missing_segment_is_an_error_unless_it_may_be_created(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("a")], segment_key="fresh")

    assert "segment 'fresh'" in str(run.error)
    assert "create_segment" in str(run.error)
    assert [each.method for each in sandbox.requests] == ["GET"]


def test_unknown_project_creates_nothing(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), *members("a")], project_key="nope", create_segment="standard")

    assert "project 'nope'" in str(run.error)
    assert [each.method for each in sandbox.requests] == ["GET"]


def test_dry_run_only_plans_a_segment(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync(
        [schema(), *members("a")], segment_key="fresh", create_segment="standard", dry_run=True
    )

    assert run.error is None
    assert [each.method for each in sandbox.requests] == ["GET"]
    assert "would be created" in run.summary
    assert "1 would be added" in run.summary


def test_stream_map_computes_key_and_flag(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    columns = {"email": {"type": "string"}, "plan": {"type": "string"}}

    run = sync(
        [
            schema(columns=columns),
            {"type": "RECORD", "stream": "audience", "record": {"email": "A@B.C", "plan": "pro"}},
            {"type": "RECORD", "stream": "audience", "record": {"email": "D@E.F", "plan": "free"}},
        ],
        audience_sync_mode="mirror",
        stream_maps={
            "audience": {"context_key": "email.lower()", "is_member": "bool(plan == 'pro')"},
        },
    )

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["a@b.c"]


def test_flattening_reaches_a_nested_key(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    columns = {"user": {"type": "object", "properties": {"id": {"type": "string"}}}}

    run = sync(
        [
            schema(columns=columns),
            {"type": "RECORD", "stream": "audience", "record": {"user": {"id": "u-1"}}},
        ],
        context_key_field="user__id",
        flattening_enabled=True,
        flattening_max_depth=2,
    )

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["u-1"]


def test_summary_of_many_segments_begins_with_totals_and_the_largest_changes(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    names = [f"segment-{number}" for number in range(12)]
    for name in names:
        sandbox.add_segment(name)

    run = sync(
        [
            schema(columns=WITH_SEGMENT),
            *(record(key, segment=name) for at, name in enumerate(names) for key in keys(at + 1)),
        ],
        segment_key_field="segment",
    )

    lines = run.summary.splitlines()
    assert "12 segments: 78 records: 78 added" in lines[0]
    assert "24 requests (12 GET, 12 PATCH)" in lines[0]
    assert "'segment-11'" in lines[1]
    assert "2 more" in lines[11]
    assert len(lines) == 12


def test_leaver_in_one_segment_stays_in_another(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    for name in ("a", "b"):
        sandbox.add_segment(name, included=["user-1"])

    run = sync(
        [
            schema(columns=WITH_SEGMENT),
            *({**row, "record": {**row["record"], "segment": "a"}} for row in leavers("user-1")),
            *({**row, "record": {**row["record"], "segment": "b"}} for row in members("user-1")),
        ],
        segment_key_field="segment",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert sandbox.included("a") == []
    assert sandbox.included("b") == ["user-1"]
