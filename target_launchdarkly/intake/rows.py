"""What is read of a record: as a plain row, and as a type by which lines are decoded."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

from target_launchdarkly.intake.membership import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_launchdarkly.intake.columns import Columns
    from target_launchdarkly.intake.membership import Row

#: What a property that is read may hold. Anything else, as numbers with a fraction, goes the SDK's
#: way, which has exact decimals.
TYPES: Mapping[str, Any] = {
    "key": str | int | None,
    "flag": bool | str | int | None,
    "deleted": str | None,
    "segment": str | None,
    "size": int | str | None,
    "expires": int | str | None,
}
#: What stands for a property that a record does not have.
DEFAULTS: Mapping[str, Any] = dict.fromkeys(TYPES, ABSENT) | {"deleted": None, "expires": None}


class PlainRow:
    """What is read of a record that was decoded as a whole."""

    __slots__ = ("deleted", "expires", "flag", "key", "segment", "size")

    def __init__(  # noqa: PLR0913, PLR0917 one for each property
        self, key: Any, flag: Any, deleted: Any, segment: Any, size: Any, expires: Any
    ) -> None:
        self.key = key
        self.flag = flag
        self.deleted = deleted
        self.segment = segment
        self.size = size
        self.expires = expires


def row_of(record: Mapping[str, Any], columns: Columns) -> PlainRow:
    """Return what is read of a record."""
    named = columns.names
    values = {
        role: record.get(named[role], default) if role in named else default
        for role, default in DEFAULTS.items()
    }
    return PlainRow(**values)


def rows_of(values: Mapping[str, Sequence[Any]], count: int, columns: Columns) -> list[Row]:
    """Return what is read of records that come as columns.

    Args:
        values: By the property's name.
        count: How many records they are.
        columns: Which properties are read.
    """
    named = columns.names
    read = (
        (named.get(role) in values and values[named[role]]) or repeat(default, count)
        for role, default in DEFAULTS.items()
    )
    return [*map(PlainRow, *read)]


def row_type(columns: Columns, key_properties: Sequence[str]) -> type:
    """Return the type of what is read of a stream's records, as msgspec decodes it.

    Its fields are those of `Row`; it demands that the key properties are present, as the SDK does.
    """
    import msgspec  # noqa: PLC0415 not before there is something to decode

    names = columns.names
    roles = {name: role for role, name in names.items()}
    fields: list[Any] = []
    for role in names:
        default = () if names[role] in key_properties else (DEFAULTS[role],)
        fields.append((role, TYPES[role], *default))
    others = [name for name in dict.fromkeys(key_properties) if name not in roles]
    fields += [(f"other{number}", msgspec.Raw) for number, _ in enumerate(others)]
    rename = names | {f"other{number}": name for number, name in enumerate(others)}
    return msgspec.defstruct(
        "Row",
        fields,
        rename=rename,
        namespace={role: DEFAULTS[role] for role in TYPES if role not in names},
        kw_only=True,
        gc=False,
    )
