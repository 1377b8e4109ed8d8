"""Context keys become files that LaunchDarkly imports."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What LaunchDarkly takes in one file.
#: https://launchdarkly.com/docs/home/flags/list-based-segments
MAX_FILE_KEYS = 1_000_000
MAX_FILE_BYTES = 40_000_000
#: What stands between two keys.
BETWEEN = '"\n"'


class KeyFile(NamedTuple):
    """A file of keys, which nobody else can see."""

    file: IO[bytes]
    keys: int
    #: The last key in it.
    last: str


def key_files(
    batches: Iterable[list[str]],
    max_keys: int = MAX_FILE_KEYS,
    max_bytes: int = MAX_FILE_BYTES,
) -> Iterator[KeyFile]:
    """Yield files with all keys, as few as may be; each is gone when the next one is asked for.

    One key a line, all quoted, so that none can look like a byte order mark or lose a blank. There
    is no header: LaunchDarkly would take it for a key.

    Args:
        batches: The keys, some at a time.
        max_keys: Keys in a file.
        max_bytes: Bytes of a file.
    """
    todo = (batch for batch in batches if batch)
    rest = next(todo, [])
    while rest:
        with TemporaryFile() as file:
            count, last = 0, ""
            while rest:
                some = rest[: max_keys - count]
                fitting = _fitting(some, max_bytes - file.tell())
                if not fitting and count:
                    break
                # A key that is larger than a file goes alone, and is LaunchDarkly's to refuse.
                taken = some[: fitting or 1]
                if taken:
                    file.write(_lines(taken))
                    count, last = count + len(taken), taken[-1]
                    rest = rest[len(taken) :] or next(todo, [])
                if count == max_keys:
                    break
            file.flush()
            yield KeyFile(file, count, last)


def _fitting(keys: list[str], room: int) -> int:
    """Return how many of the keys, from the first on, fit into so many bytes."""
    # Four bytes a character at most, so that most batches need not be measured.
    if 4 * sum(map(len, keys)) + 3 * len(keys) <= room:
        return len(keys)
    return bisect_right([*accumulate(len(_lines([key])) for key in keys)], room)


def _lines(keys: list[str]) -> bytes:
    text = BETWEEN.join(keys)
    if text.count('"') != 2 * (len(keys) - 1):
        text = BETWEEN.join(key.replace('"', '""') for key in keys)
    return f'"{text}"\n'.encode()
