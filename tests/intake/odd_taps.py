"""What taps might write, and under which settings, for hypothesis to draw from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from messages import STREAM, schema
from odd_columns import (
    COLUMN_SCHEMAS,
    DATES,
    DELETED,
    FLAGS,
    MOMENTS,
    NO_KEYS,
    NO_MOMENTS,
    NUMBERS,
    ODD,
    STRINGS,
    VALUES,
)

NAMES = [
    *("context_key", "is_member", "ends", "size", "segment", "d", "x", "été"),
    *("_sdc_deleted_at", "_sdc_sequence", "Context_Key", "IS_MEMBER"),
]
NORMAL = {
    "context_key": {"type": ["string", "null"]},
    "is_member": {"type": ["boolean", "null"]},
    "ends": {"type": ["string", "number", "null"]},
    "d": {"type": ["string", "null"], "format": "date-time"},
}
#: Declared where the tap at hand has them.
MORE = {
    "size": {"type": ["integer", "null"]},
    "segment": {"type": ["string", "null"]},
    "_sdc_deleted_at": {"type": ["string", "null"]},
}
SEGMENTS = ['"one"', '"one"', '"two "', '"no key"', "null"]
FILES = "memory://two-ways/"


@dataclass
class Tap:
    """One stream's habits, and the records that it wrote so far."""

    stream: str
    #: One in so many records is odd, where it may be; 0 for none.
    odd: int
    #: Whether it folds names to upper case, as Snowflake does.
    is_upper: bool = False
    columns: dict[str, Any] = field(default_factory=lambda: dict(NORMAL))
    key_properties: list[str] = field(default_factory=list)
    #: The different keys by the segment that their record names.
    keys: dict[str, set[str]] = field(default_factory=dict)

    def placeholder(self, segment: str) -> str:
        """Return what stands in a record for the number of keys, which nobody knows before."""
        return json.dumps([self.stream, segment])

    def spelled(self, name: str) -> str:
        return name.upper() if self.is_upper else name

    @property
    def schema(self) -> dict[str, Any]:
        columns = {self.spelled(name): each for name, each in self.columns.items()}
        return schema(self.stream, columns, key_properties=self.key_properties)


@dataclass
class Input:
    """What a tap writes: lines, and the files that its BATCH messages name."""

    data: bytes
    files: dict[str, bytes]


@st.composite
def taps(draw: st.DrawFn, stream: str, odd: int) -> Tap:
    tap = Tap(stream, odd, is_upper=draw(st.sampled_from([False, False, False, True])))
    for name in draw(st.sampled_from([[], [], ["size"], ["size", "segment"], [*MORE]])):
        tap.columns[name] = MORE[name]
    if draw(st.booleans()):
        tap.key_properties = [tap.spelled("context_key")]
    return tap


@st.composite
def schema_lines(draw: st.DrawFn, tap: Tap) -> str:
    """Return a SCHEMA that is unlike the tap's first one."""
    columns = {tap.spelled(name): each for name, each in tap.columns.items()}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        columns[name] = draw(COLUMN_SCHEMAS)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=1)):
        columns.pop(name, None)
    message = schema(tap.stream, columns)
    message["schema"] |= draw(
        st.sampled_from(
            [
                *({}, {}, {}, {"additionalProperties": False}, {"additionalProperties": True}),
                *({"required": ["d"]}, {"required": ["size"]}, {"minProperties": 2}),
                {"definitions": {"d": {"type": "integer"}}},
                {"$schema": "http://json-schema.org/draft-04/schema#"},
                {"$ref": "http://127.0.0.1:9/nowhere"},
            ]
        )
    )
    message["key_properties"] = draw(
        st.sampled_from([[], [], ["context_key"], ["CONTEXT_KEY"], ["d"], ["x", "d"], None])
    )
    if draw(st.integers(0, 9)) == 0:
        message["bookmark_properties"] = draw(st.sampled_from([["d"], ["lsn"]]))
    return json.dumps(message, ensure_ascii=draw(st.booleans()))


@st.composite
def rows(draw: st.DrawFn, tap: Tap) -> str:
    """Return a record as text, because some of what taps write no JSON encoder does."""
    is_odd = bool(tap.odd) and draw(st.integers(1, tap.odd)) == 1
    key = draw(st.sampled_from([*STRINGS, *NUMBERS, *NO_KEYS] if is_odd else STRINGS))
    segment = draw(st.sampled_from(SEGMENTS if is_odd else SEGMENTS[:3]))
    kept = segment.strip(' "') if "segment" in tap.columns else ""
    tap.keys.setdefault(kept, set()).add(str(json.loads(key)).strip())
    fields = [
        ("context_key", key),
        ("is_member", draw(st.sampled_from(FLAGS if is_odd else ["true", "true", "false"]))),
        ("ends", draw(st.sampled_from([*MOMENTS, *(NO_MOMENTS if is_odd else [])]))),
        ("d", draw(st.sampled_from(["null", *DATES]))),
    ]
    more = {
        "size": tap.placeholder(kept),
        "segment": segment,
        "_sdc_deleted_at": draw(st.sampled_from(DELETED if is_odd else DELETED[:5])),
    }
    fields += [(name, more[name]) for name in tap.columns if name in more]
    named = [(json.dumps(tap.spelled(name)), value) for name, value in fields]
    if is_odd:
        named += draw(
            st.lists(st.tuples(st.sampled_from([*map(json.dumps, NAMES)]), VALUES), max_size=2)
        )
        if draw(st.booleans()):
            names = [*map(json.dumps, NAMES), '"is\\u005fmember"', '"\\ud800"']
            named.append((draw(st.sampled_from(names)), draw(st.sampled_from(ODD))))
        for _ in range(draw(st.integers(0, 1))):
            named.pop(draw(st.integers(0, len(named) - 1)))
    return f"{{{', '.join(f'{name}: {value}' for name, value in named)}}}"


