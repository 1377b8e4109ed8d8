"""LaunchDarkly's answers as typed values: each is parsed once, strictly, and told by what is wrong.

Pure: no I/O, no state. Names and types are those of LaunchDarkly's OpenAPI description
(https://launchdarkly.com/docs/api); what nobody reads here is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from target_launchdarkly.api import quoting

#: The context kind whose targets stand in `included` and `excluded` themselves, and that of a big
#: segment which names none.
USER = "user"
#: Individual targets that LaunchDarkly supports in a standard segment.
#: https://launchdarkly.com/docs/home/flags/segment-types
MAX_TARGETS = 15_000
#: As many instructions as a patch has at most.
MAX_FAILURES = 1_500


class ShapeError(ValueError):
    """An answer is not of the documented shape.

    Args:
        name: The first field that is not, e.g. `includedContexts.values`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' is missing or not of its documented type")


class _Fields:
    """The fields of a JSON object, each of which has to be of its type; null is as good as none."""

    def __init__(self, document: Mapping[str, Any], path: str = "") -> None:
        self.document = document
        self._path = path

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        return value if value is not None else self._fail(name)

    def optional_text(self, name: str) -> str | None:
        value = self.document.get(name)
        return value if value is None or isinstance(value, str) else self._fail(name)

    def kind(self, name: str) -> str:
        """Return a context kind; it is told to people, so that it has to look like one."""
        value = self.optional_text(name) or USER
        return value if re.fullmatch(r"[\w.-]+", value, re.ASCII) else self._fail(name)

    def whole(self, name: str) -> int:
        value = self.optional_whole(name)
        return value if value is not None else self._fail(name)

    def optional_whole(self, name: str) -> int | None:
        value: Any = self.document.get(name)
        # True is a number in Python, and in no JSON.
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not is_whole:
            self._fail(name)
        number: int | None = value
        return number

    def flag(self, name: str, *, is_needed: bool = False) -> bool:
        value = self.document.get(name)
        if isinstance(value, bool):
            return value
        return self._fail(name) if is_needed or value is not None else False

    def texts(self, name: str) -> list[str]:
        values = self._list(name)
        return values if all(isinstance(value, str) for value in values) else self._fail(name)

    def within(self, name: str) -> _Fields:
        value = self.document.get(name)
        if value is not None and not isinstance(value, Mapping):
            self._fail(name)
        return _Fields(value or {}, f"{self._path}{name}.")

    def each(self, name: str, *, is_needed: bool = False) -> Iterator[_Fields]:
        for value in self._list(name, is_needed=is_needed):
            yield _Fields(value if isinstance(value, Mapping) else self._fail(name), f"{name}.")

    def _list(self, name: str, *, is_needed: bool = False) -> list[Any]:
        value = self.document.get(name)
        if isinstance(value, list):
            return value
        # An empty list may be written as null, but another answer lacks the name.
        is_missing = is_needed and name not in self.document
        return self._fail(name) if is_missing or value is not None else []

    def _fail(self, name: str) -> NoReturn:
        raise ShapeError(f"{self._path}{name}")


class UserSegment(NamedTuple):
    """A segment. The individual targets are those of a standard one, by context kind."""

    key: str
    #: Counts changes; 0 for a segment that is still to be created.
    version: int
    created_ms: int
    is_big: bool
    #: Of a big segment's targets.
    context_kind: str = USER
    included: Mapping[str, list[str]] = MappingProxyType({})
    excluded: Mapping[str, list[str]] = MappingProxyType({})
    #: Of a big segment's targets; None if LaunchDarkly does not say.
    included_count: int | None = None
    excluded_count: int | None = None
    #: The tool that syncs it, as far as it can be told; None if there is none.
    external: str | None = None
    has_import: bool = False
    #: Role actions that the token may not do.
    denied: frozenset[str] = frozenset()

    @property
    def age(self) -> tuple[int, int]:
        """What grows with every change of a segment, also when it is deleted and made anew."""
        return self.created_ms, self.version

    @property
    def room(self) -> int:
        """How many individual targets more a standard segment may have; below 0 if too many."""
        return MAX_TARGETS - self.size

    @property
    def size(self) -> int:
        """How many individual targets a standard segment has, of all kinds."""
        return sum(
            len(keys) for of_kind in (self.included, self.excluded) for keys in of_kind.values()
        )

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> UserSegment:
        """Return an answer's segment.

        https://launchdarkly.com/docs/api/segments/get-segment

        Raises:
            ShapeError: It is none.
        """
        fields = _Fields(document)
        counts = fields.within("_unboundedMetadata")
        external = fields.optional_text("_external")
        return cls(
            fields.text("key"),
            fields.whole("version"),
            fields.whole("creationDate"),
            fields.flag("unbounded"),
            fields.kind("unboundedContextKind"),
            _targets(fields, "included"),
            _targets(fields, "excluded"),
            counts.optional_whole("includedCount"),
            counts.optional_whole("excludedCount"),
            quoting.tool(external) if external else None,
            fields.flag("_importInProgress"),
            frozenset(each.text("action") for each in fields.within("_access").each("denied")),
        )


