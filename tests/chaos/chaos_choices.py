"""How choices are made; the plain choice always comes first, so that cases shrink."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

T = TypeVar("T")


class Choices:
    """Makes all the choices of a case."""

    def __init__(self, source: random.Random) -> None:
        self.random = source

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) >= 100 - percent

    def of(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def number(self, least: int, most: int) -> int:
        return self.random.randint(least, most)
