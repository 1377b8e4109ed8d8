"""What `--check` prints, a line each."""

from __future__ import annotations

from typing import Literal, NamedTuple

#: How it stands: well, well with something to look at, or so that a run would fail.
Level = Literal["ok", "warn", "FAIL"]


class Finding(NamedTuple):
    """One line of `--check`."""

    level: Level
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.subject}: {self.detail}"
