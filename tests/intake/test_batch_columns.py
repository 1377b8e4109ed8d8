"""Of BATCH files, too, nothing is judged but what is read."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from messages import COLUMNS, STREAM, schema

from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

MIRROR = {"segment_key": "table", "audience_sync_mode": "mirror"}
SNAPSHOT = MIRROR | {
    "mirror_source": "snapshot",
    "audience_size_field": "n",
    "max_removal_percent": 100,
}


@pytest.fixture(params=[True, False], ids=["short-way", "sdks-way"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", request.param)


@pytest.fixture(autouse=True)
def segment(sandbox: Sandbox) -> None:
    sandbox.add_segment("table", included=["gone", "stays"])


def batch(*paths: Path) -> dict[str, Any]:
    form = "parquet" if paths[0].suffix == ".parquet" else "jsonl"
    encoding = {"format": form, "compression": "none"}
    urls = [path.as_uri() for path in paths]
    return {"type": "BATCH", "stream": STREAM, "encoding": encoding, "manifest": urls}


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    def write(**columns: Any) -> Path:
        path = tmp_path / "batch.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return write


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str) -> Path:
        path = tmp_path / f"batch-{len(list(tmp_path.iterdir()))}.jsonl"
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    return write


def members(sandbox: Sandbox) -> set[str]:
    return set(sandbox.included("table"))


TENSORS = pa.ExtensionArray.from_storage(
    pa.fixed_shape_tensor(pa.int8(), [1]), pa.array([[1], [1]], pa.list_(pa.int8(), 1))
)
ODD = {
    "at": pa.array([2**62, 0, -(2**62)], pa.timestamp("us")),
    "raw": pa.array([b"\xff", b"", None], pa.binary()),
    "tags": pa.array([["x"], [], None], pa.list_(pa.string())),
    "meta": pa.array([{"a": 1}, None, {"a": 2}], pa.struct([("a", pa.int64())])),
    "price": pa.array([Decimal("1.5"), None, Decimal("2.5")], pa.decimal128(38, 9)),
}


def test_parquet_columns_that_nobody_reads_are_not_even_decoded(
    sandbox: Sandbox, sync: Callable[..., Run], parquet: Callable[..., Path]
) -> None:
    """The first one holds times that Python has no dates for."""
    odd = ODD if TargetLaunchDarkly.has_short_way else {**ODD, "at": pa.array([1, 2, 3])}
    path = parquet(CONTEXT_KEY=["new  ", "gone", "stays"], IS_MEMBER=[True, False, True], **odd)
    columns = {name.upper(): column for name, column in COLUMNS.items()}

    run = sync([schema(columns=columns), batch(path)], **MIRROR)

    assert run.error is None
    assert members(sandbox) == {"new", "stays"}
    assert "1 with blanks around the key" in run.summary


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param(pa.array([1498392753700442115, 7]), {"1498392753700442115", "7"}, id="bigint"),
        pytest.param(
            pa.array([Decimal(1498392753700442115), Decimal(7)], pa.decimal128(38, 9)),
            {"1498392753700442115", "7"},
            id="numeric-38-9",
        ),
        pytest.param(pa.array([2.0**53 - 1, 7.0]), {"9007199254740991", "7"}, id="exact-double"),
        pytest.param(pa.array(["a ", "b"]).dictionary_encode(), {"a", "b"}, id="dictionary"),
    ],
)
def test_parquet_keys_are_exact(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    parquet: Callable[..., Path],
    keys: Any,
    expected: set[str],
) -> None:
    path = parquet(context_key=keys, is_member=[True, True])

    run = sync([schema(), batch(path)], **MIRROR)

    assert run.error is None
    assert members(sandbox) == expected | {"gone", "stays"}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(pa.array([1.498392753700442e18]), id="double-beyond-2-to-the-53"),
        pytest.param(pa.array([Decimal("12.5")], pa.decimal128(38, 9)), id="fraction"),
        pytest.param(pa.array([date(2026, 11, 22)]), id="date"),
        pytest.param(pa.array([True]), id="boolean"),
    ],
)
def test_parquet_key_that_is_none_is_refused(
    sandbox: Sandbox, sync: Callable[..., Run], parquet: Callable[..., Path], key: Any
) -> None:
    run = sync([schema(), batch(parquet(context_key=key, is_member=[True]))], **MIRROR)

    # A date comes as text, which may be a key.
    if pa.types.is_date(key.type):
        assert members(sandbox) == {"2026-11-22", "gone", "stays"}
    else:
        assert isinstance(run.error, InvalidRecordError)
        assert members(sandbox) == {"gone", "stays"}


def test_parquet_time_of_deletion_removes(
    sandbox: Sandbox, sync: Callable[..., Run], parquet: Callable[..., Path]
) -> None:
    deleted = pa.array([datetime(2026, 11, 22), None], pa.timestamp("us"))  # noqa: DTZ001 as in Parquet
    path = parquet(context_key=["gone", "stays"], is_member=[True, True], _sdc_deleted_at=deleted)
    columns = COLUMNS | {"_sdc_deleted_at": {"type": ["string", "null"]}}

    run = sync([schema(columns=columns), batch(path)], **MIRROR)

    assert run.error is None
    assert members(sandbox) == {"stays"}


def test_parquet_without_a_key_property_is_refused_as_records_are(
    sandbox: Sandbox, sync: Callable[..., Run], parquet: Callable[..., Path]
) -> None:
    path = parquet(context_key=["new"], is_member=[True])

    run = sync([schema(key_properties=["id"]), batch(path)], **MIRROR)

    assert "id" in str(run.error)
    assert members(sandbox) == {"gone", "stays"}


def row(key: object, flag: object = True, **more: object) -> str:
    return json.dumps({"context_key": key, "is_member": flag} | more)


def test_jsonl_columns_that_nobody_reads_stop_nothing(
    sandbox: Sandbox, sync: Callable[..., Run], jsonl: Callable[..., Path]
) -> None:
    columns = COLUMNS | {
        "at": {"type": "string", "format": "date-time"},
        "price": {"type": "number", "multipleOf": 1e-38, "exclusiveMaximum": True, "maximum": 1},
        "ref": {"$ref": "#/definitions/nowhere"},
    }
    path = jsonl(
        row("new", at="0000-00-00 00:00:00", price=12.5, ref=1, extra=[1]),
        row("gone", flag=False, at="20210-01-01", price="free"),
    )

    run = sync([schema(columns=columns), batch(path)], **MIRROR)

    assert run.error is None
    assert members(sandbox) == {"new", "stays"}


@pytest.mark.parametrize("size", [3, "3"])
def test_jsonl_snapshot_with_its_size_replaces_the_members(
    sandbox: Sandbox, sync: Callable[..., Run], jsonl: Callable[..., Path], size: object
) -> None:
    columns = COLUMNS | {"n": {"type": ["integer", "string"]}}
    one = jsonl(row("stays", n=size), row("new-1 ", n=size))
    two = jsonl(row("new-2", n=size))

    run = sync([schema(columns=columns), batch(one, two)], **SNAPSHOT)

    assert run.error is None
    assert members(sandbox) == {"stays", "new-1", "new-2"}


def test_jsonl_snapshot_that_lacks_a_file_changes_nothing(
    sandbox: Sandbox, sync: Callable[..., Run], jsonl: Callable[..., Path]
) -> None:
    columns = COLUMNS | {"n": {"type": "integer"}}

    run = sync([schema(columns=columns), batch(jsonl(row("stays", n=3)))], **SNAPSHOT)

    assert "says 3 keys, 1 came" in str(run.error)
    assert members(sandbox) == {"gone", "stays"}


def test_parquet_time_that_is_no_date_stops_no_stream_map(
    sandbox: Sandbox, sync: Callable[..., Run], parquet: Callable[..., Path]
) -> None:
    """A stream map sees whole records; what Python has no date for is text there."""
    at = pa.array([2**62, None], pa.timestamp("us"))
    path = parquet(context_key=["new", "gone"], flag=[True, False], at=at)

    run = sync([schema(), batch(path)], **MIRROR, stream_maps={STREAM: {"is_member": "flag"}})

    assert run.error is None
    assert members(sandbox) == {"new", "stays"}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            {"is_member": pa.array([[True], None])},
            "'is_member' holds an array that is no membership",
        ),
        ({"is_member": pa.array([{"a": 1}, None])}, "'is_member' holds an object that is no membe"),
        ({"context_key": pa.array([["a"], ["b"]])}, "'context_key' holds an array, not a context"),
        ({"n": pa.array([[1], [1]])}, "'n' is not the same whole number in all records"),
        ({"n": pa.array([{"a": 1}, None])}, "'n' is not the same whole number in all records"),
        ({"n": TENSORS}, "'n' is not the same whole number in all records"),
    ],
    ids=["flag-array", "flag-object", "key-array", "size-array", "size-object", "size-tensor"],
)
def test_parquet_column_that_nests_is_no_value_where_one_is_read(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    parquet: Callable[..., Path],
    column: dict[str, Any],
    expected: str,
) -> None:
    path = parquet(**{"context_key": ["stays", "new"], "is_member": [True, True]} | column)
    columns = COLUMNS | {"n": {"type": "integer"}}

    run = sync([schema(columns=columns), batch(path)], **(SNAPSHOT if "n" in column else MIRROR))

    assert expected in str(run.error)
    assert "gone" in members(sandbox)


def test_true_is_not_the_size_one(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    """What equals a number need not be one: a size that files state in two ways proves nothing."""
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for path, size in zip(paths, (pa.array([1]), pa.array([True])), strict=True):
        pq.write_table(pa.table({"context_key": ["stays"], "is_member": [True], "n": size}), path)
    columns = COLUMNS | {"n": {"type": "integer"}}

    run = sync([schema(columns=columns), batch(*paths)], **SNAPSHOT)

    assert "'n' is not the same whole number in all records" in str(run.error)
    assert members(sandbox) == {"gone", "stays"}


@pytest.mark.parametrize(
    "rows",
    [
        ('{"context_key": "new", "is_member": true}{"context_key": "x", "is_member": true}',),
        ('{"context_key": "new",', '"is_member": true}', ""),
    ],
    ids=["two-on-a-line", "one-on-two-lines"],
)
def test_line_of_a_file_that_is_no_object_is_told(
    sandbox: Sandbox, sync: Callable[..., Run], jsonl: Callable[..., Path], rows: tuple[str, ...]
) -> None:
    run = sync([schema(), batch(jsonl(*rows))], **MIRROR)

    assert "line 1 of BATCH file" in str(run.error)
    assert members(sandbox) == {"gone", "stays"}


@pytest.mark.parametrize(
    "deleted",
    [[False, True], [0, 1], ["false", "true"], [" 0 ", "1"], ["No", "2026-11-28"], ["", "x"]],
    ids=str,
)
def test_deletion_that_a_column_denies_removes_nobody(
    sandbox: Sandbox, sync: Callable[..., Run], parquet: Callable[..., Path], deleted: list[Any]
) -> None:
    path = parquet(context_key=["stays", "gone"], is_member=[True, True], _sdc_deleted_at=deleted)
    rows = pq.read_table(path).to_pylist()
    lines = [{"type": "RECORD", "stream": STREAM, "record": row} for row in rows]

    for told in (lines, [batch(path)]):
        run = sync([schema(), *told], **MIRROR)

        assert run.error is None
        assert members(sandbox) == {"stays"}
