"""Runs with faults, cuts and restarts against a model: `python tests/chaos.py --cases 10000`.

A case is a tap, settings, segments and troubles, all made of `(seed, number)`. The tap is replayed
from the last STATE that the target wrote, at most a few times, the last time without trouble. The
model is written from the design and imports nothing that decides about memberships.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from target_launchdarkly.client import Clock
from target_launchdarkly.errors import (
    IncompleteSnapshotError,
    InputError,
    LaunchDarklyError,
    TargetError,
)
from target_launchdarkly.sandbox import Fault, FaultQueue, RateLimit, RequestLog, Sandbox
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_launchdarkly.sandbox import Exchange

TOKEN = "api-0451-nobody-logs-this"
KINDS = ("user", "organization")
KEYS = [*(f"zq-heron-{number}" for number in range(6)), "770001", "zq ibis ü/é"]
BYSTANDERS = [f"zq-bystander-{number}" for number in range(4)]
CHANGING, LISTED = ("alpha", "beta"), ("gamma", "delta")
EPOCH = 1_800_000_000.0
PATIENCE = 600
TRUE = (True, 1, 1.0, "true", "T", "Yes", "y", "1")
FALSE = (False, 0, 0.0, "FALSE", "f", "no", "N", "0")
#: What a flag means by mode: include, un-include or nothing. "absent" is a stream without a flag.
MEANING: dict[tuple[str, Any], bool | None] = {
    ("add", True): True,
    ("add", False): None,
    ("add", "absent"): True,
    ("remove", True): None,
    ("remove", False): False,
    ("remove", "absent"): False,
    ("changes", True): True,
    ("changes", False): False,
    ("snapshot", True): True,
    ("snapshot", False): False,
    ("snapshot", "absent"): True,
}
INSTRUCTION_ORDER = (
    "removeIncludedTargets",
    "removeExcludedTargets",
    "addIncludedTargets",
    "addExcludedTargets",
)
LOST_ANSWERS = {"drop-before", "drop-after", "reset-before", "reset-after", "truncate"}
FRESH = "fresh"


class Place(NamedTuple):
    """A segment's targets of one kind."""

    segment: str
    kind: str


#: Of each place and key where it stands: "in", "ex" or, if it is not named, out.
Standing = dict[Place, dict[str, str]]


@dataclass(frozen=True)
class StreamPlan:
    name: str
    mode: str
    kind: str
    #: More than one: the records name them.
    segments: tuple[str, ...]
    has_flag: bool
    is_incremental: bool
    #: What the tap gives to prove its snapshots: "version", "size" or nothing.
    proof: str
    has_key_properties: bool

    @property
    def is_snapshot(self) -> bool:
        return self.mode == "snapshot"

    @property
    def settings(self) -> dict[str, Any]:
        mirror = {"changes": "changes", "snapshot": "snapshot"}.get(self.mode)
        found: dict[str, Any] = {
            "audience_sync_mode": "mirror" if mirror else self.mode,
            "context_kind": self.kind,
        }
        if mirror:
            found["mirror_source"] = mirror
        if self.proof == "size":
            found["audience_size_field"] = "size"
        if len(self.segments) > 1:
            return found | {"segment_key_field": "segment"}
        return found | {"segment_key": self.segments[0]}


@dataclass(frozen=True)
class Item:
    """A message of the tap, and what the model needs to know of it."""

    index: int
    message: dict[str, Any]
    stream: StreamPlan | None = None
    #: None for a record that names no segment.
    place: Place | None = None
    #: None for a record that names no key.
    key: str | None = None
    #: Whether the flag says yes; "absent" without a flag, "invalid" for an invalid record.
    intent: bool | str | None = None

    @property
    def type(self) -> str:
        return str(self.message["type"])

    @property
    def wish(self) -> bool | None:
        if self.stream is None or self.intent in {None, "invalid"}:
            return None
        return MEANING[self.stream.mode, self.intent]


@dataclass
class Attempt:
    """One run's troubles."""

    faults: list[Fault] = field(default_factory=list)
    rate_limit: tuple[int, float] | None = None
    #: The input ends after this share of the messages.
    cut: float | None = None
    is_cut_in_line: bool = False
    #: After so many lines the target thinks that five minutes have passed.
    drains: frozenset[int] = frozenset()
    is_dry: bool = False
    is_parallel: bool = False

    @property
    def is_lasting(self) -> bool:
        """Whether a fault may outlast the target's patience."""
        return any(fault.times > PATIENCE or fault.kind == "redirect" for fault in self.faults)


