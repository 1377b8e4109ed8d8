"""Which of a stream's properties are read, by the settings and the names in its SCHEMA. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from target_launchdarkly.errors import StreamError
from target_launchdarkly.names import nearest_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_launchdarkly.settings import StreamSettings

#: The column in which taps write when a row was deleted.
#: https://sdk.meltano.com/en/latest/implementation/record_metadata.html
DELETED_AT = "_sdc_deleted_at"
#: The step that taps declare for decimals of any scale.
LEAST_STEP = Decimal("1e-38")
#: The setting that names each property.
SETTINGS = {
    "key": "context_key_field",
    "flag": "membership_field",
    "segment": "segment_key_field",
    "size": "audience_size_field",
    "expires": "expires_at_field",
}
#: What no record does without it.
WITHOUT = {
    "key": "names a context",
    "flag": "says who is a member",
    "segment": "names a segment",
    "size": "says how many keys there are",
    "expires": "says when membership ends",
}


class Columns(NamedTuple):
    """The names of the properties that are read, as the stream spells them; None for none.

    A name may be that of the settings though the SCHEMA lacks it: taps send what they do not
    declare.
    """

    key: str
    flag: str
    deleted: str
    segment: str | None
    size: str | None
    expires: str | None
    #: What of these the SCHEMA declares, e.g. `{"key", "flag"}`.
    declared: frozenset[str]
    #: Whether the SCHEMA says that the keys are decimals with digits behind the point.
    has_scaled_keys: bool = False

    @property
    def names(self) -> dict[str, str]:
        """The name of each property by what it is for, e.g. `{"key": "CONTEXT_KEY"}`."""
        named = self._asdict()
        del named["declared"], named["has_scaled_keys"]
        return {role: name for role, name in named.items() if name is not None}

    def lack(self, role: str, properties: Iterable[str]) -> str | None:
        """Return what to do about a setting that names a property which is not declared."""
        name = self.names.get(role)
        if name is None or role in self.declared:
            return None
        return (
            f"has no property '{name}', so no record of it {WITHOUT[role]}. Set {SETTINGS[role]} "
            f"to one of its properties: {nearest_first(name, properties)}."
        )

    def lost_since(self, earlier: Columns) -> list[str]:
        """Return the names that an earlier SCHEMA declared and this one does not."""
        return [earlier.names[role] for role in sorted(earlier.declared - self.declared)]


def columns_of(stream: StreamSettings, properties: Mapping[str, Any]) -> Columns:
    """Return what is read of a stream's records.

    Names are those of the settings, or the one property that is spelled so but for upper and lower
    case: Snowflake folds names to upper case.

    Raises:
        StreamError: Two properties are spelled like a setting, or two settings mean one property.
    """
    wanted = {role: getattr(stream, setting) for role, setting in SETTINGS.items()}
    wanted["deleted"] = DELETED_AT
    found: dict[str, str | None] = {
        role: name and (_spelled_like(SETTINGS.get(role), name, properties) or name)
        for role, name in wanted.items()
    }
    names = [name for name in found.values() if name]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        meant = [SETTINGS.get(role, DELETED_AT) for role in found if found[role] == twice[0]]
        raise StreamError(
            f"{' and '.join(meant)} mean the same property '{twice[0]}'. Name a property for each."
        )
    declared = frozenset(role for role, name in found.items() if name in properties)
    is_scaled = _is_scaled(properties.get(found["key"] or ""))
    return Columns(**found, declared=declared, has_scaled_keys=is_scaled)  # type: ignore[arg-type]


def _is_scaled(schema: Any) -> bool:
    """Whether a column is a decimal with digits behind the point, by the step it declares.

    https://github.com/transferwise/pipelinewise-tap-postgres writes 1e-9 for numeric(38,9), and the
    least step for numeric without a scale.
    """
    step = schema.get("multipleOf") if isinstance(schema, dict) else None
    if isinstance(step, bool) or not isinstance(step, int | float | Decimal):
        return False
    return LEAST_STEP < Decimal(str(step)) < 1


def _spelled_like(setting: str | None, name: str, properties: Mapping[str, Any]) -> str | None:
    if name in properties:
        return name
    alike = [each for each in properties if each.casefold() == name.casefold()]
    if len(alike) > 1 and setting:
        raise StreamError(
            f"{setting} is '{name}', and the properties {', '.join(sorted(alike))} differ from it "
            f"only by upper and lower case. Set {setting} to one of them, spelled just so."
        )
    return alike[0] if len(alike) == 1 else None


def booleans_of(properties: Mapping[str, Any]) -> list[str]:
    """Return the properties that are declared as booleans, which may be meant as flags."""
    return [name for name, schema in properties.items() if _is_boolean(schema)]


def _is_boolean(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    types = schema.get("type")
    if types in ("boolean", ["boolean"]):
        return True
    return isinstance(types, list) and "boolean" in types and set(types) <= {"boolean", "null"}
