"""What follows from the words: who joins and who leaves. Pure: no I/O, no state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from target_launchdarkly.audience.words import ENDED, IN, OUT, SPARED, WORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

RemovalAction = Literal["remove", "exclude"]
ExcludedKeyAction = Literal["skip", "include", "fail"]

#: What may be done with one context key: on and off the included and the excluded targets.
Step = Literal["uninclude", "lift", "include", "exclude"]


class Change(NamedTuple):
    """What one context key needs. Each of its steps is one operation."""

    context_kind: str
    context_key: str
    #: E.g. `("lift", "include")`, in the order in which they are made.
    steps: tuple[Step, ...]
    #: Whether the key leaves because no record named it.
    is_unlisted: bool = False


class Policy(NamedTuple):
    """How words become changes, the same for every segment of a run."""

    removal_action: RemovalAction = "remove"
    excluded_key_action: ExcludedKeyAction = "skip"


class Sight(NamedTuple):
    """The individual targets of one context kind in a segment, as LaunchDarkly showed them."""

    #: As it showed them last.
    included: AbstractSet[str]
    excluded: AbstractSet[str]
    #: The included keys when the segment was first read.
    first: AbstractSet[str]
    #: The keys that were shown as included since, by this run or by somebody else.
    joined: AbstractSet[str] = frozenset()
    #: The keys whose exclusion this run has lifted, and those that are out and excluded because of
    #: this run: a later word ends as it would have without the earlier one.
    lifted: AbstractSet[str] = frozenset()
    barred: AbstractSet[str] = frozenset()


class Plan(NamedTuple):
    """What to do about one context kind of a segment, and how it came to that."""

    context_kind: str
    #: In the order of the words; who leaves a snapshot without a word, in that of the keys.
    leaving: tuple[Change, ...] = ()
    joining: tuple[Change, ...] = ()
    #: Keys that are to be included, but are excluded by hand and stay so.
    excluded_by_hand: int = 0
    excluded_keys: frozenset[str] = frozenset()
    #: Included keys when the segment was first read, and how many of them leave, sent or not.
    members: int = 0
    members_leaving: int = 0
    #: Keys that were shown as included since, and how many of them leave.
    joined: int = 0
    joined_leaving: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, removals first."""
        return self.leaving + self.joining

    def without(self, refused: Mapping[str, Change]) -> Plan:
        """Return the plan without some changes; what it counts stays.

        Args:
            refused: By context key. Another change of the same key is no reason to leave it out.
        """
        if not refused:
            return self
        leaving, joining = (
            tuple(change for change in changes if refused.get(change.context_key) != change)
            for changes in (self.leaving, self.joining)
        )
        return self._replace(leaving=leaving, joining=joining)


def plan_changes(
    context_kind: str, words: Iterable[tuple[str, int]], sight: Sight, policy: Policy
) -> Plan:
    """Return what follows from streams whose records each say who joins or leaves.

    Args:
        context_kind: Of all the keys.
        words: Of each key, masked by `WORD`, e.g. `[("user-17", IN)]`; a later one counts.
        sight: What LaunchDarkly has.
        policy: How words become changes.
    """
    joins, leaves = _Joins(context_kind, sight, policy), _Leaves(context_kind, sight, policy)
    # Most words take out who is out already, and change nothing, unless who is out is excluded.
    known = {*sight.included, *sight.first, *sight.joined, *sight.lifted}
    excludes = policy.removal_action == "exclude"
    for context_key, placed in words:
        word = placed & WORD
        if word == IN:
            joins.take(context_key)
            leaves.take_back(context_key)
        elif word != SPARED and (excludes or context_key in known or context_key in joins.taken):
            joins.take_back(context_key)
            (leaves.take if word == OUT else leaves.take_ended)(context_key)
    return Plan(
        context_kind,
        tuple(leaves.changes.values()),
        tuple(joins.changes.values()),
        len(joins.excluded_by_hand),
        frozenset(joins.excluded_by_hand),
        members=len(sight.first),
        members_leaving=len(leaves.members & sight.first),
        joined=len(sight.joined),
        joined_leaving=len(leaves.members - sight.first),
    )


