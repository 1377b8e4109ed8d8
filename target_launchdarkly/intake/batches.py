"""BATCH files are read as a stream of records, however large they are."""

from __future__ import annotations

import json
import os
from datetime import date, time
from decimal import Decimal
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from target_launchdarkly.discretion import public_url
from target_launchdarkly.errors import InputError
from target_launchdarkly.intake.blocks import blocks, decoded, decoded_lines
from target_launchdarkly.intake.membership import EXACT_BELOW, integer, number
from target_launchdarkly.intake.rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_launchdarkly.intake.membership import Row
    from target_launchdarkly.intake.ways import Way

FORMATS = ("jsonl", "parquet")
COMPRESSIONS = (None, "none", "gzip")
#: What JSON has as it is.
PLAIN = frozenset({str, int, bool, float, type(None)})


def rows(
    message: Mapping[str, Any], batch_config: Mapping[str, Any] | None, way: Way | None
) -> Iterator[list[Row] | dict[str, Any]]:
    """Yield what is read of the records of a BATCH message's files, many rows at a time, in order.

    Args:
        message: The BATCH message; its manifest holds paths or fsspec URLs.
        batch_config: The setting of that name; its storage takes the place of the URLs' folder.
        way: How the stream's records are read. None for whole records; also a record that it
            cannot read is yielded whole.

    Raises:
        InputError: A file cannot be read. The message names the file and the remedy.
    """
    encoding = message["encoding"]
    _check(encoding)
    storage = (batch_config or {}).get("storage") or {}
    for url in urls(message["manifest"]):
        named = public_url(url)
        try:
            with _opened(_located(url, storage), encoding, storage.get("params") or {}) as file:
                read = _parquet_rows if encoding["format"] == "parquet" else _jsonl_rows
                yield from read(file, named, way)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # those of many libraries, by place and format
            raise InputError(
                f"the BATCH file '{named}' cannot be read ({_reason(error)}). It must be whole, "
                "and reachable from this machine until the run ends; batch_config.storage names "
                "another place, and places such as s3:// need their fsspec package installed."
            ) from error


def _reason(error: Exception) -> str:
    """Return why a file cannot be read; the texts of libraries quote links."""
    number_of_error = getattr(error, "errno", None)
    if isinstance(number_of_error, int):
        return os.strerror(number_of_error)
    return type(error).__name__


def urls(manifest: list[Any]) -> list[str]:
    """Return the files that a manifest names.

    Raises:
        InputError: Something in it is no text.
    """
    if not all(isinstance(url, str) for url in manifest):
        raise InputError("a BATCH message whose 'manifest' names no files. Look at the tap.")
    return manifest


def _check(encoding: Mapping[str, Any]) -> None:
    if encoding.get("format") not in FORMATS or encoding.get("compression") not in COMPRESSIONS:
        raise InputError(
            "a BATCH message in a format that this target does not read. Set the tap's "
            "batch_config.encoding to format 'jsonl' (compression 'gzip' or 'none') or 'parquet'."
        )
    if encoding["format"] == "parquet" and not find_spec("pyarrow"):
        raise InputError(
            "a BATCH message with Parquet files, which need pyarrow. Install "
            "'target-launchdarkly[parquet]', or set the tap's batch_config.encoding.format to "
            "'jsonl'."
        )


def _located(url: str, storage: Mapping[str, Any]) -> str:
    root = storage.get("root")
    return f"{root.rstrip('/')}/{url.rsplit('/', 1)[-1]}" if root else url


def _opened(url: str, encoding: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 most runs read no files

    is_gzip = encoding["format"] == "jsonl" and encoding.get("compression") == "gzip"
    return fsspec.open(url, "rb", compression="gzip" if is_gzip else None, **params)


def _jsonl_rows(
    file: IO[bytes], named: str, way: Way | None
) -> Iterator[list[Row] | dict[str, Any]]:
    number_of_line = 0
    for block in blocks(file.read):
        if way and (rows := decoded_lines(way.decoder, block)) is not None:
            number_of_line += len(rows)
            yield rows
            continue
        for line in block.split(b"\n"):
            number_of_line += 1
            if line.strip():
                row = decoded(way.decoder, line) if way else None
                yield [row] if row is not None else _record(line, number_of_line, named)


def _record(line: bytes, number_of_line: int, named: str) -> dict[str, Any]:
    try:
        record = json.loads(line, parse_float=number, parse_int=integer)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"line {number_of_line} of BATCH file '{named}' is no JSON object.")
    return record


def _parquet_rows(
    file: IO[bytes],
    named: str,  # noqa: ARG001 as of lines
    way: Way | None,
) -> Iterator[list[Row] | dict[str, Any]]:
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # noqa: PLC0415 an extra, and slow to import

    parquet = ParquetFile(file)
    fields = {field.name: field.type for field in parquet.schema_arrow}
    read = [name for name in fields if way and name in way.names]
    has_keys = way is not None and fields.keys() >= set(way.sink.key_properties)
    if way is None or not has_keys or any(_may_nest(fields[name]) for name in read):
        for batch in parquet.iter_batches():
            lists = [_column(batch, name) for name in fields]
            for values in zip(*lists, strict=True):
                yield dict(zip(fields, values, strict=True))
        return
    for batch in parquet.iter_batches(columns=read):
        columns = {name: _column(batch, name) for name in batch.schema.names}
        yield rows_of(columns, batch.num_rows, way.sink.columns)


def _may_nest(type_: Any) -> bool:
    from pyarrow import BaseExtensionType, types  # type: ignore[import-untyped]  # noqa: PLC0415

    return types.is_nested(type_) or isinstance(type_, BaseExtensionType)


def _column(batch: Any, name: str) -> list[Any]:
    column = batch.column(name)
    try:
        values = column.to_pylist()
    except (ArithmeticError, ValueError):
        # Python has no date that early or late, or of that many digits.
        values = column.cast("string").to_pylist()
    return [_as_json(value) for value in values]


def _as_json(value: Any) -> Any:
    """Return a value as a tap writes it in JSON: a decimal without a fraction is exact."""
    if value.__class__ in PLAIN:
        return value
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        # As text, where a number would have to prove that it is exact.
        return int(value) if abs(value) < EXACT_BELOW else str(int(value))
    return value.isoformat() if isinstance(value, date | time) else value
