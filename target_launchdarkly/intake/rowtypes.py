"""A stream's JSON Schema becomes a type at least as strict, so that decoding is validation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, Union

from singer_sdk.helpers._typing import get_datelike_property_type

from target_launchdarkly.sinks import DELETED_AT, STRIPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from target_launchdarkly.settings import StreamSettings
    from target_launchdarkly.sinks import AudienceSink

#: The types of JSON Schema as msgspec names them.
KINDS: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": None,
    "array": list,
    "object": dict,
}
#: What a column may hold that says something to us. No floats: the SDK's way has exact decimals.
SCALARS = frozenset({"string", "integer", "boolean", "null"})
#: The kind of values that a keyword limits, and what msgspec calls the limit.
LIMITS = {
    "minLength": ("string", "min_length"),
    "maxLength": ("string", "max_length"),
    "minimum": ("integer", "ge"),
    "maximum": ("integer", "le"),
    "exclusiveMinimum": ("integer", "gt"),
    "exclusiveMaximum": ("integer", "lt"),
}
#: The keywords that only objects are looked at for.
OBJECT_KEYWORDS = frozenset({"properties", "required", "additionalProperties"})
#: Keywords that can change what the others mean.
IDENTIFIERS = frozenset({"$id", "$schema", "$anchor", "$dynamicAnchor", "$vocabulary"})
#: What is raised where a type cannot say what a schema says; a schema need not make sense.
UNSUPPORTED = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError),
)
#: Stands for a property that a record does not have.
ABSENT = object()
#: How the SDK reads dates and times.
PARSERS: Mapping[str, Callable[[str], object]] = {
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A property of a record: where its value is put, and what it may be."""

    attribute: str
    #: What the value may be, e.g. `{"string": str, "null": None}`.
    kinds: Mapping[str, Any]
    is_required: bool = False
    #: What is put where the property is absent.
    default: object = ABSENT
    #: Whether the sink looks at the value.
    is_read: bool = False
    #: What the SDK reads the value with, to see whether it can be read.
    parse: Callable[[str], object] | None = None

    @property
    def nests(self) -> bool:
        """Whether the value may hold other values."""
        return "array" in self.kinds or "object" in self.kinds


def columns_of(sink: AudienceSink) -> dict[str, Column]:
    """Return what records of a stream may hold, by property.

    Raises:
        One of UNSUPPORTED: That cannot be said with certainty.
    """
    schema, keywords = sink.schema, sink.keywords
    roles = _roles(sink.stream)
    required = set(sink.key_properties)
    if keywords:
        required |= _required(schema, (keywords | IDENTIFIERS) - {"$schema"})
    if not required <= schema["properties"].keys() or roles.keys() & set(STRIPPED):
        raise ValueError
    kinds = {name: _kinds(each, keywords) for name, each in schema["properties"].items()}
    for name, is_told in sink.undeclared.items():
        kinds[name] = dict(KINDS) if is_told else {"null": None}
    columns = {}
    for number, (name, may_be) in enumerate(kinds.items()):
        attribute = roles.get(name) or f"c{number}"
        datelike = get_datelike_property_type(schema["properties"].get(name, {}))
        if datelike:
            may_be = _only(may_be, {"string", "null"})  # noqa: PLW2901
        if name in roles:
            may_be = _only(may_be, SCALARS)  # noqa: PLW2901
        columns[name] = Column(
            attribute,
            may_be,
            is_required=name in required,
            is_read=name in roles,
            parse=PARSERS.get(datelike or ""),
        )
    for name in STRIPPED:
        attribute = "deleted" if name == DELETED_AT else f"s{name}"
        columns[name] = Column(attribute, _only(KINDS, {*SCALARS, "number"}), default=None)
    return columns


def _roles(stream: StreamSettings) -> dict[str, str]:
    """Return the properties that say something to the sink, and where their values are put."""
    roles = {
        stream.audience_size_field: "size",
        stream.segment_key_field: "segment",
        stream.membership_field: "flag",
        stream.context_key_field: "key",
    }
    if stream.membership_field == stream.context_key_field:
        raise ValueError
    return {name: attribute for name, attribute in roles.items() if name}


