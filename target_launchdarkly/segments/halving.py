"""The keys that LaunchDarkly refuses are found by halves, with a bounded number of requests."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from target_launchdarkly.audience.plan import Change
from target_launchdarkly.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

#: Requests that a run spends on the search, over all its segments. One key among 1,500 takes 11 to
#: 22 of them.
MAX_REQUESTS = 60


class Halving:
    """The search for keys that LaunchDarkly refuses. Safe for threads.

    Args:
        max_requests: How many requests all searches of a run may send together.
    """

    def __init__(self, max_requests: int = MAX_REQUESTS) -> None:
        self._max_requests = max_requests
        self._left = max_requests
        self._lock = Lock()

    def spend(self, refusal: RefusedError) -> None:
        """Count a request before it is sent.

        Raises:
            RefusedError: The run has sent as many as it may.
        """
        with self._lock:
            self._left -= 1
            if self._left >= 0:
                return
        raise RefusedError(
            f"{refusal} Which context keys it refuses was not found with {self._max_requests} "
            "requests, so that there are too many of them, or another cause. Those that were found "
            "stand in the log at level DEBUG; correct them in the model, then run again."
        ) from refusal

    def search(
        self,
        refused: list[Change],
        refusal: RefusedError,
        *,
        send: Callable[[list[Change]], None],
        probe: Callable[[list[Change]], object],
    ) -> Iterator[Change]:
        """Send what was refused as a whole in parts; yield each change that is refused alone.

        A key is blamed only if something else passes: another part, or what changes nothing.

        Args:
            refused: What LaunchDarkly refused, in one request.
            refusal: Its answer.
            send: Sends some of it, and counts it; raises `RefusedError` where that is refused.
            probe: Sends a change that is none of these and counts nothing; raises as well.

        Raises:
            RefusedError: The cause is none of the keys, or they take too many requests.
        """
        is_proven = False
        # A key that came alone is asked for once more, so that no single answer is believed.
        todo = [] if len(refused) == 1 and self._passes(refused, refusal, send) else [refused]
        while todo:
            part = todo.pop()
            if len(part) > 1:
                halves = self._refused_halves(part, refusal, send)
                is_proven = is_proven or len(halves) == 1 or not halves
                todo += halves
                continue
            is_proven = is_proven or self._demand_passes(part[0], refusal, probe)
            logger.debug("LaunchDarkly refuses the context key %r.", part[0].context_key)
            yield part[0]

    def _refused_halves(
        self, part: list[Change], refusal: RefusedError, send: Callable[[list[Change]], None]
    ) -> list[list[Change]]:
        """Send both halves; return those in which something is refused, the first one last."""
        middle = len(part) // 2
        first, second = part[:middle], part[middle:]
        if self._passes(first, refusal, send):
            if len(second) > 1:
                # What is refused must be here, so that to ask for the whole tells nothing.
                return [second]
            return [] if self._passes(second, refusal, send) else [second]
        return [first] if self._passes(second, refusal, send) else [second, first]

    def _passes(
        self, part: list[Change], refusal: RefusedError, send: Callable[[list[Change]], None]
    ) -> bool:
        self.spend(refusal)
        try:
            send(part)
        except RefusedError:
            return False
        return True

    def _demand_passes(
        self, beside: Change, refusal: RefusedError, probe: Callable[[list[Change]], object]
    ) -> bool:
        """Demand that a patch passes which takes out a key that nobody has."""
        self.spend(refusal)
        nothing = Change(beside.context_kind, f"nobody-{uuid4().hex}", ("uninclude",))
        try:
            probe([nothing])
        except RefusedError:
            raise refusal from None
        return True
