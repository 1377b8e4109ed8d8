"""Input, right and odd: messages, lines that are none, and files of BATCH messages."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from fuzz_values import MARK, key, mutated, nested, plain_key, text, value, without_keys

if TYPE_CHECKING:
    import random

STREAMS = ("audience", "audience", "audience", "audience", "other")
SEGMENTS = ("standard", "standard", "big", "new")
ODD_SEGMENTS = (*SEGMENTS, "0", "no segment", None)
COLUMNS: dict[str, Any] = {
    "context_key": {"type": ["string", "null"]},
    "is_member": {"type": ["boolean", "null"]},
    "segment": {"type": "string"},
    "size": {"type": "integer"},
    "ends": {"type": "string", "format": "date-time"},
    "address": {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"type": "null"}]},
}
GARBAGE = (
    *(b"", b"   ", b"\xff\xfe", b"null", b"[]", b"{", b"}", b'"', b"0", b"NaN", b"{}", b"\x00"),
    *(b"[" * 5_000, b'{"a":' * 5_000, b'{"type": "RECORD"', b"Traceback (most recent call last):"),
    b'{"type": "RECORD", "stream": "audience", "record": {"context_key": "' + MARK.encode(),
    b'{"type": "STATE", "value": ' + b"9" * 5_000 + b"}",
    b'{"type": "STATE", "value": 1e999}',
)
ENDS = (None, "2030-01-01T00:00:00Z", "2030-01-01", 1_900_000_000_000, 1_600_000_000_000)
#: What opens its place stands in it, and must not show.
LINK = f"nowhere://{MARK}@host/0.jsonl?{MARK}"
Messages = list[dict[str, Any]]
Files = dict[str, bytes]


def right_feed(chance: random.Random) -> tuple[bytes, Files]:
    """Return input that can be used, and the files that it names."""
    count = chance.choice([1, 3, 6, 12, 30])
    keys = dict.fromkeys(plain_key(chance) for _ in range(count))
    records = [
        {
            "context_key": each,
            "is_member": chance.random() < 0.8,
            "segment": chance.choice(SEGMENTS),
            "size": len(keys),
            "ends": chance.choice(ENDS),
        }
        for each in keys
    ]
    columns = {name: COLUMNS[name] for name in COLUMNS if name != "address"}
    files: Files = {}
    messages: Messages = [_schema_of("audience", columns)]
    if chance.random() < 0.2:
        messages.append(_batch_of("audience", records, files, is_compressed=chance.random() < 0.3))
    else:
        messages += [_record_of("audience", each) for each in records]
    messages.append({"type": "STATE", "value": {"bookmarks": {}}})
    return b"".join(json.dumps(each).encode() + b"\n" for each in messages), files


def odd_feed(chance: random.Random) -> tuple[bytes, Files]:
    """Return input of which a few things are odd, and the files that it names."""
    files: Files = {}
    rate = chance.choice([0, 0.05, 0.15, 0.15])
    lines = []
    for message in _messages(chance, files):
        told = mutated(chance, message) if chance.random() < rate else message
        lines.append(json.dumps(_public(told)).encode())
        if chance.random() < rate / 4:
            lines.append(_garbage(chance))
    end = chance.choice([b"\n", b"\n", b"\n", b"", b"\r\n", b"\n\n"])
    return b"\n".join(lines) + end, files


def _public(message: Any) -> Any:
    """Return a message without keys where a log may name what stands there."""
    if not isinstance(message, dict) or message.get("manifest") == [LINK]:
        return message
    if not isinstance(message.get("record"), dict):
        return without_keys(message)
    found = message["record"]
    public = without_keys({name: each for name, each in message.items() if name != "record"})
    segment = without_keys({"segment": found["segment"]}) if "segment" in found else {}
    return public | {"record": found | segment}


def _garbage(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(40)))
    return chance.choice(GARBAGE)


def _messages(chance: random.Random, files: Files) -> Messages:
    messages: Messages = []
    if chance.random() < 0.2:
        messages.append(_state(chance))
    messages.append(_schema(chance, "audience"))
    for _ in range(chance.choice([0, 1, 3, 6, 12])):
        kind = chance.random()
        stream = chance.choice(STREAMS)
        if kind < 0.75:
            messages.append(_record_of("audience", record(chance)))
        elif kind < 0.82:
            messages.append(_state(chance))
        elif kind < 0.9:
            messages.append(_schema(chance, stream))
        elif kind < 0.94:
            version = chance.choice([1, 1_700_000_000_000, 10**30, value(chance)])
            messages.append({"type": "ACTIVATE_VERSION", "stream": stream, "version": version})
        else:
            messages.append(_batch(chance, stream, files))
    messages.append(_state(chance))
    return messages


def _schema(chance: random.Random, stream: str) -> dict[str, Any]:
    columns = dict(COLUMNS)
    if chance.random() < 0.2:
        columns[text(chance)] = value(chance)
    if chance.random() < 0.1:
        columns.pop(chance.choice(sorted(columns)))
    message = _schema_of(stream, columns)
    if chance.random() < 0.1:
        message["key_properties"] = ["context_key"]
    if chance.random() < 0.1:
        message["bookmark_properties"] = [chance.choice(["updated_at", "lsn", value(chance)])]
    return message


def _schema_of(stream: str, columns: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": columns}
    return {"type": "SCHEMA", "stream": stream, "key_properties": [], "schema": schema}


def _record_of(stream: str, found: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": found}


def record(chance: random.Random) -> dict[str, Any]:
    """Return a record, most often one that can be used."""
    found = {
        "context_key": key(chance) if chance.random() < 0.97 else value(chance),
        "is_member": chance.choice([True, True, False, "yes", "0"]),
        "segment": chance.choice(SEGMENTS if chance.random() < 0.9 else ODD_SEGMENTS),
        "size": chance.choice([1, 2, 3, "2"]),
        "ends": chance.choice(ENDS),
    }
    if chance.random() < 0.1:
        found[chance.choice(sorted(found))] = value(chance)
    if chance.random() < 0.1:
        found["_sdc_deleted_at"] = chance.choice([None, "", "2026-11-28T00:00:00Z", value(chance)])
    if chance.random() < 0.1:
        found["address"] = value(chance)
    return found


def _state(chance: random.Random) -> dict[str, Any]:
    # STATE goes to stdout as it is, so that it holds no key.
    bookmark: dict[str, Any] = {"replication_key_value": 1, "last_replication_method": "FULL_TABLE"}
    values = [{}, {"bookmarks": {"audience": bookmark}}, 1, None, [1], 2.5, "x", nested(150, False)]
    return {"type": "STATE", "value": chance.choice(values[: chance.choice([1, 1, 8])])}


def _batch(chance: random.Random, stream: str, files: Files) -> dict[str, Any]:
    rows = [record(chance) for _ in range(chance.choice([0, 1, 5]))]
    odd = _garbage(chance) if chance.random() < 0.2 else b""
    message = _batch_of(stream, rows, files, odd, is_compressed=chance.random() < 0.3)
    [name] = message["manifest"]
    if chance.random() < 0.1:
        files[name] = files[name][: len(files[name]) // 2]
    message["manifest"] = [chance.choice([*[name] * 4, "gone.jsonl", LINK, value(chance)])]
    return message


def _batch_of(
    stream: str, rows: Messages, files: Files, odd: bytes = b"", *, is_compressed: bool
) -> dict[str, Any]:
    content = b"\n".join([*(json.dumps(each).encode() for each in rows), odd])
    name = f"{len(files)}.jsonl"
    files[name] = gzip.compress(content) if is_compressed else content
    return {
        "type": "BATCH",
        "stream": stream,
        "encoding": {"format": "jsonl"} | ({"compression": "gzip"} if is_compressed else {}),
        "manifest": [name],
    }
