"""The short way of records means the same as the SDK's."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from messages import COLUMNS, DATA, STREAM, capture, keys, leavers, lines, members, record, schema
from odd_settings import ANY_CONFIG, SNAPSHOT
from odd_taps import Input, inputs, snapshots
from running import SEGMENT
from singer_sdk.exceptions import ConfigValidationError
from two_ways import (
    SETTINGS,
    Drip,
    FakeClient,
    SdksWay,
    ShortWay,
    demand_same,
    outcome,
    put_files,
)

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.api.shapes import UserSegment
    from target_launchdarkly.sandbox import Sandbox


MANY = settings(
    max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
BLOCK_BYTES = st.sampled_from([7, 300, 65_536])


@MANY
@given(inputs(), ANY_CONFIG, BLOCK_BYTES)
def test_both_ways_do_the_same(found: Input, config: dict[str, Any], block_bytes: int) -> None:
    put_files(found.files)
    try:
        demand_same(found.data, block_bytes=block_bytes, **config)
    except ConfigValidationError:
        reject()


@settings(MANY, max_examples=700)
@given(snapshots(), SNAPSHOT, BLOCK_BYTES)
def test_both_ways_list_the_same_audience(
    found: Input, config: dict[str, Any], block_bytes: int
) -> None:
    """Snapshots by RECORD lines and BATCH files, proven by a size, by trust, or not at all."""
    put_files(found.files)
    demand_same(found.data, block_bytes=block_bytes, **config)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"record": {"context_key": "a", "is_member": true}}', id="no-stream"),
        pytest.param('{"stream": "audience", "record": {}, "stream": "b"}', id="two-streams"),
        *(
            pytest.param(f'{{"stream": "audience", "record": {{{record}}}}}', id=record[:40])
            for record in (
                '"context_key": 1e2, "is_member": true',
                '"context_key": 12345678901234567.0, "is_member": true',
                '"context_key": 1498392753700442115.000000000, "is_member": true',
                '"context_key": 1.498392753700442e18, "is_member": true',
                '"context_key": 9007199254740993, "is_member": true',
                '"context_key": "a  ", "is_member": false',
                '"context_key": "\\tnew", "is_member": " T "',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": ""',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": " "',
                '"context_key": "a", "is_member": true, "_SDC_DELETED_AT": "2026"',
                '"CONTEXT_KEY": "a", "IS_MEMBER": true',
                '"context_key": "new", "IS_MEMBER": false',
                '"context_key": 12345678901234567890123, "is_member": 1',
                '"context_key": 7, "is_member": 1.0',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": "2026"',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": false',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": {"at": 1}',
                '"context_key": "a", "_sdc_deleted_at": null',
                '"context_key": "b", "context_key": "new", "is_member": true',
                '"context\\u005fkey": "new", "is_member": true',
                '"context_key": "x\\ud800", "is_member": true',
                '"context_key": "", "is_member": true',
                '"context_key": " ", "is_member": true',
                '"context_key": "\\u3000", "is_member": false',
                '"context_key": true, "is_member": true',
                '"context_key": null, "is_member": false',
                '"context_key": "new", "is_member": "YES"',
                '"context_key": "new", "is_member": null',
                '"context_key": "new", "is_member": 2',
                '"context_key": "new"',
                f'"context_key": "new", "is_member": true, "any": {"[" * 990}{"]" * 990}',
                '"context_key": "new", "is_member": true, "any": NaN',
                '"context_key": "new", "is_member": true, "any": "\\udead"',
                '"context_key": "new", "is_member": true, "on": 5',
                '"context_key": "new", "is_member": true, "on": "20261122"',
                '"context_key": "new", "is_member": true, "on": "2026-11-22T24:00:00"',
                '"context_key": "new", "is_member": true, "on": ""',
            )
        ),
    ],
)
@pytest.mark.parametrize("mode", ["add", "remove", "mirror"])
def test_tricky_record_means_the_same(line: str, mode: str) -> None:
    anything: dict[str, Any] = {"on": {"type": ["string", "integer", "null"], "format": "date"}}
    columns: dict[str, Any] = {"context_key": {}, "is_member": {}, "any": {}} | anything
    # After records of which one is only counted, and before one that shall not be lost.
    told: list[Any] = [schema(columns=columns), *members("a", "b"), *leavers("z")]
    told += [f'{{"type": "RECORD", {line[1:]}', *members("last")]

    demand_same(lines(told), audience_sync_mode=mode)
    demand_same(lines(told), audience_sync_mode=mode, invalid_record_action="skip")


@pytest.mark.parametrize("mirror_source", ["changes", "snapshot"])
@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_every_capture_goes_the_short_way_whole(name: str, mirror_source: str) -> None:
    told = capture(name)

    run = demand_same(lines(told), audience_sync_mode="mirror", mirror_source=mirror_source)

    assert run.short == sum(json.loads(line)["type"] == "RECORD" for line in told)


def test_interleaved_streams_go_the_short_way_whole() -> None:
    names = ["one", "two", "three", "four"]
    messages = [schema(name) for name in names]
    for key in ("a", "b", "new"):
        messages += [record(key, stream=name) for name in names]

    assert demand_same(lines(messages)).short == 12


@pytest.mark.parametrize(
    ("message", "config"),
    [
        pytest.param(
            schema(), {"stream_maps": {STREAM: {"is_member": "True"}}}, id="stream-map-of-a-column"
        ),
        pytest.param(
            schema(), {"stream_maps": {STREAM: {"__alias__": "b"}}}, id="stream-map-alias"
        ),
        pytest.param(
            schema(), {"flattening_enabled": True, "flattening_max_depth": 1}, id="flattening"
        ),
        pytest.param(schema(key_properties=["undeclared"]), {}, id="undeclared-key-property"),
    ],
)
def test_stream_whose_records_are_changed_or_incomplete_goes_the_sdks_way(
    message: dict[str, Any], config: dict[str, Any]
) -> None:
    told = [message, *members("new-1", "new-2"), *leavers("a")]

    assert demand_same(lines(told), audience_sync_mode="mirror", **config).short == 0


def test_debug_logging_changes_no_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="target-launchdarkly")

    assert outcome(ShortWay, Drip(lines([schema(), *members("a")]), 9), {}).short == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ({"type": "number", "maximum": 1}, "1.00000000000000000001"),
        ({"type": "integer", "maximum": 1}, "12345678901234567890123"),
        ({"type": "string", "maxLength": 1}, '"\\ud83d\\ude00"'),
        ({"type": "string", "pattern": "a"}, '"b"'),
        ({"type": ["string", "null"], "enum": ["a", None]}, '"b"'),
        ({"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string"}]}, '"long"'),
        ({"$id": "http://[", "type": "integer"}, "1"),
        ({"$schema": "http://json-schema.org/draft-03/schema#", "type": "any"}, "1"),
        ({"$ref": "#/definitions/nowhere"}, "1"),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, '{"x": 1.5}'),
        ({"type": "object", "additionalProperties": False}, '{"y": 1}'),
        ({"type": "array", "items": {"type": "string"}}, '["a", null]'),
        ({"type": "string", "format": "date-time"}, '"0000-00-00 00:00:00"'),
        ({"type": "string", "format": "date"}, '"20210-01-01"'),
        (None, "[1]"),
    ],
)
def test_column_that_is_not_read_is_not_judged_on_either_way(
    column: dict[str, Any] | None, value: str
) -> None:
    columns = COLUMNS | ({"x": column} if column else {})
    told: list[Any] = [schema(columns=columns, required=["y"]), *members("new-1")]
    fields = f'{{"context_key": "new-2", "is_member": true, "x": {value}}}'
    told.append(f'{{"type": "RECORD", "stream": "{STREAM}", "record": {fields}}}')

    run = demand_same(lines(told))

    assert run.short == 2
    assert run.seen["error"][0] is type(None)
    assert run.seen["segments"][SEGMENT]["included"][-2:] == ["new-1", "new-2"]
    assert not any("schema" in line.lower() for line in run.seen["log"] if "Reader" not in line)


def test_flag_declared_in_mid_run_is_read_from_there_on() -> None:
    bare = {"context_key": COLUMNS["context_key"]}
    first, second = record("e"), record("f", is_member="no")
    del first["record"]["is_member"]

    run = demand_same(lines([schema(columns=bare), first, schema(), second]))

    assert run.short == 2
    assert run.seen["tallies"][SEGMENT]["not_acted_on"] == 1


@pytest.mark.parametrize(
    "bad", [{"context_key": 7.5}, {"is_member": None}, {"is_member": 2}], ids=str
)
def test_seventh_record_wrong_stops_the_run_after_six(bad: dict[str, Any]) -> None:
    wrong = record("x")
    wrong["record"] |= bad
    told = [schema(), *members(*"efghij"), wrong, record("k")]

    run = demand_same(lines(told))

    assert "Line 8: a record of stream 'audience' is invalid" in run.seen["error"][1]
    # The seventh was begun: it names its segment.
    assert run.seen["tallies"][SEGMENT]["records"] == 7
    assert run.seen["requests"] == []


class Refusing(FakeClient):
    """Answers to a patch with what decoding raises for a line that it cannot decode."""

    def patch_segment(self, segment_key: str, body: dict[str, Any]) -> UserSegment:
        super().patch_segment(segment_key, body)
        raise ValueError("no JSON")


def test_failed_request_is_no_reason_to_take_a_record_again() -> None:
    class Target(ShortWay):
        @cached_property
        def client(self) -> Any:
            return Refusing()

    data = lines([schema(), *members("new-1", "new-2", "new-3")])

    run = outcome(Target, Drip(data, 65_536), {"batch_size_rows": 2})

    assert run.seen["error"][:2] == (ValueError, "no JSON")
    assert run.seen["tallies"][SEGMENT]["records"] == 3
    assert len(run.seen["requests"]) == 1


def test_five_minute_drain_writes_the_same_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drained after every record; the short way looks at the clock less often."""
    monkeypatch.setattr(TargetLaunchDarkly, "_MAX_RECORD_AGE_IN_MINUTES", -1)
    told = [schema()]
    for number in range(5):
        told += [*members(f"new-{number}", "a"), {"type": "STATE", "value": {"at": number}}]
    data = lines(told)

    states = [
        list(dict.fromkeys(outcome(kind, source, {}).seen["states"].splitlines()))
        for kind, source in ((ShortWay, Drip(data, 65_536)), (SdksWay, io.BytesIO(data)))
    ]

    assert states[0] == states[1] == [f'{{"at":{number}}}' for number in range(5)]