def _targets(fields: _Fields, name: str) -> dict[str, list[str]]:
    targets = {USER: fields.texts(name)}
    # Users stand in the plain list; a list of their own kind is read as well, should one appear.
    for each in fields.each(f"{name}Contexts"):
        targets.setdefault(each.text("contextKind"), []).extend(each.texts("values"))
    return targets


class BigSegmentTarget(NamedTuple):
    """Where one context key of a big segment stands."""

    is_included: bool
    is_excluded: bool

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> BigSegmentTarget:
        """Return what an answer says of a key.

        https://launchdarkly.com/docs/api/segments/get-segment-membership-for-context

        Raises:
            ShapeError: It says nothing.
        """
        fields = _Fields(document)
        return cls(fields.flag("included", is_needed=True), fields.flag("excluded", is_needed=True))


class Transfer(NamedTuple):
    """How far an import or an export of a big segment is."""

    #: In lower case, e.g. `in_progress`.
    status: str
    #: As they are; of an export, one of them leads to its file.
    links: Mapping[str, Any]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Transfer:
        """Return what an answer says of a transfer.

        https://launchdarkly.com/docs/api/segments/get-big-segment-import

        Raises:
            ShapeError: It says nothing.
        """
        fields = _Fields(document)
        fields.within("_links")
        return cls(fields.text("status").lower(), document.get("_links") or {})


class ExpiringTarget(NamedTuple):
    """When an individual target leaves by itself."""

    #: `included` or `excluded`.
    target_type: str
    context_kind: str
    context_key: str
    expires_ms: int
    version: int | None


class ExpiringTargets(NamedTuple):
    """When targets of a segment leave by themselves, and what of a patch of that failed."""

    items: list[ExpiringTarget]
    #: Place from 0 on, or None, of each instruction that failed, and what LaunchDarkly says of it.
    failures: list[tuple[int | None, Mapping[str, Any]]]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> ExpiringTargets:
        """Return the expirations that an answer lists, and the failures.

        https://launchdarkly.com/docs/api/segments/patch-expiring-targets-for-segment

        Raises:
            ShapeError: It lists none.
        """
        fields = _Fields(document)
        items = [
            ExpiringTarget(
                each.text("targetType"),
                each.text("contextKind"),
                each.text("contextKey"),
                each.whole("expirationDate"),
                each.optional_whole("_version"),
            )
            for each in fields.each("items", is_needed=True)
        ]
        failures: list[tuple[int | None, Mapping[str, Any]]] = [
            (each.optional_whole("instructionIndex"), each.document)
            for each in fields.each("errors")
        ]
        untold = (fields.optional_whole("failedInstructions") or 0) - len(failures)
        return cls(items, failures + [(None, {})] * min(untold, MAX_FAILURES))


class CallerIdentity(NamedTuple):
    """Whom a token belongs to."""

    token_name: str

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> CallerIdentity:
        """Return what https://launchdarkly.com/docs/api/other/get-caller-identity answers.

        Raises:
            ShapeError: It is something else.
        """
        return cls(_Fields(document).optional_text("tokenName") or "")


class Environment(NamedTuple):
    """An environment of a project."""

    #: Whether its segments can be changed by approvals only.
    needs_approvals: bool

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Environment:
        """Return what https://launchdarkly.com/docs/api/environments/get-environment answers.

        Raises:
            ShapeError: It is something else.
        """
        approvals = _Fields(document).within("resourceApprovalSettings").within("segment")
        return cls(approvals.flag("required"))
