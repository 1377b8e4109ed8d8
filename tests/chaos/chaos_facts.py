"""What the model says of the facts of one run: who was refused, and what was shown to hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chaos_bigs import Bigs
from chaos_cases import OUT, Place
from chaos_model import Model, Seen
from chaos_plan import Key, unlisted
from chaos_views import believed, seen_of
from chaos_words import Checkpoint, first_invalid, sinks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_proofs import Doubt
    from chaos_run import Run, Written


#: So long after a request without an answer it may still be applied.
DOUBT_SECONDS = 900
#: Where a key stands, and the checkpoint in work.
Where = tuple[str, Checkpoint]


class DivergenceError(AssertionError):
    """The target did what it must not."""


def demand(holds: object, problem: str) -> None:
    """Raise unless it holds.

    Raises:
        DivergenceError: It does not.
    """
    if not holds:
        raise DivergenceError(problem)


class Facts:
    """One run in the model's eyes, when it is over: what was asked and seen changes no more."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._seen: dict[int | None, dict[str, Seen]] = {}
        self._named: dict[int, set[Place]] = {}
        self.model = Model(run.case)
        self.bigs = Bigs(run, self.model)
        self.said = run.said
        invalid = first_invalid(run.items)
        fails = run.case.settings["invalid_record_action"] == "fail"
        #: Whether a line of the input ends the run; of a big segment, one that names a moment.
        self.is_torn = run.feed.is_torn or (fails and invalid is not None)
        self.has_big_moment = any(
            sink.has_moments
            and self.model.is_big(place)
            and item.row is not None
            and not item.is_invalid(sink)
            and item.row.intent in {True, "absent"}
            and item.row.ends is not None
            for item in run.items
            for sink in sinks_of(item)
            if (place := item.place(sink))
        )
        self.is_unreadable = self.is_torn or self.has_big_moment
        #: The checkpoints that the run came to, and who is refused at each.
        self.checkpoints: list[tuple[Checkpoint, Doubt]] = []
        for moment in run.checkpoints:
            if moment.is_end and self.is_unreadable:
                continue
            seen = self.seen_before(moment.begun)
            doubt = self.model.refused(self.said, seen, moment, run.started)
            self._refuse_bigs(doubt, seen, moment)
            self.checkpoints.append((moment, doubt))

    def _refuse_bigs(self, doubt: Doubt, seen: dict[str, Seen], moment: Checkpoint) -> None:
        for place in self.model.named(self.said.items[: moment.high]):
            if not self.model.is_big(place) or seen[place.segment].first is None:
                continue
            refusal = self.bigs.refusal(place, moment)
            if refusal == {True}:
                doubt.segments.add(place.segment)
            elif True in refusal:
                doubt.maybe.add(place.segment)

    def guard(self, place: Place, seen: Seen, moment: Checkpoint) -> set[bool]:
        """Return whether too many leave: both, where that is open."""
        if self.model.is_big(place):
            return self.bigs.refusal(place, moment)
        return self.model.guard(self.said, place, seen, moment)

    @property
    def places(self) -> list[Place]:
        return [*self.run.case.standing]

    @property
    def segments(self) -> set[str]:
        return {place.segment for place in self.places}

    def seen_before(self, moment: int | None) -> dict[str, Seen]:
        """Return what the target had seen when so many requests were made."""
        if moment not in self._seen:
            by_segment = {
                name: seen_of(self.run.of_segment(name, moment)) for name in self.segments
            }
            self._seen[moment] = by_segment
        return self._seen[moment]

    def at(self, moment: int) -> tuple[Checkpoint, Doubt] | None:
        """Return the checkpoint that was going on at a request."""
        begun = [each for each in self.checkpoints if each[0].begun <= moment]
        if not begun:
            return None
        over = begun[-1][0].over
        return None if over is not None and moment >= over else begun[-1]

    def keys(self, place: Place, key: str, seen: Seen, where: Where) -> Iterator[Key]:
        """Yield a key of a standard segment as the run may know it, wherever it stands.

        Args:
            place: The key's segment and kind.
            key: The key.
            seen: What the run has seen of the segment.
            where: Where the key stands, and the checkpoint in work.
        """
        standing, moment = where
        is_listed = self.is_listed(place, moment)
        for mark in seen.marks.get((place, key), {None}):
            is_uncovered = (place, key) in seen.uncovered
            yield Key(standing, is_listed, key in seen.members(place), mark, is_uncovered)

    def doubt_at(self, moment: Checkpoint | None) -> tuple[Checkpoint, Doubt] | None:
        """Return a checkpoint with who is refused at it."""
        return next((each for each in self.checkpoints if each[0] is moment), None)

    def is_held(self, place: Place, key: str, seen: Seen, where: Where) -> bool:
        """Whether nothing is to be sent of a key of a standard segment that stands somewhere."""
        words = self.said.at(place, key, where[1])
        rules = self.model.rules
        return any(rules.is_held(each, words) for each in self.keys(place, key, seen, where))

    def unheld(self, place: Place, seen: Seen, moment: Checkpoint) -> set[str]:
        """Return the keys of a standard segment for which something is to be sent still."""
        there = seen.last.standing.get(place, {}) if seen.last else {}
        listed = seen.members(place) if self.is_listed(place, moment) else ()
        return {
            key
            for key in {*self.said.keys(place), *listed}
            if not self.is_held(place, key, seen, (there.get(key, "out"), moment))
        }

    def is_listed(self, place: Place, moment: Checkpoint) -> bool:
        """Whether snapshots say who is a member; of another kind nobody says it."""
        return self.model.is_snapshot(place) and self.is_fed(place, moment)

    def is_fed(self, place: Place, moment: Checkpoint) -> bool:
        """Whether a record named the place before a checkpoint, so that it was looked at."""
        if moment.high not in self._named:
            self._named[moment.high] = self.model.named(self.said.items[: moment.high])
        return place in self._named[moment.high]

    def incomplete(self, moment: Checkpoint, doubt: Doubt, before: int | None) -> set[str]:
        """Return the standard segments that still lack something that was not refused."""
        seen = self.seen_before(before)
        return {
            place.segment
            for place in self.places
            if not self.model.is_big(place)
            and place.segment not in doubt.segments | doubt.maybe
            and self.is_fed(place, moment)
            and self.unheld(place, seen[place.segment], moment)
        }

    def lacks_a_look(self, segment: str, written: Written) -> bool:
        """Whether a patch of unknown fate was not followed by a look that shows the present."""
        asked = self.run.of_segment(segment, written.moment)
        patches = [number for number, each in enumerate(asked) if each.is_patch]
        doubtful = [each.at for each in asked if each.is_patch and each.is_of_unknown_fate]
        if not doubtful or doubtful[-1] <= written.at - DOUBT_SECONDS:
            return False
        views = believed(asked)
        looks = [each for each in asked[patches[-1] + 1 :] if each.method == "GET" and each.view]
        return not any(look.view is view for look in looks for view in views)

    def is_current(self, segment: str) -> bool:
        """Whether the last that the target was shown is how it is now."""
        views = believed(self.run.of_segment(segment))
        return bool(views) and views[-1].stamp == self.run.stamps.get(segment)

    # Where keys may stand

    def reachable(self, place: Place, key: str) -> set[str]:
        """Return where a key of a standard segment may stand at the end of the run."""
        seen = self.seen_before(None)[place.segment]
        starts = {self.run.start[place].get(key, "out")}
        if seen.first:
            # What was shown first may have lagged, and decides what is sent.
            starts.add(seen.first.standing.get(place, {}).get(key, "out"))
        was_member = key in seen.members(place)
        reached = {Key(start, is_listed=False, was_member=was_member) for start in starts}
        for number, (moment, doubt) in enumerate(self.checkpoints):
            if self.run.attempt.is_dry or place.segment in doubt.segments:
                continue
            is_certain = self.run.error is None or number < len(self.checkpoints) - 1
            is_listed = self.is_listed(place, moment)
            words = self.said.at(place, key, moment)
            after = {
                later
                for each in reached
                for later in self.model.rules.after(replace(each, is_listed=is_listed), words)
            }
            reached = after if is_certain else reached | after
        return {each.standing for each in reached}

    def reachable_big(self, place: Place, key: str) -> set[str]:
        """Return where a key of a big segment may stand at the end of the run."""
        reached = {self.run.start[place].get(key, "out")}
        low = 0
        for number, (moment, doubt) in enumerate(self.checkpoints):
            if self.run.attempt.is_dry or place.segment in doubt.segments:
                continue
            is_certain = self.run.error is None or number < len(self.checkpoints) - 1
            after = {
                each
                for standing in reached
                for each in self.bigs.after(place, key, standing, (low, moment))
            }
            if not is_certain and self.bigs.is_replaced(place):
                # It may have been stopped on its way.
                after |= {*map(unlisted, reached)}
            is_loose = moment.low < moment.high or not is_certain
            reached = reached | after if is_loose else after
            low = moment.low
        return reached

    def may_leave(self, place: Place, key: str, moment: int, seen: Seen) -> bool:
        """Whether a key may stop being a member by a request."""
        found = self.at(moment)
        if found is None or place.segment in found[1].segments:
            return False
        if self.model.is_big(place):
            return self.bigs.may_leave(place, key, moment, found[0])
        words = self.said.at(place, key, found[0])
        if not self.model.is_snapshot(place):
            return OUT in words
        return found[0].is_end and key in seen.members(place) and bool({OUT, None} & words)
