"""Names that are nearly right. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How similar two names are, from 0 to 1, if one may be a typo for the other.
NEAR = 0.9
#: Shorter names differ by a letter without being typos.
SHORTEST_TYPO = 3
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
    if "".join(one) == "".join(two):
        return True
    shorter, longer = sorted((one, two), key=len)
    if shorter and shorter == longer[-len(shorter) :]:
        return True
    if re.findall(r"\d+", name) != re.findall(r"\d+", other):
        return False
    if _is_one_edit("".join(one), "".join(two)):
        return True
    return difflib.SequenceMatcher(None, "".join(one), "".join(two)).ratio() >= NEAR


def _is_one_edit(one: str, two: str) -> bool:
    """Whether two names of three letters or more differ by a letter, or by two that are swapped."""
    shorter, longer = sorted((one, two), key=len)
    if len(shorter) < SHORTEST_TYPO or len(longer) - len(shorter) > 1:
        return False
    if len(shorter) < len(longer):
        return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))
    places = [place for place, letter in enumerate(one) if letter != two[place]]
    if len(places) <= 1:
        return True
    first, last = places[0], places[-1]
    swapped = one[:first] + one[last] + one[first + 1 : last] + one[first] + one[last + 1 :]
    return swapped == two
