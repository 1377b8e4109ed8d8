"""The short way of records means the same as the SDK's."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from conftest import SEGMENT, TOKEN, FakeClock
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from messages import COLUMNS, DATA, STREAM, capture, keys, leavers, lines, members, record, schema
from singer_sdk.exceptions import ConfigValidationError

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS = {
    "access_token": TOKEN,
    "project_key": "default",
    "environment_key": "test",
    "segment_key": SEGMENT,
}
LIST_OF = {"Included": "included", "Excluded": "excluded"}


class FakeClient:
    """Segments in memory, changed by semantic patches as LaunchDarkly would."""

    environment_key = "test"

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.segments: dict[str, dict[str, list[str]]] = {}

    def get_segment(self, segment_key: str) -> dict[str, Any]:
        lists = {"included": ["a", "b", "7", " "], "excluded": ["c"]}
        return {"key": segment_key, **self.segments.setdefault(segment_key, lists)}

    def patch_segment(self, segment_key: str, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append([segment_key, body])
        for instruction in body["instructions"]:
            name = next(LIST_OF[part] for part in LIST_OF if part in instruction["kind"])
            listed = self.segments[segment_key][name]
            left = [key for key in listed if key not in instruction["values"]]
            is_addition = instruction["kind"].startswith("add")
            self.segments[segment_key][name] = left + instruction["values"] * is_addition
        return self.get_segment(segment_key)

    def requests_of(self, segment_key: str) -> dict[str, int]:
        return {"PATCH": sum(key == segment_key for key, _ in self.bodies)}


class ShortWay(TargetLaunchDarkly):
    """Takes the short way where it can, with LaunchDarkly in memory."""

    clock = FakeClock().system

    @cached_property
    def client(self) -> Any:
        return FakeClient()


class SdksWay(ShortWay):
    has_short_way: ClassVar[bool] = False


class Drip(io.RawIOBase):
    """A pipe that gives no more at once than its writer wrote."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self.parts = [data[start : start + size] for start in range(0, len(data), size)]

    def read1(self, _size: int) -> bytes:
        return self.parts.pop(0) if self.parts else b""


@dataclass
class Outcome:
    """What a run did, as anybody can see it, and how many records went the short way."""

    seen: dict[str, Any]
    short: int


