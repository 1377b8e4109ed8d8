"""What taps might write, and under which settings, for hypothesis to draw from."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from messages import STREAM, schema

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
