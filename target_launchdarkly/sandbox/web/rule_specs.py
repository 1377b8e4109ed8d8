"""How imports and exports go, as the command line names it."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar, get_args

from target_launchdarkly.sandbox.state.rules import NEVER, ExportRules, ImportOutcome, ImportRules

if TYPE_CHECKING:
    from collections.abc import Callable

_Rules = TypeVar("_Rules", ImportRules, ExportRules)


def parse_import_rules(spec: str) -> ImportRules:
    """Read `NAME[=VALUE],...`, such as `seconds=600,outcome=stopped`.

    Raises:
        ValueError: on what is not understood, with what would be.
    """
    rules = _parse(ImportRules(), spec)
    if rules.outcome not in get_args(ImportOutcome):
        raise ValueError(f"outcome of imports is one of {', '.join(get_args(ImportOutcome))}")
    return rules


def parse_export_rules(spec: str) -> ExportRules:
    """Read `NAME[=VALUE],...`, such as `denied` or `header=key,missing=2`.

    Raises:
        ValueError: on what is not understood, with what would be.
    """
    return _parse(ExportRules(), spec)


def _parse(rules: _Rules, spec: str) -> _Rules:
    types = {one.name: str(one.type) for one in fields(rules)}
    values: dict[str, object] = {}
    for pair in filter(None, spec.split(",")):
        name, equals, text = pair.partition("=")
        if name not in types:
            raise ValueError(f"{name} is not understood; known are {', '.join(types)}")
        is_switch = types[name] == "bool"
        if is_switch == bool(equals):
            raise ValueError(f"{name} stands alone" if is_switch else f"{name} needs a value")
        values[name] = is_switch or _READERS.get(types[name], str)(text)
    return replace(rules, **values)  # type: ignore[arg-type]


def _number(text: str) -> float:
    number = NEVER if text == "never" else float(text)
    if math.isnan(number) or number < 0:
        raise ValueError(f"{text} is no number from 0 on, nor never")
    return number


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text} is no whole number from 0 on")
    return int(text)


# By annotation.
_READERS: dict[str, Callable[[str], object]] = {
    "float": _number,
    "int": _whole_number,
    "tuple[str, ...]": lambda text: (text,),
}
