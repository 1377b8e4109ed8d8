"""Compares what came of one run with the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chaos_cases import IN, MEMBER, Place
from chaos_checks import NOBODY, RequestChecks, check_told, gone
from chaos_ending_checks import EndingChecks
from chaos_ends import Ends
from chaos_facts import DivergenceError, Facts, demand
from chaos_plan import ADD_INCLUDED, REMOVE_INCLUDED

if TYPE_CHECKING:
    from chaos_proofs import Doubt
    from chaos_run import Run, Written
    from chaos_words import Checkpoint

SUMMARY = re.compile(
    r"Segment '(?P<segment>[^']+)': .*?(?P<added>[\d,]+) added, (?P<removed>[\d,]+) removed"
)


class Judge:
    """Judges one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.facts = Facts(run)
        self._endings = EndingChecks(self.facts)
        self.removed_wrongly = 0
        self.states_ahead = 0

    def judge(self, limit: Any) -> None:
        """Look at everything.

        Raises:
            DivergenceError: The target did what it must not.
        """
        check_told(f"{type(self.run.error).__name__}: {self.run.error}")
        self._check_removals()
        for written in self.run.written:
            self._check_state(written)
        RequestChecks(self.facts).check(limit)
        self._endings.check()
        self._check_imports()
        Ends(self.facts).check()
        demand(not self.run.leaks, "the token was shown to another host")
        demand(not self.run.left_behind, f"files were left behind: {self.run.left_behind}")
        self._check_thrift()
        self._check_summary()
        if self.run.attempt.is_dry:
            self._check_dry()
            return
        self._check_standing()
        self._check_complete()

    def _check_removals(self) -> None:
        """Nobody leaves who should not, at any step."""
        for number, asked in enumerate(self.run.asked):
            seen = self.facts.seen_before(number) if asked.steps else {}
            for before, after in asked.steps:
                for place, key in gone(before, after):
                    if place in self.run.swept:
                        continue
                    is_right = self.facts.may_leave(place, key, number, seen[place.segment])
                    self.removed_wrongly += not is_right
        demand(not self.removed_wrongly, f"{self.removed_wrongly} keys removed wrongly")

    # STATE

    def _check_state(self, written: Written) -> None:
        """Look at a STATE line: all that it covers was shown to hold."""
        demand(not self.run.attempt.is_dry, "a dry run wrote STATE")
        sent = [
            each.message["value"]
            for each in self.run.items[: written.in_work]
            if each.type == "STATE"
        ]
        demand(sent and written.value == sent[-1], "another STATE was written than read last")
        incomplete = written.incomplete_imports
        demand(not incomplete, f"STATE before the imports of {incomplete} were complete")
        found = self.facts.doubt_at(written.checkpoint)
        demand(found, "STATE before any checkpoint")
        assert found is not None
        try:
            self._check_covered(written, *found)
            self._endings.check_state(written, found[0])
        except DivergenceError:
            self.states_ahead += 1
            raise

    def _check_covered(self, written: Written, moment: Checkpoint, doubt: Doubt) -> None:
        if self.run.case.has_snapshot:
            demand(moment.is_end, "STATE in the middle of a snapshot")
        demand(not doubt.segments, f"STATE though {doubt.segments} got nothing")
        demand(not doubt.fails, "STATE though a snapshot never came")
        seen = self.facts.seen_before(written.moment)
        for place in self.facts.places:
            if self.facts.model.is_big(place):
                continue
            unheld = self.facts.unheld(place, seen[place.segment], moment)
            where = [*sorted(unheld)]
            demand(not where, f"STATE covers keys of {place} that were not shown to hold: {where}")
        for segment in self.facts.segments - self.run.case.bigs.keys():
            lacks = self.facts.lacks_a_look(segment, written)
            demand(not lacks, f"STATE without a look at {segment} after a patch of unknown fate")
        self._check_truth(written, moment)

    def _check_truth(self, written: Written, moment: Checkpoint) -> None:
        """Where nobody meddled and nothing lagged, what was shown is what there is."""
        seen = self.facts.seen_before(written.moment)
        for place in self.facts.places:
            segment = seen[place.segment]
            if self.run.disturbances(place.segment):
                continue
            if self.facts.model.is_big(place):
                self._check_truth_of_big(place, written, moment)
                continue
            for key in self.facts.said.keys(place):
                where = written.standing[place].get(key, "out"), moment
                holds = self.facts.is_held(place, key, segment, where)
                demand(holds, f"STATE covers a key of {place} that does not hold")

    def _check_truth_of_big(self, place: Place, written: Written, moment: Checkpoint) -> None:
        there = written.standing[place]
        for key in {*self.facts.said.keys(place), *self.run.start[place]}:
            where = there.get(key, "out")
            holds = self.facts.bigs.is_held(place, key, where, moment)
            demand(holds, f"STATE covers a key of {place} that is {where}")

    # Imports

    def _check_imports(self) -> None:
        """Look at what the imports of a run hold."""
        for asked in self.run.asked:
            for begun in asked.begun:
                place = Place(begun.segment, self.run.case.bigs[begun.segment])
                wanted = {
                    key
                    for key in self.facts.said.keys(place)
                    if IN in self.facts.said.all_words(place, key)
                }
                demand(wanted >= (begun.keys or set()), f"imported keys that {place} lacks")
                if begun.mode == "replace":
                    may = self.facts.bigs.is_replaced(place)
                    demand(may, f"the members of {place} were replaced")
                    listed = {key for key in wanted if self.facts.said.last(place, key) == IN}
                    same = begun.keys is None or begun.keys == listed
                    demand(same, f"{place} replaced by other keys than are listed")

    # What it costs, and what is said of it

    def _check_thrift(self) -> None:
        """Where nothing goes wrong, a segment is looked at once."""
        if not self.run.attempt.is_calm or self.run.happened:
            return
        for segment in self.facts.segments - self.run.case.bigs.keys() - self.run.case.missing:
            asked = self.run.of_segment(segment)
            looks = sum(each.method == "GET" and not each.is_expiring for each in asked)
            demand(looks <= 1, f"{segment} was looked at {looks} times, for nothing")
            looks = sum(each.method == "GET" and each.is_expiring for each in asked)
            most = len(self.facts.checkpoints)
            demand(looks <= most, f"endings of {segment} were looked at {looks} times")
        for segment in {} if self.facts.bigs.is_slow else self.run.case.bigs:
            asked = self.run.of_segment(segment)
            exports = sum(each.is_export and each.method == "POST" for each in asked)
            demand(
                exports <= max(1, len(self.run.checkpoints)),
                f"{segment} was exported {exports} times",
            )

    def _check_summary(self) -> None:
        """The summary counts what was acknowledged."""
        if self.run.attempt.is_dry:
            return
        for line in self.run.summary:
            found = SUMMARY.search(line)
            if not found or found["segment"] in self.run.case.bigs:
                continue
            sent = [
                each
                for asked in self.run.of_segment(found["segment"])
                for each in (asked.operations if asked.view else ())
            ]
            for name, kind in (("added", ADD_INCLUDED), ("removed", REMOVE_INCLUDED)):
                told = int(found[name].replace(",", ""))
                made = [each for each in sent if each[0] == kind and not each[2].startswith(NOBODY)]
                demand(
                    len({*made}) <= told <= len(made),
                    f"{told} {name} is told, {len(made)} were sent: {line}",
                )

    # Where everybody stands

    def _check_dry(self) -> None:
        same = {
            place: {key: where for key, where in there.items() if (place, key) not in meddled}
            for meddled in [self.run.meddled]
            for place, there in self.run.end.items()
        }
        before = {
            place: {key: where for key, where in there.items() if (place, key) not in meddled}
            for meddled in [self.run.meddled]
            for place, there in self.run.start.items()
        }
        demand(same == before, "a dry run changed something")

    def _check_standing(self) -> None:
        """Everybody stands where the words say, and nobody else has moved."""
        meddled = self.run.meddled
        for place in self.facts.places:
            is_big = self.facts.model.is_big(place)
            if not is_big and not self._is_clear(place):
                continue
            keys = {*self.run.start[place], *self.run.end[place], *self.facts.said.keys(place)}
            for key in keys:
                if (place, key) in meddled:
                    continue
                reach = self.facts.reachable_big if is_big else self.facts.reachable
                allowed = reach(place, key)
                where = self.run.end[place].get(key, "out")
                said = self.facts.said.all_words(place, key)
                demand(
                    where in allowed,
                    f"a key of {place} of which was said {said} is {where}, not {allowed}",
                )

    def _is_clear(self, place: Place) -> bool:
        """Whether the target was shown how the segment is in the end, or asked nothing of it."""
        asked = self.run.of_segment(place.segment)
        return self.facts.is_current(place.segment) or not any(
            each.is_patch or each.view for each in asked
        )

    def _check_complete(self) -> None:
        """Whoever is not refused gets theirs, also if others are refused or fail."""
        reached = [each for each in self.facts.checkpoints if each[0].is_end]
        if not reached:
            return
        moment, doubt = reached[0]
        lacking = self.facts.incomplete(moment, doubt, None)
        if self.run.error is None:
            demand(not lacking, f"a run ended well, and {lacking} lack something")
            return
        for segment in lacking:
            demand(self._has_trouble(segment), f"{segment} got nothing, though no request failed")

    def _has_trouble(self, segment: str) -> bool:
        asked = self.run.of_segment(segment)
        failed = any(each.fault or each.status not in {200, 201} for each in asked)
        limited = self.run.attempt.rate_limit or any(each.not_before for each in self.run.asked)
        return failed or bool(limited) or bool(self.run.disturbances(segment))

    def is_member(self, place: Place, key: str) -> bool:
        return self.run.end[place].get(key) in MEMBER
