"""The changes file, as tests read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from running import SEGMENT

if TYPE_CHECKING:
    from pathlib import Path

#: The moment that the tests' clock shows.
NOW = "2027-01-15T08:00:00.000Z"
FIELDS = ["segment", "context_kind", "context_key", "action", "reason", "acknowledged_at"]


def told(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a changes file, all of them whole."""
    text = path.read_bytes().decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def without_moment(path: Path) -> list[str]:
    """Return the lines as `jq 'del(.acknowledged_at)' | sort` does."""
    lines = [
        {name: value for name, value in line.items() if name != "acknowledged_at"}
        for line in told(path)
    ]
    return sorted(map(json.dumps, lines))


def of_segment(path: Path, segment_key: str) -> list[tuple[str, str]]:
    """Return the keys of a segment's changes and what is done with them, in order."""
    return [
        (line["context_key"], line["action"])
        for line in told(path)
        if line["segment"] == segment_key and line["action"] not in {"skip", "refuse"}
    ]


def change(key: str, action: str, reason: str = "stated by a record") -> dict[str, Any]:
    values = (SEGMENT, "user", key, action, reason, NOW)
    return dict(zip(FIELDS, values, strict=True))
