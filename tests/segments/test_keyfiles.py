"""Files of keys hold what LaunchDarkly takes, and every key comes back as it was."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_launchdarkly.segments.keyfiles import MAX_FILE_BYTES, MAX_FILE_KEYS, key_files

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A line of `key`: the key, two quotes and the end of the line.
LINE = 3


def contents(batches: Iterable[list[str]], **limits: int) -> list[bytes]:
    """Return what the files hold; each is gone when the next one comes."""
    found = []
    for file in key_files(batches, **limits):
        file.file.seek(0)
        found.append(file.file.read())
        assert file.last == keys_in(found[-1])[-1]
        assert file.keys == len(keys_in(found[-1]))
    return found


def keys_in(content: bytes) -> list[str]:
    return [row[0] for row in csv.reader(io.StringIO(content.decode(), newline=""), strict=True)]


def test_limits_are_the_documented_ones() -> None:
    assert (MAX_FILE_KEYS, MAX_FILE_BYTES) == (1_000_000, 40_000_000)


def test_nobody_needs_no_file() -> None:
    assert contents([]) == []
    assert contents([[], []]) == []


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(9, [9]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5]), (30, [10, 10, 10])],
)
@pytest.mark.parametrize("batch", [1, 7, 10, 100])
def test_files_are_full_however_the_keys_come(count: int, sizes: list[int], batch: int) -> None:
    keys = [f"key-{number}" for number in range(count)]
    batches = [keys[start : start + batch] for start in range(0, count, batch)]

    files = contents(batches, max_keys=10)

    assert [len(keys_in(file)) for file in files] == sizes
    assert [key for file in files for key in keys_in(file)] == keys


def test_files_hold_a_million_keys_and_no_more() -> None:
    batches = [[str(number) for number in range(start, start + 50_000)] for start in (0, 50_000)]

    sizes = [file.keys for file in key_files(batches * 13)]

    assert sizes == [1_000_000, 300_000]


@pytest.mark.parametrize(
    ("max_bytes", "sizes"),
    [
        pytest.param(3 * (5 + LINE), [3, 1], id="just-full"),
        pytest.param(3 * (5 + LINE) - 1, [2, 2], id="one-byte-less"),
        pytest.param(4 * (5 + LINE), [4], id="all"),
        pytest.param(1, [1, 1, 1, 1], id="less-than-a-key"),
    ],
)
def test_files_are_cut_by_bytes(max_bytes: int, sizes: list[int]) -> None:
    files = contents([["key-1", "key-2", "key-3", "key-4"]], max_bytes=max_bytes)

    assert [len(keys_in(file)) for file in files] == sizes


def test_bytes_are_counted_as_they_are_written() -> None:
    """A character may take four bytes, and a quote is written twice."""
    assert len(contents([["😀" * 10] * 2], max_bytes=2 * (40 + LINE))) == 1
    assert len(contents([["😀" * 10] * 2], max_bytes=2 * (40 + LINE) - 1)) == 2
    assert len(contents([['"' * 10] * 2], max_bytes=2 * (20 + LINE))) == 1
    assert len(contents([['"' * 10] * 2], max_bytes=2 * (20 + LINE) - 1)) == 2


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=9)),
    st.integers(1, 9),
    st.integers(1, 60),
)
def test_every_key_comes_back_as_it_was(
    batches: list[list[str]], max_keys: int, max_bytes: int
) -> None:
    files = contents(batches, max_keys=max_keys, max_bytes=max_bytes)

    assert [key for file in files for key in keys_in(file)] == [
        key for batch in batches for key in batch
    ]
    for file in files:
        assert len(keys_in(file)) <= max_keys
        assert len(file) <= max_bytes or len(keys_in(file)) == 1
        # No header, and no key that could be taken for a byte order mark.
        assert file.startswith(b'"')