class Told(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.told = told

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def outcome(kind: type[ShortWay], source: Any, config: dict[str, Any]) -> Outcome:
    log: list[str] = []
    handler = Told(log)
    logging.getLogger().addHandler(handler)
    output = io.StringIO()
    target = kind(config=SETTINGS | config)
    error: Exception | None = None
    try:
        with contextlib.redirect_stdout(output):
            target.listen(source)
    except Exception as failure:  # noqa: BLE001 whatever it is, it shall be the same
        error = failure
    finally:
        logging.getLogger().removeHandler(handler)
    ingest = target.message_reader.ingest
    seen = {
        "error": (type(error), str(error), error and target.message_reader.line_number),
        "segments": target.client.segments,
        "requests": target.client.bodies,
        "tallies": {segment.key: asdict(segment.tally) for segment in target.segments},
        "without segment": target.segments.without_segment,
        "states": output.getvalue(),
        "read": {name: sink._total_records_read for name, sink in target._sinks_active.items()},
        "log": [told for told in map(without_time, log) if told],
    }
    return Outcome(seen, ingest.records if ingest else 0)


def without_time(told: str) -> str:
    """Return a log line without what differs between any two runs."""
    return (
        ""
        if '"timer"' in told or "target-launchdarkly v" in told
        else told.split(',"tags"', maxsplit=1)[0]
    )


def demand_same(data: bytes, *, block_bytes: int = 65_536, **config: Any) -> Outcome:
    short = outcome(ShortWay, Drip(data, block_bytes), config)
    sdks = outcome(SdksWay, io.BytesIO(data), config)
    assert short.seen == sdks.seen
    return short


# What taps might write

STRINGS = [
    '"a"',
    '"b"',
    '"c"',
    '"d"',
    '"user-\\u00e9"',
    '"\\ud83d\\ude00"',
    '"7"',
    '"true"',
    '"no"',
]
DATES = ['"2026-11-22"', '"2026-11-22T00:00:00Z"', '"2026-11-22 09:42:04.9+00"', '"10:00:00"']
ODD = [
    *('""', '" "', '"\\ud800"', '"\\udc00x"', '"\\u0000"', "NaN", "Infinity", "-Infinity", "-0"),
    *("1.0", "1e2", "0.1", "1e999", "12345678901234567890123", "9" * 350, "9" * 4400, "01", "1."),
    *("[]", '["a", 1]', '{"x": 1, "x": "y"}', "[" * 150 + "]" * 150, '{"x": {"y": null}}', "'a'"),
    *('"24:00:00"', '"2026-02-30"', '"20261122"', '"2026-11-22T25:00:00"', '"maybe"', '"\t"', ""),
]
VALUES = st.sampled_from([*STRINGS, "null", "true", "false", "0", "1", "7", "-3"])
TYPES = ["string", "integer", "number", "boolean", "null", "array", "object"]
SIMPLE = st.lists(st.sampled_from(TYPES), min_size=1, unique=True).map(
    lambda types: {"type": types}
)
COLUMN_SCHEMAS = st.one_of(
    SIMPLE,
    SIMPLE,
    st.sampled_from(
        [
            *({"type": each} for each in TYPES),
            *({"type": ["string", "null"], "format": f} for f in ("date-time", "date", "time")),
            {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
            {"anyOf": [{"type": ["string", "integer"]}, {"type": ["integer", "null"]}]},
            {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string"}]},
            {"type": ["string", "integer", "null"], "format": "date"},
            {"type": ["string", "null"], "maxLength": 1},
            {"type": ["string", "null"], "minLength": 2, "format": "uuid"},
            {"type": ["integer", "null"], "minimum": 1, "exclusiveMaximum": 7},
            {"type": ["number", "null"], "maximum": 1},
            {"type": "integer", "maximum": 2**63},
            {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
            {"type": ["object", "null"], "properties": {"x": {"type": "integer"}}},
            {"type": "object", "properties": {"x": {}}, "required": ["x"]},
            {"type": "object", "additionalProperties": False},
            {"type": ["string", "null"], "enum": ["a", None]},
            {"type": ["string", "null"], "inclusion": "available", "description": "text"},
            {"$ref": "#/definitions/d"},
            {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"},
            {"not": {"type": "null"}},
            {},
        ]
    ),
)
NAMES = ["context_key", "is_member", "size", "d", "x", "été", "_sdc_deleted_at", "_sdc_sequence"]
NORMAL = {
    "context_key": {"type": ["string", "null"]},
    "is_member": {"type": ["boolean", "null"]},
    "d": {"type": ["string", "null"], "format": "date-time"},
}
STREAMS = st.sampled_from([STREAM, STREAM, "other", "thïrd"])


@st.composite
def schema_lines(draw: st.DrawFn, stream: str) -> str:
    columns = dict(NORMAL)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        columns[name] = draw(COLUMN_SCHEMAS)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=1)):
        columns.pop(name, None)
    message = schema(stream, columns)
    message["schema"] |= draw(
        st.sampled_from(
            [
                *({}, {}, {}, {"additionalProperties": False}, {"additionalProperties": True}),
                *({"required": ["d"]}, {"required": ["size"]}, {"minProperties": 2}),
                {"definitions": {"d": {"type": "integer"}}},
                {"$schema": "http://json-schema.org/draft-04/schema#"},
            ]
        )
    )
    message["key_properties"] = draw(
        st.sampled_from([[], [], ["context_key"], ["d"], ["x"], ["_sdc_sequence"], None])
    )
    if draw(st.integers(0, 9)) == 0:
        message["bookmark_properties"] = ["d"]
    return json.dumps(message, ensure_ascii=draw(st.booleans()))


@st.composite
def record_lines(draw: st.DrawFn, stream: str, odd: int) -> str:
    """Return a record as text, because some of what taps write no JSON encoder does."""
    fields = [
        ('"context_key"', draw(st.sampled_from(STRINGS))),
        ('"is_member"', draw(st.sampled_from(["true", "true", "false"]))),
        ('"d"', draw(st.sampled_from(["null", *DATES]))),
    ]
    if odd and draw(st.integers(1, odd)) == 1:
        for _ in range(draw(st.integers(0, 2))):
            name = json.dumps(draw(st.sampled_from(NAMES)))
            fields.append((name, draw(VALUES)))
        if draw(st.booleans()):
            name = draw(
                st.sampled_from([*map(json.dumps, NAMES), '"is\\u005fmember"', '"\\ud800"'])
            )
            fields.append((name, draw(st.sampled_from(ODD))))
        for _ in range(draw(st.integers(0, 1))):
            fields.pop(draw(st.integers(0, len(fields) - 1)))
    properties = ", ".join(f"{name}: {value}" for name, value in fields)
    parts = ['"type": "RECORD"', f'"stream": {json.dumps(stream)}', f'"record": {{{properties}}}']
    if version := draw(st.sampled_from(["", "", "1799999999", "1800000000", '"1"', "1.5", "null"])):
        parts.append(f'"version": {version}')
    if odd and (more := draw(st.sampled_from([*[""] * 6 * odd, *MORE_PARTS]))):
        parts.insert(draw(st.integers(0, len(parts))), more)
    return f"{{{', '.join(parts)}}}"


MORE_PARTS = [
    '"time_extracted": "2026-11-22T08:19:29Z"',
    '"time_extracted": 5',
    '"more": [1]',
    '"type": "STATE"',
    '"stream": "other"',
    '"record": {}',
    '"record": null',
]
OTHER_LINES = st.sampled_from(
    [
        *("", "  ", "\r", "\x0c", '{"type": "STATE"}', "{}", "[]", "{", "null", "\ufeff{}", '"a"'),
        '{"type": "RECORD", "stream": "nobody", "record": {}}',
        '{"type": "RECORD", "record": {"context_key": "a", "is_member": true}}',
    ]
)
#: How odd an input is at most: one in so many records is, where it may be.
ODDEST = 3
CONFIGS = st.fixed_dictionaries(
    {"invalid_record_action": st.sampled_from(["skip", "skip", "fail"])},
    optional={
        "audience_sync_mode": st.sampled_from(["add", "remove", "mirror", "mirror"]),
        "mirror_source": st.sampled_from(["changes", "changes", "snapshot"]),
        "validate_records": st.booleans(),
        "batch_size_rows": st.sampled_from([1, 2, 3]),
        "removal_action": st.sampled_from(["remove", "exclude"]),
        "excluded_key_action": st.sampled_from(["skip", "include", "fail"]),
        "trust_end_of_input": st.booleans(),
        "max_removal_percent": st.just(100),
        "audience_size_field": st.just("size"),
        "context_kind": st.just("organization"),
    },
)
RARE = st.fixed_dictionaries(
    {"invalid_record_action": st.just("skip")},
    optional={
        "audience_sync_mode": st.sampled_from(["add", "mirror"]),
        "mirror_source": st.sampled_from(["changes", "snapshot"]),
        "trust_end_of_input": st.booleans(),
        "audience_size_field": st.just("size"),
        "segment_key_field": st.sampled_from(["x", "d", "size"]),
        "membership_field": st.sampled_from(["is_member", "x", "_sdc_deleted_at"]),
        "context_key_field": st.sampled_from(["context_key", "context_key", "x", "_sdc_sequence"]),
        "stream_maps": st.sampled_from([{"audience": {"x": "'a'"}}, {"other": {"__alias__": "y"}}]),
        "flattening_enabled": st.just(True),
    },
)


def with_depth(config: dict[str, Any]) -> dict[str, Any]:
    return config | ({"flattening_max_depth": 1} if "flattening_enabled" in config else {})


#: Most runs have few settings, or hardly any record would go the short way.
USUAL = st.sampled_from(
    [
        {"audience_sync_mode": "mirror"},
        {"audience_sync_mode": "mirror", "invalid_record_action": "skip"},
        {"invalid_record_action": "skip", "batch_size_rows": 2},
    ]
)
ANY_CONFIG = st.one_of(USUAL, USUAL, CONFIGS, CONFIGS, RARE.map(with_depth))


@st.composite
def inputs(draw: st.DrawFn) -> bytes:
    """Return what a tap writes: odd things never, now and then, or often."""
    odd = draw(st.sampled_from([0, 12, ODDEST]))
    text = []
    for stream in draw(st.sampled_from([[STREAM], [STREAM, "other", "thïrd"]])):
        is_usual = not odd or draw(st.booleans())
        text.append(json.dumps(schema(stream, NORMAL)) if is_usual else draw(schema_lines(stream)))
    streams = st.sampled_from([json.loads(line)["stream"] for line in text])
    kinds = ["record"] * 12 + ["state"] * 2 + ["version"]
    kinds += ["schema"] * bool(odd) + ["other"] * (odd == ODDEST)
    drawn = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=16))
    text += [draw(line_of(kind, draw(streams), odd)) for kind in drawn]
    data = draw(st.sampled_from(["\n", "\n", "\r\n"])).join(text).encode()
    data += draw(st.sampled_from([b"\n", b"", b"\n\n"]))
    if odd and draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(data)))
        bad = draw(st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\x01"]))
        data = data[:place] + bad + data[place:]
    return data


def line_of(kind: str, stream: str, odd: int) -> st.SearchStrategy[str]:
    name = json.dumps(stream)
    return {
        "record": record_lines(stream, odd),
        "schema": schema_lines(stream),
        "state": st.integers(1, 3).map(
            lambda at: f'{{"type": "STATE", "value": {{"at": {at}.50}}}}'
        ),
        "version": st.just(
            f'{{"type": "ACTIVATE_VERSION", "stream": {name}, "version": 1800000000}}'
        ),
        "other": OTHER_LINES,
    }[kind]


@settings(
    max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(inputs(), ANY_CONFIG, st.sampled_from([7, 300, 65_536]))
def test_both_ways_do_the_same(data: bytes, config: dict[str, Any], block_bytes: int) -> None:
    try:
        demand_same(data, block_bytes=block_bytes, **config)
    except ConfigValidationError:
        reject()


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
                '"context_key": 12345678901234567890123, "is_member": 1',
                '"context_key": 7, "is_member": 1.0',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": "2026"',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": false',
                '"context_key": "a", "is_member": true, "_sdc_deleted_at": {"at": 1}',
                '"context_key": "a", "_sdc_deleted_at": null',
                '"context_key": "b", "context_key": "new", "is_member": true',
                '"context\\u005fkey": "new", "is_member": true',
                '"context_key": "x\\ud800", "is_member": true',
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
@pytest.mark.parametrize("validate_records", [True, False])
@pytest.mark.parametrize("mode", ["add", "remove", "mirror"])
def test_tricky_record_means_the_same(line: str, mode: str, *, validate_records: bool) -> None:
    anything: dict[str, Any] = {"on": {"type": ["string", "integer", "null"], "format": "date"}}
    columns: dict[str, Any] = {"context_key": {}, "is_member": {}, "any": {}} | anything
    # After records of which one is only counted, and before one that shall not be lost.
    told: list[Any] = [schema(columns=columns), *members("a", "b"), *leavers("z")]
    told += [f'{{"type": "RECORD", {line[1:]}', *members("last")]
    config: dict[str, Any] = {"audience_sync_mode": mode, "validate_records": validate_records}

    demand_same(lines(told), **config)
    demand_same(lines(told), invalid_record_action="skip", **config)


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
        pytest.param(
            schema(columns=COLUMNS | {"x": {"type": "string", "pattern": "a"}}), {}, id="pattern"
        ),
        pytest.param(
            schema(columns=COLUMNS | {"x": {"$ref": "#/definitions/x"}}), {}, id="reference"
        ),
        pytest.param(schema(key_properties=["undeclared"]), {}, id="undeclared-key-property"),
    ],
)
def test_what_a_type_cannot_say_goes_the_sdks_way(
    message: dict[str, Any], config: dict[str, Any]
) -> None:
    told = [message, *members("new-1", "new-2"), *leavers("a")]

    assert demand_same(lines(told), audience_sync_mode="mirror", **config).short == 0