@dataclass
class Case:
    number: int
    streams: list[StreamPlan]
    settings: dict[str, Any]
    standing: Standing
    items: list[Item]
    attempts: list[Attempt]

    @property
    def is_calm(self) -> bool:
        """Whether no key is asked for in two ways."""
        wishes: dict[tuple[Any, Any], set[Any]] = {}
        for item in self.items:
            if item.type == "RECORD":
                wishes.setdefault((item.place, item.key), set()).add(
                    "spare" if item.intent == "invalid" else item.wish
                )
        return all(len(each) == 1 for each in wishes.values())


class CaseMaker:
    """Makes the case of a number, always the same one."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
        self._number = number

    def make(self) -> Case:
        streams = self._streams()
        settings = self._settings(streams)
        items = self._items(streams, settings)
        has_snapshot = any(stream.is_snapshot for stream in streams)
        attempts = [
            self._attempt(len(items), is_trusting=has_snapshot and settings["trust_end_of_input"])
            for _ in range(self._random.choice([0, 1, 1, 1, 2, 2, 3]))
        ]
        attempts.append(Attempt(drains=self._drains(len(items))))
        return Case(self._number, streams, settings, self._standing(streams), items, attempts)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _streams(self) -> list[StreamPlan]:
        shape = self._random.choice([CHANGING, CHANGING, LISTED, LISTED, CHANGING + LISTED])
        segments = [name for name in shape if self._chance(0.6)] or [shape[0]]
        return [
            self._stream(f"stream_{number}", segments)
            for number in range(self._random.choice([1, 1, 1, 2, 2, 3]))
        ]

    def _stream(self, name: str, segments: list[str]) -> StreamPlan:
        first = self._random.choice(segments)
        group = CHANGING if first in CHANGING else LISTED
        siblings = tuple(segment for segment in segments if segment in group)
        mode = self._random.choice(["add", "remove", "changes", "changes"])
        if group is LISTED:
            mode = "snapshot"
        return StreamPlan(
            name=name,
            mode=mode,
            kind=self._random.choice(KINDS[: 2 if self._chance(0.4) else 1]),
            segments=siblings if self._chance(0.4) else (first,),
            has_flag=mode == "changes" or self._chance(0.8),
            is_incremental=self._chance(0.1),
            proof=self._random.choice([*["version", "size"] * 3, "none", "stale"])
            if group is LISTED
            else "none",
            has_key_properties=self._chance(0.2),
        )

    def _settings(self, streams: list[StreamPlan]) -> dict[str, Any]:
        chunk = self._random.choice([2, 2, 3, 4, 5, 6, 7, 1_500])
        actions = {
            "removal_action": "exclude" if self._chance(0.2) else "remove",
            "excluded_key_action": "include" if self._chance(0.25) else "skip",
        }
        if actions == {"removal_action": "remove", "excluded_key_action": "skip"}:
            chunk = self._random.choice([chunk, chunk, 1])
        return actions | {
            "batch_size_rows": chunk,
            "invalid_record_action": "skip" if self._chance(0.6) else "fail",
            "max_removal_percent": self._random.choice([50, 100, 100, 100, 30, 0]),
            "trust_end_of_input": self._chance(0.2),
            "max_retry_seconds": self._random.choice([PATIENCE, PATIENCE, PATIENCE, 30, 5, 0]),
            "streams": {stream.name: stream.settings for stream in streams},
        }

    def _standing(self, streams: list[StreamPlan]) -> Standing:
        standing: Standing = {}
        for segment in sorted({name for stream in streams for name in stream.segments}):
            for kind in KINDS:
                there = {
                    key: "in" if self._chance(0.75) else "ex"
                    for key in [*KEYS, *BYSTANDERS]
                    if self._chance(0.45)
                }
                standing[Place(segment, kind)] = there
        return standing

    def _items(self, streams: list[StreamPlan], settings: Mapping[str, Any]) -> list[Item]:
        """Interleave the streams, with STATE in between."""
        skips = settings["invalid_record_action"] == "skip"
        is_poisoned = not skips and self._chance(0.04)
        queues = [list(self._tap(stream, skips or is_poisoned)) for stream in streams]
        items: list[Item] = []

        def put(item: Item) -> None:
            items.append(Item(len(items), *(getattr(item, name) for name in ITEM_FIELDS)))

        is_sticky = self._chance(0.5)
        while queues := [queue for queue in queues if queue]:
            queue = self._random.choice(queues[:1] if is_sticky else queues)
            put(queue.pop(0))
            if self._chance(0.2):
                put(Item(0, {"type": "STATE", "value": {"position": len(items)}}))
        if self._chance(0.8):
            put(Item(0, {"type": "STATE", "value": {"position": len(items)}}))
        return items

    def _tap(self, stream: StreamPlan, has_invalid: bool) -> Iterator[Item]:
        rows = self._random.randint(0, 12)
        records = [self._record(stream, has_invalid) for _ in range(rows)]
        if stream.proof == "size":
            _state_sizes(records)
        yield self._schema(stream, is_wide=False)
        old = int(EPOCH) - self._random.choice([61, 3_600])
        old *= self._random.choice([1, 1_000])
        version = old if stream.proof == "stale" else FRESH
        activation = Item(0, activate(stream, version), stream)
        is_versioned = stream.proof in {"version", "stale"}
        if self._chance(0.3):
            yield activation
        for record in records:
            if is_versioned:
                record.message["version"] = version
            if self._chance(0.06):
                yield self._schema(stream, is_wide=True)
            yield record
        if is_versioned:
            yield activation

    def _schema(self, stream: StreamPlan, *, is_wide: bool) -> Item:
        columns: dict[str, Any] = {
            "context_key": {"type": ["string", "number", "boolean", "null"]},
            "note": {"type": ["string", "null"]},
            "segment": {"type": ["string", "null"]},
            "size": {"type": ["integer", "string", "null"]},
        }
        if stream.has_flag:
            columns["is_member"] = {"type": ["boolean", "string", "number", "null"]}
        if is_wide:
            columns[f"wide_{self._random.randint(0, 3)}"] = {"type": ["string", "null"]}
        message: dict[str, Any] = {
            "type": "SCHEMA",
            "stream": stream.name,
            "schema": {"type": "object", "properties": columns},
            "key_properties": ["context_key"] if stream.has_key_properties else [],
        }
        if stream.is_incremental:
            message["bookmark_properties"] = ["updated_at"]
        return Item(0, message, stream)

    def _record(self, stream: StreamPlan, has_invalid: bool) -> Item:
        key = self._random.choice(KEYS)
        place = Place(self._random.choice(stream.segments), stream.kind)
        flag = self._chance(0.85 if stream.is_snapshot else 0.5)
        row: dict[str, Any] = {"context_key": key, "segment": place.segment}
        if key.isdigit():
            row["context_key"] = self._random.choice([key, int(key), float(key)])
        if stream.has_flag:
            row["is_member"] = self._random.choice(TRUE if flag else FALSE)
        item = Item(0, {"type": "RECORD", "stream": stream.name, "record": row}, stream, place, key)
        intent: bool | str = flag if stream.has_flag else "absent"
        if self._chance(0.08):
            row["_sdc_deleted_at"] = "2026-11-22T09:42:06Z"
            row.pop("is_member", None)
            intent = False
        elif has_invalid and self._chance(0.12):
            return self._spoil(item)
        return _replace(item, intent=intent)

    def _spoil(self, item: Item) -> Item:
        """Make a record invalid in one of the ways."""
        stream, row = item.stream, item.message["record"]
        assert stream is not None
        way = self._random.choice(["key", "schema", "flag", "segment"])
        item = _replace(item, intent="invalid")
        if way == "key":
            row["context_key"] = self._random.choice([None, "", "  ", True, 0.5])
            return _replace(item, key=None)
        if way == "segment" and len(stream.segments) > 1:
            row["segment"] = self._random.choice([None, "", "no key!"])
            return _replace(item, place=None)
        if way == "flag" and stream.has_flag:
            row["is_member"] = self._random.choice([None, "perhaps", 7, ""])
            return item
        row["note"] = 5
        return item

    def _attempt(self, length: int, *, is_trusting: bool) -> Attempt:
        attempt = Attempt(
            faults=[self._fault() for _ in range(self._random.choice([0, 0, 1, 1, 2, 3]))],
            drains=self._drains(length),
            is_dry=self._chance(0.03),
            is_parallel=self._chance(0.1),
        )
        if self._chance(0.2):
            attempt.rate_limit = (self._random.randint(1, 4), self._random.choice([10.0, 2.5]))
        if self._chance(0.4):
            attempt.cut = self._random.random()
            # Whoever trusts the end of input takes a cut between two lines for the end.
            attempt.is_cut_in_line = is_trusting or self._chance(0.3)
        return attempt

    def _drains(self, length: int) -> frozenset[int]:
        share = self._random.choice([0, 0, 0.1, 0.5])
        return frozenset(line for line in range(1, length + 1) if self._chance(share))

    def _fault(self) -> Fault:
        kinds = ["status", "status", "status", "status-after", *sorted(LOST_ANSWERS)]
        kind: Any = self._random.choice([*kinds, "html", "html-ok", "garbage", "empty"])
        if self._chance(0.02):
            kind = "redirect"
        status, headers = None, None
        if kind in {"status", "status-after"}:
            status = self._random.choice([408, 409, 429, 429, 500, 502, 503])
            headers = self._limit_headers() if status == 429 else None
        return Fault(
            kind,
            method=self._random.choice([None, "GET", "PATCH", "PATCH"]),
            after=self._random.choice([0, 0, 1, 2, 3]),
            times=10_000 if self._chance(0.08) else self._random.choice([1, 1, 2]),
            status=status,
            headers=headers,
        )

    def _limit_headers(self) -> dict[str, str]:
        headers = {}
        if self._chance(0.7):
            headers["Retry-After"] = str(self._random.randint(0, 9))
        if self._chance(0.7):
            moment = EPOCH + self._random.randint(-20, 20)
            headers["X-Ratelimit-Reset"] = str(int(moment * 1_000))
        return headers


ITEM_FIELDS = ("message", "stream", "place", "key", "intent")


def _replace(item: Item, **changes: Any) -> Item:
    values = {name: getattr(item, name) for name in ("index", *ITEM_FIELDS)}
    return Item(**(values | changes))


def _state_sizes(records: list[Item]) -> None:
    """Let each record state how many rows its segment has."""
    sizes = Counter(item.place.segment for item in records if item.place)
    for item in records:
        item.message["record"]["size"] = sizes[item.place.segment] if item.place else 1


def activate(stream: StreamPlan, version: object) -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream.name, "version": version}


class Model:
    """What the design says must become of a case's messages."""

    def __init__(self, case: Case) -> None:
        self._exclusion_is_lifted = case.settings["excluded_key_action"] == "include"
        self._leavers_are_excluded = case.settings["removal_action"] == "exclude"
        self._case = case

    def after(self, standing: str, wish: bool | None) -> str:
        """Return where a key stands once a wish for it was sent."""
        if wish is None:
            return standing
        if wish:
            return "ex" if standing == "ex" and not self._exclusion_is_lifted else "in"
        return "ex" if standing == "ex" or self._leavers_are_excluded else "out"

    def reach(self, standings: Iterable[str], wishes: Iterable[bool | None]) -> set[str]:
        """Return where a key may stand when any of the wishes were sent, in this order."""
        reached = set(standings)
        for wish in wishes:
            reached |= {self.after(standing, wish) for standing in reached}
        return reached

    def closure(self, standing: str, wishes: Iterable[bool | None]) -> set[str]:
        """Return where a key may have stood when the wishes were sent in any order, repeatedly."""
        different = set(wishes)
        reached = {standing}
        for _ in range(3):
            reached = self.reach(reached, different)
        return reached

    def wishes(self, items: Iterable[Item]) -> dict[tuple[Place, str], list[tuple[int, bool]]]:
        """Return the wishes of the streams that are no snapshots, by place and key."""
        found: dict[tuple[Place, str], list[tuple[int, bool]]] = {}
        for item in items:
            if item.stream is None or item.stream.is_snapshot or item.wish is None:
                continue
            if item.place is not None and item.key is not None:
                found.setdefault((item.place, item.key), []).append((item.index, item.wish))
        return found

    def listings(self, items: Iterable[Item]) -> dict[Place, dict[str, list[Any]]]:
        """Return what the snapshots say, by place and key: True, False, or "spare" if invalid."""
        found: dict[Place, dict[str, list[Any]]] = {}
        for item in items:
            if item.type != "RECORD" or not (item.stream and item.stream.is_snapshot):
                continue
            if item.place is not None:
                keys = found.setdefault(item.place, {})
                if item.key is not None:
                    said = "spare" if item.intent == "invalid" else item.wish
                    keys.setdefault(item.key, []).append(said)
        return found

    def is_proven(self, delivered: list[Item]) -> bool:
        """Whether every snapshot stream of the case came whole."""
        return all(
            self._is_stream_proven(stream, [each for each in delivered if each.stream is stream])
            for stream in self._case.streams
            if stream.is_snapshot
        )

    def _is_stream_proven(self, stream: StreamPlan, items: list[Item]) -> bool:
        records = [item for item in items if item.type == "RECORD"]
        if not records:
            return False
        if stream.proof == "version" and items[-1].type == "ACTIVATE_VERSION":
            return True
        if self._case.settings["trust_end_of_input"] and not stream.is_incremental:
            return True
        if stream.proof != "size":
            return False
        named = [item.place.segment for item in records if item.place]
        stated = {
            item.place.segment: item.message["record"]["size"] for item in records if item.place
        }
        return bool(named) and Counter(named) == stated

    def leaving(self, delivered: list[Item], standing: Standing) -> dict[Place, set[str]]:
        """Return who leaves if the snapshots are proven."""
        return {
            place: {
                key
                for key in {*said, *standing[place]}
                if said.get(key, [False])[-1] is False
                and (standing[place].get(key) == "in" or True in said.get(key, []))
            }
            for place, said in self.listings(delivered).items()
        }

    def is_within_guard(self, leaving: Mapping[Place, set[str]], standing: Standing) -> bool:
        percent = self._case.settings["max_removal_percent"]
        for segment in {place.segment for place in leaving}:
            places = [place for place in leaving if place.segment == segment]
            members = {
                (place, key)
                for place in places
                for key, where in standing[place].items()
                if where == "in"
            }
            gone = {(place, key) for place in places for key in leaving[place]} & members
            if len(gone) * 100 > len(members) * percent:
                return False
        return True


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
class Seen:
    """One exchange, with what the sandbox did."""

    exchange: Exchange
    at: float
    fault: Fault | None
    #: Epoch seconds before which the answer asks not to be asked again.
    not_before: float
    before: Standing
    after: Standing

    @property
    def operations(self) -> list[tuple[str, Place, str]]:
        body: Any = self.exchange.body
        if self.exchange.method != "PATCH":
            return []
        segment = str(self.exchange.segment_key)
        return [
            (one["kind"], Place(segment, one["contextKind"]), key)
            for one in body["instructions"]
            for key in one["values"]
        ]


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
    """One sandbox for many cases."""

    def __init__(self) -> None:
        self.clock = SharedClock()
        self.faults = WatchedFaults()
        log = RequestLog(keep_bodies=0, on_exchange=self._watch)
        self.sandbox = Sandbox(token=TOKEN, clock=self.clock.now, log=log)
        self.sandbox.faults = self.faults
        self.seen: list[Seen] = []
        self.met: Counter[str] = Counter()
        self._last: Standing = {}
        self._places: list[Place] = []

    def set_up(self, case: Case) -> None:
        for segment in {place.segment for place in self._places}:
            self.sandbox.delete_segment(segment)
        self._places = list(case.standing)
        for segment in {place.segment for place in self._places}:
            self.sandbox.add_segment(segment)
            for place in self._places:
                if place.segment == segment:
                    self._put(place, case.standing[place])
        self.sandbox.clear_requests()
        self.clock.elapsed = 0.0
        self._last = self.standing()

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
        self.seen = []
        self.faults.clear()
        self.faults.extend(attempt.faults)
        self.sandbox.rate_limit = WatchedLimit(*attempt.rate_limit) if attempt.rate_limit else None
        self._last = self.standing()

    def standing(self) -> Standing:
        return {
            place: dict.fromkeys(self.sandbox.included(*place), "in")
            | dict.fromkeys(self.sandbox.excluded(*place), "ex")
            for place in self._places
        }

    def _watch(self, exchange: Exchange) -> None:
        """Look at every exchange, in the server's thread, before it is answered."""
        fault, self.faults.met = self.faults.met, None
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
        self.seen.append(Seen(exchange, self.clock.now(), fault, not_before, before, self._last))


