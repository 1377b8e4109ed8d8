"""Troubles to rehearse."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from .happenings import WHENS, When
from .turns import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FaultKind: TypeAlias = Literal[
    "status",
    "status-after",
    "drop-before",
    "drop-after",
    "reset-before",
    "reset-after",
    "delay",
    "html",
    "html-ok",
    "truncate",
    "garbage",
    "empty",
    "redirect",
    "late-drop",
    "late-status",
    "stale",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
# Kinds that let a patch be applied, or an import started, later.
KINDS_LATE = frozenset({"late-drop", "late-status"})
# Kinds that answer instead of the API; the others let it apply the request first.
KINDS_BEFORE = KINDS_LATE | {"status", "drop-before", "reset-before", "html", "redirect"}
KINDS_DROPPING = frozenset(
    {"drop-before", "drop-after", "reset-before", "reset-after", "late-drop"}
)
_MIN_STATUS, _MAX_STATUS = 200, 599
_HEADER_PREFIX = "headers."
_NUMBERS = {
    "after": int,
    "times": int,
    "status": int,
    "seconds": float,
    "later": int,
    "behind": int,
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "method": str,
    "after": int,
    "seconds": (int, float),
    "status": int,
    "times": int,
    "headers": dict,
    "body": str,
    "later": (int, type(None)),
    "when": str,
    "behind": int,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One trouble.

    Attributes:
        kind: what happens.
        method: the HTTP method that it happens to; None for all; `FILE` for whoever reads the
            file of an export.
        after: so many matching requests pass unharmed first.
        seconds: wait so long before all else.
        status: of the answer, for the kinds that make one up.
        times: how often it happens.
        headers: added to the answer, such as `{"Retry-After": "3"}`.
        body: of the answer, for the kinds that make one up.
        later: for the late kinds: the patch is applied, or the import started, at so many requests
            to the API after it; None for never, unless told to.
        when: for the late kinds: before or after that request is handled.
        behind: for `stale`: the answer to a GET of a segment shows it as it was so many changes
            ago, the answer to a PATCH as it was before the patch, or as many changes less one
            before that.
    """

    kind: FaultKind
    method: str | None = None
    after: int = 0
    seconds: float = 0.0
    status: int | None = None
    times: int = 1
    headers: Mapping[str, str] | None = None
    body: str | None = None
    later: int | None = 1
    when: When = "before"
    behind: int = 1

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault {self.kind}; known are {', '.join(FAULT_KINDS)}")
        if self.after < 0 or self.seconds < 0 or self.times < 1:
            raise ValueError("after and seconds of a fault start at 0, times at 1")
        if self.status is not None and not _MIN_STATUS <= self.status <= _MAX_STATUS:
            raise ValueError(f"status of a fault lies in {_MIN_STATUS} to {_MAX_STATUS}")
        if not all(isinstance(value, str) for value in (self.headers or {}).values()):
            raise ValueError("headers of a fault are strings")
        if self.behind < 1 or (self.later is not None and self.later < 1):
            raise ValueError("later and behind of a fault start at 1")
        if self.when not in WHENS:
            raise ValueError(f"when of a fault is {' or '.join(WHENS)}")

    @property
    def is_before(self) -> bool:
        """Say whether the request is not applied, or not now."""
        return self.kind in KINDS_BEFORE

    @property
    def is_late(self) -> bool:
        """Say whether a patch is applied, or an import started, later."""
        return self.kind in KINDS_LATE

    @property
    def is_dropping(self) -> bool:
        """Say whether the request is not answered."""
        return self.kind in KINDS_DROPPING

    @classmethod
    def parse(cls, spec: str) -> Fault:
        """Read `KIND[:key=value,...]`, such as `status:status=503,headers.Retry-After=3`."""
        kind, _, rest = spec.partition(":")
        values: dict[str, object] = {"kind": kind}
        headers: dict[str, str] = {}
        for pair in filter(None, rest.split(",")):
            name, equals, value = pair.partition("=")
            if not equals:
                raise ValueError(f"{pair} is not of the form key=value")
            if name.startswith(_HEADER_PREFIX):
                headers[name.removeprefix(_HEADER_PREFIX)] = value
            else:
                values[name] = _NUMBERS[name](value) if name in _NUMBERS else value
        if headers:
            values["headers"] = headers
        return cls.from_mapping(values)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Fault:
        """Make a fault of its fields, as JSON gives them."""
        for name, value in values.items():
            if name not in _TYPES:
                known = ", ".join(field.name for field in fields(cls))
                raise ValueError(f"unknown property {name} of a fault; known are {known}")
            if not isinstance(value, _TYPES[name]):
                raise ValueError(f"{name} of a fault cannot be {value!r}")  # noqa: TRY004
        if "kind" not in values:
            raise ValueError("a fault needs a kind")
        return cls(**values)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Pending:
    fault: Fault
    turn: Turn


class FaultQueue:
    """Faults to come, for several threads.

    A request meets the first fault of its method whose `after` requests have passed, and counts
    as passed for those before it.
    """

    def __init__(self) -> None:
        self._pending: list[_Pending] = []
        self._lock = threading.Lock()

    def append(self, fault: Fault) -> None:
        """Add a fault at the end."""
        with self._lock:
            turn = Turn(fault.method, fault.after, fault.times)
            self._pending.append(_Pending(fault, turn))

    def extend(self, faults: Iterable[Fault]) -> None:
        """Add faults at the end."""
        for fault in faults:
            self.append(fault)

    def clear(self) -> None:
        """Call all faults off."""
        with self._lock:
            self._pending.clear()

    def take(self, method: str) -> Fault | None:
        """Give the fault that a request of this method meets, if any."""
        with self._lock:
            for pending in self._pending:
                if pending.turn.comes(method):
                    if pending.turn.is_over:
                        self._pending.remove(pending)
                    return pending.fault
        return None

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter([pending.fault for pending in self._pending])

    def __len__(self) -> int:
        with self._lock:
            return len(self._pending)