def test_debug_logging_goes_the_sdks_way(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK tells of every record then."""
    caplog.set_level(logging.DEBUG, logger="target-launchdarkly")

    assert outcome(ShortWay, Drip(lines([schema(), *members("a")]), 9), {}).short == 0


@pytest.mark.parametrize("additional", [{}, {"additionalProperties": True}])
def test_undeclared_column_costs_one_record_the_short_way(additional: dict[str, Any]) -> None:
    """The SDK warns of it once, if at all."""
    message = schema()
    message["schema"] |= additional
    told = [message, *(record(key, more=[1]) for key in keys(5))]

    run = demand_same(lines(told))

    assert run.short == 4
    assert sum("No schema for record field" in line for line in run.seen["log"]) == (not additional)


def test_undeclared_column_is_warned_of_when_it_first_holds_something() -> None:
    told = [schema(), *(record("a", more=value) for value in (None, None, "x", "y"))]

    run = demand_same(lines(told))

    assert run.short == 2
    assert sum("No schema for record field" in line for line in run.seen["log"]) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ({"type": "number", "maximum": 1}, "1.00000000000000000001"),
        ({"type": "integer", "maximum": 1}, "12345678901234567890123"),
        ({"type": "string", "maxLength": 1}, '"\\ud83d\\ude00"'),
        ({"type": ["string", "null"], "enum": ["a", None]}, '"b"'),
        ({"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string"}]}, '"long"'),
        ({"$id": "http://[", "type": "integer"}, "1"),
        ({"$schema": "http://json-schema.org/draft-03/schema#", "type": "any"}, "1"),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, '{"x": 1.0}'),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, '{"y": 1.0}'),
        ({"type": "object", "additionalProperties": False}, '{"y": 1}'),
        ({"type": "array", "items": {"type": "string"}}, '["a", null]'),
    ],
)
def test_column_is_judged_the_same(column: dict[str, Any], value: str) -> None:
    line = '{"type": "RECORD", "stream": "audience", "record": {"context_key": "new", "x": %s}}'
    told: list[Any] = [schema(columns=COLUMNS | {"x": column}), *members("a"), line % value]

    demand_same(lines(told), invalid_record_action="skip")


def test_column_declared_in_mid_run_is_taken_on() -> None:
    later = schema(columns=COLUMNS | {"x": {"type": "integer"}})
    told = [schema(), *members("a", "d"), later, record("e", x=1), record("f", x="no")]

    run = demand_same(lines(told), invalid_record_action="skip")

    assert run.short == 3
    assert run.seen["tallies"][SEGMENT]["invalid"] == 1


def test_seventh_record_wrong_stops_the_run_after_six() -> None:
    told = [schema(), *members(*"efghij"), record(7), record("k")]

    run = demand_same(lines(told))

    assert "Line 8: a record of stream 'audience' is invalid" in run.seen["error"][1]
    assert run.seen["tallies"][SEGMENT]["records"] == 6
    assert run.short == 6


class Refusing(FakeClient):
    """Answers to a patch with what decoding raises for a line that it cannot decode."""

    def patch_segment(self, segment_key: str, body: dict[str, Any]) -> dict[str, Any]:
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
    assert run.seen["tallies"][SEGMENT]["records"] == 2
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
