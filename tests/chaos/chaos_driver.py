"""Runs one case of the chaos test, and compares what comes of it with the model."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from chaos_cases import KEYS, LISTED, TOKEN, Attempt, Place
from chaos_checks import check_requests, check_told, demand, gone, newly_excluded
from chaos_model import Expectation, Model
from chaos_tap import Feed

from target_launchdarkly.errors import IncompleteSnapshotError, LaunchDarklyError, TargetError
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos_cases import Case, Item, Standing
    from chaos_stage import Stage


class Driver:
    """Runs one case: a tap that is started again from the last STATE."""

    def __init__(self, stage: Stage, case: Case) -> None:
        self.stage = stage
        self.case = case
        self.model = Model(case)
        self.has_snapshot = any(stream.is_snapshot for stream in case.streams)
        self.restarts = 0
        self.removed_wrongly = 0
        self.ends: Counter[str] = Counter()
        #: The last STATE that the target wrote.
        self._position = -1
        #: The last message that any run has read.
        self._read_up_to = -1
        self._wishes = self.model.wishes(case.items)
        self._feed = Feed([], Attempt(), 0, stage.files)
        self._expected = Expectation()
        self._sends_at_end = False
        self._states: list[int] = []

    def drive(self) -> None:
        """Run the case.

        Raises:
            DivergenceError: The target did what it must not.
        """
        self.stage.set_up(self.case)
        random.seed(self.case.number)  # the jitter
        for number, attempt in enumerate(self.case.attempts):
            self.restarts += number > 0
            error = self._run(attempt)
            if error is None and attempt.cut is None and not attempt.is_dry:
                self._demand_converged()
                if self.case.is_calm and self.case.number % 4 == 0:
                    self._demand_rest()
                return
        # Even a run without trouble fails where the model says so.
        demand(self._expected.must or self._expected.may, "the last run failed")

    def _replayed(self) -> list[Item]:
        """Return what a tap sends that is started from the last STATE: whole snapshots always."""
        items = [
            item
            for item in self.case.items
            if item.index > self._position or (item.stream and item.stream.is_snapshot)
        ]
        past = (item for item in self.case.items if item.index <= self._position)
        schemas = {
            item.stream.name: item
            for item in past
            if item.type == "SCHEMA" and item.stream and not item.stream.is_snapshot
        }
        return [*schemas.values(), *items]

    def _run(self, attempt: Attempt) -> TargetError | None:
        self.stage.begin(attempt)
        start = self.stage.standing()
        chunk = self.case.settings["batch_size_rows"]
        self._sends_at_end = not attempt.drains and chunk > len(KEYS)
        now = self.stage.clock.now()
        self._feed = Feed(self._replayed(), attempt, now, self.stage.files)
        self._states = []
        self._expected = self.model.expect(self._feed, attempt, start)
        target = self._target(attempt)
        self._feed.line_number = lambda: target.message_reader.line_number
        error: TargetError | None = None
        with contextlib.redirect_stdout(_Out(self, attempt)):
            try:
                target.listen(self._feed.source)
            except TargetError as failure:
                error = failure
        self.ends[type(error).__name__ if error else "success"] += 1
        self._note_read()
        self._check_error(attempt, error)
        check_requests(self.stage, self.case, attempt)
        self._check_imports()
        self._check_removals(attempt)
        self._check_end(attempt, error, start)
        return error

    def _target(self, attempt: Attempt) -> TargetLaunchDarkly:
        feed = self._feed

        class Target(TargetLaunchDarkly):
            clock = self.stage.clock.system

            @property
            def _max_record_age_in_minutes(self) -> float:
                return 6.0 if feed.line_number() in attempt.drains else 0.0

        config = self.case.settings | {
            "access_token": TOKEN,
            "api_url": self.stage.sandbox.url,
            "project_key": "default",
            "environment_key": "test",
            "dry_run": attempt.is_dry,
        }
        target = Target(config=config)
        if not attempt.is_parallel:
            # So that faults meet the same requests each time.
            target.segments._parallelism = 1
        return target

    def _note_read(self) -> None:
        read = (item.index for item in self._feed.given)
        self._read_up_to = max([self._read_up_to, *read])

    # After a run

    def _check_error(self, attempt: Attempt, error: TargetError | None) -> None:
        told = f"{type(error).__name__}: {error}"
        check_told(told)
        if type(error) is LaunchDarklyError and self._may_give_up(attempt):
            return
        if error is None:
            must = [each.__name__ for each in self._expected.must]
            demand(not must, f"a run ended well that should end with {must}")
            incomplete = self.stage.incomplete_imports
            demand(not incomplete, f"a run ended well with incomplete imports of {incomplete}")
            return
        expected = (*self._expected.must, *self._expected.may)
        demand(isinstance(error, expected), f"expected {expected or 'success'}, not {told}")

    def _may_give_up(self, attempt: Attempt) -> bool:
        if self.model.may_give_up(attempt):
            return True
        has_imported = any(seen.is_import for seen in self.stage.seen)
        return has_imported and self.model.may_give_up_import(attempt)

    def _check_imports(self) -> None:
        """Look at what the imports of a run hold."""
        for seen in self.stage.seen:
            for begun in seen.begun:
                place = Place(begun.segment, self.case.bigs[begun.segment])
                if begun.mode == "replace":
                    demand(self._expected.may_remove, f"{place} replaced by an unproven snapshot")
                    demand(self._feed.is_read, f"{place} replaced before the end")
                    wanted = self.model.listed(self._feed.items, place)
                    same = begun.keys is None or begun.keys == wanted
                    demand(same, f"{place} replaced by other keys than are listed")
                else:
                    wanted = {
                        str(item.key)
                        for item in self._feed.given
                        if item.place == place and item.wish
                    }
                    demand(wanted >= (begun.keys or set()), f"merged keys that {place} lacks")

    def _check_removals(self, attempt: Attempt) -> None:
        """Nobody leaves who should not, at any step."""
        may_leave = self._expected.may_remove and not attempt.is_dry
        leaving = self._expected.leaving
        asked = self.model.wishes(self._feed.given)
        removals_began = False
        for seen in self.stage.seen:
            for place, key in gone(seen.before, seen.after):
                if place.segment in LISTED:
                    removals_began = removals_began or not self.model.is_big(place)
                    is_right = may_leave and key in leaving.get(place, set())
                    is_right = is_right and self._feed.is_read
                else:
                    is_right = False in (wish for _, wish in asked.get((place, key), []))
                self.removed_wrongly += not is_right
            came = [
                place for place, _ in gone(seen.after, seen.before) if not self.model.is_big(place)
            ]
            demand(not (removals_began and came), "an addition after a snapshot's removals")
            for place, key in newly_excluded(seen.before, seen.after):
                if place.segment in LISTED:
                    is_right = may_leave and key in leaving.get(place, set())
                    demand(is_right, f"a snapshot of {place.segment} excluded a stayer")
        demand(not self.removed_wrongly, f"{self.removed_wrongly} keys removed wrongly")

    # STATE

    def note_state(self, attempt: Attempt, value: Mapping[str, int]) -> None:
        """Check a STATE line at the moment when it is written."""
        self._note_read()
        position = value["position"]
        self._states.append(position)
        demand(not attempt.is_dry, "a dry run wrote STATE")
        latest = max(item.index for item in self._feed.in_work if item.type == "STATE")
        demand(position == latest, f"STATE {position} was written, {latest} was read last")
        incomplete = self.stage.incomplete_imports
        demand(not incomplete, f"STATE before the imports of {incomplete} were complete")
        if self.has_snapshot:
            demand(self._feed.is_read, "STATE in the middle of a snapshot")
            demand(not self._expected.must, "STATE of a snapshot that is not proven")
        self._demand_covered(position)
        self._position = position

    def _demand_covered(self, position: int) -> None:
        standing = self.stage.standing()
        for (place, key), wishes in self._wishes.items():
            covered = [wish for index, wish in wishes if index < position]
            if not covered:
                continue
            read = [wish for index, wish in wishes if index <= self._read_up_to]
            first = self.case.standing[place].get(key, "out")
            # A later record that was read as well may have taken the place of the covered one.
            last = {covered[-1], *read[len(covered) :]}
            allowed = self._reachable(place, first, read, last)
            where = standing[place].get(key, "out")
            demand(where in allowed, f"STATE {position} covers a key of {place} that is {where}")

    def _reachable(self, place: Place, first: str, wishes: list[bool], last: set[bool]) -> set[str]:
        """Return where a key may stand when the last wish that was sent is one of `last`."""
        reached = self.model.closure(place, first, wishes)
        return set().union(
            *(self.model.after(place, each, wish) for each in reached for wish in last)
        )

    # The end of a run

    def _check_end(self, attempt: Attempt, error: TargetError | None, start: Standing) -> None:
        left_behind = self.stage.left_behind
        demand(not left_behind, f"temporary files were left behind: {left_behind}")
        if error is None and not attempt.is_dry:
            sent = [each.index for each in self._feed.items if each.type == "STATE"]
            demand(not sent or self._states[-1:] == sent[-1:], "the last STATE is missing")
        if attempt.is_dry:
            demand(self.stage.standing() == start, "a dry run changed something")
        elif error is None or isinstance(error, IncompleteSnapshotError):
            self._demand_snapshots(start, removed=error is None)

    def _demand_snapshots(self, start: Standing, *, removed: bool) -> None:
        """Every addition of the snapshots is made, and if they are proven every removal."""
        standing = self.stage.standing()
        for place, said in self.model.listings(self._feed.items).items():
            for key in {*said, *start[place]}:
                where = standing[place].get(key, "out")
                allowed = self.model.ends(
                    place,
                    start[place].get(key, "out"),
                    said.get(key, []),
                    removed=removed,
                    at_once=self._sends_at_end,
                )
                demand(
                    where in allowed,
                    f"a key that a snapshot of {place} says {said.get(key)} of is {where}, "
                    f"not {allowed}",
                )

    def _demand_converged(self) -> None:
        """The segments are as the tap's last word of every key has it."""
        standing = self.stage.standing()
        for (place, key), wishes in self._wishes.items():
            plain = [wish for _, wish in wishes]
            first = self.case.standing[place].get(key, "out")
            allowed = self._reachable(place, first, plain, {plain[-1]})
            where = standing[place].get(key, "out")
            demand(where in allowed, f"a key of {place} ended {where}, not {allowed}")
        self._demand_untouched(standing)

    def _demand_untouched(self, standing: Standing) -> None:
        listed = self.model.listings(self.case.items)
        for place, there in self.case.standing.items():
            for key in {*there, *standing[place]}:
                if place in listed or (place, key) in self._wishes:
                    continue
                same = there.get(key) == standing[place].get(key)
                demand(same, f"a key of {place} changed that nobody named")

    def _demand_rest(self) -> None:
        """The same again changes nothing: standard segments cost one GET each and no PATCH."""
        self._position = -1
        standing = self.stage.standing()
        error = self._run(Attempt())
        demand(error is None, f"the same run again failed: {error}")
        demand(self.stage.standing() == standing, "the same run again changed something")
        asked = Counter(
            (each.segment, each.exchange.method)
            for each in self.stage.seen
            if each.segment not in self.case.bigs
        )
        demand(all(method == "GET" for _, method in asked), f"at rest, it asked {asked}")
        demand(set(asked.values()) <= {1}, f"at rest, it asked {asked}")


class _Out:
    """Standard output, which looks at every STATE line."""

    def __init__(self, driver: Driver, attempt: Attempt) -> None:
        self._driver = driver
        self._attempt = attempt

    def write(self, text: str) -> int:
        value: Any = json.loads(text)
        self._driver.note_state(self._attempt, value)
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written."""
