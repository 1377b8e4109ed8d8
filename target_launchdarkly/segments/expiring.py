"""When targets of a standard segment leave by themselves: what is sent, and whether it holds."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from target_launchdarkly.api.expiring import (
    errors_of,
    get_expiring_targets,
    patch_expiring_targets,
)
from target_launchdarkly.audience.expirations import Expiration
from target_launchdarkly.errors import LaunchDarklyError, RefusedError
from target_launchdarkly.segments.patches import expiring_patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.api.shapes import ExpiringTargets as Answer
    from target_launchdarkly.audience.expirations import ExpirationChange
    from target_launchdarkly.audience.plan import Plan
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.drafts import Requests

logger = logging.getLogger(__name__)

#: Those of included targets, by context kind and key.
Listed: TypeAlias = dict[str, dict[str, Expiration]]
#: What the expirations that LaunchDarkly has still need.
Draw: TypeAlias = "Callable[[Listed], list[ExpirationChange]]"

#: Stands for the code of instructions that were refused together.
WITH_THEIR_PATCH = "refused with their patch"
#: Seconds before another look at expirations that are not as planned, one a round.
VERIFY_PAUSES = (1.0, 2.0, 4.0)


class ExpiringTargets:
    """The expirations of one segment's included targets.

    Args:
        key: The segment key.
        client: Asked when a plan is carried out.
        requests: How plans are sent.
        tally: Counts what is acknowledged.
    """

    def __init__(self, key: str, client: Client, requests: Requests, tally: Tally) -> None:
        self._key = key
        self._client = client
        self._requests = requests
        self._tally = tally
        self._listed: Listed = {}
        #: How many instructions failed the last time, by LaunchDarkly's code.
        self._failures = Counter[str]()
        #: Why a whole patch was refused the last time.
        self._refusal: RefusedError | None = None

    def settle(self, draw: Draw) -> bool:
        """Look at the expirations, send what they need, and see that it holds.

        Returns:
            Whether all is as planned. If not, instructions failed, and `refuse` tells of them.

        Raises:
            LaunchDarklyError: A request was not accepted, or what was accepted did not hold.
        """
        self._look()
        left = draw(self._listed)
        for pause in VERIFY_PAUSES:
            if not (changes := left):
                return True
            self._failures = self._send(changes)
            if self._failures or self._client.has_doubts(self._key):
                self._look()
            if (left := draw(self._listed)) and not self._failures:
                self._client.pause(pause)
                self._look()
                left = draw(self._listed)
            self._count_but(left, changes)
            if self._failures and left:
                return False
        if not left:
            return True
        raise LaunchDarklyError(
            f"LaunchDarkly accepted when targets of segment '{self._key}' expire, but "
            f"{len(left):,} of the moments did not hold, looked at {len(VERIFY_PAUSES)} times. "
            "Look at the segment's expiring targets in LaunchDarkly for somebody who changes them "
            "at the same time, then run again."
        )

    def refuse(self) -> NoReturn:
        """Tell which instructions failed although they were planned anew.

        Raises:
            LaunchDarklyError: In any case.
        """
        told = ", ".join(f"{code}: {count:,}" for code, count in self._failures.most_common())
        reason = (
            f"{self._refusal} If these are too many for one request, set batch_size_rows to less."
            if self._refusal
            else "Each is told at the log level DEBUG. Look at these targets in LaunchDarkly, then "
            "run again."
        )
        raise LaunchDarklyError(
            f"LaunchDarkly did not take all that was to be said about when targets of segment "
            f"'{self._key}' expire, planned twice. Instructions that failed ({told}): {reason} "
            "All other changes of the segment are made."
        )

    def preview(self, draw: Draw, plans: Iterable[Plan], *, exists: bool) -> None:
        """Count what a run would change of them, once plans are carried out."""
        if exists:
            self._look()
        for plan in plans:
            of_kind = self._listed.get(plan.context_kind, {})
            for change in plan.leaving:
                of_kind.pop(change.context_key, None)
        self._tally.count_expirations(draw(self._listed))

    def _count_but(
        self, left: Sequence[ExpirationChange], changes: Iterable[ExpirationChange]
    ) -> None:
        """Count the changes that are not left to do: an answer may have been lost, or failed."""
        undone = {change[1:3] for change in left}
        self._tally.count_expirations(each for each in changes if each[1:3] not in undone)

    def _look(self) -> None:
        self._listed = listed_of(get_expiring_targets(self._client, self._key))

    def _send(self, changes: Sequence[ExpirationChange]) -> Counter[str]:
        """Send changes, in full requests; return how many failed, by code."""
        failures = Counter[str]()
        self._refusal = None
        limit = self._requests.max_operations
        for start in range(0, len(changes), limit):
            chunk = changes[start : start + limit]
            try:
                answer = patch_expiring_targets(
                    self._client, self._key, expiring_patch(chunk, self._requests.comment)
                )
            except RefusedError as error:
                self._refusal = error
                failures[WITH_THEIR_PATCH] += len(chunk)
            else:
                failures += self._take(chunk, answer)
        return failures

    def _take(self, chunk: Sequence[ExpirationChange], answer: Answer) -> Counter[str]:
        """Take an answer as the new view of what its request changed."""
        errors = [*errors_of(answer)]
        failed = {index for index, _ in errors}
        for index, why in errors:
            if index is not None and 0 <= index < len(chunk):
                logger.debug("An expiration failed (%s): %s", why, chunk[index])
        if None not in failed:
            shown = listed_of(answer)
            done = []
            for change in (each for index, each in enumerate(chunk) if index not in failed):
                of_kind = self._listed.setdefault(change.context_kind, {})
                now = shown.get(change.context_kind, {}).get(change.context_key)
                if change.deed == "remove":
                    of_kind.pop(change.context_key, None)
                elif now:
                    of_kind[change.context_key] = now
                else:
                    # An answer that lags.
                    continue
                done.append(change)
            self._tally.count_expirations(done)
        return Counter(code for _, code in errors)


def listed_of(answer: Answer) -> Listed:
    """Return the expirations of included targets that an answer lists."""
    listed: Listed = {}
    for item in answer.items:
        if item.target_type == "included":
            of_kind = listed.setdefault(item.context_kind, {})
            of_kind[item.context_key] = Expiration(item.expires_ms, item.version)
    return listed
