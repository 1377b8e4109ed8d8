"""What every request of a run must be: when it comes, its order, its size, and what it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos_cases import ALL_KEYS, IN, MEMBER, OUT, TOKEN, Place
from chaos_facts import Facts, demand
from chaos_plan import ADD_EXCLUDED, ADD_INCLUDED, ORDER, REMOVE_EXCLUDED, REMOVE_INCLUDED
from chaos_views import Asked, View, believed, seen_of
from chaos_watches import WatchedLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_cases import Standing
    from chaos_model import Seen
    from chaos_words import Checkpoint

BIG_NAMES = {
    "removeBigSegmentIncludedTargets": REMOVE_INCLUDED,
    "removeBigSegmentExcludedTargets": REMOVE_EXCLUDED,
    "addBigSegmentIncludedTargets": ADD_INCLUDED,
    "addBigSegmentExcludedTargets": ADD_EXCLUDED,
}
REFUSED, NO_CONTENT = 400, 204
#: What a key begins with that nobody has.
NOBODY = "nobody-"
INSTRUCTION_ORDER = (*ORDER, *BIG_NAMES)


def check_told(told: str) -> None:
    """Look for what no error may tell."""
    demand(TOKEN not in told, f"the token in an error: {told}")
    for key in ALL_KEYS:
        demand(key not in told, f"a context key in an error: {told}")


class RequestChecks:
    """Looks at all requests of a run."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._run = facts.run
        self._chunk = facts.run.case.settings["batch_size_rows"]

    def check(self, limit: Any) -> None:
        """Look at the order, the time, the size and the sense of all requests.

        Raises:
            DivergenceError: One is not what it must be.
        """
        last: dict[str, Asked] = {}
        for number, asked in enumerate(self._run.asked):
            previous = last.get(asked.segment)
            if previous:
                in_turn = asked.exchange.started >= previous.exchange.finished
                demand(in_turn, f"two requests of {asked.segment} at a time")
                early = previous.not_before - asked.at
                demand(early < 1e-3, f"a request of {asked.segment} came {early} s too early")
            if asked.method != "GET" and not asked.is_export:
                demand(not self._run.attempt.is_dry, f"a dry run sent a {asked.method}")
                demand(previous, f"a {asked.method} before the segment was read")
                self._check_allowed(number, asked)
            self._check_turn(number, asked)
            last[asked.segment] = asked
        if not self._run.attempt.is_parallel and isinstance(limit, WatchedLimit):
            for one, other in zip(self._run.asked, self._run.asked[1:], strict=False):
                early = one.not_before - other.at
                demand(early < 1e-3, f"a request came {early} s before the window ended")
        for segment in self._facts.segments:
            self._check_patches(segment)

    def _check_turn(self, number: int, asked: Asked) -> None:
        """Look whether an import came while another one of the run was known to go on."""
        rules = self._run.attempt.moves.imports
        is_given_up = (
            rules.outcome != "complete" or rules.seconds > self._facts.bigs.max_import_seconds
        )
        if is_given_up or not asked.in_way:
            return
        known = {
            begun.id
            for before in self._run.asked[:number]
            if before.status == NO_CONTENT
            for begun in before.begun
        }
        demand(not known & asked.in_way, f"an import of {asked.segment} beside one of the same run")

    def _check_allowed(self, number: int, asked: Asked) -> None:
        found = self._facts.at(number)
        demand(found, f"a {asked.method} of {asked.segment} before any checkpoint")
        assert found is not None
        refused = asked.segment in found[1].segments
        demand(not refused, f"a {asked.method} of {asked.segment}, which is refused")
        if asked.is_patch:
            self._check_form(asked)

    def _check_form(self, asked: Asked) -> None:
        body: Any = asked.exchange.body
        kinds = [one["kind"] for one in body["instructions"]]
        in_order = kinds == sorted(kinds, key=INSTRUCTION_ORDER.index)
        demand(in_order, f"instructions in the order {kinds}")
        count = len(asked.operations)
        fits = 1 <= count <= self._chunk or len(asked.keys) == 1
        demand(fits, f"{count} operations in one patch of {self._chunk}")
        demand(len(set(asked.operations)) == count, "an operation twice in one patch")

    def _check_patches(self, segment: str) -> None:
        """Look whether each patch follows from the words and a view that the target had."""
        plan = _PlanInWork(self._facts, segment)
        for number, asked in enumerate(self._run.asked):
            if asked.segment != segment:
                continue
            plan.begin_at(number)
            if asked.is_patch:
                plan.take(asked, self._chunk)
            elif asked.is_of_segment and asked.method == "GET" and asked.view:
                plan.look(asked.view)


