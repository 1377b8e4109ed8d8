"""What happens to segments beside the requests: somebody else's changes, and late patches."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Sandbox
    from .turns import Turn

When: TypeAlias = Literal["before", "after"]
WHENS: tuple[When, ...] = get_args(When)


@dataclass(slots=True, eq=False)
class Happening:
    """One of them.

    Attributes:
        change: what happens; an ApiError of it means that nothing does.
        when: before a request is handled, or after it, but before its answer leaves.
        turn: at which requests; None for none.
        is_late: it is a patch that was answered, or dropped, without being applied.
        left: so many times it is still to happen.
    """

    change: Callable[[Sandbox], object]
    when: When = "before"
    turn: Turn | None = None
    is_late: bool = False
    left: int = 1

    def __post_init__(self) -> None:
        if self.when not in WHENS:
            raise ValueError(f"when is {' or '.join(WHENS)}")


class Happenings:
    """Those to come, for several threads."""

    def __init__(self) -> None:
        self._pending: list[Happening] = []
        self._lock = threading.Lock()

    def append(self, happening: Happening) -> None:
        """Add one at the end."""
        with self._lock:
            self._pending.append(happening)

    def at_request(self, method: str) -> list[Happening]:
        """Count a request that came in, and list what is to happen before and after it."""
        with self._lock:
            return [one for one in self._pending if one.turn and one.turn.comes(method)]

    def claim(self, happening: Happening) -> bool:
        """Say whether it may happen once more now, as it was neither called off nor claimed."""
        with self._lock:
            if happening not in self._pending:
                return False
            happening.left -= 1
            if happening.left <= 0:
                self._pending.remove(happening)
            return True

    def late(self) -> list[Happening]:
        """List the late patches, oldest first."""
        with self._lock:
            return [one for one in self._pending if one.is_late]

    def clear(self) -> None:
        """Call all off."""
        with self._lock:
            self._pending.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._pending)