def test_record_of_a_slow_pipe_is_taken_before_the_next_is_waited_for() -> None:
    target = ShortWay(config=SETTINGS)
    seen: list[list[int]] = []

    class SlowPipe(Drip):
        def read1(self, size: int) -> bytes:
            seen.append([segment.tally.records for segment in target.segments])
            return super().read1(size)

    source = SlowPipe(b"", 1)
    source.parts = [lines([each]) for each in (schema(), *members("a", "new", "b"))]
    with contextlib.redirect_stdout(io.StringIO()):
        target.listen(source)  # type: ignore[arg-type]

    assert seen == [[], [], [1], [2], [3]]


def test_text_without_bytes_goes_the_sdks_way() -> None:
    run = outcome(ShortWay, io.StringIO(lines([schema(), *members("new")]).decode()), {})

    assert run.short == 0
    assert run.seen["tallies"][SEGMENT]["added"] == 1


def test_decoder_is_not_imported_before_a_stream_needs_it() -> None:
    code = "import sys, target_launchdarkly.target; sys.exit('msgspec' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sandbox_sees_the_same_of_both_ways(
    sandbox: Sandbox, sync: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [schema(), *members(*keys(40)), *leavers(*keys(20)), record(""), *members(*keys(5))]
    for name in ("short", "sdks"):
        sandbox.add_segment(name, included=["user-3", "stays"])
        monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", name == "short")
        run = sync(
            told,
            segment_key=name,
            audience_sync_mode="mirror",
            invalid_record_action="skip",
            batch_size_rows=7,
        )
        assert run.error is None

    assert sandbox.included("short", "user") == sandbox.included("sdks", "user")
    bodies: dict[str, list[Any]] = {name: [] for name in ("short", "sdks")}
    for exchange in sandbox.requests:
        bodies[str(exchange.segment_key)].append((exchange.method, exchange.body))
    assert bodies["short"] == bodies["sdks"]
