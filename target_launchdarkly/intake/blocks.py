"""Bytes become blocks of whole lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a pipe holds, so that one read empties it.
BLOCK_BYTES = 65_536


def blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield lines as they come, many at a time, without the last line's end.

    Args:
        read: Returns so many bytes at most, and none at the end; it need not wait for all of them.
    """
    parts: list[bytes] = []
    while block := read(BLOCK_BYTES):
        lines, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*parts, lines])
            parts.clear()
        parts.append(rest)
    if last := b"".join(parts):
        yield last
