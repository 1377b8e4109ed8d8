"""Input that nobody expects: messages, lines that are none, and files of BATCH messages."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from fuzz_values import MARK, key, mutated, nested, text, value

if TYPE_CHECKING:
    import random

STREAMS = ("audience", "audience", "audience", "audience", "other")
SEGMENTS = ("standard", "standard", "big", "new", f"{MARK}1", "no segment", None)
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


def feed(chance: random.Random) -> tuple[bytes, dict[str, bytes]]:
    """Return the input, and the files that it names."""
    files: dict[str, bytes] = {}
    is_odd = chance.random() < 0.6
    lines = []
    for message in _messages(chance, files):
        odd = is_odd and chance.random() < 0.15
        told = mutated(chance, message) if odd else message
        lines.append(json.dumps(told).encode())
        if is_odd and chance.random() < 0.04:
            lines.append(_garbage(chance))
    end = chance.choice([b"\n", b"\n", b"\n", b"", b"\r\n", b"\n\n"])
    return b"\n".join(lines) + end, files


def _garbage(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(40)))
    return chance.choice(GARBAGE)


def _messages(chance: random.Random, files: dict[str, bytes]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if chance.random() < 0.2:
        messages.append(_state(chance))
    messages.append(_schema(chance, "audience"))
    for _ in range(chance.choice([0, 1, 3, 6, 12])):
        kind = chance.random()
        stream = chance.choice(STREAMS)
        if kind < 0.75:
            messages.append({"type": "RECORD", "stream": stream, "record": record(chance)})
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
    message: dict[str, Any] = {"type": "SCHEMA", "stream": stream, "key_properties": []}
    message["schema"] = {"type": "object", "properties": columns}
    if chance.random() < 0.1:
        message["key_properties"] = ["context_key"]
    if chance.random() < 0.1:
        message["bookmark_properties"] = [chance.choice(["updated_at", "lsn", value(chance)])]
    return message


def record(chance: random.Random) -> dict[str, Any]:
    """Return a record, most often one that can be used."""
    found = {
        "context_key": key(chance) if chance.random() < 0.9 else value(chance),
        "is_member": chance.choice([True, True, False, None, "yes", "0", value(chance)]),
        "segment": chance.choice(SEGMENTS),
        "size": chance.choice([1, 2, 3, "2", value(chance)]),
        "ends": chance.choice([None, "2030-01-01T00:00:00Z", 1_900_000_000_000, value(chance)]),
    }
    if chance.random() < 0.1:
        found["_sdc_deleted_at"] = chance.choice([None, "", "2026-11-28T00:00:00Z", value(chance)])
    if chance.random() < 0.1:
        found["address"] = value(chance)
    return found


def _state(chance: random.Random) -> dict[str, Any]:
    # STATE goes to stdout as it is, so that it holds no key.
    bookmark: dict[str, Any] = {"replication_key_value": 1, "last_replication_method": "FULL_TABLE"}
    values = [{}, {"bookmarks": {"audience": bookmark}}, 1, None, [1], 2.5, "x", nested(150, False)]
    return {"type": "STATE", "value": chance.choice(values)}


def _batch(chance: random.Random, stream: str, files: dict[str, bytes]) -> dict[str, Any]:
    rows = [json.dumps(record(chance)).encode() for _ in range(chance.choice([0, 1, 5]))]
    if chance.random() < 0.2:
        rows.append(_garbage(chance))
    content = b"\n".join(rows)
    is_compressed = chance.random() < 0.3
    name = f"{len(files)}.jsonl"
    files[name] = gzip.compress(content) if is_compressed else content
    if chance.random() < 0.1:
        files[name] = files[name][: len(files[name]) // 2]
    odd = f"nowhere://{MARK}@host/{name}?{MARK}"
    return {
        "type": "BATCH",
        "stream": stream,
        "encoding": {"format": "jsonl"} | ({"compression": "gzip"} if is_compressed else {}),
        "manifest": [chance.choice([name, name, name, name, "gone.jsonl", odd, value(chance)])],
    }
