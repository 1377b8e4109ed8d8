"""The sandbox of the chaos test, with a watch on every exchange."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos_cases import EPOCH, LOST_ANSWERS, TOKEN, Place

from target_launchdarkly.api.client import Clock
from target_launchdarkly.sandbox import Fault, FaultQueue, RateLimit, RequestLog, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos_cases import Attempt, Case, Standing
    from typing_extensions import Self

    from target_launchdarkly.sandbox import Exchange


class SharedClock:
    """Time that passes only when somebody sleeps, for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.elapsed = 0.0
        self.system = Clock(sleep=self._sleep, monotonic=lambda: self.elapsed, now=self.now)

    def now(self) -> float:
        return EPOCH + self.elapsed

    def _sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.elapsed += seconds


@dataclass
class Begun:
    """An import that the target has begun."""

    id: str
    segment: str
    mode: str
    #: None if it had ended before it could be looked at.
    keys: frozenset[str] | None


@dataclass
class Seen:
    """One exchange, with what the sandbox did."""

    exchange: Exchange
    at: float
    fault: Fault | None
    #: Epoch seconds before which the answer asks not to be asked again.
    not_before: float
    before: Standing
    after: Standing
    operations: list[tuple[str, Place, str]]
    begun: list[Begun]

    @property
    def segment(self) -> str:
        body: Any = self.exchange.body
        if self.exchange.segment_key is None and body:
            return str(body["key"])
        return str(self.exchange.segment_key)

    @property
    def is_import(self) -> bool:
        return self.exchange.method == "POST" and self.exchange.path.endswith("/imports")


class WatchedFaults(FaultQueue):
    """Remembers the fault in work."""

    def __init__(self) -> None:
        super().__init__()
        self.met: Fault | None = None

    def take(self, method: str) -> Fault | None:
        self.met = super().take(method)
        return self.met


class WatchedLimit(RateLimit):
    """Remembers what it said last."""

    not_before = 0.0

    def admit(self, now: float) -> Any:
        quota = super().admit(now)
        self.not_before = 0.0 if quota.remaining else quota.reset_epoch_ms / 1_000
        return quota


