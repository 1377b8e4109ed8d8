"""What a record says about one context's membership. Pure: no I/O, no state."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.intake.moments import moment_ms
from target_launchdarkly.properties import KEY_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_launchdarkly.intake.columns import Columns

#: `snapshot` is mirroring by a list of the whole audience: its flags say who is listed.
SyncMode = Literal["add", "remove", "mirror", "snapshot"]

#: What a flag means in each mode: include (True), un-include (False) or nothing (None).
#: The flag None stands for a record without one.
DECISIONS: Mapping[SyncMode, Mapping[bool | None, bool | None]] = {
    "add": {True: True, False: None, None: True},
    "remove": {True: None, False: False, None: False},
    "mirror": {True: True, False: False, None: True},
    "snapshot": {True: True, False: False, None: True},
}

FLAGS: Mapping[str, bool] = {
    "true": True,
    "t": True,
    "yes": True,
    "y": True,
    "1": True,
    "false": False,
    "f": False,
    "no": False,
    "n": False,
    "0": False,
}

#: Stands for a property that a record does not have.
ABSENT: Any = object()

#: A longer number is no key that anybody assigned; writing it out could fill the memory.
MAX_KEY_DIGITS = 400
#: Whole numbers below are exact in a double, as JSON numbers with a fraction or exponent often are.
EXACT_BELOW = 2**53
#: No double is written with more digits: who wrote more had the exact number.
DOUBLE_DIGITS = 17


class Exponential(Decimal):
    """A number that was written with an exponent, e.g. `1.498392753700442e+18`."""


def number(text: str) -> Decimal:
    """Return a JSON number that is not written as an integer, so that its digits can be judged."""
    return Exponential(text) if "e" in text or "E" in text else Decimal(text)


def integer(text: str) -> int | Decimal:
    """Return a JSON number that is written as an integer, however long it is."""
    return int(text) if len(text) <= MAX_KEY_DIGITS else Decimal(text)


class Row(NamedTuple):
    """What is read of a record.

    ABSENT stands for a property that it lacks, None where that says the same. What lines are
    decoded to has the same attributes, and is no tuple.
    """

    key: Any = ABSENT
    flag: Any = ABSENT
    #: When the source deleted the row.
    deleted: Any = None
    segment: Any = ABSENT
    size: Any = ABSENT
    #: When membership ends.
    expires: Any = None


class Membership(NamedTuple):
    """One context's membership as a record states it."""

    #: The context key, e.g. `user-17`.
    context_key: str
    #: True to include, False to un-include, None to leave the context as it is.
    included: bool | None
    #: Epoch milliseconds when the membership ends; None if it does not, or if the flag says no.
    ends_ms: int | None = None


class MembershipRule(NamedTuple):
    """How one stream's records are read."""

    mode: SyncMode
    columns: Columns
    #: Epoch milliseconds of the run: a membership that ended before is none. It is the same for all
    #: records, so that nothing depends on when a record was read.
    now_ms: int = 0

    def read(self, row: Row) -> Membership:
        """Read one record.

        Raises:
            InvalidRecordError: The key, the flag or the moment cannot be used. The message names
                the property, never the value.
        """
        key = self.context_key(row)
        flag = False if is_deleted(row.deleted) else self._flag(row.flag)
        name, ends_ms = self.columns.expires, None
        if name is not None and flag is not False:
            ends_ms = moment_ms(row.expires, name)
            # Who has no flag is a member until then, also where a row without one would leave.
            flag = ends_ms is None or ends_ms > self.now_ms
        return Membership(key, DECISIONS[self.mode][flag], ends_ms)

    def context_key(self, row: Row) -> str:
        """Return the context key that a record names.

        Raises:
            InvalidRecordError: It names none, or one that may be somebody else's.
        """
        value = row.key
        if self.columns.has_scaled_keys and isinstance(value, int) and abs(value) >= EXACT_BELOW:
            # A decimal of this column is written with its digits behind the point, unless it went
            # through a double, as log-based taps do.
            raise InvalidRecordError(_lost_digits(self.columns.key))
        return context_key(value, self.columns.key)

    def _flag(self, value: object) -> bool | None:
        if value is ABSENT and "flag" not in self.columns.declared:
            return None
        return membership_flag(value, self.columns.flag)


