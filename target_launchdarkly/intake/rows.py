"""What is read of a record: as a `Row`, and as a type by which lines are decoded."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

from target_launchdarkly.intake.membership import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_launchdarkly.intake.columns import Columns

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
DEFAULTS: Mapping[str, Any] = Row._field_defaults


def row_of(record: Mapping[str, Any], columns: Columns) -> Row:
    """Return what is read of a record."""
    named = columns.names
    return Row(**{role: record[name] for role, name in named.items() if name in record})


def rows_of(values: Mapping[str, Sequence[Any]], count: int, columns: Columns) -> list[Row]:
    """Return what is read of records that come as columns.

    Args:
        values: By the property's name.
        count: How many records they are.
        columns: Which properties are read.
    """
    named = columns.names
    read = (
        values[named[role]] if named.get(role) in values else repeat(default, count)
        for role, default in DEFAULTS.items()
    )
    return [*map(Row, *read)]


def row_type(columns: Columns, key_properties: Sequence[str]) -> type:
    """Return the type of what is read of a stream's records, as msgspec decodes it.

    Its fields are those of `Row`; it demands that the key properties are present, as the SDK does.
    """
    import msgspec  # noqa: PLC0415 not before there is something to decode

    names = columns.names
    fields: list[Any] = [
        (role, TYPES[role]) if name in key_properties else (role, TYPES[role], DEFAULTS[role])
        for role, name in names.items()
    ]
    others = sorted({*key_properties} - {*names.values()})
    rename = names | {f"other{number}": name for number, name in enumerate(others)}
    return msgspec.defstruct(
        "Row",
        fields + [(field, msgspec.Raw) for field in rename if field not in names],
        rename=rename,
        namespace={role: default for role, default in DEFAULTS.items() if role not in names},
        kw_only=True,
        gc=False,
    )
