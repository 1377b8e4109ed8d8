"""Somebody else's changes, as the command line names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_launchdarkly.sandbox.state.foreign import VERBS, Fate, ForeignChange

from .happenings import WHENS, When
from .turns import Turn

if TYPE_CHECKING:
    from .server import Sandbox

_ANY_METHOD = "*"
_FATES: tuple[Fate, ...] = ("delete", "recreate")
_NAMES = ("segment", "kind", *VERBS, "after", "times", "when")
_FORM = "METHOD:segment=KEY, and add, remove, exclude or unexclude=KEY, delete or recreate"


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """A change and the request at which it comes; the fields are those of `Sandbox.meanwhile`."""

    change: ForeignChange
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
        fate, values = _read_pairs(rest)
        (when,) = values.pop("when", ["before"])[-1:]
        if when not in WHENS:
            raise ValueError(f"when is {' or '.join(WHENS)}")
        (after,) = values.pop("after", ["0"])[-1:]
        (times,) = values.pop("times", ["1"])[-1:]
        return cls(
            _change(fate, values),
            None if method == _ANY_METHOD else method,
            int(after),
            when,
            int(times),
        )


def _read_pairs(text: str) -> tuple[Fate, dict[str, list[str]]]:
    """Give what becomes of the segment, and the values of every name."""
    fate: Fate = "change"
    values: dict[str, list[str]] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if pair in _FATES:
            fate = pair
        elif equals and name in _NAMES:
            values.setdefault(name, []).append(value)
        else:
            raise ValueError(f"{pair} is not understood; it reads {_FORM}")
    return fate, values


def _change(fate: Fate, values: dict[str, list[str]]) -> ForeignChange:
    if "segment" not in values:
        raise ValueError(f"a segment is missing; it reads {_FORM}")
    keys = {verb: tuple(values[verb]) for verb in VERBS if verb in values}
    context_kind = values.get("kind", [None])[-1]
    return ForeignChange(values["segment"][-1], context_kind=context_kind, fate=fate, **keys)