@st.composite
def record_lines(draw: st.DrawFn, tap: Tap) -> str:
    parts = [
        '"type": "RECORD"',
        f'"stream": {json.dumps(tap.stream)}',
        f'"record": {draw(rows(tap))}',
    ]
    if version := draw(VERSIONS):
        parts.append(f'"version": {version}')
    if tap.odd and (more := draw(st.sampled_from([*[""] * 6 * tap.odd, *MORE_PARTS]))):
        parts.insert(draw(st.integers(0, len(parts))), more)
    return f"{{{', '.join(parts)}}}"


@st.composite
def batch_lines(draw: st.DrawFn, tap: Tap, files: dict[str, bytes]) -> str:
    """Return a BATCH message, and put its files where it says that they are."""
    urls = []
    for _ in range(draw(st.integers(1, 2))):
        lines = draw(st.lists(rows(tap), max_size=4))
        if tap.odd:
            lines += draw(st.sampled_from([*[[]] * 9, ["", " "], ["[1]"], ["{"]]))
        urls.append(f"{FILES}{len(files)}.jsonl")
        files[urls[-1]] = draw(st.sampled_from(["\n", "\r\n"])).join(lines).encode()
    message = {"type": "BATCH", "stream": tap.stream, "encoding": {"format": "jsonl"}}
    return json.dumps(message | {"manifest": urls})


VERSIONS = st.sampled_from(["", "", "1799999999", "1800000000", '"1"', "1.5", "null"])
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


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    """Return what a tap writes: odd things never, now and then, or often."""
    odd = draw(st.sampled_from([0, 12, ODDEST]))
    names = draw(st.sampled_from([[STREAM], [STREAM, "other", "thïrd"]]))
    tap_of = [draw(taps(name, odd)) for name in names]
    text = []
    for tap in tap_of:
        is_usual = not odd or draw(st.booleans())
        text.append(json.dumps(tap.schema) if is_usual else draw(schema_lines(tap)))
    kinds = ["record"] * 12 + ["state"] * 2 + ["version", "batch"]
    kinds += ["schema"] * bool(odd) + ["other"] * (odd == ODDEST)
    files: dict[str, bytes] = {}
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=16)):
        tap = draw(st.sampled_from(tap_of))
        text.append(draw(batch_lines(tap, files) if kind == "batch" else line_of(kind, tap)))
    data = draw(st.sampled_from(["\n", "\n", "\r\n"])).join(text).encode()
    data += draw(st.sampled_from([b"\n", b"", b"\n\n"]))
    if odd and draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(data)))
        bad = draw(st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\x01"]))
        data = data[:place] + bad + data[place:]
    wrong = odd and draw(st.integers(0, 9)) == 0
    return with_sizes(Input(data, files), tap_of, wrong=wrong)


@st.composite
def snapshots(draw: st.DrawFn) -> Input:
    """Return the list of an audience, whose rows tell its size, and are seldom odd."""
    tap = draw(taps(STREAM, draw(st.sampled_from([0, 12]))))
    tap.columns["size"] = MORE["size"]
    files: dict[str, bytes] = {}
    record, batch = record_lines(tap), batch_lines(tap, files)
    told = draw(st.lists(st.one_of(record, record, record, batch), min_size=3, max_size=9))
    found = Input("\n".join([json.dumps(tap.schema), *told, ""]).encode(), files)
    return with_sizes(found, [tap], wrong=draw(st.integers(0, 9)) == 0)


def with_sizes(found: Input, tap_of: list[Tap], *, wrong: int) -> Input:
    """Put the number of different keys, or another one, in place of what stands for it."""
    for tap in tap_of:
        for segment, keys in tap.keys.items():
            mark, size = tap.placeholder(segment).encode(), str(len(keys) + wrong).encode()
            files = {url: content.replace(mark, size) for url, content in found.files.items()}
            found = Input(found.data.replace(mark, size), files)
    return found


def line_of(kind: str, tap: Tap) -> st.SearchStrategy[str]:
    name = json.dumps(tap.stream)
    return {
        "record": record_lines(tap),
        "schema": schema_lines(tap),
        "state": st.sampled_from(
            ['{"at": 1.50}', '{"at": 2}', f'{{"bookmarks": {{{name}: {{"lsn": 5}}}}}}']
        ).map('{{"type": "STATE", "value": {}}}'.format),
        "version": st.just(
            f'{{"type": "ACTIVATE_VERSION", "stream": {name}, "version": 1800000000}}'
        ),
        "other": OTHER_LINES,
    }[kind]