class Stage:
    """One sandbox for many cases, and a folder of its own for temporary files."""

    def __init__(self) -> None:
        self.clock = SharedClock()
        self.faults = WatchedFaults()
        log = RequestLog(keep_bodies=0, on_exchange=self._watch)
        self.sandbox = Sandbox(token=TOKEN, clock=self.clock.now, log=log)
        self.sandbox.faults = self.faults
        self.seen: list[Seen] = []
        self.met: Counter[str] = Counter()
        self._last: Standing = {}
        self._case: Case | None = None
        #: The imports of which is known that they were begun.
        self._known_imports: set[str] = set()

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
        return self

    def __exit__(self, *_: object) -> None:
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
        with self.sandbox.read() as segments:
            old = [*segments]
        for segment in old:
            self.sandbox.delete_segment(segment)
        self._case = case
        self._known_imports.clear()
        for segment in {place.segment for place in case.standing} - case.missing:
            self._add(segment, case.standing)
        self.sandbox.clear_requests()
        self.clock.elapsed = 0.0
        self._last = self.standing()

    def _add(self, segment: str, standing: Standing) -> None:
        assert self._case is not None
        places = [place for place in standing if place.segment == segment]
        if segment in self._case.bigs:
            (place,) = places
            there = standing[place]
            self.sandbox.add_segment(
                segment,
                unbounded=True,
                context_kind=place.kind,
                included=[key for key, where in there.items() if where == "in"],
                excluded=[key for key, where in there.items() if where == "ex"],
            )
            return
        self.sandbox.add_segment(segment)
        for place in places:
            self._put(place, standing[place])

    def _put(self, place: Place, there: Mapping[str, str]) -> None:
        instructions = [
            {"kind": kind, "contextKind": place.kind, "values": values}
            for kind, where in (("addIncludedTargets", "in"), ("addExcludedTargets", "ex"))
            if (values := [key for key, stands in there.items() if stands == where])
        ]
        if instructions:
            body = {"environmentKey": "test", "instructions": instructions}
            self.sandbox.patch_segment(place.segment, body)

    def begin(self, attempt: Attempt) -> None:
        """Prepare for a run; what an earlier run has begun ends before."""
        self._end_imports()
        self.seen = []
        self.faults.clear()
        self.faults.extend(attempt.faults)
        self.sandbox.import_outcome = attempt.import_outcome
        self.sandbox.import_polls = attempt.import_polls
        self.sandbox.rate_limit = WatchedLimit(*attempt.rate_limit) if attempt.rate_limit else None
        self._last = self.standing()

    def _end_imports(self) -> None:
        with self.sandbox.read() as segments:
            for segment in segments.values():
                for each in segment.imports.values():
                    if each.status == "pending_approval":
                        each.approve()
                    each.polls_left = min(1, each.polls_left)
                    self.sandbox.poll_import(segment.key, each.id)
                    if each.status == "pending_approval":
                        each.status = "stopped"

    @property
    def incomplete_imports(self) -> set[str]:
        """The segments whose last import of the run is not complete."""
        last = {begun.segment: begun.id for seen in self.seen for begun in seen.begun}
        with self.sandbox.read() as segments:
            return {
                key
                for key, import_id in last.items()
                if segments[key].imports[import_id].status != "complete"
            }

    def standing(self) -> Standing:
        assert self._case is not None
        with self.sandbox.read() as segments:
            return {
                place: self._targets(place) if place.segment in segments else {}
                for place in self._case.standing
            }

    def _targets(self, place: Place) -> dict[str, str]:
        found = dict.fromkeys(self.sandbox.included(*place), "in")
        for key in self.sandbox.excluded(*place):
            found[key] = "both" if key in found else "ex"
        return found

    def _watch(self, exchange: Exchange) -> None:
        """Look at every exchange, in the server's thread, before it is answered."""
        fault, self.faults.met = self.faults.met, None
        begun = list(self._begun())
        if exchange.status == 409 and exchange.path.endswith("/imports"):
            self._go_on(str(exchange.segment_key))
        before, self._last = self._last, self.standing()
        not_before = 0.0
        limit = self.sandbox.rate_limit
        # What a fault says of the reset stands in the place of the limit's.
        is_told = fault is None or (fault.kind not in LOST_ANSWERS and not fault.headers)
        if is_told and isinstance(limit, WatchedLimit):
            not_before = limit.not_before
        if fault:
            name = f"{fault.kind} {fault.status}" if fault.status else fault.kind
            self.met[name] += 1
            if exchange.status == 429:
                not_before = max(not_before, _asked(fault.headers or {}, self.clock.now()))
        elif exchange.status == 429:
            self.met["rate limit 429"] += 1
        operations = list(self._operations(exchange))
        now = self.clock.now()
        self.seen.append(
            Seen(exchange, now, fault, not_before, before, self._last, operations, begun)
        )

    def _begun(self) -> Iterator[Begun]:
        with self.sandbox.read() as segments:
            for segment in segments.values():
                for each in segment.imports.values():
                    if each.id not in self._known_imports:
                        self._known_imports.add(each.id)
                        keys = None if each.status == "complete" else frozenset(each.keys)
                        yield Begun(each.id, segment.key, each.mode, keys)

    def _go_on(self, segment_key: str) -> None:
        """Let imports go on that nobody looks at, as LaunchDarkly does."""
        with self.sandbox.read() as segments:
            imports = [*segments[segment_key].imports.values()]
        for each in imports:
            self.sandbox.poll_import(segment_key, each.id)

    def _operations(self, exchange: Exchange) -> Iterator[tuple[str, Place, str]]:
        body: Any = exchange.body
        if exchange.method != "PATCH":
            return
        assert self._case is not None
        segment = str(exchange.segment_key)
        for one in body["instructions"]:
            kind = one["contextKind"] if "contextKind" in one else self._case.bigs[segment]
            for key in one["values"]:
                yield one["kind"], Place(segment, kind), key


def _asked(headers: Mapping[str, str], now: float) -> float:
    retry_after = now + float(headers.get("Retry-After", 0))
    return max(retry_after, float(headers.get("X-Ratelimit-Reset", 0)) / 1_000)
