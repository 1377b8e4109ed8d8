"""Who joins and who leaves a list of keys, for one part of all keys. Pure: no I/O, no state."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.audience.words import IN, OUT, WORD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


class Difference(NamedTuple):
    """What follows for some keys: who joins in the order of the words, and the same each time."""

    #: Who is to be included and is not.
    joining: list[str]
    #: Who is included and is to leave, by a word.
    leaving: list[str]
    #: Who is included and is to leave, because no word names them.
    unlisted: list[str]
    #: Who is to be out, by a word, and is not included.
    outside: list[str]
    #: How many members of the first look leave, whether or not they are still included.
    members_leaving: int = 0
    #: How many leave who were not members at the first look.
    joined_leaving: int = 0

    def without(
        self, context_keys: AbstractSet[str], *, joining: AbstractSet[str] = frozenset()
    ) -> Difference:
        """Return it without any change of some keys; what it counts stays.

        Args:
            context_keys: Keys that neither join nor leave.
            joining: Keys that do not join, and may leave.
        """
        if not context_keys and not joining:
            return self
        joins, leaving, unlisted, outside = (
            [key for key in keys if key not in context_keys]
            for keys in (self.joining, self.leaving, self.unlisted, self.outside)
        )
        joins = [key for key in joins if key not in joining]
        return self._replace(joining=joins, leaving=leaving, unlisted=unlisted, outside=outside)


def from_snapshot(
    words: Mapping[str, int], members: Mapping[str, None], first: Mapping[str, None]
) -> Difference:
    """Return what follows where the words list the whole audience.

    Who is spared neither joins nor leaves. Only who was a member at the first look ever leaves: who
    came meanwhile was added by somebody who may know more than the snapshot.

    Args:
        words: By key, the last word and its place.
        members: Who is included, by the last look.
        first: Who was included at the first look.
    """
    out = [key for key in first if words.get(key, OUT) & WORD == OUT]
    leaving = out if members is first else [key for key in out if key in members]
    return Difference(
        _joining(words, members),
        [key for key in leaving if key in words],
        [key for key in leaving if key not in words],
        [],
        members_leaving=len(out),
    )


def from_changes(
    words: Mapping[str, int], members: Mapping[str, None], first: Mapping[str, None]
) -> Difference:
    """Return what follows where each word says who joins or leaves; parameters as above."""
    out = [key for key, place in words.items() if place & WORD == OUT]
    leaving = [key for key in out if key in members]
    return Difference(
        _joining(words, members),
        leaving,
        [],
        [key for key in out if key not in members],
        members_leaving=sum(key in first for key in out),
        joined_leaving=sum(key not in first for key in leaving),
    )


def from_words(words: Mapping[str, int]) -> Difference:
    """Return what follows where nobody knows who is a member: every word counts."""
    joining = [key for key, place in words.items() if place & WORD == IN]
    leaving = [key for key, place in words.items() if place & WORD == OUT]
    return Difference(joining, leaving, [], [])


def _joining(words: Mapping[str, int], members: Mapping[str, None]) -> list[str]:
    # Most of them are members, of whom no more need be looked at.
    return [key for key, place in words.items() if key not in members and place & WORD == IN]
