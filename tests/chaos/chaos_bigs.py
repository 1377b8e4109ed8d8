"""What a run may do to big segments, whose members only exports show: written from the design."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos_cases import IN, MEMBER, OUT, SPARED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_cases import Place
    from chaos_model import Model
    from chaos_run import Run
    from chaos_words import Checkpoint

#: By changes so many may leave, whatever share of the members that is.
ALWAYS_MAY_LEAVE = 10
#: The default of `max_import_seconds`.
MAX_IMPORT_SECONDS = 7_200
Members = frozenset[str]
OPEN = {False, True}


class Bigs:
    """The big segments of one run, in the model's eyes."""

    def __init__(self, run: Run, model: Model) -> None:
        self._run = run
        self._model = model
        self._moves = run.attempt.moves
        self._settings = run.case.settings

    # Who is a member

    def is_blurred(self, segment: str) -> bool:
        """Whether who is a member, or how many, may have looked otherwise than it is."""
        return bool(self._run.disturbances(segment) or self._moves.count_lag)

    def looks(self, place: Place, before: int | None = None) -> list[Members]:
        """Return who may have been a member when the target looked first: one of these."""
        files = [
            each
            for each in self._run.exported
            if each.segment == place.segment and (before is None or each.moment <= before)
        ]
        if self.is_blurred(place.segment):
            # A line too few may be made up for by somebody who came.
            return [each.members for each in files]
        # Of a last line that is cut, the count says nothing.
        is_sound = (each.is_faithful or each.lines == len(each.members) for each in files)
        return [each.members for each, sound in zip(files, is_sound, strict=True) if sound][:1]

    def at_start(self, place: Place) -> Members:
        """Return who was a member when the run began."""
        there = self._run.start[place]
        return frozenset(key for key, where in there.items() if where in MEMBER)

    def has_looked(self, segment: str) -> bool:
        """Whether the target had anything of an export."""
        return any(each.segment == segment for each in self._run.exported)

    # What there are exports for

    def is_barred(self, place: Place) -> set[bool]:
        """Return whether there are no exports of a segment for the token."""
        rules = self._moves.exports
        if rules.denied or not self._run.case.may_export:
            return {True}
        if rules.max_members >= len(self.at_start(place)):
            return {False} if rules.max_members > len(self._run.case.standing) else OPEN
        return OPEN if self.is_blurred(place.segment) else {True}

    @property
    def may_replace(self) -> bool:
        """Whether one import may replace all members."""
        return self._settings.get("big_segment_removals") == "replace"

    def is_replaced(self, place: Place) -> bool:
        """Whether all members may be replaced."""
        return self.may_replace and self._model.is_snapshot(place) and True in self.is_barred(place)

    def is_unseeable(self, place: Place, moment: Checkpoint) -> set[bool]:
        """Return whether a segment is refused because nobody knows who is a member."""
        if not self._model.is_snapshot(place):
            return self._is_unseeable_by_changes(place)
        if not self.at_start(place) and not self.is_blurred(place.segment):
            return {False}
        barred = self.is_barred(place)
        found: set[bool] = set()
        if True in barred:
            found |= self._is_irreplaceable(place, moment) if self.may_replace else {True}
        if False in barred:
            found |= self._is_unfit(place)
        return found | ({False} if self.is_blurred(place.segment) else set())

    def _is_unseeable_by_changes(self, place: Place) -> set[bool]:
        has_asked = any(
            each.is_export and each.segment == place.segment for each in self._run.asked
        )
        is_unfit = self._moves.has_no_file or any(
            each.method == "FILE" for each in self._run.attempt.faults
        )
        return OPEN if has_asked and (is_unfit or not self.looks(place)) else {False}

    def _is_unfit(self, place: Place) -> set[bool]:
        """Return whether no file can be trusted."""
        attempt = self._run.attempt
        if attempt.faults or attempt.rate_limit or self.is_blurred(place.segment):
            return OPEN
        if self._moves.exports.cut_bytes or self.is_slow:
            return OPEN
        return {self._moves.has_no_file}

    @property
    def is_slow(self) -> bool:
        """Whether an export may take longer than it is waited for."""
        rules, patience = self._moves.exports, self.max_import_seconds
        # The pause that would pass it is not begun, and each is longer than the one before.
        return rules.seconds * 2 + rules.polls * 60 > patience

    @property
    def max_import_seconds(self) -> float:
        """How long an import or an export is waited for."""
        return float(self._settings.get("max_import_seconds", MAX_IMPORT_SECONDS))

    def may_give_up_import(self) -> bool:
        """Whether imports, of the run or of others, may end it."""
        rules = self._moves.imports
        is_beside = bool(self._moves.foreign) or any(each.is_strange for each in self._run.happened)
        takes_long = rules.seconds >= self.max_import_seconds / 2
        return takes_long or rules.outcome != "complete" or is_beside

    def _is_irreplaceable(self, place: Place, moment: Checkpoint) -> set[bool]:
        """Return whether an import that replaces all members would do what was not asked for."""
        said = self._run.said
        words = [said.at(place, key, moment) for key in said.keys(place)]
        is_empty = not any(IN in each for each in words)
        if is_empty or self._model.rules.excludes or any(each == {SPARED} for each in words):
            return {True}
        return {any(SPARED in each for each in words), False}

    # Who is refused

    def refusal(self, place: Place, moment: Checkpoint) -> set[bool]:
        """Return whether a segment gets nothing at a checkpoint."""
        unseeable = self.is_unseeable(place, moment)
        percents = self._model.percents(self._run.said, place, moment)
        guarded: set[bool] = set()
        for percent in percents:
            guarded |= {False} if percent is None else self.guard(place, moment, percent)
        if {True} in (unseeable, guarded):
            return {True}
        return unseeable | guarded

    def guard(self, place: Place, moment: Checkpoint, percent: int) -> set[bool]:
        """Return whether too many leave."""
        if self.is_blurred(place.segment):
            return OPEN
        members = self.at_start(place)
        leaving = {OUT, None} if self._model.is_snapshot(place) else {OUT}
        said = self._run.said
        if members and self.is_replaced(place):
            listed = sum(said.last(place, key) == IN for key in said.keys(place))
            return {max(0, len(members) - listed) * 100 > len(members) * percent}
        words = [said.at(place, key, moment) for key in members]
        leavers = sum(bool(leaving & each) for each in words)
        is_excess = leavers * 100 > len(members) * percent
        if self._model.is_snapshot(place):
            return {is_excess}
        certain = sum(each == {OUT} for each in words)
        is_certain = certain * 100 > len(members) * percent and certain > ALWAYS_MAY_LEAVE
        is_excess = is_excess and leavers > ALWAYS_MAY_LEAVE
        return self._guard_by_changes(place, is_excess=is_excess, is_certain=is_certain)

    def _guard_by_changes(self, place: Place, *, is_excess: bool, is_certain: bool) -> set[bool]:
        barred = self.is_barred(place)
        if barred == {True}:
            # Nobody can look whether those who leave are members.
            return {False}
        said = self._run.said
        leaving = [key for key in said.keys(place) if OUT in said.all_words(place, key)]
        if True in barred or (self._model.is_timed and len(leaving) > ALWAYS_MAY_LEAVE):
            # Who left at an earlier checkpoint, sent unseen, may have been a member.
            return {True} if is_certain and True not in barred else OPEN
        return {is_excess}

    # Where keys stand

    def may_leave(self, place: Place, key: str, moment: int, found: Checkpoint) -> bool:
        """Whether a key may stop being a member by a request of a checkpoint."""
        words = self._run.said.at(place, key, found)
        if not self._model.is_snapshot(place):
            return OUT in words
        if not found.is_end:
            return False
        if self.is_replaced(place):
            # While such an import runs, even who stays is out.
            return True
        return bool({OUT, None} & words) and any(key in each for each in self.looks(place, moment))

    def is_held(self, place: Place, key: str, where: str, moment: Checkpoint) -> bool:
        """Whether a key stands where its word wants it."""
        words = self._run.said.at(place, key, moment)
        is_listed = self._model.is_snapshot(place)
        if is_listed and place not in self._model.named(self._run.said.items[: moment.high]):
            return True
        was_member = any(key in each for each in self.looks(place)) or key in self.at_start(place)
        return any(self._holds(word, where, is_listed, was_member) for word in words)

    def _holds(self, word: str | None, where: str, is_listed: bool, was_member: bool) -> bool:
        rules = self._model.rules
        if word == IN:
            return where in MEMBER or (where == "ex" and rules.excluded_action != "include")
        leaves = was_member and word in {OUT, None} if is_listed else word == OUT
        if not leaves:
            return True
        return where == "ex" if rules.excludes else where not in MEMBER

    def after(
        self, place: Place, key: str, standing: str, since: tuple[int, Checkpoint]
    ) -> Iterator[str]:
        """Yield where a key may stand after a checkpoint.

        Args:
            place: The key's segment and kind.
            key: The key.
            standing: Where it stood before.
            since: How many items were read at the checkpoint before, and the checkpoint.
        """
        low, moment = since
        said, rules = self._run.said, self._model.rules
        merges = self._model.may_merge(said, place)
        if self._model.is_snapshot(place):
            yield from self._after_snapshot(place, key, standing, moment)
        elif not said.is_said_between(place, key, low, moment.high):
            yield standing
        else:
            for word in said.at(place, key, moment):
                yield from rules.after_big(standing, word, by_import=merges)

    def _after_snapshot(
        self, place: Place, key: str, standing: str, moment: Checkpoint
    ) -> Iterator[str]:
        said, rules = self._run.said, self._model.rules
        word = said.last(place, key)
        if place not in self._model.named(said.items[: moment.high]):
            yield standing
            return
        is_blurred = self.is_blurred(place.segment)
        is_looked_at = bool(self.at_start(place)) or is_blurred
        if is_looked_at and self.is_replaced(place):
            yield from rules.replaced(standing, is_listed=word == IN)
        if is_looked_at and not is_blurred and self.is_barred(place) == {True}:
            return
        leaves = word in {OUT, None}
        if leaves and (is_blurred or key not in self.at_start(place)):
            yield standing
        if not leaves or is_blurred or key in self.at_start(place):
            merges = self._model.may_merge(said, place)
            yield from rules.after_big(standing, OUT if leaves else word, by_import=merges)
