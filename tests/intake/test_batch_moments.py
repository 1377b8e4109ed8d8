"""The end of membership means the same in RECORD lines, in JSON files and in Parquet files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from expiring_members import FIELD, SCHEMA, SOON, expirations
from messages import STREAM
from running import SEGMENT

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

SETTINGS = {"audience_sync_mode": "mirror", "expires_at_field": FIELD}
MOMENT = datetime.fromtimestamp(SOON / 1000, UTC)
#: The days of which 2027-01-16 is one, and its first moment.
DAY, DAY_MS = date(2027, 1, 16), 1_800_057_600_000


@pytest.fixture(params=[True, False], ids=["short-way", "sdks-way"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", request.param)


def batch(path: Path) -> dict[str, Any]:
    form = {".parquet": "parquet", ".jsonl": "jsonl"}[path.suffix]
    encoding = {"format": form, "compression": "none"}
    manifest = [path.as_uri()]
    return {"type": "BATCH", "stream": STREAM, "encoding": encoding, "manifest": manifest}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(pa.array([MOMENT, None], pa.timestamp("us", "UTC")), SOON, id="microseconds"),
        pytest.param(
            pa.array([SOON * 1_000_000 + 1, None], pa.timestamp("ns", "UTC")),
            SOON,
            id="nanoseconds",
        ),
        pytest.param(
            pa.array([MOMENT, None], pa.timestamp("ms", "Europe/Berlin")), SOON, id="another-zone"
        ),
        pytest.param(pa.array([DAY, None], pa.date32()), DAY_MS, id="date"),
        pytest.param(pa.array([SOON, None], pa.int64()), SOON, id="milliseconds-as-integer"),
        pytest.param(pa.array([SOON / 1000, None], pa.float64()), SOON, id="seconds-as-double"),
        pytest.param(
            pa.array([Decimal(SOON) / 1000, None], pa.decimal128(38, 9)), SOON, id="decimal"
        ),
        pytest.param(pa.array([MOMENT.isoformat(), ""]), SOON, id="text"),
        pytest.param(pa.array([str(SOON), None]), SOON, id="text-of-a-number"),
        pytest.param(pa.array([None, None], pa.null()), None, id="no-moment-at-all"),
    ],
)
def test_parquet_column_of_moments_is_read(
    sync: Callable[..., Run],
    sandbox: Sandbox,
    tmp_path: Path,
    column: Any,
    expected: int | None,
) -> None:
    path = tmp_path / "batch.parquet"
    table = {"context_key": ["a", "b"], "is_member": [True, True], FIELD: column}
    pq.write_table(pa.table(table), path)

    run = sync([SCHEMA, batch(path)], **SETTINGS)

    assert run.error is None
    assert sorted(sandbox.included(SEGMENT)) == ["a", "b"]
    assert expirations(sandbox) == ({} if expected is None else {"a": expected})


def test_parquet_column_without_a_zone_is_refused(
    sync: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "batch.parquet"
    naive = pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("us"))
    pq.write_table(pa.table({"context_key": ["a"], "is_member": [True], FIELD: naive}), path)

    run = sync([SCHEMA, batch(path)], **SETTINGS)

    assert "without an offset" in str(run.error)
    assert sandbox.included(SEGMENT) == []


def test_parquet_column_of_lists_is_no_moment(
    sync: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "batch.parquet"
    table = {"context_key": ["a"], "is_member": [True], FIELD: [[SOON]]}
    pq.write_table(pa.table(table), path)

    run = sync([SCHEMA, batch(path)], **SETTINGS)

    assert "holds data that is no moment" in str(run.error)
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "lines"])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{SOON}", SOON),
        (f"{SOON // 1000}", SOON),
        (f"{SOON // 1000}.25", SOON + 250),
        ("1.8000036e9", SOON),
        (json.dumps(MOMENT.isoformat()), SOON),
        ('"2027-01-16"', DAY_MS),
        ("null", None),
        ('""', None),
    ],
)
def test_json_moment_is_read_in_lines_and_files(
    sync: Callable[..., Run],
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    written: str,
    expected: int | None,
    as_file: bool,
) -> None:
    rows = [
        f'{{"context_key": "{key}", "is_member": true, "{FIELD}": {written}}}' for key in ("a", "b")
    ]
    path = tmp_path / "batch.jsonl"
    path.write_text("\n".join(rows))
    lines = [f'{{"type": "RECORD", "stream": "{STREAM}", "record": {row}}}' for row in rows]

    run = sync([SCHEMA, *([batch(path)] if as_file else lines)], **SETTINGS)

    assert run.error is None
    assert sorted(sandbox.included(SEGMENT)) == ["a", "b"]
    assert expirations(sandbox) == ({} if expected is None else dict.fromkeys("ab", expected))
