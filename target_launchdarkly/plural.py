"""Counts as people read them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, e.g. `1 record` or `1,200 records`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
