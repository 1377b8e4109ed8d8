"""BATCH files are read as a stream of records, however large they are."""

from __future__ import annotations

import json
from datetime import date, time
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]
from singer_sdk.singerlib.json import deserialize_json

from target_launchdarkly.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATS = ("jsonl", "parquet")
COMPRESSIONS = (None, "none", "gzip")


def records(
    message: Mapping[str, Any], batch_config: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """Yield the records of a BATCH message's files, in order.

    Args:
        message: The BATCH message; its manifest holds paths or fsspec URLs.
        batch_config: The setting of that name; its storage takes the place of the URLs' folder.

    Raises:
        InputError: A file cannot be read. The message names the file and the remedy.
    """
    encoding = message["encoding"]
    _check(encoding)
    storage = (batch_config or {}).get("storage") or {}
    for url in message["manifest"]:
        yield from _readable(url, encoding, storage)


def _readable(
    url: str, encoding: Mapping[str, Any], storage: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    try:
        yield from _file_records(_located(url, storage), encoding, storage.get("params") or {})
    except (OSError, EOFError, ImportError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(
            f"the BATCH file '{url}' cannot be read ({reason}). It must be whole, and reachable "
            "from this machine until the run ends; batch_config.storage names another place, and "
            "places such as s3:// need their fsspec package installed."
        ) from error


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


def _file_records(
    url: str, encoding: Mapping[str, Any], params: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    compression = "gzip" if encoding.get("compression") == "gzip" else None
    if encoding["format"] == "parquet":
        with fsspec.open(url, "rb", **params) as file:
            yield from _parquet_records(file)
        return
    with fsspec.open(url, "rb", compression=compression, **params) as file:
        yield from _jsonl_records(file, url)


def _jsonl_records(file: IO[bytes], url: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = deserialize_json(line)
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise InputError(f"line {number} of BATCH file '{url}' is no JSON object.")
        yield record


def _parquet_records(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # noqa: PLC0415 an extra, and slow to import

    for batch in ParquetFile(file).iter_batches():
        for record in batch.to_pylist():
            yield {name: _as_json(value) for name, value in record.items()}


def _as_json(value: Any) -> Any:
    """Return dates and times as JSON has them, for the stream's schema to judge."""
    return value.isoformat() if isinstance(value, date | time) else value
