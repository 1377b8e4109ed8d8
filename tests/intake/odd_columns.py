"""What single columns may hold, and how taps declare them, for hypothesis to draw from."""

from __future__ import annotations

from hypothesis import strategies as st

STRINGS = [
    '"a"',
    '"b"',
    '"c"',
    '"d"',
    '"user-\\u00e9"',
    # CHAR columns pad.
    '"a   "',
    '" b\\t"',
    '"\\u00a0d"',
    '"\\ud83d\\ude00"',
    '"7"',
    '"true"',
    '"no"',
]
#: Keys as databases and doubles write them; who reads the digits alone must see the difference.
NUMBERS = [
    *("7", "7.0", "7e0", "0.7e1", "70E-1", "12.5", "-7", "-0", "-0.0", "1e22"),
    *("1498392753700442115", "1498392753700442115.000000000", "1.498392753700442e+18"),
    *("1498392753700442000.0", "1498392753700442115.0", "14983927537004421.15e2"),
    *("9007199254740991.0", "9007199254740992.0", "9007199254740993", "9007199254740993.00"),
]
NO_KEYS = ["null", '""', '" "', "true", "12.5"]
FLAGS = ["true", "false", "1", "0", "1.0", '"t  "', '" No"', '""', "null", '"maybe"', "2"]
DELETED = ["null", "null", '""', '"  "', '"2026-11-22T09:42:06Z"', "5"]
#: When membership ends: never, to come, or passed by the tests' clock.
MOMENTS = [
    *("null", "null", '""', '"9999-12-31"', '"2027-02-01"', '" 2027-02-01T00:00:00+01:00"'),
    *("1800003600", "1800003600000", '"1800003600"', "1800003600.25", "1.8000036e9"),
    *('"2026-11-22T09:42:06Z"', "1700000000", '"1800000000.000"'),
]
NO_MOMENTS = ['"2027-02-01T00:00:00"', '"soon"', "0", "-1", "20270201", "true", "1e22", "[]", "{}"]
DATES = ['"2026-11-22"', '"2026-11-22T00:00:00Z"', '"2026-11-22 09:42:04.9+00"', '"10:00:00"']
ODD = [
    *('""', '" "', '"\\ud800"', '"\\udc00x"', '"\\u0000"', "NaN", "Infinity", "-Infinity", "-0"),
    *("1.0", "1e2", "0.1", "1e999", "12345678901234567890123", "9" * 350, "9" * 4400, "01", "1."),
    *("[]", '["a", 1]', '{"x": 1, "x": "y"}', "[" * 150 + "]" * 150, '{"x": {"y": null}}', "'a'"),
    *(
        '"0000-00-00 00:00:00"',
        '"20210-01-01T00:00:00Z"',
        '"24:00:00"',
        '"2026-02-30"',
        '"20261122"',
        '"2026-11-22T25:00:00"',
        '"maybe"',
        '"\t"',
        "",
    ),
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
            # What taps declare of numeric columns, draft 4's bounds among it.
            {"type": ["null", "number"], "exclusiveMaximum": True, "maximum": 1e38}
            | {"exclusiveMinimum": True, "minimum": -1e38, "multipleOf": 1e-9},
            {"type": ["null", "number"], "multipleOf": 1e-38},
            {"$ref": "#/definitions/nowhere"},
            {"$ref": "http://127.0.0.1:9/nowhere"},
            {},
        ]
    ),
)
