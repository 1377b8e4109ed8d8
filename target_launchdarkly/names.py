"""Names that are nearly right. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How similar two names are, from 0 to 1, if one may be a typo for the other.
NEAR = 0.9
#: Of more names than these, only the nearest are told.
MAX_TOLD = 30


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a wrong one may be meant for, or None."""
    similar = difflib.get_close_matches(name, sorted(known), n=1)
    return similar[0] if similar else None


def nearest_first(name: str, others: Iterable[str]) -> str:
    """Return the names that are there, the most similar first, e.g. `is_beta, plan, user_id`."""

    def distance(other: str) -> float:
        return -difflib.SequenceMatcher(None, name.casefold(), other.casefold()).ratio()

    names = sorted(others, key=distance)
    told = ", ".join(names[:MAX_TOLD]) or "it has none"
    return f"{told} and {len(names) - MAX_TOLD} more" if len(names) > MAX_TOLD else told


def is_near(name: str, other: str) -> bool:
    """Whether two names differ by case, separators, a schema in front, or a typo.

    Names that differ by a number, such as a year, are different names.
    """
    one, two = (re.findall(r"[^\W_]+", each.casefold()) for each in (name, other))
    if "".join(one) == "".join(two) or (one and one == two[-len(one) :]):
        return True
    if re.findall(r"\d+", name) != re.findall(r"\d+", other):
        return False
    return difflib.SequenceMatcher(None, "".join(one), "".join(two)).ratio() >= NEAR
