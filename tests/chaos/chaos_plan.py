"""What a word makes of a key, wherever it stands: the design's rules, imports nothing of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chaos_cases import IN, MEMBER, OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

REMOVE_INCLUDED, REMOVE_EXCLUDED = "removeIncludedTargets", "removeExcludedTargets"
ADD_INCLUDED, ADD_EXCLUDED = "addIncludedTargets", "addExcludedTargets"
NOTHING: frozenset[str] = frozenset()
Operations = frozenset[str]
#: Where a key goes by an operation, from where it stands.
MOVES = {
    REMOVE_INCLUDED: {"in": "out", "both": "ex"},
    REMOVE_EXCLUDED: {"ex": "out", "both": "in"},
    ADD_INCLUDED: {"out": "in", "ex": "both"},
    ADD_EXCLUDED: {"out": "ex", "in": "both"},
}
ORDER = tuple(MOVES)


#: What a run did to exclusions, which a later word of the same run does not take for somebody's.
LIFTED, BARRED = "lifted", "barred"


@dataclass(frozen=True)
class Key:
    """A key of a standard segment, as a run knows it."""

    standing: str
    #: Whether snapshots say who is a member.
    is_listed: bool
    #: Whether the first read showed it as included.
    was_member: bool
    #: Whether the run has lifted its exclusion, or excluded it.
    mark: str | None = None
    #: Whether it stood on both sides until the run un-included it.
    is_uncovered: bool = False


def marked(mark: str | None, operations: Iterable[str]) -> str | None:
    """Return the mark of a key after operations of the run."""
    names = {*operations}
    if REMOVE_EXCLUDED in names:
        mark = None if mark == BARRED else LIFTED
    if ADD_EXCLUDED in names:
        mark = None if mark == LIFTED else BARRED
    return mark


def uncovers(standing: str, operations: Iterable[str]) -> bool:
    """Whether operations leave an exclusion to count that did not count before."""
    return standing == "both" and REMOVE_INCLUDED in {*operations}


def moved(standing: str, operations: Iterable[str]) -> str:
    """Return where a key stands after operations."""
    for operation in sorted(operations, key=ORDER.index):
        standing = MOVES[operation].get(standing, standing)
    return standing


class Rules:
    """What the settings make of a word. Pure."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.excludes = settings["removal_action"] == "exclude"
        default = "include" if self.excludes else "skip"
        self.excluded_action = settings.get("excluded_key_action") or default

    def operations(self, key: Key, word: str | None) -> set[Operations]:
        """Return what may be sent of a key of a standard segment by its last word: one of these."""
        if word == IN:
            return {self._joining(key)}
        if key.is_listed:
            leaves = word in {OUT, None} and key.was_member
            return self._leaving_snapshot(key) if leaves else {NOTHING}
        return {self._leaving(key)} if word == OUT else {NOTHING}

    def _joining(self, key: Key) -> Operations:
        if key.standing == "out":
            return frozenset({ADD_INCLUDED})
        lifts = self.excluded_action == "include" or key.mark == BARRED or key.is_uncovered
        if key.standing == "ex" and lifts:
            return frozenset({REMOVE_EXCLUDED, ADD_INCLUDED})
        return NOTHING

    def _leaving(self, key: Key) -> Operations:
        removal = {REMOVE_INCLUDED} if key.standing in MEMBER else set()
        excludes = self.excludes or key.mark == LIFTED
        exclusion = {ADD_EXCLUDED} if excludes and key.standing in {"in", "out"} else set()
        return frozenset(removal | exclusion)

    def _leaving_snapshot(self, key: Key) -> set[Operations]:
        if key.standing in MEMBER:
            return {self._leaving(key)}
        # Somebody else took it off meanwhile: whether it is to be excluded is open.
        return {NOTHING, self._leaving(key)}

    def is_held(self, key: Key, words: Iterable[str | None]) -> bool:
        """Whether nothing is to be sent of a key, for one of the words that may be its last."""
        return any(NOTHING in self.operations(key, word) for word in words)

    def after(self, key: Key, words: Iterable[str | None]) -> set[Key]:
        """Return where a key may stand when its word was sent."""
        return {
            replace(
                key,
                standing=moved(key.standing, operations),
                mark=marked(key.mark, operations),
                is_uncovered=key.is_uncovered or uncovers(key.standing, operations),
            )
            for word in words
            for operations in self.operations(key, word)
        }

    def after_big(self, standing: str, word: str | None, *, by_import: bool) -> set[str]:
        """Return where a key of a big segment may stand when its word was sent, seen or unseen."""
        if word not in {IN, OUT}:
            return {standing}
        if word == OUT:
            return {"ex" if self.excludes or standing in {"ex", "both"} else "out"}
        is_lifted = self.excluded_action == "include"
        patched = "in" if is_lifted or standing == "out" else standing
        # Where the members are seen, nothing is sent of those who are in already.
        unsent = {standing} if standing in MEMBER else set()
        # An import looks at no exclusions.
        return {patched} | unsent | ({imported(standing)} if by_import else set())

    def replaced(self, standing: str, *, is_listed: bool) -> Iterator[str]:
        """Yield where a key of a big segment may stand after an import that replaces all."""
        yield imported(standing) if is_listed else unlisted(standing)


def unlisted(standing: str) -> str:
    """Return where a key of a big segment stands that a replacing import did not list."""
    return "ex" if standing in {"ex", "both"} else "out"


def imported(standing: str) -> str:
    """Return where a key of a big segment stands that an import listed."""
    return "both" if standing in {"ex", "both"} else "in"
