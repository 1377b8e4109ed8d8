"""Drives one case of the chaos test: a tap that is started again from the last STATE."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaos_cases import EPOCH, IN, MEMBER, Attempt, Place
from chaos_ending_checks import EndingChecks
from chaos_facts import Facts, demand
from chaos_judge import Judge
from chaos_mending import mended
from chaos_run import Run, run
from chaos_words import Said

from target_launchdarkly.errors import PlanRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaos_cases import Case, Item, Standing
    from chaos_stage import Stage

#: How often a run that was refused is repeated.
REPEATS = 2
#: Every so many cases that are calm, the same is tried in other batches.
OTHER_BATCHES_EVERY = 3
BATCHES = (2, 3, 5, 8, 20, 1_500)


class Driver:
    """Runs one case."""

    def __init__(self, stage: Stage, case: Case) -> None:
        self.stage = stage
        self.case = case
        self.restarts = 0
        self.removed_wrongly = 0
        self.states_ahead = 0
        self.ends: Counter[str] = Counter()
        #: The last STATE that the target wrote.
        self._position = -1
        #: Keys that somebody else moved, or may have moved unseen, since the case began.
        self._excused: set[tuple[Place, str]] = set()

    def drive(self) -> None:
        """Run the case.

        Raises:
            DivergenceError: The target did what it must not.
        """
        self.stage.set_up(self.case)
        random.seed(self.case.number)  # the jitter
        for number, attempt in enumerate(self.case.attempts):
            self.restarts += number > 0
            one = self._run(attempt)
            if one.error is None and attempt.cut is None and not attempt.is_dry:
                self._demand_converged(one)
                if self.case.is_calm and attempt.is_calm and self.case.number % 4 == 0:
                    self._demand_rest()
                break
        if isinstance(one.error, PlanRefusedError) and attempt.is_calm:
            self._repeat_refused(one)
        if self.case.number % OTHER_BATCHES_EVERY == 0:
            self._demand_same_in_other_batches()

    def _replayed(self) -> list[Item]:
        """Return what a tap sends that is started from the last STATE: whole snapshots always."""
        items = [
            item
            for item in self.case.items
            if item.index > self._position or (item.tap and item.tap.is_whole)
        ]
        past = (item for item in self.case.items if item.index <= self._position)
        schemas = {
            item.tap.name: item
            for item in past
            if item.type == "SCHEMA" and item.tap and not item.tap.is_whole
        }
        return [*schemas.values(), *items]

    def _run(self, attempt: Attempt) -> Run:
        one = run(self.stage, self.case, attempt, self._replayed())
        self.ends[type(one.error).__name__ if one.error else "success"] += 1
        judge = Judge(one)
        try:
            judge.judge(self.stage.sandbox.rate_limit)
        finally:
            self.removed_wrongly += judge.removed_wrongly
            self.states_ahead += judge.states_ahead
        if one.written:
            self._position = one.written[-1].value["position"]
        self._excuse(judge.facts)
        return one

    def _excuse(self, facts: Facts) -> None:
        """Remember which keys may not stand where a STATE says, and no run could know."""
        one = facts.run
        self._excused |= one.meddled | one.moved_between
        for place in facts.places:
            if one.disturbances(place.segment) and not facts.is_current(place.segment):
                there = {*one.start[place], *one.end[place], *facts.said.keys(place)}
                self._excused |= {(place, key) for key in there}

    # After a run that ended well

    def _demand_converged(self, one: Run) -> None:
        """The segments are as the tap's last word of every key has it."""
        facts = Facts(replace_items(one, self.case.items))
        standing, endings = self.stage.standing(), self.stage.endings()
        checks = EndingChecks(facts)
        # Of a moment still to come, mode remove says nothing, and no run reads it again.
        removes_ended = any(sink.has_moments and sink.mode == "remove" for sink in self.case.sinks)
        at_first = Said(self.case.items, EPOCH)
        for place in facts.places:
            is_snapshot = facts.model.is_snapshot(place)
            for key in facts.said.keys(place):
                if (place, key) in self._excused or is_snapshot:
                    continue
                word = facts.said.last(place, key)
                if removes_ended and word != at_first.last(place, key):
                    continue
                where = standing[place].get(key, "out")
                joined = where in MEMBER or where == "ex"
                holds = joined if word == IN else where not in MEMBER
                demand(holds, f"a key of {place} ended {where}, its last word is {word}")
                is_seen = not one.hides_endings(place.segment)
                if where in MEMBER and place in self.case.endings and is_seen:
                    holds = checks.convergence(place, key, endings[place])
                    demand(holds, f"a key of {place} ends {endings[place].get(key)}")
            if not is_snapshot:
                # In mode add, nothing is said any more of who joined once the moment has come.
                self._demand_untouched(
                    place, standing, facts.said.keys(place) | at_first.keys(place)
                )

    def _demand_untouched(self, place: Place, standing: Standing, named: set[str]) -> None:
        first, now = self.case.standing[place], standing[place]
        for key in {*first, *now} - named:
            if (place, key) not in self._excused:
                same = first.get(key) == now.get(key)
                demand(same, f"a key of {place} changed that nobody named")

    def _demand_rest(self) -> None:
        """The same again changes nothing: standard segments cost one GET each and no PATCH."""
        self._position = -1
        self.stage.sandbox.call_off()
        before = self.stage.standing()
        one = self._run(Attempt())
        if isinstance(one.error, PlanRefusedError):
            # Whoever left counts no more: the same may be too many of those who stay.
            return
        demand(one.error is None, f"the same run again failed: {one.error}")
        self._demand_looks_only(one, self._sent_unseen(), before)

    def _sent_unseen(self) -> set[str]:
        """Return the big segments that may get the same again: unseen, or excluded by hand."""
        if not self.case.may_export:
            return {*self.case.bigs}
        listed = {name for sink in self.case.sinks if sink.is_snapshot for name in sink.segments}
        standing = self.stage.standing()
        excluded = {place.segment for place in standing if "ex" in standing[place].values()}
        return {*self.case.bigs} - (listed - excluded)

    def _demand_looks_only(self, one: Run, but_for: set[str], before: Standing) -> None:
        asked = Counter(
            (each.segment, each.method, each.is_expiring)
            for each in one.asked
            if each.segment not in but_for and not (each.is_export or each.is_membership)
        )
        demand(all(method == "GET" for _, method, _ in asked), f"at rest, it asked {asked}")
        demand(set(asked.values()) <= {1}, f"at rest, it asked {asked}")
        after = self.stage.standing()
        same = all(
            before[place] == after[place] for place in before if place.segment not in but_for
        )
        demand(same, "the same run again changed something")

    # After a run that was refused

    def _repeat_refused(self, one: Run) -> None:
        """Running again changes nothing until somebody mends the cause; then all is well."""
        was_cut = any(not each.is_end for each in one.checkpoints)
        if one.ended is None or one.written or was_cut:
            # What came before was accepted. Of the rest alone, the guard may think otherwise.
            one = self._run(Attempt())
            if not isinstance(one.error, PlanRefusedError):
                # Or a record that cannot be used comes before that is judged.
                return
        for _ in range(REPEATS):
            before = self.stage.standing()
            again = self._run(Attempt(block_bytes=1_000))
            demand(
                isinstance(again.error, PlanRefusedError),
                f"refused first ({one.error}), then {again.error or 'accepted'}",
            )
            assert isinstance(again.error, PlanRefusedError)
            blind = self._sent_unseen() - {*again.error.segments}
            self._demand_looks_only(again, blind, before)
        case = mended(self.case, self._replayed())
        if case is None:
            return
        self.ends["mended"] += 1
        driver = Driver(self.stage, case)
        well = driver._run(Attempt())
        self.removed_wrongly += driver.removed_wrongly
        demand(well.error is None, f"mended, and still: {well.error}")

    # The same in other batches

    def _demand_same_in_other_batches(self) -> None:
        """What comes of an input never depends on where its requests are cut."""
        one = self._afresh(self.case, Attempt())
        choices = random.Random(self.case.number)  # noqa: S311 no secret
        others = [each for each in BATCHES if each != self.case.settings["batch_size_rows"]]
        settings = self.case.settings | {"batch_size_rows": choices.choice(others)}
        has_cuts = self.case.is_calm or choices.random() < 0.5
        cuts = frozenset(choices.choices(range(1, len(self.case.items) + 2), k=2))
        attempt = Attempt(drains=cuts if has_cuts else frozenset(), block_bytes=100)
        other = self._afresh(replace(self.case, settings=settings), attempt)
        self.ends["other batches"] += 1
        is_cut = any(not each.is_end for each in other.checkpoints)
        if is_cut and other.error is not None:
            # What came before the last cut was sent; or the guard thought otherwise of it alone.
            return
        if type(one.error) is not type(other.error) and self._may_differ_by_excluded():
            return
        demand(type(one.error) is type(other.error), f"{one.error}, but in batches {other.error}")
        bigs = self.case.bigs
        same = all(
            _counting(one.end[place]) == _counting(other.end[place])
            for place in one.end
            if place.segment not in bigs
        )
        demand(same, "in other batches, keys stand elsewhere")
        same = one.end_endings == other.end_endings
        demand(same or is_cut, "in other batches, keys end otherwise")
        if self.case.is_calm or not is_cut:
            # Who is asked for in two ways may move twice, if there is a checkpoint between.
            same = _sum(one, bigs) == _sum(other, bigs)
            demand(same, "in other batches, others move on the way")

    def _may_differ_by_excluded(self) -> bool:
        """Whether it depends on the batches what becomes of excluded targets of big segments.

        If the members are seen, whoever is a member as well is not sent; and the search for others
        takes so many requests at most.
        """
        fails = self.case.settings["excluded_key_action"] == "fail"
        return any(
            where == "both" or (where == "ex" and not fails)
            for place, there in self.case.standing.items()
            for where in there.values()
            if place.segment in self.case.bigs
        )

    def _afresh(self, case: Case, attempt: Attempt) -> Run:
        self.stage.set_up(case)
        driver = Driver(self.stage, case)
        one = driver._run(attempt)
        self.removed_wrongly += driver.removed_wrongly
        self.states_ahead += driver.states_ahead
        return one


def replace_items(one: Run, items: list[Item]) -> Run:
    """Return a run as if the tap had sent it all."""
    return replace(one, said=Said(items, one.started), checkpoints=[])


def _counting(there: Mapping[str, str]) -> dict[str, str]:
    """Return where keys stand; who is included is a member, excluded as well or not."""
    return {key: "in" if where in MEMBER else where for key, where in there.items()}


def _sum(one: Run, but_for: Iterable[str]) -> Counter[Any]:
    """Return what all patches of a run together asked for."""
    operations = (each for asked in one.asked for each in asked.operations)
    return Counter(each for each in operations if each[1].segment not in but_for)
