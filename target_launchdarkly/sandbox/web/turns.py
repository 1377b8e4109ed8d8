"""Whose turn it is at a request."""

from __future__ import annotations

from dataclasses import dataclass

#: Instead of a method: who reads the file of an export, which is no request to the API.
FILE = "FILE"


@dataclass(slots=True)
class Turn:
    """A turn that comes `times` times, after so many requests of its method.

    None is any method of a request to the API.
    """

    method: str | None = None
    after: int = 0
    times: int = 1

    def __post_init__(self) -> None:
        if self.after < 0 or self.times < 1:
            raise ValueError("after starts at 0, times at 1")

    def comes(self, method: str) -> bool:
        """Count a request of this method, in upper case, and say whether it is the turn's."""
        wanted = self.method.upper() if self.method else None
        if self.is_over or (wanted != method if wanted else method == FILE):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True

    @property
    def is_over(self) -> bool:
        """Say whether it comes no more."""
        return self.times <= 0
