"""Bytes become blocks of whole lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_launchdarkly.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a pipe holds, so that one read empties it.
BLOCK_BYTES = 65_536
#: What no message takes. A line without an end, as of `/dev/zero`, must not fill the memory.
MAX_LINE_BYTES = 268_435_456


def blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield lines as they come, many at a time, without the last line's end.

    Args:
        read: Returns so many bytes at most, and none at the end; it need not wait for all of them.

    Raises:
        InputError: A line has no end within `MAX_LINE_BYTES`.
    """
    parts: list[bytes] = []
    left = MAX_LINE_BYTES
    while block := read(BLOCK_BYTES):
        lines, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*parts, lines])
            parts.clear()
            left = MAX_LINE_BYTES
        parts.append(rest)
        left -= len(rest)
        if left < 0:
            raise InputError(f"a line of more than {MAX_LINE_BYTES:,} bytes. Look at the tap.")
    if last := b"".join(parts):
        yield last
