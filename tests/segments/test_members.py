"""Many keys, in memory and on disk alike."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_launchdarkly.audience.chunks import PARTS, divided
from target_launchdarkly.errors import ExportError
from target_launchdarkly.segments import members
from target_launchdarkly.segments.keyfiles import key_files
from target_launchdarkly.segments.members import KeyList, KeySet, read_keys

KEYS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), unique=True)


def key_set(keys: list[str], *, max_in_memory: int = 1_000) -> KeySet:
    found = KeySet(max_in_memory)
    for start in range(0, len(keys), 3):
        found.add(keys[start : start + 3])
    return found


@given(KEYS)
@pytest.mark.parametrize("max_in_memory", [0, 4, 1_000])
@pytest.mark.parametrize("is_divided", [False, True])
def test_set_has_each_key_once_in_its_part(
    max_in_memory: int, is_divided: bool, keys: list[str]
) -> None:
    found = key_set(keys, max_in_memory=max_in_memory)

    parts = [*found.parts(is_divided=is_divided)]

    assert found.count == len(keys)
    assert sorted(key for part in parts for key in part) == sorted(keys)
    if is_divided or found.is_on_disk:
        assert len(parts) == PARTS
        assert [sorted(part) for part in parts] == [sorted(part) for part in divided(keys)]
    else:
        assert [[*part] for part in parts] == [keys]
    found.close()


@pytest.mark.parametrize("max_in_memory", [0, 1_000])
def test_header_can_be_taken_out(max_in_memory: int) -> None:
    found = key_set(["key", "a", "b"], max_in_memory=max_in_memory)

    found.remove("key")

    assert found.count == 2
    assert sorted(key for part in found.parts() for key in part) == ["a", "b"]


@given(st.lists(KEYS, max_size=9))
@pytest.mark.parametrize("max_in_memory", [0, 5, 1_000])
def test_list_gives_all_keys_in_their_order_as_often_as_asked(
    max_in_memory: int, batches: list[list[str]]
) -> None:
    keys = [key for batch in batches for key in batch]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "MAX_LISTED_IN_MEMORY", max_in_memory)
        found = KeyList()
        for batch in batches:
            found.add(batch)

        assert found.count == len(keys)
        assert [*found] == keys
        assert [*found] == keys
        found.add(["more"])
        assert [*found] == [*keys, "more"]


@given(st.lists(KEYS, max_size=3))
def test_size_of_a_list_is_that_of_its_file(batches: list[list[str]]) -> None:
    """By it is judged whether one file takes all keys."""
    found = KeyList()
    for batch in batches:
        found.add(batch)

    sizes = [file.file.seek(0, io.SEEK_END) for file in key_files(found.batches())]

    assert found.size_bytes == sum(sizes)


def read(content: bytes) -> list[str]:
    return [key for keys in read_keys(io.BytesIO(content)) for key in keys]


# Not every Python quotes a lone carriage return.
@given(KEYS.filter(lambda keys: not any("\r" in key for key in keys)))
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("more", [[], ["user", ""]])
def test_first_column_is_read_however_the_file_is_written(
    quoting: Any, line_end: str, more: list[str], keys: list[str]
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=line_end).writerows(
        [key, *more] for key in keys
    )

    assert read(text.getvalue().encode()) == keys


@given(st.lists(st.text(st.sampled_from('aü😀",'), min_size=1, max_size=4)), st.integers(1, 20))
@pytest.mark.parametrize("end", ["\n", ""])
def test_rows_are_read_wherever_blocks_end(end: str, keys: list[str], size: int) -> None:
    """What is no plain list of keys is read as CSV from there on."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([key] for key in keys)
    content = (text.getvalue().removesuffix("\n") + end).encode() if keys else b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "READ_BYTES", size)

        assert read(content) == keys


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        pytest.param(b"", [], id="nobody"),
        pytest.param(b"a\n\nb\n\n", ["a", "b"], id="blank-lines"),
        pytest.param(b"a\nb", ["a", "b"], id="no-end-of-line"),
        pytest.param("\ufeffa\n".encode(), ["\ufeffa"], id="byte-order-mark"),
        pytest.param(b" a \n", [" a "], id="blanks"),
    ],
)
def test_rows_are_read_as_they_are(content: bytes, keys: list[str]) -> None:
    assert read(content) == keys


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b'a\n"b', "cut off", id="cut-within-quotes"),
        pytest.param("ü\n".encode("latin-1"), "UTF-8", id="another-encoding"),
        pytest.param("ü".encode()[:1], "UTF-8", id="cut-within-a-character"),
    ],
)
def test_file_that_cannot_be_read_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ExportError, match=told):
        read(content)


def test_file_stays_the_caller_s_to_close() -> None:
    file = io.BytesIO(b"a\n")

    assert [*read_keys(file)] == [["a"]]

    assert not file.closed
