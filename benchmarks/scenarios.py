"""What is measured: Singer input, the segments before it, and what must be there after it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "api-sandbox"  # noqa: S105 the sandbox's own
MAX_OPERATIONS = 1_500
#: Keys of the streams that repeat, and rows between two STATE messages, as SDK taps have it.
CYCLE = 10_000
EXTRACTED_AT = "2026-11-22T08:19:27.768646+00:00"
#: As tap-snowflake 0.5.6 describes them, see tests/data.
PLAIN_COLUMNS: dict[str, Any] = {
    "context_key": {"type": ["string", "null"]},
    "is_member": {"type": ["boolean", "null"]},
    "updated_at": {"type": ["string", "null"]},
}
#: Schema and value of a column by row number; the wide stream takes them in turn.
WIDE_COLUMNS: tuple[tuple[dict[str, Any], Callable[[int], Any]], ...] = (
    ({"type": ["string", "null"]}, lambda row: f"text of customer {row}"),
    ({"type": ["integer", "null"]}, lambda row: row * 7),
    ({"type": ["string", "null"], "maxLength": 64}, lambda row: f"user-{row}@example.com"),
    ({"type": ["number", "null"]}, lambda row: row / 8),
    ({"type": ["string", "null"]}, lambda row: None if row % 3 else "Käthe, „Ö“"),
    ({"type": ["boolean", "null"]}, lambda row: row % 2 == 0),
    ({"type": ["integer", "null"]}, lambda row: None if row % 5 else row),
)
DATE_TIME = {"type": ["string", "null"], "format": "date-time"}
WIDTH = 30


def _nobody(_row: int) -> bool:
    return False


def _everybody(_row: int) -> bool:
    return True


def _nine_of_ten(row: int) -> bool:
    return row % 10 != 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One input. Row `i` names the key `user-i`, in stream and segment `i` modulo their number.

    Attributes:
        keys: rows until the same rows come again.
        cycles: how often they come.
        was: whether a row's key is a member before.
        now: whether the row says that it is one.
        streams: one, or as many as segments, with a segment each.
        is_big: into a big segment, as the whole audience.
        strangers: members before that no row names.
        is_piped: made while the program reads, and stored nowhere.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    keys: int
    cycles: int = 1
    was: Callable[[int], bool] = _nobody
    now: Callable[[int], bool] = _everybody
    streams: int = 1
    segments: int = 1
    is_wide: bool = False
    is_big: bool = False
    strangers: int = 0
    is_piped: bool = False

    @property
    def rows(self) -> int:
        """How many RECORD messages there are."""
        return self.keys * self.cycles

    @property
    def segment_keys(self) -> list[str]:
        """The segments, by number. A stream with a segment of its own has its name."""
        return [f"audience-{number}" for number in range(self.segments)]

    def settings(self, url: str) -> dict[str, Any]:
        """Return the settings of a program, each of which takes those that it knows."""
        where: dict[str, Any] = {"segment_key": self.segment_keys[0]}
        if self.streams > 1:
            where = {"streams": {key: {"segment_key": key} for key in self.segment_keys}}
        elif self.segments > 1:
            where = {"segment_key_field": "segment_key"}
        if self.is_big:
            where |= {"mirror_source": "snapshot", "trust_end_of_input": True}
        return where | {
            "access_token": TOKEN,
            "api_url": url,
            "project_key": "default",
            "environment_key": "test",
            "audience_sync_mode": "mirror",
        }

    def members_before(self) -> dict[str, set[str]]:
        """Return the members of each segment before a run."""
        strangers = {f"stranger-{number}" for number in range(self.strangers)}
        members = {key: set(strangers) for key in self.segment_keys}
        for row in filter(self.was, range(self.keys)):
            members[self._segment_key(row)].add(f"user-{row}")
        return members

    def members_after(self, program: str, rows: int) -> dict[str, set[str]]:
        """Return what the members must be after a program has had so many rows."""
        members = self.members_before()
        if program == "stock":
            return members
        if program == "target" and self.is_big:
            members = {key: set() for key in self.segment_keys}
        for row in range(min(rows, self.keys)):
            change = set.add if self.now(row) else set.discard
            change(members[self._segment_key(row)], f"user-{row}")
        return members

    def minimum_requests(self) -> dict[str, int]:
        """Return the fewest requests that can do it, by method.

        A standard segment: one GET to know what is in it, and a PATCH per 1,500 keys that change.
        A big segment: one GET, and one import: a POST, and a GET to know that it is complete.
        """
        if not self.rows:
            return {}
        if self.is_big:
            return {"GET": 2, "POST": 1}
        changing = (row for row in range(self.keys) if self.was(row) != self.now(row))
        changes = Counter(map(self._segment_key, changing))
        patches = sum(-(-count // MAX_OPERATIONS) for count in changes.values())
        return {"GET": self.segments} | ({"PATCH": patches} if patches else {})

    def last_state(self, rows: int) -> dict[str, Any]:
        """Return the value of the last of the STATE messages."""
        return {"bookmarks": {"audience": {"rows": rows}}} if rows else {}

    def lines(self, rows: int) -> Iterator[bytes]:
        """Yield blocks of lines: SCHEMA messages, so many rows, STATE after every 10,000."""
        if not rows:
            return
        yield b"".join(map(self._schema, range(self.streams)))
        for start in range(0, rows, CYCLE):
            end = min(rows, start + CYCLE)
            yield _block(self, start % self.keys, end - start)
            yield _line({"type": "STATE", "value": self.last_state(end)})

    def record(self, row: int) -> bytes:
        """Return the line of one row."""
        values: dict[str, Any] = {
            "context_key": f"user-{row}",
            "is_member": self.now(row),
            "updated_at": "2026-11-22T00:00:00.000000+00:00",
        }
        if self.segments > self.streams:
            values["segment_key"] = self._segment_key(row)
        for number in range(WIDTH - len(values) if self.is_wide else 0):
            values[f"column_{number}"] = _wide(number)[1](row)
        stream = self._stream(row % self.streams)
        message = {"type": "RECORD", "stream": stream, "record": values}
        return _line(message | {"time_extracted": EXTRACTED_AT})

    def _schema(self, stream: int) -> bytes:
        columns = dict(PLAIN_COLUMNS)
        if self.segments > self.streams:
            columns["segment_key"] = {"type": ["string"]}
        if self.is_wide:
            columns["updated_at"] = DATE_TIME
            for number in range(WIDTH - len(columns)):
                columns[f"column_{number}"] = _wide(number)[0]
        schema = {"type": "object", "properties": columns}
        message = {"type": "SCHEMA", "stream": self._stream(stream), "schema": schema}
        return _line(message | {"key_properties": []})

    def _stream(self, number: int) -> str:
        return self.segment_keys[number] if self.streams > 1 else "audience"

    def _segment_key(self, row: int) -> str:
        return f"audience-{row % self.segments}"


def _wide(number: int) -> tuple[dict[str, Any], Callable[[int], Any]]:
    return WIDE_COLUMNS[number % len(WIDE_COLUMNS)]


@lru_cache(maxsize=1)
def _block(scenario: Scenario, first: int, count: int) -> bytes:
    """Return so many rows; a stream that repeats makes them once."""
    return b"".join(map(scenario.record, range(first, first + count)))


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


ALL = ("target", "stock", "batch", "record", "client")
#: With one request a record, more rows than in the small scenarios would take hours.
WITHOUT_RECORD = ("target", "stock", "batch", "client")
FULL = 15_000
BIG_STRANGERS = 100
START_UP, SMALL_BIG = "start-up", CYCLE


def small() -> list[Scenario]:
    """Return the scenarios whose size is what LaunchDarkly's limits make it."""
    flips = {50: False, 150: True}
    return [
        Scenario(START_UP, "start-up (empty input)", ALL, 0),
        Scenario("first-load", "15,000 first load", ALL, FULL),
        Scenario("unchanged", "15,000 unchanged", ALL, FULL, was=_everybody),
        Scenario(
            "one-percent",
            "15,000, 1 % changed",
            ALL,
            FULL,
            was=lambda row: not flips.get(row % 200, False),
            now=lambda row: flips.get(row % 200, True),
        ),
        Scenario(
            "segments",
            "40,000 changes over 20 segments",
            ALL,
            40_000,
            segments=20,
            # Half of each segment leaves while the other half joins.
            was=lambda row: row // 20 % 2 == 0,
            now=lambda row: row // 20 % 2 == 1,
        ),
    ]