def _only(kinds: Mapping[str, Any], wanted: AbstractSet[str]) -> dict[str, Any]:
    left = {kind: each for kind, each in kinds.items() if kind in wanted}
    if not left:
        raise ValueError
    return left


def _required(schema: Mapping[str, Any], keywords: AbstractSet[str]) -> set[str]:
    """Return the properties that an object schema requires, if it is a simple one."""
    if schema.keys() & keywords - {*OBJECT_KEYWORDS, "type", "format"}:
        raise ValueError
    if "object" not in schema.get("type", "object"):
        raise ValueError
    if not isinstance(schema.get("additionalProperties", False), bool):
        raise TypeError
    return set(schema.get("required", ()))


def struct(columns: Mapping[str, Column]) -> type:
    """Return the type of an object with these properties and no others."""
    import msgspec  # noqa: PLC0415

    fields: list[Any] = [
        (each.attribute, union(each.kinds.values()), *([] if each.is_required else [each.default]))
        for each in columns.values()
    ]
    names = {each.attribute: name for name, each in columns.items()}
    return msgspec.defstruct(
        "Object",
        fields,
        rename=names,
        namespace={name: ABSENT for name in ("key", "flag") if name not in names},
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def union(kinds: Iterable[Any]) -> Any:
    """Return the type of values that are of any of these types."""
    return Union[tuple(kinds)]  # noqa: UP007 the members are known only here


def _kinds(schema: Mapping[str, Any], keywords: AbstractSet[str]) -> dict[str, Any]:
    """Return what a value may be by its JSON Schema, of whose keywords all are looked at.

    Raises:
        One of UNSUPPORTED: A type cannot say it.
    """
    if not keywords:
        return dict(KINDS)
    used = schema.keys() & (keywords | IDENTIFIERS) - {"type", "format"}
    if "anyOf" in used:
        return _any_of(schema, keywords)
    types = schema.get("type", list(KINDS))
    kinds = {kind: KINDS[kind] for kind in ([types] if isinstance(types, str) else types)}
    if "number" in kinds:
        kinds["integer"] = int
    if used & {*OBJECT_KEYWORDS} and "object" in kinds:
        kinds["object"] = _object(schema, keywords)
    if "items" in used and "array" in kinds:
        kinds["array"] = list[union(_kinds(schema["items"], keywords).values())]  # type: ignore[misc]
    for keyword in used - {*OBJECT_KEYWORDS, "items"}:
        kind, limit = LIMITS[keyword]
        _limit(kinds, kind, limit, schema[keyword])
    return kinds


def _any_of(schema: Mapping[str, Any], keywords: AbstractSet[str]) -> dict[str, Any]:
    if schema.keys() & (keywords | IDENTIFIERS) - {"anyOf", "format"}:
        raise ValueError
    kinds: dict[str, Any] = {}
    for option in schema["anyOf"]:
        # Of two options for one kind, the first alone: the other's values go the SDK's way.
        kinds = _kinds(option, keywords) | kinds
    return kinds


def _object(schema: Mapping[str, Any], keywords: AbstractSet[str]) -> Any:
    required = _required({**schema, "type": "object"}, OBJECT_KEYWORDS & schema.keys())
    properties = schema.get("properties", {})
    if not properties and not required and schema.get("additionalProperties", True):
        return dict
    if not required <= properties.keys():
        raise ValueError
    return struct(
        {
            name: Column(f"c{number}", _kinds(each, keywords), is_required=name in required)
            for number, (name, each) in enumerate(properties.items())
        }
    )


def _limit(kinds: dict[str, Any], kind: str, limit: str, value: object) -> None:
    """Narrow one kind. Bounds of decimal numbers cannot be said: they are decoded as floats."""
    import msgspec  # noqa: PLC0415

    if kind == "integer" and "number" in kinds:
        raise ValueError
    if kind in kinds:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        limits: dict[str, Any] = {limit: value}
        kinds[kind] = Annotated[kinds[kind], msgspec.Meta(**limits)]
