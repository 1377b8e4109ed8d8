"""When a membership ends, as a record property states it. Pure: no I/O, no state."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from target_launchdarkly.errors import InvalidRecordError

#: 2000-01-01. Nobody's membership ended before that: a smaller number is a date such as 20261231, a
#: count of days, or stands for no date at all, as year 1 does in a text.
EARLIEST_MS = 946_684_800_000
#: 2286-11-20, from which on seconds have eleven digits. A text that names a later moment, mostly
#: 9999-12-31, means never; a larger number may be microseconds, or a date and time without signs.
LATEST_MS = 10_000_000_000_000

#: Compiled at the first moment: most runs see none.
_NUMBER = r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,2})?"
_ISO_8601 = (
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?"
    r" ?([Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MINUTES_A_DAY = 24 * 60

_HOW = (
    "Write a moment as ISO 8601 with an offset (2026-12-31T18:00:00+01:00), as a date, or as epoch "
    "seconds or milliseconds; null means never."
)

#: Why a record with a moment is refused where the segment is big.
BIG_DO_NOT_END = (
    "Segment '{}' is a big segment, and LaunchDarkly ends memberships of standard segments only. "
    "Name a standard segment, or take expires_at_field out of this stream's settings and let a "
    "flag say who is a member by now."
)


def moment_ms(value: object, name: str) -> int | None:
    """Return the epoch milliseconds when a membership ends, or None if it never does.

    Args:
        value: Nothing or a blank text for never; a text in ISO 8601 with an offset, or a date,
            which is its first moment in UTC; epoch seconds or milliseconds, as a number or its
            text. `"2026-12-31"`, `1798675200` and `"1798675200000"` give `1798675200000`.
        name: The property's name, for the error.

    Raises:
        InvalidRecordError: The value is anything else, or nobody knows which moment it means.
    """
    if value is None:
        return None
    if isinstance(value, date):
        # A stream map may have made one.
        value = value.isoformat()
    if isinstance(value, str):
        return _of_text(value.strip(), name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidRecordError(f"'{name}' holds data that is no moment. {_HOW}")
    return _of_number(Decimal(value), name)


def _of_number(number: Decimal, name: str) -> int:
    if number.is_finite():
        for unit_ms in (1000, 1):
            if EARLIEST_MS // unit_ms <= number < LATEST_MS // unit_ms:
                # A double is a little off, its text is not: both mean the same millisecond.
                return int((number * unit_ms).to_integral_value())
    raise InvalidRecordError(
        f"'{name}' holds a number that is neither epoch seconds nor milliseconds of the years 2000 "
        f"to 2286. {_HOW}"
    )


# People's trials often end together.
@lru_cache(maxsize=10_000)
def _of_text(text: str, name: str) -> int | None:
    if not text:
        return None
    if re.fullmatch(_NUMBER, text):
        return _of_number(Decimal(text), name)
    found = re.fullmatch(_ISO_8601, text)
    if found is None:
        raise InvalidRecordError(f"'{name}' holds text that is no moment. {_HOW}")
    year, _, month, day, hour, minute, second, fraction, offset = found.groups()
    if hour is not None and offset is None:
        raise InvalidRecordError(
            f"'{name}' holds a time without an offset, so nobody knows which moment it means. Let "
            "the model cast it to a timestamp with time zone, or add the offset ('Z' for UTC)."
        )
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
        minutes = days * _MINUTES_A_DAY + _minutes(hour, minute) - _offset_minutes(offset)
        seconds = minutes * 60 + _below(60, second)
    except ValueError:
        raise InvalidRecordError(
            f"'{name}' holds a date or time that no calendar has. {_HOW}"
        ) from None
    ends = seconds * 1000 + int((fraction or "")[:3].ljust(3, "0"))
    if ends < EARLIEST_MS:
        raise InvalidRecordError(
            f"'{name}' holds a moment before the year 2000, as some systems write that there is "
            "none. Let the model make it null where membership never ends."
        )
    return ends if ends < LATEST_MS else None


def _offset_minutes(text: str | None) -> int:
    """Return an offset as ISO 8601 writes it, e.g. `+01:00`, `-0330`, `+01` or `Z`.

    Or `UTC`, as BigQuery exports timestamps: `2026-12-31 17:00:00 UTC`.

    Raises:
        ValueError: No place on Earth has it.
    """
    if text is None or text in {"Z", "z", "UTC"}:
        return 0
    minutes = _minutes(text[1:3], text[3:].lstrip(":"))
    return -minutes if text[0] == "-" else minutes


def _minutes(hours: str | None, minutes: str | None) -> int:
    return _below(24, hours) * 60 + _below(60, minutes)


def _below(limit: int, digits: str | None) -> int:
    """Return a number that must be less than some other; no digits are none.

    Raises:
        ValueError: It is not.
    """
    number = int(digits or 0)
    if number >= limit:
        raise ValueError(digits)
    return number