def large(rows: int) -> list[Scenario]:
    """Return the scenarios of any size, a multiple of 10,000."""
    cycles, told = rows // CYCLE, f"{rows:,} unchanged of {CYCLE:,} keys"
    plain = Scenario(
        "plain", told, WITHOUT_RECORD, CYCLE, cycles, was=_nine_of_ten, now=_nine_of_ten
    )
    wide = replace(plain, name="wide", title=f"{told}, {WIDTH} columns", is_wide=True)
    streams = replace(plain, name="streams", title=f"{told}, 4 streams", streams=4, segments=4)
    few = ("target", "stock")
    return [
        plain,
        replace(wide, programs=few),
        replace(streams, programs=few),
        big(rows, WITHOUT_RECORD),
    ]


def big(rows: int, programs: tuple[str, ...] = ("target",)) -> Scenario:
    """Return a snapshot of a big segment that lacks half of the keys and has some to lose."""
    return Scenario(
        "big",
        f"{rows:,} keys into a big segment",
        programs,
        rows,
        was=lambda row: row % 2 == 0,
        is_big=True,
        strangers=BIG_STRANGERS,
    )


def long(rows: int) -> Scenario:
    """Return an endless-looking plain stream."""
    told = f"{rows:,} unchanged of {CYCLE:,} keys, piped"
    plain = large(rows)[0]
    return replace(plain, name="ten-million", title=told, programs=("target",), is_piped=True)


def find(name: str, rows: int) -> Scenario:
    """Return a scenario of that name and so many rows."""
    several: list[Scenario] = [*small(), *(large(rows) if rows else ()), big(rows), long(rows)]
    return {(one.name, one.rows): one for one in several}[name, rows]
