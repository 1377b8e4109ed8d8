"""Captures of what stopped 0.1, or misled it; those in `tests/data` are of plain audiences."""

from __future__ import annotations

import json
from pathlib import Path

DATA = Path(__file__).parent / "data"
ODD_COLUMNS = [
    "meltanolabs-tap-postgres-odd-columns.singer",
    "pipelinewise-tap-postgres-odd-columns.singer",
]
NUMBER_KEYS = [
    "meltanolabs-tap-postgres-number-keys.singer",
    "pipelinewise-tap-postgres-number-keys.singer",
]
FIRST_LOAD = "pipelinewise-tap-postgres-log-based-first-load.singer"
CHANGES = "pipelinewise-tap-postgres-log-based-changes.singer"


def odd_capture(name: str) -> list[str]:
    """Return a capture's lines."""
    return (DATA / name).read_text(encoding="utf-8").splitlines()


def version_of(name: str) -> int:
    """Return the version that a pipelinewise tap gave its table, in milliseconds."""
    versions = {json.loads(line).get("version") for line in odd_capture(name)} - {None}
    [version] = versions
    return int(version)
