"""BATCH files follow the rules of RECORD messages, and are read as a stream."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from messages import STREAM, keys, leavers, members, record, schema, state
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


def rows(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message["record"] for message in messages]


def jsonl(folder: Path, messages: Iterable[dict[str, Any]], *, compress: bool = False) -> str:
    """Write a file as the SDK's batcher does; return its URL."""
    text = "".join(json.dumps(row) + "\n" for row in rows(messages)).encode()
    path = folder / f"batch-{len(list(folder.iterdir()))}.jsonl{'.gz' if compress else ''}"
    path.write_bytes(gzip.compress(text) if compress else text)
    return path.as_uri()


def batch(*urls: str, file_format: str = "jsonl", **encoding: str) -> dict[str, Any]:
    return {
        "type": "BATCH",
        "stream": STREAM,
        "encoding": {"format": file_format} | encoding,
        "manifest": list(urls),
    }


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_jsonl_files_change_the_segment_like_records(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path, compression: str
) -> None:
    sandbox.add_segment("table", included=["user-0"])
    first = jsonl(tmp_path, members(*keys(3, start=1)), compress=compression == "gzip")
    second = jsonl(tmp_path, leavers("user-0", "user-3"), compress=compression == "gzip")

    run = sync(
        [schema(), batch(first, second, compression=compression), state(7)],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert run.states == [7]
    assert set(sandbox.included("table")) == {"user-1", "user-2"}


def test_parquet_files_change_the_segment_like_records(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    path = tmp_path / "batch.parquet"
    pq.write_table(pa.Table.from_pylist(rows([*members("a", "b"), *leavers("b")])), path)

    run = sync([schema(), batch(path.as_uri(), file_format="parquet")])

    assert run.error is None
    assert set(sandbox.included(SEGMENT)) == {"a", "b"}


def test_full_requests_flow_while_a_file_is_read(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    run = sync([schema(), batch(jsonl(tmp_path, members(*keys(4_000))))])

    assert run.error is None
    sizes = [len(each.body["instructions"][0]["values"]) for each in patches(sandbox)]
    assert sizes == [1_500, 1_500, 1_000]


def patches(sandbox: Sandbox) -> list[Any]:
    return [each for each in sandbox.requests if each.method == "PATCH"]


def test_invalid_record_in_a_file_is_skipped_or_fails_as_set(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    url = jsonl(tmp_path, [*members("a"), record(None), *members("b")])

    failed = sync([schema(), batch(url), state(1)])
    assert "is invalid" in str(failed.error)
    assert failed.states == []

    run = sync([schema(), batch(url), state(1)], invalid_record_action="skip")
    assert run.error is None
    assert set(sandbox.included(SEGMENT)) == {"a", "b"}


def test_stream_maps_work_in_front_of_files(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    run = sync(
        [schema(), batch(jsonl(tmp_path, members("LOUD")))],
        stream_maps={STREAM: {"context_key": "context_key.lower()"}},
    )

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["loud"]


def test_storage_of_the_settings_takes_the_place_of_the_url(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    url = jsonl(tmp_path, members("a"))

    run = sync(
        [schema(), batch(f"file:///elsewhere/{url.rsplit('/', 1)[-1]}")],
        batch_config={
            "encoding": {"format": "jsonl", "compression": "none"},
            "storage": {"root": tmp_path.as_uri()},
        },
    )

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["a"]


@pytest.mark.parametrize("content", [b'{"context_key": "a"', b"[1]\n", b"\xff\n"])
def test_broken_file_is_named_and_claims_nothing(
    sync: Callable[..., Run], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content)

    run = sync([schema(), batch(path.as_uri()), state(1)])

    assert "line 1 of BATCH file" in str(run.error)
    assert "broken.jsonl" in str(run.error)
    assert run.states == []


def test_cut_gzip_file_is_named(sync: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"context_key": "a", "is_member": true}\n' * 5_000)[:-12])

    run = sync([schema(), batch(path.as_uri(), compression="gzip"), state(1)])

    assert "cannot be read" in str(run.error)
    assert run.states == []


def test_missing_file_is_named(sync: Callable[..., Run], tmp_path: Path) -> None:
    run = sync([schema(), batch((tmp_path / "gone.jsonl").as_uri())])

    assert "gone.jsonl" in str(run.error)
    assert "No such file" in str(run.error)


@pytest.mark.parametrize("url", ["reference://x", "tar://x::/nowhere/b.jsonl", "zip://a::b"])
def test_place_that_a_library_cannot_open_is_told_with_its_file(
    sync: Callable[..., Run], url: str
) -> None:
    """Each kind of place fails in its own way."""
    run = sync([schema(), batch(url)])

    assert f"the BATCH file '{url}' cannot be read" in str(run.error)
    assert "batch_config.storage" in str(run.error)


@pytest.mark.parametrize("params", [{"compression": 5}, {"mode": "w"}])
def test_storage_that_a_library_cannot_use_is_told(
    sync: Callable[..., Run], tmp_path: Path, params: dict[str, Any]
) -> None:
    config = {"encoding": {"format": "jsonl"}, "storage": {"root": "", "params": params}}
    run = sync([schema(), batch(jsonl(tmp_path, members("a")))], batch_config=config)

    assert "cannot be read (TypeError)" in str(run.error)


def test_unknown_format_is_refused_with_the_remedy(sync: Callable[..., Run]) -> None:
    run = sync([schema(), batch("file:///x", file_format="avro")])

    assert "batch_config.encoding" in str(run.error)


def test_file_of_an_unknown_stream_is_refused(sync: Callable[..., Run], tmp_path: Path) -> None:
    run = sync([batch(jsonl(tmp_path, members("a")))])

    assert run.error is not None


def test_memory_does_not_grow_with_the_size_of_a_file(
    sandbox: Sandbox, sync: Callable[..., Run], tmp_path: Path
) -> None:
    """Held whole, the larger file's rows would take over 10 MB."""
    sandbox.add_segment("table", included=keys(100))

    def peak_bytes(rows_in_file: int) -> int:
        rows = members(*(f"user-{number % 100}" for number in range(rows_in_file)))
        message = batch(jsonl(tmp_path, rows))
        del rows
        tracemalloc.start()
        try:
            assert sync([schema(), message], segment_key="table").error is None
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(10)  # fills caches
    small, large = peak_bytes(200), peak_bytes(20_000)

    assert large - small < 1_000_000
