"""What must become of a run's messages: written from the design, imports nothing that decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos_cases import IN, MEMBER, OUT, PATIENCE, Attempt, Place, Sink
from chaos_plan import BARRED, Rules
from chaos_proofs import Doubt, doubts
from chaos_words import Checkpoint, Said, sinks_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaos_cases import Case, Item
    from chaos_views import View

#: More patches of additions to a big segment than this, and they go as one import.
MAX_PATCHES_OF_ADDITIONS = 20
#: By changes so many may leave, whatever share of the members that is.
ALWAYS_MAY_LEAVE = 10


@dataclass
class Seen:
    """What the model is told of a segment: nothing that a run could not know."""

    first: View | None = None
    last: View | None = None
    #: Keys that were shown as included since.
    joined: dict[Place, set[str]] = field(default_factory=dict)
    #: What the run did to exclusions: by all that was answered, and by all that was sent.
    marks: dict[tuple[Place, str], set[str | None]] = field(default_factory=dict)
    #: Keys on both sides that the run has un-included.
    uncovered: set[tuple[Place, str]] = field(default_factory=set)

    def members(self, place: Place) -> set[str]:
        there = self.first.standing.get(place, {}) if self.first else {}
        return {key for key, where in there.items() if where in MEMBER}


class Model:
    """The design's rules, for one case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rules = Rules(case.settings)
        self._settings = case.settings
        self.is_timed = not case.has_snapshot
        listed = {name for sink in case.sinks if sink.is_snapshot for name in sink.segments}
        self._listed = frozenset(listed)

    def is_big(self, place: Place) -> bool:
        return place.segment in self.case.bigs

    def is_snapshot(self, place: Place) -> bool:
        return place.segment in self._listed

    def may_merge(self, said: Said, place: Place) -> bool:
        """Whether a big segment may get so many additions that one import takes them."""
        added = [key for key in said.keys(place) if IN in said.all_words(place, key)]
        chunk: int = self._settings["batch_size_rows"]
        return len(added) > MAX_PATCHES_OF_ADDITIONS * chunk

    # The guard

    def _feeders(self, items: Iterable[Item], place: Place) -> list[Sink]:
        found = {
            sink.name: sink
            for item in items
            for sink in sinks_of(item)
            if item.place(sink) == place
        }
        return list(found.values())

    def _opened(self, items: Iterable[Item], place: Place) -> list[Sink]:
        """Return the streams whose SCHEMA alone says that they feed a place."""
        taps = [item.tap for item in items if item.tap and item.type == "SCHEMA"]
        sinks = {sink.name: sink for tap in taps for sink in tap.sinks if not sink.is_named}
        return [each for each in sinks.values() if Place(each.segments[0], each.kind) == place]

    def _percents(self, sinks: list[Sink]) -> tuple[set[int], bool]:
        """Return the percentages that may count, and whether the guard counts at all."""
        default: int = self._settings["max_removal_percent"]

        def percent(sink: Sink) -> int:
            own: int | None = sink.max_removal_percent
            return default if own is None or not self.case.percents_count else own

        mirrors = [percent(sink) for sink in sinks if sink.is_mirror]
        if not mirrors:
            return set(), False
        return {min(mirrors), min(map(percent, sinks))}, True

    def _leavers(self, said: Said, place: Place, members: set[str], moment: Checkpoint) -> set[str]:
        snapshot = self.is_snapshot(place)
        leaving = {OUT, None} if snapshot else {OUT}
        return {key for key in members if leaving & said.at(place, key, moment)}

    def percents(self, said: Said, place: Place, moment: Checkpoint) -> set[int | None]:
        """Return the percentages that may count; None where the guard may not count at all."""
        items = said.items[: moment.high]
        feeding = self._feeders(items, place)
        found: set[int | None] = set()
        for sinks in (feeding, [*feeding, *self._opened(items, place)]):
            percents, counts = self._percents(sinks)
            found |= percents if counts else {None}
        return found

    def guard(self, said: Said, place: Place, seen: Seen, moment: Checkpoint) -> set[bool]:
        """Return whether too many leave a standard segment: both, where that is open."""
        found: set[bool] = set()
        for percent in self.percents(said, place, moment):
            found |= {False} if percent is None else self._guard(said, place, seen, moment, percent)
        return found

    def _guard(
        self, said: Said, place: Place, seen: Seen, moment: Checkpoint, percent: int
    ) -> set[bool]:
        first = seen.members(place)
        if self.is_snapshot(place):
            return {len(self._leavers(said, place, first, moment)) * 100 > len(first) * percent}
        is_excess = False
        for base in (first, first | seen.joined.get(place, set())):
            leavers = self._leavers(said, place, base, moment)
            is_more = len(leavers) * 100 > len(base) * percent
            is_excess = is_excess or (len(leavers) > ALWAYS_MAY_LEAVE and is_more)
        return {is_excess} if moment.low == moment.high else {False, True}

    # Who is refused

    def refused(self, said: Said, seen: dict[str, Seen], moment: Checkpoint, start: float) -> Doubt:
        """Return which segments get nothing at a checkpoint, big ones but for their proofs apart.

        Args:
            said: The words of the run.
            seen: What it was shown of each segment.
            moment: The checkpoint.
            start: Epoch seconds of the start of the process.
        """
        found = doubts(self.case, said.items, start) if moment.is_end else Doubt()
        for place in self.named(said.items[: moment.high]):
            segment = seen.get(place.segment)
            if segment is None or segment.first is None or self.is_big(place):
                continue
            judged = (
                self.guard(said, place, segment, moment),
                self._by_exclusion(said, place, segment, moment),
            )
            if {True} in judged:
                found.segments.add(place.segment)
            elif any(True in each for each in judged):
                found.maybe.add(place.segment)
        return found

    def named(self, items: Iterable[Item]) -> set[Place]:
        """Return what the records are about."""
        return {place for item in items for sink in sinks_of(item) if (place := item.place(sink))}

    def _by_exclusion(self, said: Said, place: Place, seen: Seen, moment: Checkpoint) -> set[bool]:
        if self.rules.excluded_action != "fail" or seen.last is None:
            return {False}
        there = seen.last.standing.get(place, {})
        words = [
            said.at(place, key, moment)
            for key, where in there.items()
            if where == "ex"
            and BARRED not in seen.marks.get((place, key), set())
            and (place, key) not in seen.uncovered
        ]
        if any(each == {IN} for each in words):
            return {True}
        return {IN in each for each in words} | {False}

    # How LaunchDarkly's troubles may end a run

    def may_give_up(self, attempt: Attempt) -> bool:
        """Whether LaunchDarkly's troubles may end a run, imports apart."""
        patience = self._settings["max_retry_seconds"]
        is_impatient = patience < PATIENCE
        if attempt.faults and (attempt.is_lasting or is_impatient):
            return True
        return bool(attempt.rate_limit) and is_impatient
