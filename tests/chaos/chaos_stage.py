"""The sandbox of the chaos test, with a watch on every exchange and on all that happens beside."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from chaos_cases import JUMP_SECONDS, LOST_ANSWERS, TOKEN, Meddling, Place
from chaos_endings import changed, endings, put_endings
from chaos_meddling import change_of
from chaos_transfers import Strange, TransferWatch
from chaos_views import Asked, Wire
from chaos_watches import SharedClock, WatchedFaults, WatchedLimit, asked_for

from target_launchdarkly.sandbox import RequestLog, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos_cases import Attempt, Case, Endings, Standing

    from target_launchdarkly.sandbox import Exchange, Fault


@dataclass
class Happened:
    """What changed beside the target's requests, or by a late copy of one."""

    #: So many requests were seen before.
    moment: int
    segments: set[str]
    keys: set[tuple[Place, str]]
    #: Whether it is an import that no request of the run began at once.
    is_strange: bool = False
    #: Whether that takes out all members while it runs.
    sweeps: bool = False


class WatchedSandbox(Sandbox):
    """Tells the stage of what happens beside the requests."""

    stage: Stage

    def happen(self, *happenings: Any) -> int:
        accepted = 0
        for each in happenings:
            self.stage.before_happening()
            one = super().happen(each)
            self.stage.after_happening("late copy" if each.is_late else "", accepted=one)
            accepted += one
        return accepted


