"""What an error is that `planted.py` plants."""

from __future__ import annotations

from typing import NamedTuple


class Planted(NamedTuple):
    """An error: in one file, a text that stands there once, and what takes its place."""

    name: str
    file: str
    old: str
    new: str
    #: So many cases may be tried; what is rare needs more.
    cases: int = 3_000
    #: "big" where only cases of big segments can see it.
    only: str = ""