def plan_snapshot(
    context_kind: str, words: Iterable[tuple[str, int]], sight: Sight, policy: Policy
) -> Plan:
    """Return what follows from streams that list the whole audience; parameters as above.

    Only keys that the first read showed as members ever leave: who came meanwhile was added by
    somebody who may know more than the snapshot.
    """
    #: Of the keys that are or were members.
    last: dict[str, int] = {}
    joins = _Joins(context_kind, sight, policy)
    for context_key, placed in words:
        word = placed & WORD
        (joins.take if word == IN else joins.take_back)(context_key)
        if context_key in sight.first or context_key in sight.included:
            last[context_key] = word
    leavers = sorted(key for key in sight.first if last.get(key, OUT) == OUT)
    leaving = [
        Change(context_kind, key, steps, key not in last)
        for key in leavers
        if (steps := _steps_out(key, sight, policy))
    ]
    ended = sorted(key for key in sight.included if last.get(key) == ENDED)
    return Plan(
        context_kind,
        (*leaving, *(_ended(context_kind, key) for key in ended)),
        tuple(joins.changes.values()),
        len(joins.excluded_by_hand),
        frozenset(joins.excluded_by_hand),
        members=len(sight.first),
        members_leaving=len(leavers),
    )


class _Joins:
    """The changes of keys that are to be included."""

    def __init__(self, context_kind: str, sight: Sight, policy: Policy) -> None:
        self._context_kind = context_kind
        self._sight = sight
        self._lifts = policy.excluded_key_action == "include"
        self.changes: dict[str, Change] = {}
        self.excluded_by_hand: set[str] = set()
        #: The keys that were taken, also if they were taken back.
        self.taken: set[str] = set()

    def take(self, context_key: str) -> None:
        """Take a key that is to be included; included beats excluded."""
        if context_key in self._sight.included:
            return
        self.taken.add(context_key)
        if context_key not in self._sight.excluded:
            self.changes[context_key] = Change(self._context_kind, context_key, ("include",))
        elif self._lifts or context_key in self._sight.barred:
            self.changes[context_key] = Change(self._context_kind, context_key, ("lift", "include"))
        else:
            self.excluded_by_hand.add(context_key)

    def take_back(self, context_key: str) -> None:
        """Take a key back, by a later word."""
        self.changes.pop(context_key, None)
        self.excluded_by_hand.discard(context_key)


class _Leaves:
    """The changes of keys that are to leave, as records say."""

    def __init__(self, context_kind: str, sight: Sight, policy: Policy) -> None:
        self._context_kind = context_kind
        self._sight = sight
        self._policy = policy
        self.changes: dict[str, Change] = {}
        #: Who of them was shown as included since the run began.
        self.members: set[str] = set()

    def take(self, context_key: str) -> None:
        """Take a key that is to leave."""
        if context_key in self._sight.first or context_key in self._sight.joined:
            self.members.add(context_key)
        if steps := _steps_out(context_key, self._sight, self._policy):
            self.changes[context_key] = Change(self._context_kind, context_key, steps)

    def take_ended(self, context_key: str) -> None:
        """Take a key whose membership has ended since a record named it."""
        self.take_back(context_key)
        if context_key in self._sight.included:
            self.changes[context_key] = _ended(self._context_kind, context_key)

    def take_back(self, context_key: str) -> None:
        """Take a key back, by a later word."""
        self.changes.pop(context_key, None)
        self.members.discard(context_key)


def _ended(context_kind: str, context_key: str) -> Change:
    """Return what LaunchDarkly would have done at that moment: no guard, no exclusion."""
    return Change(context_kind, context_key, ("uninclude",))


def _steps_out(context_key: str, sight: Sight, policy: Policy) -> tuple[Step, ...]:
    """Return what takes a key out; nothing where it is out already."""
    steps: tuple[Step, ...] = ("uninclude",) if context_key in sight.included else ()
    excludes = policy.removal_action == "exclude" or context_key in sight.lifted
    if excludes and context_key not in sight.excluded:
        return (*steps, "exclude")
    return steps
