"""The short way of records and the SDK's, run on the same input."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec  # type: ignore[import-untyped]
from running import SEGMENT, TOKEN, FakeClock

from target_launchdarkly.api.shapes import ExpiringTargets, UserSegment
from target_launchdarkly.intake.records import Records
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.intake.membership import Row
    from target_launchdarkly.intake.ways import Like

SETTINGS = {
    "access_token": TOKEN,
    "project_key": "default",
    "environment_key": "test",
    "segment_key": SEGMENT,
}


class FakeClient:
    """Segments in memory, changed by semantic patches as LaunchDarkly would."""

    project_key, environment_key = "default", "test"

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.segments: dict[str, dict[str, list[Any]]] = {}
        #: By segment key, the items about expiring targets.
        self.expiring: dict[str, list[Any]] = {}

    def get_segment(self, segment_key: str) -> UserSegment:
        return UserSegment.parse(self._document(segment_key))

    def _document(self, segment_key: str) -> dict[str, Any]:
        lists: dict[str, list[Any]] = {
            "included": ["a", "b", "7", " "],
            "excluded": ["c"],
            "includedContexts": [{"contextKind": "organization", "values": ["a", "c"]}],
            "excludedContexts": [{"contextKind": "organization", "values": ["d"]}],
        }
        shown = self.segments.setdefault(segment_key, lists)
        return {"key": segment_key, "version": len(self.bodies), "creationDate": 1, **shown}

    def patch_segment(self, segment_key: str, body: dict[str, Any]) -> UserSegment:
        self.bodies.append([segment_key, body])
        for instruction in body["instructions"]:
            name = "included" if "Included" in instruction["kind"] else "excluded"
            listed = self.segments[segment_key][name]
            if instruction["contextKind"] != "user":
                listed = self.segments[segment_key][f"{name}Contexts"][0]["values"]
            left = [key for key in listed if key not in instruction["values"]]
            is_addition = instruction["kind"].startswith("add")
            listed[:] = left + instruction["values"] * is_addition
        return self.get_segment(segment_key)

    def call(self, segment_key: str, method: str, *, body: Any = None, **_: Any) -> ExpiringTargets:
        """Answer a request about expiring targets; of the instructions, all succeed."""
        items = self.expiring.setdefault(segment_key, [])
        if method == "GET":
            return ExpiringTargets.parse({"items": items})
        self.bodies.append([segment_key, body])
        for instruction in body["instructions"]:
            who = {name: instruction[name] for name in ("targetType", "contextKind", "contextKey")}
            items[:] = [each for each in items if not who.items() <= each.items()]
            if "value" in instruction:
                items.append(who | {"expirationDate": instruction["value"], "_version": 1})
        return ExpiringTargets.parse({"items": items, "failedInstructions": 0})

    def has_doubts(self, segment_key: str) -> bool:
        return False

    def requests_of(self, segment_key: str) -> dict[str, int]:
        return {"PATCH": sum(key == segment_key for key, _ in self.bodies)}


class CountedRecords(Records):
    """Counts what it takes, of lines and of files."""

    taken = 0

    def take_rows(self, rows: Iterator[Row], likes: list[Like]) -> None:
        super().take_rows(rows, likes)
        self.taken += len(likes)


class ShortWay(TargetLaunchDarkly):
    """Takes the short way where it can, with LaunchDarkly in memory."""

    clock = FakeClock().system

    def setup_mapper(self) -> None:
        super().setup_mapper()
        if self.message_reader.records:
            self.message_reader.records = CountedRecords(self)

    @cached_property
    def client(self) -> Any:
        return FakeClient()


class SdksWay(ShortWay):
    has_short_way: ClassVar[bool] = False


class Drip(io.RawIOBase):
    """A pipe that gives no more at once than its writer wrote."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self.parts = [data[start : start + size] for start in range(0, len(data), size)]

    def read1(self, _size: int) -> bytes:
        return self.parts.pop(0) if self.parts else b""


@dataclass
class Outcome:
    """What a run did, as anybody can see it, and how many records went the short way."""

    seen: dict[str, Any]
    short: int


class Told(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.told = told

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


@contextlib.contextmanager
def told() -> Iterator[list[str]]:
    """Yield what is logged."""
    log: list[str] = []
    handler = Told(log)
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    # How many messages came is told at that level.
    root.setLevel(logging.INFO)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def outcome(kind: type[ShortWay], source: Any, config: dict[str, Any]) -> Outcome:
    """Run a target and return what it did.

    Args:
        kind: The target.
        source: Its input.
        config: Settings beside `SETTINGS`; None for one that shall be absent.
    """
    output = io.StringIO()
    target = kind(
        config={name: value for name, value in (SETTINGS | config).items() if value is not None}
    )
    # Else requests of different segments would come in any order.
    target.segments._parallelism = 1
    error: Exception | None = None
    with told() as log:
        try:
            with contextlib.redirect_stdout(output):
                target.listen(source)
        except Exception as failure:  # noqa: BLE001 whatever it is, it shall be the same
            error = failure
    records = target.message_reader.records
    seen = {
        "error": (type(error), str(error), error and target.message_reader.line_number),
        "states": output.getvalue(),
        "log": [line for line in map(without_time, log) if line],
    }
    short = records.taken if isinstance(records, CountedRecords) else 0
    return Outcome(seen | _done(target), short)


def _done(target: ShortWay) -> dict[str, Any]:
    return {
        "segments": target.client.segments,
        "expiring": target.client.expiring,
        "requests": target.client.bodies,
        "tallies": {segment.key: asdict(segment.tally) for segment in target.segments},
        "without segment": target.segments.without_segment,
        "read": {name: sink._total_records_read for name, sink in target._sinks_active.items()},
        "rows": {
            (stream.name, key): asdict(feed.rows)
            for stream in target.streams
            for key, feed in stream.feeds.items()
        },
    }


def without_time(line: str) -> str:
    """Return a log line, but none of those that differ between any two runs."""
    # The SDK tells its counters when a minute is over, or at the end.
    return "" if line.startswith("METRIC") or "target-launchdarkly v" in line else line


def put_files(files: dict[str, bytes]) -> None:
    """Put files where BATCH messages find them by URLs of fsspec's memory."""
    for url, content in files.items():
        with fsspec.open(url, "wb") as file:
            file.write(content)


def demand_same(data: bytes, *, block_bytes: int = 65_536, **config: Any) -> Outcome:
    """Run both ways and assert that nobody could tell the difference; return what was seen."""
    short = outcome(ShortWay, Drip(data, block_bytes), config)
    sdks = outcome(SdksWay, io.BytesIO(data), config)
    assert short.seen == sdks.seen
    return short
