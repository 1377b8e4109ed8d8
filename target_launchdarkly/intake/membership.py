"""What a record says about one context's membership. Pure: no I/O, no state."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from target_launchdarkly.errors import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: `snapshot` is mirroring by a list of the whole audience: its flags say who is listed.
SyncMode = Literal["add", "remove", "mirror", "snapshot"]

#: What a flag means in each mode: include (True), un-include (False) or nothing (None).
#: The flag None stands for a stream that has no flag.
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

#: A longer number is no key that anybody assigned; writing it out could fill the memory.
MAX_KEY_DIGITS = 400


class Membership(NamedTuple):
    """One context's membership as a record states it."""

    #: The context key, e.g. `user-17`.
    context_key: str
    #: True to include, False to un-include, None to leave the context as it is.
    included: bool | None


@dataclass(frozen=True, slots=True)
class MembershipRule:
    """How one stream's records are read."""

    mode: SyncMode
    context_key_field: str
    membership_field: str
    #: Whether the stream's SCHEMA declares the membership field.
    has_flag: bool

    def read(self, record: Mapping[str, Any], *, deleted: bool = False) -> Membership:
        """Read one record.

        Args:
            record: The record's properties, e.g. `{"context_key": "user-17", "is_member": True}`.
            deleted: Whether the source has deleted the row; its flag is then not looked at.

        Raises:
            InvalidRecordError: The key or the flag cannot be used. The message names the field,
                never the value.
        """
        key = context_key(record.get(self.context_key_field), self.context_key_field)
        flag = False if deleted else self._flag(record)
        return Membership(key, DECISIONS[self.mode][flag])

    def _flag(self, record: Mapping[str, Any]) -> bool | None:
        if not self.has_flag and self.membership_field not in record:
            return None
        return membership_flag(record.get(self.membership_field), self.membership_field)


def context_key(value: object, field: str) -> str:
    """Return the context key that a record property holds.

    Args:
        value: A non-empty string, or a number without a fraction: `42` and `42.0` give `"42"`.
        field: The property's name, for the error.

    Raises:
        InvalidRecordError: The value is anything else.
    """
    if isinstance(value, str):
        return _string_key(value, field)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidRecordError(f"'{field}' holds {_kind_of(value)}, not a context key.")
    return _number_key(value, field)


def _string_key(value: str, field: str) -> str:
    if not value or value.isspace():
        raise InvalidRecordError(f"'{field}' is blank, so it names no context.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # LaunchDarkly would store another key in its place, and no run would ever converge.
            raise InvalidRecordError(f"'{field}' holds text that is not valid Unicode.") from None
    return value


def _number_key(value: float | Decimal, field: str) -> str:
    number = Decimal(value)
    if not number.is_finite() or number.adjusted() >= MAX_KEY_DIGITS:
        raise InvalidRecordError(f"'{field}' holds a number that is no context key.")
    if number != number.to_integral_value():
        raise InvalidRecordError(f"'{field}' holds a number with a fraction, not a context key.")
    return str(int(number))


def membership_flag(value: object, field: str) -> bool:
    """Return the membership that a flag states.

    Args:
        value: A boolean, 1 or 0, or one of `FLAGS` in any case.
        field: The property's name, for the error.

    Raises:
        InvalidRecordError: The value is null or says neither yes nor no.
    """
    if isinstance(value, bool):
        return value
    flag: bool | None = None
    if isinstance(value, str):
        flag = FLAGS.get(value.lower())
    elif isinstance(value, int | float | Decimal) and Decimal(value).is_finite():
        flag = bool(value) if value in {0, 1} else None
    if flag is None:
        raise InvalidRecordError(
            f"'{field}' holds {_kind_of(value)} that is no membership flag: "
            "use true or false, 1 or 0, yes or no."
        )
    return flag


def _kind_of(value: object) -> str:
    if value is None:
        return "nothing (null or missing)"
    names = {bool: "a boolean", str: "text", dict: "an object", list: "an array"}
    return names.get(
        type(value), "a number" if isinstance(value, int | float | Decimal) else "data"
    )
