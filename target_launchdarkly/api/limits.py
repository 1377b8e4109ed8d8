"""How long LaunchDarkly asks not to be asked again, by the headers of its answers."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The limits, each of which may be absent from an answer. One without a reset of its own ends with
#: `RESET_HEADER`. https://launchdarkly.com/docs/api#rate-limiting
FAMILIES = ("Global", "Route", "Auth-Token")
REMAINING_HEADER = "X-Ratelimit-{}-Remaining"
FAMILY_RESET_HEADER = "X-Ratelimit-{}-Reset"
RESET_HEADER = "X-Ratelimit-Reset"
#: How long a 429 waits that does not say how long. Windows of LaunchDarkly's limits last so long.
UNTOLD_SECONDS = 10


def used_up_until(headers: Mapping[str, str], now: float) -> float | None:
    """Return the epoch seconds at which the limits that are used up allow requests again.

    None if no limit is used up, or none says when. It may lie in the past.

    Args:
        headers: Of an answer, looked up without regard to case.
        now: The epoch seconds of this machine's clock.
    """
    return max(_ends(headers, now, used_up=True), default=None)


def refused_until(headers: Mapping[str, str], now: float) -> float:
    """Return the epoch seconds before which a 429 asks not to be asked again."""
    ends = [*_ends(headers, now, used_up=True)] or [*_ends(headers, now, used_up=False)]
    asked = [*ends, *filter(None, [retry_at(headers, now)])]
    return max(asked, default=now + UNTOLD_SECONDS)


def retry_at(headers: Mapping[str, str], now: float) -> float | None:
    """Return the epoch seconds that `Retry-After` (seconds or a date) asks for."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        moment = _epoch_seconds(value)
        return None if moment is None else now + moment - server_now(headers, now)
    return now + max(0.0, seconds) if isfinite(seconds) else None


def _ends(headers: Mapping[str, str], now: float, *, used_up: bool) -> Iterator[float]:
    """Yield when the windows of the limits end: of those that are used up, or of all."""
    names = [] if used_up else [RESET_HEADER]
    for family in FAMILIES:
        if not used_up or _is_used_up(headers.get(REMAINING_HEADER.format(family))):
            own = FAMILY_RESET_HEADER.format(family)
            names.append(own if own in headers else RESET_HEADER)
    for name in dict.fromkeys(names):
        moment = _reset_at(headers, name, now)
        if moment is not None:
            yield moment


def _is_used_up(remaining: str | None) -> bool:
    try:
        return remaining is not None and int(remaining) <= 0
    except ValueError:
        return False


def _reset_at(headers: Mapping[str, str], name: str, now: float) -> float | None:
    """Return the epoch seconds of a reset, which stands in epoch milliseconds of the server.

    Counted from the answer's own `Date`, the wait is right even where this machine's clock is
    wrong.
    """
    try:
        reset = int(headers.get(name, "")) / 1000
    except (OverflowError, ValueError):
        return None
    return now + reset - server_now(headers, now)


def server_now(headers: Mapping[str, str], now: float) -> float:
    """Return the epoch seconds of LaunchDarkly's clock; of this machine's if it tells none."""
    moment = _epoch_seconds(headers.get("Date", ""))
    return now if moment is None else moment


def _epoch_seconds(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ArithmeticError, TypeError, ValueError):
        return None
