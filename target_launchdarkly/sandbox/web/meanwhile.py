"""Somebody else's changes, as the command line names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from target_launchdarkly.sandbox.state.foreign import (
    VERBS,
    Fate,
    ForeignChange,
    ForeignImport,
)

from .happenings import WHENS, When
from .turns import Turn

if TYPE_CHECKING:
    from .server import Sandbox

_Deed: TypeAlias = Fate | Literal["import"]

_ANY_METHOD = "*"
_FATES: tuple[Fate, ...] = ("delete", "recreate")
_NAMES = ("segment", "kind", *VERBS, "after", "times", "when", "seconds")
_FORM = "METHOD:segment=KEY, and add, remove, exclude or unexclude=KEY, delete, recreate or import"


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """A change and the request at which it comes; the fields are those of `Sandbox.meanwhile`."""

    change: ForeignChange | ForeignImport
    method: str | None = None
    after: int = 0
    when: When = "before"
    times: int = 1

    def __post_init__(self) -> None:
        # The turn checks what the sandbox will make of it, before anything is arranged.
        Turn(self.method, self.after, self.times)

    def arrange(self, sandbox: Sandbox) -> None:
        """Let the change come."""
        sandbox.meanwhile(
            self.change, method=self.method, after=self.after, when=self.when, times=self.times
        )

    @classmethod
    def parse(cls, spec: str) -> Meanwhile:
        """Read `METHOD:name[=value],...`, such as `PATCH:after=1,segment=beta,remove=a,remove=b`.

        `*` is any method.
        """
        method, _, rest = spec.partition(":")
        deed, values = _read_pairs(rest)
        (when,) = values.pop("when", ["before"])[-1:]
        if when not in WHENS:
            raise ValueError(f"when is {' or '.join(WHENS)}")
        (after,) = values.pop("after", ["0"])[-1:]
        (times,) = values.pop("times", ["1"])[-1:]
        return cls(
            _change(deed, values),
            None if method == _ANY_METHOD else method,
            int(after),
            when,
            int(times),
        )


def _read_pairs(text: str) -> tuple[_Deed, dict[str, list[str]]]:
    """Give what is done to the segment, and the values of every name."""
    deed: _Deed = "change"
    values: dict[str, list[str]] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if pair == "import":
            deed = "import"
        elif pair in _FATES:
            deed = pair
        elif equals and name in _NAMES:
            values.setdefault(name, []).append(value)
        else:
            raise ValueError(f"{pair} is not understood; it reads {_FORM}")
    return deed, values


def _change(deed: _Deed, values: dict[str, list[str]]) -> ForeignChange | ForeignImport:
    if "segment" not in values:
        raise ValueError(f"a segment is missing; it reads {_FORM}")
    (segment_key,) = values["segment"][-1:]
    if deed == "import":
        seconds = float(values.get("seconds", ["60"])[-1])
        return ForeignImport(segment_key, tuple(values.get("add", ())), seconds=seconds)
    keys = {verb: tuple(values[verb]) for verb in VERBS if verb in values}
    context_kind = values.get("kind", [None])[-1]
    return ForeignChange(segment_key, context_kind=context_kind, fate=deed, **keys)