def is_deleted(deleted_at: object) -> bool:
    """Whether the source has deleted a row; its flag is then not looked at.

    It has at any time, or if it says so; not if it says no, as `false`, `0` or their texts.
    """
    if isinstance(deleted_at, str):
        text = deleted_at.strip().lower()
        return FLAGS.get(text, bool(text))
    return bool(deleted_at)


def context_key(value: object, name: str) -> str:
    """Return the context key that a record property holds.

    Args:
        value: A text, whose blanks around the key do not count (CHAR columns pad), or a number
            that is surely whole and exact: `42`, `42.0` and `42.000000000` give `"42"`.
        name: The property's name, for the error.

    Raises:
        InvalidRecordError: The value is anything else.
    """
    if isinstance(value, str):
        return _string_key(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidRecordError(f"'{name}' holds {_kind_of(value)}, not a context key.")
    return _number_key(value, name)


def _string_key(value: str, name: str) -> str:
    key = value.strip()
    if not key:
        raise InvalidRecordError(f"'{name}' is blank, so it names no context.")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            # LaunchDarkly would store another key in its place, and no run would ever converge.
            raise InvalidRecordError(f"'{name}' holds text that is not valid Unicode.") from None
    return key


def _number_key(value: float | Decimal, name: str) -> str:
    exact = Decimal(value)
    if not exact.is_finite() or exact.adjusted() >= MAX_KEY_DIGITS:
        raise InvalidRecordError(f"'{name}' holds a number that is no context key.")
    if exact != exact.to_integral_value():
        raise InvalidRecordError(f"'{name}' holds a number with a fraction, not a context key.")
    if not (abs(exact) < EXACT_BELOW or _is_exact(value)):
        raise InvalidRecordError(_lost_digits(name))
    return str(int(exact))


def _lost_digits(name: str) -> str:
    return (
        f"'{name}' holds a number that has lost digits on its way (a double beyond 2^53), so it "
        "may be somebody else's key. Let the model cast it to text."
    )


def _is_exact(value: float | Decimal) -> bool:
    """Whether all digits of a large whole number are right: it did not go through a double."""
    if isinstance(value, int):
        return True
    if isinstance(value, Exponential) or not isinstance(value, Decimal):
        return False
    return len(value.as_tuple().digits) > DOUBLE_DIGITS


def segment_key_of(value: object, name: str) -> str:
    """Return the segment key that a record property holds.

    Raises:
        InvalidRecordError: It holds none.
    """
    key = value.strip() if isinstance(value, str) else ""
    if not re.match(KEY_PATTERN, key):
        raise InvalidRecordError(f"'{name}' holds no segment key.")
    return key


def membership_flag(value: object, name: str) -> bool:
    """Return the membership that a flag states.

    Args:
        value: A boolean, 1 or 0, or one of `FLAGS` in any case.
        name: The property's name, for the error.

    Raises:
        InvalidRecordError: The value is null or says neither yes nor no.
    """
    if isinstance(value, bool):
        return value
    flag: bool | None = None
    if isinstance(value, str):
        flag = FLAGS.get(value.strip().lower())
    elif isinstance(value, int | float | Decimal) and Decimal(value).is_finite():
        flag = bool(value) if value in {0, 1} else None
    if flag is None:
        told = (
            f"'{name}' holds {_kind_of(value)} that is no membership flag: use true or false, 1 or "
            "0, yes or no."
        )
        if value is None or value is ABSENT:
            told += f" In the model, `coalesce({name}, false)` says what no value means."
        raise InvalidRecordError(told)
    return flag


def _kind_of(value: object) -> str:
    if value is None or value is ABSENT:
        return "nothing (null or missing)"
    names = {bool: "a boolean", str: "text", dict: "an object", list: "an array"}
    return names.get(
        type(value), "a number" if isinstance(value, int | float | Decimal) else "data"
    )