def _asked(headers: Mapping[str, str], now: float) -> float:
    retry_after = now + float(headers.get("Retry-After", 0))
    return max(retry_after, float(headers.get("X-Ratelimit-Reset", 0)) / 1_000)


class Feed:
    """The tap's output; knows how much of it was read."""

    def __init__(self, items: list[Item], attempt: Attempt, now: float) -> None:
        self._lines = [_line(item, now) for item in items]
        self.items = items
        self.is_torn = False
        if attempt.cut is not None:
            count = int(attempt.cut * len(items))
            self.is_torn = attempt.is_cut_in_line and count < len(items)
            torn = self._lines[count][: len(self._lines[count]) // 2] if self.is_torn else b""
            self._lines = [*self._lines[:count], *([torn] if torn else [])]
            self.items = items[:count]
        #: Lines read so far, counted from 1; the last of them is in work.
        self.position = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.position += 1
            yield line

    @property
    def is_read(self) -> bool:
        return self.position >= len(self._lines)


def _line(item: Item, now: float) -> bytes:
    message = item.message
    if message.get("version") == FRESH:
        message = message | {"version": int(now) if item.index % 2 else int(now * 1_000)}
        # Every record of a stream carries the same version, so its unit goes by the stream.
        assert item.stream is not None
        in_seconds = item.stream.kind == "user"
        message["version"] = int(now) if in_seconds else int(now * 1_000)
    return json.dumps(message).encode() + b"\n"


class DivergenceError(AssertionError):
    """The target did what it must not."""


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
        self._feed = Feed([], Attempt(), 0)
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
        self._demand(self._must_fail, "the last run failed")

    @property
    def _must_fail(self) -> bool:
        """Whether even a run without trouble fails, as the model says."""
        return self._expected_error is not None

    def _demand(self, holds: object, problem: str) -> None:
        if not holds:
            raise DivergenceError(problem)

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
        self._sends_at_end = not attempt.drains and self.case.settings["batch_size_rows"] > len(
            KEYS
        )
        self._feed = Feed(self._replayed(), attempt, self.stage.clock.now())
        self._states = []
        self._expect(start)
        target = self._target(attempt)
        error: TargetError | None = None
        with contextlib.redirect_stdout(_Out(self, attempt)):
            try:
                target.listen(self._feed)  # type: ignore[arg-type]
            except TargetError as failure:
                error = failure
        self.ends[type(error).__name__ if error else "success"] += 1
        self._note_read()
        self._check(attempt, error, start)
        return error

    def _target(self, attempt: Attempt) -> TargetLaunchDarkly:
        feed = self._feed

        class Target(TargetLaunchDarkly):
            clock = self.stage.clock.system

            @property
            def _max_record_age_in_minutes(self) -> float:
                return 6.0 if feed.position in attempt.drains else 0.0

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
        read = self._feed.items[: self._feed.position]
        self._read_up_to = max([self._read_up_to, *(item.index for item in read)])

    # What is expected of a run

    def _expect(self, start: Standing) -> None:
        """Ask the model before the run."""
        delivered = self._feed.items
        self._leaving = self.model.leaving(delivered, start)
        self._expected_error: type[TargetError] | None = None
        fails = self.case.settings["invalid_record_action"] == "fail"
        if self._feed.is_torn or (fails and any(each.intent == "invalid" for each in delivered)):
            self._expected_error = InputError
        elif self.has_snapshot and not (
            self.model.is_proven(delivered) and self.model.is_within_guard(self._leaving, start)
        ):
            self._expected_error = IncompleteSnapshotError

    def _check(self, attempt: Attempt, error: TargetError | None, start: Standing) -> None:
        self._check_error(attempt, error)
        self._check_requests(attempt)
        self._check_removals(attempt)
        self._check_end(attempt, error, start)

    def _check_error(self, attempt: Attempt, error: TargetError | None) -> None:
        told = f"{type(error).__name__}: {error}"
        self._demand(TOKEN not in told, f"the token in an error: {told}")
        for key in [*KEYS, *BYSTANDERS]:
            self._demand(key not in told, f"a context key in an error: {told}")
        may_give_up = attempt.faults and (
            attempt.is_lasting or self.case.settings["max_retry_seconds"] < PATIENCE
        )
        may_give_up = may_give_up or (attempt.rate_limit and not self._is_patient)
        if type(error) is LaunchDarklyError and may_give_up:
            return
        if self._expected_error is None:
            self._demand(error is None, f"a run failed that should not: {told}")
        else:
            fits = isinstance(error, self._expected_error)
            self._demand(fits, f"expected {self._expected_error.__name__}, not {told}")

    @property
    def _is_patient(self) -> bool:
        return bool(self.case.settings["max_retry_seconds"] == PATIENCE)

    # Requests

    def _check_requests(self, attempt: Attempt) -> None:
        last: dict[str, Seen] = {}
        for seen in self.stage.seen:
            segment = str(seen.exchange.segment_key)
            previous = last.get(segment)
            if previous:
                in_turn = seen.exchange.started >= previous.exchange.finished
                self._demand(in_turn, f"two requests of {segment} at a time")
                early = previous.not_before - seen.at
                self._demand(early < 1e-3, f"a request of {segment} came {early} s too early")
            if seen.exchange.method == "PATCH":
                self._check_patch(seen, previous, attempt)
            last[segment] = seen
        if not attempt.is_parallel:
            for one, other in zip(self.stage.seen, self.stage.seen[1:], strict=False):
                if isinstance(self.stage.sandbox.rate_limit, WatchedLimit):
                    early = one.not_before - other.at
                    self._demand(early < 1e-3, f"a request came {early} s before the window ended")

    def _check_patch(self, seen: Seen, previous: Seen | None, attempt: Attempt) -> None:
        self._demand(not attempt.is_dry, "a dry run sent a patch")
        self._demand(previous, "a patch before the segment was read")
        body: Any = seen.exchange.body
        kinds = [one["kind"] for one in body["instructions"]]
        in_order = kinds == sorted(kinds, key=INSTRUCTION_ORDER.index)
        self._demand(in_order, f"instructions in the order {kinds}")
        count = len(seen.operations)
        allowed = self.case.settings["batch_size_rows"]
        self._demand(1 <= count <= allowed, f"{count} operations in one patch of {allowed}")
        self._demand(len(set(seen.operations)) == count, "an operation twice in one patch")
        assert previous is not None
        is_retry = previous.exchange.body == body
        if is_retry:
            failed = previous.fault is not None or previous.exchange.status != 200
            self._demand(failed or attempt.is_parallel, "an acknowledged patch was sent again")
            return
        for kind, place, key in seen.operations:
            where = seen.before[place].get(key, "out")
            is_there = where == ("in" if "Included" in kind else "ex")
            changes = is_there != kind.startswith("add")
            self._demand(changes, f"{kind} of a key that is {where} already")

    def _check_removals(self, attempt: Attempt) -> None:
        """Nobody leaves who should not, at any step."""
        may_leave = self._expected_error is None and not attempt.is_dry
        asked = self.model.wishes(self._feed.items[: self._feed.position])
        removals_began = False
        for seen in self.stage.seen:
            for place, key in _gone(seen.before, seen.after):
                if place.segment in LISTED:
                    removals_began = True
                    is_right = may_leave and key in self._leaving.get(place, set())
                    is_right = is_right and self._feed.is_read
                else:
                    is_right = False in (wish for _, wish in asked.get((place, key), []))
                self.removed_wrongly += not is_right
            came = list(_gone(seen.after, seen.before))
            self._demand(not (removals_began and came), "an addition after a snapshot's removals")
            for place, key in _newly_excluded(seen.before, seen.after):
                if place.segment in LISTED:
                    is_right = may_leave and key in self._leaving.get(place, set())
                    self._demand(is_right, f"a snapshot of {place.segment} excluded a stayer")
        self._demand(not self.removed_wrongly, f"{self.removed_wrongly} keys removed wrongly")

    # STATE

    def note_state(self, attempt: Attempt, value: Mapping[str, int]) -> None:
        """Check a STATE line at the moment when it is written."""
        self._note_read()
        position = value["position"]
        self._states.append(position)
        self._demand(not attempt.is_dry, "a dry run wrote STATE")
        read = [item.index for item in self._feed.items[: self._feed.position]]
        latest = max(index for index in read if self.case.items[index].type == "STATE")
        self._demand(position == latest, f"STATE {position} was written, {latest} was read last")
        if self.has_snapshot:
            self._demand(self._feed.is_read, "STATE in the middle of a snapshot")
            self._demand(self._expected_error is None, "STATE of a snapshot that is not proven")
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
            reached = self.model.closure(first, read)
            allowed = {self.model.after(each, wish) for each in reached for wish in last}
            where = standing[place].get(key, "out")
            self._demand(where in allowed, f"STATE {position} covers a key that is {where}")

    # The end of a run

    def _check_end(self, attempt: Attempt, error: TargetError | None, start: Standing) -> None:
        ends_well = error is None and not attempt.is_dry
        if ends_well:
            sent = [each.index for each in self._feed.items if each.type == "STATE"]
            self._demand(not sent or self._states[-1:] == sent[-1:], "the last STATE is missing")
        if attempt.is_dry:
            self._demand(self.stage.standing() == start, "a dry run changed something")
        elif error is None or isinstance(error, IncompleteSnapshotError):
            self._demand_snapshots(start, removed=error is None)

    def _demand_snapshots(self, start: Standing, *, removed: bool) -> None:
        """Every addition of the snapshots is made, and if they are proven every removal."""
        standing = self.stage.standing()
        for place, said in self.model.listings(self._feed.items).items():
            for key in {*said, *start[place]}:
                where = standing[place].get(key, "out")
                allowed = self._allowed(start[place].get(key, "out"), said.get(key, []), removed)
                self._demand(
                    where in allowed,
                    f"a key that a snapshot of {place} says {said.get(key)} of is {where}, "
                    f"not {allowed}",
                )

    def _allowed(self, first: str, said: list[Any], removed: bool) -> set[str]:
        events = [event for event in said if event != "spare"]
        reached = self.model.reach([first], [event for event in events if event])
        if self._sends_at_end:
            # Nothing is sent in between, so the last word on the key alone is.
            reached = {self.model.after(first, True) if events and events[-1] else first}
        last = said[-1] if said else False
        if last is True:
            return {self.model.after(first, True)}
        if last is False and removed:
            return {self.model.after(each, False) if each == "in" else each for each in reached}
        return reached

    def _demand_converged(self) -> None:
        """The segments are as the tap's last word of every key has it."""
        standing = self.stage.standing()
        for (place, key), wishes in self._wishes.items():
            plain = [wish for _, wish in wishes]
            first = self.case.standing[place].get(key, "out")
            allowed = {
                self.model.after(each, plain[-1]) for each in self.model.closure(first, plain)
            }
            where = standing[place].get(key, "out")
            self._demand(where in allowed, f"a key of {place} ended {where}, not {allowed}")
        self._demand_untouched(standing)

    def _demand_untouched(self, standing: Standing) -> None:
        touched = {*self._wishes}
        listed = self.model.listings(self.case.items)
        for place, there in self.case.standing.items():
            for key in {*there, *standing[place]}:
                if place in listed or (place, key) in touched:
                    continue
                same = there.get(key) == standing[place].get(key)
                self._demand(same, f"a key of {place} changed that nobody named")

    def _demand_rest(self) -> None:
        """The same again costs one GET a segment and no PATCH."""
        self._position = -1
        error = self._run(Attempt())
        self._demand(error is None, f"the same run again failed: {error}")
        asked = Counter(
            (each.exchange.segment_key, each.exchange.method) for each in self.stage.seen
        )
        self._demand(all(method == "GET" for _, method in asked), f"at rest, it asked {asked}")
        self._demand(set(asked.values()) <= {1}, f"at rest, it asked {asked}")


class _Out:
    """Standard output, which looks at every STATE line."""

    def __init__(self, driver: Driver, attempt: Attempt) -> None:
        self._driver = driver
        self._attempt = attempt

    def write(self, text: str) -> int:
        self._driver.note_state(self._attempt, json.loads(text))
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written."""


def _gone(before: Standing, after: Standing) -> Iterator[tuple[Place, str]]:
    for place, there in before.items():
        now = after[place]
        if there is not now:
            for key, where in there.items():
                if where == "in" and now.get(key) != "in":
                    yield place, key


def _newly_excluded(before: Standing, after: Standing) -> Iterator[tuple[Place, str]]:
    for place, there in after.items():
        for key, where in there.items():
            if where == "ex" and before[place].get(key) != "ex":
                yield place, key


@dataclass
class Report:
    """What many cases came to."""

    seed: int
    cases: int = 0
    restarts: int = 0
    removed_wrongly: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    #: How the runs ended.
    ends: Counter[str] = field(default_factory=Counter)
    divergences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            [
                *self.divergences,
                f"seed                  {self.seed}",
                f"cases                 {self.cases:,}",
                f"faults injected       {_told(self.faults)}",
                f"runs                  {_told(self.ends)}",
                f"restarts              {self.restarts:,}",
                f"divergences           {len(self.divergences):,}",
                f"wrongly removed keys  {self.removed_wrongly:,}",
            ]
        )


def _told(counts: Counter[str]) -> str:
    each = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f"{counts.total():,} ({each})"


def run_cases(seed: int, numbers: Iterable[int]) -> Report:
    """Run the cases of some numbers, one after the other, against one sandbox."""
    report = Report(seed)
    stage = Stage()
    with stage.sandbox.serve():
        for number in numbers:
            driver = Driver(stage, CaseMaker(seed, number).make())
            try:
                driver.drive()
            except Exception as problem:  # noqa: BLE001 - whatever it is, the other cases go on
                told = f"{type(problem).__name__}: {problem}"
                again = f"python tests/chaos.py --seed {seed} --case {number}"
                report.divergences.append(f"Case {number}: {told}\n  Again: {again}")
            report.cases += 1
            report.restarts += driver.restarts
            report.removed_wrongly += driver.removed_wrongly
            report.ends += driver.ends
    report.faults = stage.met
    return report


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="run the case of this number only")
    options = parser.parse_args()
    numbers = range(options.cases) if options.case is None else [options.case]
    logging.disable(logging.CRITICAL)
    report = run_cases(options.seed, numbers)
    sys.stdout.write(f"{report}\n")
    return 1 if report.divergences else 0


if __name__ == "__main__":
    sys.exit(main())
