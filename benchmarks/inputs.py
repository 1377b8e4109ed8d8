"""Scenarios as Singer input: lines, and the files that BATCH messages name.

Rows are made from a template of 1,000 lines, so that little memory and time goes into them.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios import CYCLE, KEY, PERIOD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scenarios import Scenario

EXTRACTED_AT = "2026-11-22T08:19:27.768646+00:00"
KEY_SCHEMA = {"type": ["string", "null"]}
ROWS_PER_FILE = 100_000
#: A version counts if it is later than the process that reads it, and at most 60 s ahead.
VERSION_AHEAD_SECONDS = 20


def store(scenario: Scenario, rows: int, path: Path) -> None:
    """Write the input to a file, and beside it those that its BATCH message names."""
    with path.open("wb") as file:
        file.writelines(lines(scenario, rows, path))


def lines(scenario: Scenario, rows: int, path: Path) -> Iterator[bytes]:
    """Yield blocks of lines: SCHEMA messages, so many rows, STATE after every 10,000."""
    if scenario.form == "lines":
        if rows:
            yield b"".join(_schema(scenario, number) for number in range(scenario.streams))
            yield from _messages(scenario, rows)
        return
    yield _schema(scenario, 0)
    yield _line(_batch(scenario, rows, path))
    if rows:
        yield _line({"type": "STATE", "value": scenario.last_state(rows)})


def _schema(scenario: Scenario, stream: int) -> bytes:
    columns = {name: column.schema for name, column in scenario.columns().items()}
    message = {
        "type": "SCHEMA",
        "stream": scenario.stream(stream),
        "schema": {"type": "object", "properties": {KEY: KEY_SCHEMA} | columns},
        "key_properties": [],
    }
    return _line(message)


def _messages(scenario: Scenario, rows: int) -> Iterator[bytes]:
    version = None
    if scenario.proof == "version":
        version = int((time.time() + VERSION_AHEAD_SECONDS) * 1_000)
    for start in range(0, rows, PERIOD):
        yield _block(scenario, start, version)
        end = start + PERIOD
        if end == rows and version:
            activated = {"stream": scenario.stream(0), "version": version}
            yield _line({"type": "ACTIVATE_VERSION", **activated})
        if end == rows or end % CYCLE == 0:
            yield _line({"type": "STATE", "value": scenario.last_state(end)})


def _block(scenario: Scenario, start: int, version: int | None = None) -> bytes:
    """Return 1,000 rows."""
    numbers = tuple(row % scenario.keys for row in range(start, start + PERIOD))
    return _template(scenario, version) % numbers


@lru_cache(maxsize=1)
def _template(scenario: Scenario, version: int | None) -> bytes:
    """Return the lines of 1,000 rows with %d for the number in the key."""
    columns = scenario.columns().items()
    several = []
    for row in range(PERIOD):
        values = {KEY: "user-?"} | {name: column.value(row) for name, column in columns}
        if scenario.form == "lines":
            message = {"type": "RECORD", "stream": scenario.stream(row % scenario.streams)}
            values = message | {"record": values} | ({"version": version} if version else {})
            values["time_extracted"] = EXTRACTED_AT
        several.append(_line(values).replace(b"%", b"%%").replace(b"user-?", b"user-%d", 1))
    return b"".join(several)


def _batch(scenario: Scenario, rows: int, path: Path) -> dict[str, Any]:
    """Write the files of a BATCH message, at least one, and return the message."""
    write = _write_parquet if scenario.form == "parquet" else _write_jsonl
    manifest: list[str] = []
    for start in range(0, max(rows, 1), ROWS_PER_FILE):
        file = Path(f"{path}-{len(manifest)}.{scenario.form}")
        write(scenario, range(start, min(rows, start + ROWS_PER_FILE)), file)
        manifest.append(file.as_uri())
    encoding = {"format": scenario.form, "compression": "none"}
    stream = scenario.stream(0)
    return {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": manifest}


def _write_jsonl(scenario: Scenario, rows: range, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(_block(scenario, start) for start in rows[::PERIOD])


def _write_parquet(scenario: Scenario, rows: range, path: Path) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 large, and seldom needed
    from pyarrow import parquet  # noqa: PLC0415

    types = {
        "string": pa.string(),
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "number": pa.float64(),
    }
    arrays = {KEY: pa.array([f"user-{row % scenario.keys}" for row in rows], pa.string())}
    for name, column in scenario.columns().items():
        arrays[name] = pa.array(map(column.value, rows), types[column.type])
    parquet.write_table(pa.table(arrays), path)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