class Stage:
    """One sandbox for many cases, and a folder of its own for temporary files."""

    def __init__(self) -> None:
        self.clock = SharedClock()
        self.faults = WatchedFaults()
        log = RequestLog(keep_bodies=0, on_exchange=self._watch)
        self.sandbox = WatchedSandbox(token=TOKEN, clock=self.clock.now, log=log)
        self.sandbox.stage = self
        self.sandbox.faults = self.faults
        self.transfers = TransferWatch(self.sandbox, lambda: len(self.asked))
        self.wire = Wire(on_file=self.transfers.take_file)
        self.asked: list[Asked] = []
        self.happened: list[Happened] = []
        #: The keys that late patches moved after the last run and before this one.
        self.moved_between: set[tuple[Place, str]] = set()
        self.met: Counter[str] = Counter()
        self._last: Standing = {}
        self._last_endings: Endings = {}
        self._meddled: set[str] = set()
        self._steps: list[tuple[Standing, Standing]] = []
        self._case: Case | None = None
        #: Somebody else's changes of earlier runs that did not come about are off.
        self._run = 0

    def __enter__(self) -> Self:
        self._root = tempfile.TemporaryDirectory(prefix="chaos-")
        self.files = Path(self._root.name, "files")
        self.files.mkdir()
        self._temporary = Path(self._root.name, "temporary")
        self._temporary.mkdir()
        self._before = tempfile.tempdir, os.environ.get("TMPDIR")
        # SQLite asks the environment.
        tempfile.tempdir = os.environ["TMPDIR"] = str(self._temporary)
        self._serving = self.sandbox.serve()
        self._serving.__enter__()
        self.wire.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.__exit__()
        self._serving.__exit__(None, None, None)
        tempfile.tempdir, environment = self._before
        del os.environ["TMPDIR"]
        if environment is not None:
            os.environ["TMPDIR"] = environment
        self._root.cleanup()

    @property
    def left_behind(self) -> list[str]:
        """The names of temporary files."""
        return [path.name for path in self._temporary.iterdir()]

    def set_up(self, case: Case) -> None:
        self.sandbox.call_off()
        self.clock.elapsed = 0.0
        with self.sandbox.read() as segments:
            old = [*segments]
        for segment in old:
            self.sandbox.delete_segment(segment)
        self._case = case
        self.wire.places = {*case.standing}
        self.wire.creates = case.settings["create_segment"] != "never"
        self.transfers.set_up(case)
        for segment in {place.segment for place in case.standing} - case.missing:
            self._add(segment, case.standing)
        self.sandbox.keeps_orphans = case.keeps_orphans
        put_endings(self.sandbox, case.endings)
        self.sandbox.forget_past()
        self.sandbox.clear_requests()
        self._look()

    def _add(self, segment: str, standing: Standing) -> None:
        assert self._case is not None
        places = [place for place in standing if place.segment == segment]
        if segment in self._case.bigs:
            (place,) = places
            self.sandbox.add_segment(
                segment,
                unbounded=True,
                context_kind=place.kind,
                included=_those(standing[place], "in", "both"),
                excluded=_those(standing[place], "ex", "both"),
            )
            return
        self.sandbox.add_segment(segment)
        for place in places:
            self._put(place, standing[place])

    def _put(self, place: Place, there: Mapping[str, str]) -> None:
        sides = (("addIncludedTargets", ("in", "both")), ("addExcludedTargets", ("ex",)))
        instructions = [
            {"kind": kind, "contextKind": place.kind, "values": values}
            for kind, stands in sides
            if (values := _those(there, *stands))
        ]
        if instructions:
            body = {"environmentKey": "test", "instructions": instructions}
            self.sandbox.patch_segment(place.segment, body)
        if both := _those(there, "both"):
            # No patch can bring that about, and nobody says that nothing else can.
            with self.sandbox.read(place.segment) as segments:
                targets = segments[place.segment].targets[place.kind]
                targets.excluded.update(dict.fromkeys(both))

    def begin(self, attempt: Attempt, *, may_export: bool) -> None:
        """Prepare for a run; what an earlier run has begun ends before, late patches may not."""
        self._run += 1
        self.happened = []
        before = self.standing()
        self.clock.elapsed += JUMP_SECONDS * attempt.jumps
        self._look()
        ended = changed(before, self._last)
        if attempt.settles:
            self.transfers.end_all()
            self.sandbox.apply_late()
            self.transfers.end_all()
        self._restore()
        self.moved_between = ended.union(*(each.keys for each in self.happened))
        self.asked, self.happened, self._steps = [], [], []
        self.faults.clear()
        self.faults.extend(attempt.faults)
        for meddling in attempt.meddlings:
            self._plan(meddling)
        self.transfers.begin(attempt.moves, may_export=may_export)
        for going in self.transfers.going():
            self._note_strange(going)
        run = self._run
        self.transfers.arrange(attempt.moves, lambda: run == self._run, self._meet)
        self.sandbox.rate_limit = WatchedLimit(*attempt.rate_limit) if attempt.rate_limit else None
        self.clock.started = self.clock.now()
        self._look()

    def _restore(self) -> None:
        """Make anew what somebody has deleted."""
        assert self._case is not None
        with self.sandbox.read() as segments:
            gone = {place.segment for place in self._case.standing} - {*segments}
        for segment in gone - self._case.missing:
            self.sandbox.recreate_segment(segment)

    def _plan(self, meddling: Meddling) -> None:
        run, place = self._run, meddling.place
        change = change_of(meddling)

        def meddle(sandbox: Sandbox) -> None:
            if run == self._run:
                self._meddled = {place.segment}
                # So that what is made anew shows that it is younger.
                self.clock.elapsed += 0.001
                change(sandbox)
                self.met[f"foreign {meddling.deed}"] += 1

        self.sandbox.meanwhile(
            meddle,
            method=meddling.method,
            after=meddling.after,
            when=meddling.when,
            times=meddling.times,
        )

    # What the server's thread tells

    def before_happening(self) -> None:
        """Keep what the request in work has done apart from what happens beside it."""
        self._step()

    def after_happening(self, name: str, *, accepted: int) -> None:
        before, ends_before = self._last, self._last_endings
        self._look()
        keys = changed(before, self._last) | changed(ends_before, self._last_endings)
        if name and accepted:
            self.met[name] += 1
        meddled, self._meddled = self._meddled, set()
        if accepted:
            segments = {place.segment for place, _ in keys} | meddled
            self.happened.append(Happened(len(self.asked), segments, keys))
        for strange in self.transfers.appeared():
            self._note_strange(strange)

    def _note_strange(self, strange: Strange) -> None:
        """Take note of an import that is none of the run's requests."""
        keys = {(strange.place, key) for key in strange.keys}
        segments = {strange.place.segment}
        self.happened.append(Happened(len(self.asked), segments, keys, True, strange.sweeps))

    def _meet(self, name: str) -> None:
        self.met[name] += 1

    def _step(self) -> None:
        last = self._last
        self._look()
        if self._last != last:
            self._steps.append((last, self._last))

    def _look(self) -> None:
        self._last, self._last_endings = self.standing(), self.endings()

    def _watch(self, exchange: Exchange) -> None:
        """Look at every exchange, in the server's thread, before it is answered."""
        fault = self.faults.met()
        begun = list(self.transfers.begun())
        is_in_way = exchange.status == 409 and exchange.path.endswith("/imports")
        in_way = self.transfers.going_ids() if is_in_way else frozenset()
        self._step()
        steps, self._steps = self._steps, []
        not_before = self._not_before(exchange, fault)
        operations = list(self._operations(exchange))
        now = self.clock.now()
        asked = Asked(exchange, now, fault, not_before, steps, operations, begun, in_way)
        self.asked.append(asked)
        self.wire.add(asked)

    def _not_before(self, exchange: Exchange, fault: Fault | None) -> float:
        limit = self.sandbox.rate_limit
        asked_by_limit = limit.not_before() if isinstance(limit, WatchedLimit) else 0.0
        # What a fault says of the reset stands in the place of the limit's.
        is_lost = fault is not None and (fault.is_dropping or fault.kind in LOST_ANSWERS)
        is_told = fault is None or not (is_lost or fault.headers)
        not_before = asked_by_limit if is_told else 0.0
        if fault:
            name = f"{fault.kind} {fault.status}" if fault.status else fault.kind
            self.met[name] += 1
            if exchange.status == 429:
                not_before = max(not_before, asked_for(fault.headers or {}, self.clock.now()))
        elif exchange.status == 429:
            self.met["rate limit 429"] += 1
        return not_before

    def _operations(self, exchange: Exchange) -> Iterator[tuple[str, Place, str]]:
        body: Any = exchange.body
        if exchange.method != "PATCH" or "/expiring-targets/" in exchange.path:
            return
        assert self._case is not None
        segment = str(exchange.segment_key)
        for one in body["instructions"]:
            kind = one["contextKind"] if "contextKind" in one else self._case.bigs[segment]
            for key in one["values"]:
                yield one["kind"], Place(segment, kind), key

    # What there is

    def standing(self) -> Standing:
        assert self._case is not None
        with self.sandbox.read() as segments:
            return {
                place: self._targets(place) if place.segment in segments else {}
                for place in self._case.standing
            }

    def endings(self) -> Endings:
        assert self._case is not None
        return endings(self.sandbox, self._case.endings)

    def _targets(self, place: Place) -> dict[str, str]:
        found = dict.fromkeys(self.sandbox.included(*place), "in")
        for key in self.sandbox.excluded(*place):
            found[key] = "both" if key in found else "ex"
        return found

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Of every segment, what grows with its changes."""
        with self.sandbox.read() as segments:
            return {key: (each.created_ms, each.version) for key, each in segments.items()}


def _those(there: Mapping[str, str], *stands: str) -> list[str]:
    """Return the keys that stand in one of these ways."""
    return [key for key, where in there.items() if where in stands]
