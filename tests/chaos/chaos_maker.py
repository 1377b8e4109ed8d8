"""Makes cases of random choices; the plain choice always comes first, so that cases shrink."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from chaos_cases import (
    BYSTANDERS,
    CHANGING,
    EPOCH,
    FRESH,
    KEYS,
    KINDS,
    LISTED,
    LOST_ANSWERS,
    MANY_KEYS,
    PATIENCE,
    Attempt,
    Case,
    Item,
    Place,
    Standing,
    StreamPlan,
)

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRUE = (True, 1, 1.0, "true", "T", "Yes", "y", "1")
FALSE = (False, 0, 0.0, "FALSE", "f", "no", "N", "0")


def make_case(seed: int, number: int) -> Case:
    """Return the case of a number, always the same one."""
    return CaseMaker(random.Random(f"{seed}/{number}"), number).make()  # noqa: S311 no secret


class CaseMaker:
    """Makes one case.

    Args:
        choices: Makes all the choices.
        number: The case's number.
        max_rows: Of a stream, unless it is to be long enough for an import.
    """

    def __init__(self, choices: random.Random, number: int = 0, *, max_rows: int = 12) -> None:
        self._random = choices
        self._number = number
        self._max_rows = max_rows
        self._bigs: dict[str, str] = {}
        self._is_long = False
        self._posts = False

    def make(self) -> Case:
        streams = self._streams()
        segments = sorted({name for stream in streams for name in stream.segments})
        settings, missing = self._settings(streams, segments)
        items = self._items(streams, settings)
        has_snapshot = any(stream.is_snapshot for stream in streams)
        attempts = [
            self._attempt(len(items), is_trusting=has_snapshot and settings["trust_end_of_input"])
            for _ in range(self._random.choice([0, 1, 1, 1, 2, 2, 3]))
        ]
        attempts.append(Attempt(drains=self._drains(len(items)), block_bytes=self._block_bytes()))
        standing = self._standing(segments, missing, settings)
        bigs = {segment: kind for segment, kind in self._bigs.items() if segment in segments}
        return Case(self._number, streams, settings, bigs, missing, standing, items, attempts)

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) >= 100 - percent

    def _streams(self) -> list[StreamPlan]:
        shape = self._random.choice([CHANGING, CHANGING, LISTED, LISTED, CHANGING + LISTED])
        segments = [name for name in shape if self._chance(60)] or [shape[0]]
        big_kind = self._random.choice(KINDS)
        big_percent = self._random.choice([0, 0, 50, 100])
        self._bigs = {name: big_kind for name in segments if self._chance(big_percent)}
        return [
            self._stream(f"stream_{number}", segments)
            for number in range(self._random.choice([1, 1, 1, 2, 2, 3]))
        ]

    def _stream(self, name: str, segments: list[str]) -> StreamPlan:
        first = self._random.choice(segments)
        group = CHANGING if first in CHANGING else LISTED
        named: tuple[str, ...] = (first,)
        if self._chance(40):
            named = tuple(segment for segment in segments if segment in group)
        mode = self._random.choice(["add", "remove", "changes", "changes"])
        if group is LISTED:
            mode = "snapshot"
        kind = self._random.choice(KINDS[: 2 if self._chance(40) else 1])
        proof = self._random.choice([*["version", "size"] * 3, "none", "stale"])
        return StreamPlan(
            name=name,
            mode=mode,
            kind=next((self._bigs[each] for each in named if each in self._bigs), kind),
            segments=named,
            has_flag=mode == "changes" or self._chance(80),
            is_incremental=self._chance(10),
            proof=proof if group is LISTED else "none",
            has_key_properties=self._chance(20),
            comes_in_files=self._chance(15),
        )

    def _settings(
        self, streams: list[StreamPlan], segments: list[str]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        has_big_snapshot = any(name in self._bigs for name in segments if name in LISTED)
        # A snapshot of a big segment refuses to exclude, which says nothing about the rest.
        excludes = self._chance(2 if has_big_snapshot else 20)
        actions = {
            "removal_action": "exclude" if excludes else "remove",
            "excluded_key_action": self._random.choice([*["skip"] * 6, *["include"] * 3, "fail"]),
        }
        chunk = self._random.choice([2, 2, 3, 4, 5, 6, 7, 1_500])
        takes_two = excludes or actions["excluded_key_action"] == "include"
        if not takes_two:
            chunk = self._random.choice([chunk, chunk, 1])
        self._is_long = bool(self._bigs) and self._chance(15)
        if self._is_long:
            chunk = 2 if takes_two else 1
        create = self._random.choice([*["never"] * 3, "standard", "big"])
        creatable = [name for name in segments if (name in self._bigs) == (create == "big")]
        missing = frozenset(name for name in creatable if create != "never" and self._chance(50))
        self._posts = bool(self._bigs or missing)
        return actions | {
            "batch_size_rows": chunk,
            "invalid_record_action": "skip" if self._chance(60) else "fail",
            "max_removal_percent": self._random.choice([50, 100, 100, 100, 30, 0]),
            "trust_end_of_input": self._chance(20),
            "max_retry_seconds": self._random.choice([PATIENCE, PATIENCE, PATIENCE, 30, 5, 0]),
            "create_segment": create,
            "streams": {stream.name: stream.settings for stream in streams},
        }, missing

    def _standing(
        self, segments: list[str], missing: frozenset[str], settings: Mapping[str, Any]
    ) -> Standing:
        standing: Standing = {}
        # With "fail", one excluded key ends all runs.
        excluded_percent = 3 if settings["excluded_key_action"] == "fail" else 25
        for segment in segments:
            keys = [] if segment in missing else [*self._keys(segment), *BYSTANDERS]
            for kind in [self._bigs[segment]] if segment in self._bigs else KINDS:
                standing[Place(segment, kind)] = {
                    key: "ex" if self._chance(excluded_percent) else "in"
                    for key in keys
                    if self._chance(45)
                }
        return standing

    def _keys(self, segment: str) -> list[str]:
        return MANY_KEYS if self._is_long and segment in self._bigs else KEYS

    # The tap

    def _items(self, streams: list[StreamPlan], settings: Mapping[str, Any]) -> list[Item]:
        """Interleave the streams, with STATE in between."""
        skips = settings["invalid_record_action"] == "skip"
        is_poisoned = not skips and self._chance(4)
        queues = [list(self._tap(stream, skips or is_poisoned)) for stream in streams]
        items: list[Item] = []

        def put(item: Item) -> None:
            items.append(replace(item, index=len(items)))

        def put_state() -> None:
            put(Item({"type": "STATE", "value": {"position": len(items)}}))

        is_sticky = self._chance(50)
        while queues := [queue for queue in queues if queue]:
            queue = self._random.choice(queues[:1] if is_sticky else queues)
            put(queue.pop(0))
            if self._chance(3 if self._is_long else 20):
                put_state()
        if self._chance(80):
            put_state()
        return list(_with_files(items))

    def _tap(self, stream: StreamPlan, has_invalid: bool) -> Iterator[Item]:
        is_long = self._is_long and any(name in self._bigs for name in stream.segments)
        rows = self._random.randint(0, self._max_rows)
        if is_long:
            rows += self._random.choice([20, 60])
        records = [self._record(stream, has_invalid) for _ in range(rows)]
        if stream.proof == "size":
            _state_sizes(records)
        yield self._schema(stream, is_wide=False)
        old = int(EPOCH) - self._random.choice([61, 3_600])
        old *= self._random.choice([1, 1_000])
        version = old if stream.proof == "stale" else FRESH
        message = {"type": "ACTIVATE_VERSION", "stream": stream.name, "version": version}
        activation = Item(message, stream)
        is_versioned = stream.proof in {"version", "stale"}
        if self._chance(30):
            yield activation
        for record in records:
            if is_versioned:
                record.message["version"] = version
            if self._chance(1 if is_long else 6):
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
        return Item(message, stream)

    def _record(self, stream: StreamPlan, has_invalid: bool) -> Item:
        place = Place(self._random.choice(stream.segments), stream.kind)
        key = self._random.choice(self._keys(place.segment))
        flag = not self._chance(15 if stream.is_snapshot or self._is_long else 50)
        row: dict[str, Any] = {"context_key": key, "segment": place.segment}
        if key.isdigit():
            row["context_key"] = self._random.choice([key, int(key), float(key)])
        if stream.has_flag:
            row["is_member"] = self._random.choice(TRUE if flag else FALSE)
        intent: bool | str = flag if stream.has_flag else "absent"
        message = {"type": "RECORD", "stream": stream.name, "record": row}
        item = Item(message, stream, place, key, intent)
        if self._chance(8):
            row["_sdc_deleted_at"] = "2026-11-22T09:42:06Z"
            row.pop("is_member", None)
            return replace(item, intent=False)
        if has_invalid and self._chance(2 if self._is_long else 12):
            return self._spoil(item)
        return item

    def _spoil(self, item: Item) -> Item:
        """Make a record invalid in one of the ways."""
        stream, row = item.stream, item.message["record"]
        assert stream is not None
        way = self._random.choice(["key", "schema", "flag", "segment"])
        item = replace(item, intent="invalid")
        if way == "key":
            row["context_key"] = self._random.choice([None, "", "  ", True, 0.5])
            return replace(item, key=None)
        if way == "segment" and len(stream.segments) > 1:
            row["segment"] = self._random.choice([None, "", "no key!"])
            return replace(item, place=None)
        if way == "flag" and stream.has_flag:
            row["is_member"] = self._random.choice([None, "perhaps", 7, ""])
            return item
        row["note"] = 5
        return item

    # The troubles

    def _attempt(self, length: int, *, is_trusting: bool) -> Attempt:
        attempt = Attempt(
            faults=[self._fault() for _ in range(self._random.choice([0, 0, 1, 1, 2, 3]))],
            drains=self._drains(length),
            is_dry=self._chance(3),
            is_parallel=self._chance(10),
            block_bytes=self._block_bytes(),
        )
        if self._bigs:
            outcomes: Any = [*["complete"] * 5, "stopped", "pending_approval"]
            attempt.import_outcome = self._random.choice(outcomes)
            attempt.import_polls = self._random.choice([1, 0, 2, 3, 5, 1_000])
        if self._chance(20):
            attempt.rate_limit = (self._random.randint(1, 4), self._random.choice([10.0, 2.5]))
        if self._chance(40):
            attempt.cut = self._random.randrange(100) / 100
            # Whoever trusts the end of input takes a cut between two lines for the end.
            attempt.is_cut_in_line = is_trusting or self._chance(30)
        return attempt

    def _block_bytes(self) -> int:
        return self._random.choice([0, 0, 100, 1_000, 65_536])

    def _drains(self, length: int) -> frozenset[int]:
        percent = self._random.choice([0, 0, 10, 50])
        return frozenset(line for line in range(1, length + 1) if percent and self._chance(percent))

    def _fault(self) -> Fault:
        kinds = [*["status"] * 3, "status-after", *LOST_ANSWERS, "html", "html-ok"]
        kind: Any = self._random.choice([*kinds, "garbage", "empty"])
        if self._chance(2):
            kind = "redirect"
        status, headers = None, None
        if kind in {"status", "status-after"}:
            status = self._random.choice([408, 409, 429, 429, 500, 502, 503])
            headers = self._limit_headers() if status == 429 else None
        methods = ["GET", "PATCH", "PATCH", None, *(["POST", "POST"] if self._posts else [])]
        return Fault(
            kind,
            method=self._random.choice(methods),
            after=self._random.choice([0, 0, 1, 2, 3]),
            times=10_000 if self._chance(8) else self._random.choice([1, 1, 2]),
            status=status,
            headers=headers,
        )

    def _limit_headers(self) -> dict[str, str]:
        headers = {}
        if self._chance(70):
            headers["Retry-After"] = str(self._random.randint(0, 9))
        if self._chance(70):
            moment = EPOCH + self._random.randint(-20, 20)
            headers["X-Ratelimit-Reset"] = str(int(moment * 1_000))
        return headers


def _state_sizes(records: list[Item]) -> None:
    """Let each record state how many rows its segment has."""
    sizes = Counter(item.place.segment for item in records if item.place)
    for item in records:
        item.message["record"]["size"] = sizes[item.place.segment] if item.place else 1


def _with_files(items: list[Item]) -> Iterator[Item]:
    """Put records that follow each other into one file, where their stream comes in files."""

    def is_filed(item: Item) -> str | None:
        comes_in_files = item.stream and item.stream.comes_in_files and item.type == "RECORD"
        return item.stream.name if item.stream and comes_in_files else None

    for stream_name, group in groupby(items, is_filed):
        together = list(group)
        file = together[0].index if stream_name else None
        yield from (replace(item, file=file) for item in together)
