"""Singer messages for tests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parent / "data"

STREAM = "audience"
COLUMNS: dict[str, Any] = {
    "context_key": {"type": ["string", "null"]},
    "is_member": {"type": ["boolean", "null"]},
}


def capture(name: str) -> list[str]:
    """Return the lines of one of the captures in `data/`."""
    raw = (DATA / name).read_bytes()
    return (gzip.decompress(raw) if name.endswith(".gz") else raw).decode().splitlines()


def schema(
    stream: str = STREAM, columns: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    properties = COLUMNS if columns is None else columns
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties},
        "key_properties": [],
    } | more


def record(
    context_key: Any, is_member: Any = True, *, stream: str = STREAM, **more: Any
) -> dict[str, Any]:
    return {
        "type": "RECORD",
        "stream": stream,
        "record": {"context_key": context_key, "is_member": is_member} | more,
    }


def members(*context_keys: str, stream: str = STREAM) -> list[dict[str, Any]]:
    return [record(key, stream=stream) for key in context_keys]


def leavers(*context_keys: str, stream: str = STREAM) -> list[dict[str, Any]]:
    return [record(key, is_member=False, stream=stream) for key in context_keys]


def keys(count: int, start: int = 0) -> list[str]:
    """Return `user-0`, `user-1` … as many as asked."""
    return [f"user-{number}" for number in range(start, start + count)]


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def lines(messages: Iterable[dict[str, Any] | str]) -> bytes:
    """Return messages as a tap writes them; text goes in as it is."""
    return b"".join(
        (message if isinstance(message, str) else json.dumps(message)).encode() + b"\n"
        for message in messages
    )
