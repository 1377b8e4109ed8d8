"""Bytes become blocks of whole lines, and these what msgspec decodes them to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

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


def decoded_lines(decoder: Any, block: bytes) -> list[Any] | None:
    """Return what each line of a block is decoded to, or None if there are others among them.

    Args:
        decoder: That of msgspec. What it passes over is not looked at.
        block: Whole lines.
    """
    with suppress(ValueError, RecursionError):
        # A line that is not UTF-8 is none.
        block.decode()
        messages: list[Any] = decoder.decode_lines(block)
        if len(messages) == block.count(b"\n") + 1:
            return messages
    return None


def decoded(decoder: Any, line: bytes) -> Any:
    """Return what a line is decoded to, or None if it is another."""
    with suppress(ValueError, RecursionError):
        line.decode()
        return decoder.decode(line)
    return None