class _PlanInWork:
    """The patches of one segment, from one plan to the next."""

    def __init__(self, facts: Facts, segment: str) -> None:
        self._facts = facts
        self._segment = segment
        self._is_big = segment in facts.run.case.bigs
        self._known: list[Asked] = []
        #: The views from which the plan in work may have been made.
        self._views: list[View] = []
        self._moment: Checkpoint | None = None
        self._since = 0
        self._restart()

    def _restart(self) -> None:
        self._answered: set[tuple[Place, str]] = set()
        self._last_sent: Asked | None = None
        self._adds = False

    def begin_at(self, number: int) -> None:
        """Take note of a request's place among all."""
        self._known = self._facts.run.of_segment(self._segment, number)
        found = self._facts.at(number)
        moment = found[0] if found else None
        if moment is not self._moment:
            self._since = self._moment.low if self._moment else 0
            self._moment = moment
            self._views = believed(self._known)[-1:]
            self._restart()

    def look(self, view: View) -> None:
        """Take a look as the beginning of a new plan, unless it shows that it is old."""
        former = self._views[-1:]
        is_old = bool(former) and view.stamp < former[0].stamp
        self._views = former if is_old else [view]
        self._restart()

    def take(self, asked: Asked, chunk: int) -> None:
        """Look at a patch.

        Raises:
            DivergenceError: It does not follow.
        """
        seen = seen_of(self._known)
        for (place, key), sent in asked.keys.items():
            names = frozenset(BIG_NAMES[name] for name in sent) if self._is_big else sent
            if key.startswith(NOBODY):
                allowed = {*self._probes()}
            elif self._is_big:
                allowed = {*self._big_operations(place, key)}
            else:
                allowed = {*self._operations(place, key, seen)}
            problem = f"{sorted(names)} of a key of {place}, not {[*map(sorted, allowed)]}"
            demand(names and names in allowed, problem)
            joins = ADD_INCLUDED in names
            # What was refused as a whole is sent in parts, of which some may pass at once.
            in_parts = any(each.status == REFUSED for each in self._known)
            in_order = joins or not self._adds or in_parts
            demand(in_order, f"{place}: somebody leaves after others joined")
            answered = (place, key) in self._answered and not in_parts
            demand(not answered, "an acknowledged key was sent again without a look")
        self._check_full(asked, chunk)
        if asked.view:
            self._adds = self._adds or any(ADD_INCLUDED in each for each in self._kinds(asked))
            self._answered |= asked.keys.keys()
            self._last_sent = asked
            if not self._views or asked.view.stamp >= self._views[-1].stamp:
                self._views.append(asked.view)

    def _kinds(self, asked: Asked) -> Iterator[set[str]]:
        for names in asked.keys.values():
            yield {BIG_NAMES.get(name, name) for name in names}

    def _check_full(self, asked: Asked, chunk: int) -> None:
        """Look whether the patch before had no room for the first key of this one."""
        before, self._last_sent = self._last_sent, None
        if before is None or self._is_big or self._facts.run.disturbances(self._segment):
            return
        room = chunk - len(before.operations)
        most = max(map(len, asked.keys.values()))
        demand(room < most, f"a patch of {self._segment} with room for {room} more")

    def _probes(self) -> Iterator[frozenset[str]]:
        """Whether it is a key that is refused, or all of them, a change of nobody shows."""
        if any(each.status == REFUSED for each in self._known):
            yield frozenset({REMOVE_INCLUDED})

    def _operations(self, place: Place, key: str, seen: Seen) -> Iterator[frozenset[str]]:
        facts = self._facts
        assert self._moment is not None
        for view in self._views:
            where = view.standing.get(place, {}).get(key, "out"), self._moment
            for each in facts.keys(place, key, seen, where):
                for word in facts.said.at(place, key, self._moment):
                    yield from facts.model.rules.operations(each, word)

    def _big_operations(self, place: Place, key: str) -> Iterator[frozenset[str]]:
        facts = self._facts
        assert self._moment is not None
        is_snapshot = facts.model.is_snapshot(place)
        has_looked = is_snapshot or facts.bigs.has_looked(place.segment)
        said_since = facts.said.is_said_between(place, key, self._since, self._moment.high)
        if not (has_looked or said_since):
            return
        rules = facts.model.rules
        leaving = {OUT, None} if is_snapshot else {OUT}
        exclusion = {ADD_EXCLUDED} if rules.excludes else set()
        for word in facts.said.at(place, key, self._moment):
            if word == IN:
                lifts = {REMOVE_EXCLUDED} if rules.excluded_action == "include" else set()
                yield frozenset({ADD_INCLUDED, *lifts})
            if word in leaving:
                yield frozenset({REMOVE_INCLUDED, *exclusion})
            if word == OUT and not is_snapshot and exclusion:
                yield frozenset(exclusion)


def gone(before: Standing, after: Standing) -> Iterator[tuple[Place, str]]:
    """Yield who was a member before and is none after."""
    for place, there in before.items():
        now = after[place]
        for key, where in there.items():
            if where in MEMBER and now.get(key) not in MEMBER:
                yield place, key
