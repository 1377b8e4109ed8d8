"""Where the input and its files come from: lines without an end, links that open doors."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from messages import members, schema, state

from target_launchdarkly import boundary
from target_launchdarkly.discretion import public_url
from target_launchdarkly.errors import InputError
from target_launchdarkly.intake import blocks as blocks_room
from target_launchdarkly.intake.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run


def test_line_without_an_end_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `/dev/zero` has none: it must not fill the memory."""
    monkeypatch.setattr(blocks_room, "MAX_LINE_BYTES", 200_000)
    read = 0

    def zeros(size: int) -> bytes:
        nonlocal read
        read += size
        return b"\0" * size

    with pytest.raises(InputError, match="a line of more than 200,000 bytes"):
        list(blocks(zeros))
    assert read < 400_000


def test_lines_as_long_as_allowed_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: the bound is that of a line."""
    monkeypatch.setattr(blocks_room, "MAX_LINE_BYTES", 100_000)
    text = (b"x" * 99_000 + b"\n") * 5

    assert b"\n".join(blocks(io.BytesIO(text).read)) + b"\n" == text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket/a.gz", "s3://bucket/a.gz"),
        ("/files/a.jsonl", "/files/a.jsonl"),
        ("https://host/a.gz?X-Amz-Signature=opens-doors", "https://host/a.gz"),
        ("https://host/a.gz#opens-doors", "https://host/a.gz"),
        ("https://me:opens-doors@host/a.gz", "https://host/a.gz"),
        ("https://me:opens@doors@host/a.gz", "https://host/a.gz"),
        ("simplecache::https://opens-doors@host/a?b=opens-doors#c", "simplecache::https://host/a"),
        ('data:application/json,{"context_key": "zoe"}', "data:…"),
        ("DATA:;base64,em9l", "data:…"),
        ("simplecache::data:,zoe", "simplecache::data:…"),
    ],
)
def test_public_url_opens_nothing(url: str, expected: str) -> None:
    assert public_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:9/a.jsonl?X-Amz-Signature=opens-doors",
        "https://me:opens-doors@127.0.0.1:9/a.jsonl",
        "file:///nowhere/a.jsonl?opens-doors",
        "nowhere://opens-doors@x/a.jsonl",
    ],
)
def test_link_of_a_batch_file_is_told_without_what_opens_it(
    sync: Callable[..., Run], url: str
) -> None:
    batch = {
        "type": "BATCH",
        "stream": "audience",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [url],
    }

    run = sync([schema(), batch, state({})])

    assert isinstance(run.error, InputError)
    assert "a.jsonl" in str(run.error)
    assert "opens-doors" not in str(run.error)


@pytest.mark.parametrize("manifest", [[5], [None], [["a"]], [{"href": "a"}]], ids=str)
def test_batch_that_names_no_file_is_refused(
    sync: Callable[..., Run], manifest: list[object]
) -> None:
    batch = {
        "type": "BATCH",
        "stream": "audience",
        "encoding": {"format": "jsonl"},
        "manifest": manifest,
    }

    run = sync([schema(), *members("a"), batch])

    assert isinstance(run.error, InputError)
    assert str(run.error).startswith("Line 3: ")
    assert "manifest" in str(run.error)


def test_record_without_a_key_property_is_told_without_the_names_that_it_has(
    sync: Callable[..., Run],
) -> None:
    """A tap that takes keys for names of columns must not have them told."""
    odd = {"type": "RECORD", "stream": "audience", "record": {"zoe-1": True, "is_member": True}}

    run = sync([schema(key_properties=["context_key"]), odd])

    told = str(boundary.told(run.error, 2)) if run.error else ""
    assert "a record of stream 'audience' lacks one of the stream's key properties" in told
    assert "context_key" in told
    assert "zoe-1" not in told
