"""Which snapshots came whole, by the design's three proofs; imports nothing of the target."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaos_cases import Version
from chaos_words import sinks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_cases import Case, Item, Sink, Tap

#: A version may be so much later than now, and where the end of input is trusted so much earlier.
TOLERANCE_SECONDS = 60


@dataclass
class Doubt:
    """What is not proven: what certainly is refused for it, and what may be."""

    segments: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    #: Whether the run fails, whatever segments there are.
    fails: bool = False
    may_fail: bool = False


class Came:
    """What came of one tap stream for one of its names."""

    def __init__(self, tap: Tap, sink: Sink, items: list[Item]) -> None:
        self.tap = tap
        self.sink = sink
        self._all = items
        self._own = [item for item in items if item.tap is tap]
        self.has_schema = any(item.type == "SCHEMA" for item in self._own)
        #: Before the stream maps filter them.
        self._records = [item for item in self._own if item.row is not None]
        self._arrived = [item for item in self._records if [*sinks_of(item)]]

    @property
    def fed(self) -> set[str]:
        """The segments that it feeds."""
        if not self.sink.is_named:
            return {self.sink.segments[0]} if self.has_schema else set()
        places = [item.place(self.sink) for item in self._arrived]
        return {place.segment for place in places if place}

    @property
    def is_understood(self) -> bool:
        """Whether every row was, as a row of this name: another one may read other columns."""
        return all(item.is_understood(self.sink) for item in self._arrived)

    def is_whole(self, segment: str, *, trusts: bool, started: float) -> bool:
        """Whether all came that there is for one segment."""
        if self.sink.states_size and self._rows(segment):
            # What contradicts itself is not whole, whatever else speaks for it.
            return self.is_understood and self._is_counted(segment)
        return self.is_whole_for_all(trusts=trusts, started=started)

    def is_whole_for_all(self, *, trusts: bool, started: float) -> bool:
        """Whether all came that there is, whatever segments it would name."""
        if not self._arrived or not self.is_understood or self._is_vetoed():
            return False
        return self._is_activated(started) or (trusts and self._is_trusted(started))

    def _rows(self, segment: str) -> list[Item]:
        places = [(item, item.place(self.sink)) for item in self._arrived]
        return [item for item, place in places if place and place.segment == segment]

    def _is_counted(self, segment: str) -> bool:
        rows = self._rows(segment)
        keys = {item.row.key for item in rows if item.row} - {None}
        return {_whole_number(item.size) for item in rows} == {len(keys)}

    def _is_activated(self, started: float) -> bool:
        messages = [item for item in self._own if item.type != "STATE"]
        numbers = [number for number, item in enumerate(messages) if item.row is not None]
        after = messages[numbers[-1] + 1 :]
        if not after or after[0].type != "ACTIVATE_VERSION":
            # After a SCHEMA it announces what is to come.
            return False
        version = after[0].message["version"]
        return self._versions == {version} and _is_of_run(version, started)

    @property
    def _versions(self) -> set[Any]:
        return {item.message.get("version") for item in self._records}

    def _is_vetoed(self) -> bool:
        """Whether it shows that it is not read from its beginning, or more than once."""
        schemas = [item for item in self._own if item.type == "SCHEMA"]
        is_incremental = any(each.message.get("bookmark_properties") for each in schemas)
        marks = [_bookmark(item, self.tap) for item in self._all]
        is_bookmarked = any(mark.get("replication_key_value") is not None for mark in marks)
        methods = {mark.get("last_replication_method") for mark in marks} - {None, "FULL_TABLE"}
        return (
            is_incremental
            or is_bookmarked
            or bool(methods)
            or self._was_begun_earlier()
            or self._has_file_twice()
        )

    def _was_begun_earlier(self) -> bool:
        for item in self._all:
            if item.row is not None and item.tap is self.tap:
                return False
            mark = _bookmark(item, self.tap)
            if mark.get("xmin") is not None or mark.get("last_pk_fetched") is not None:
                return True
        return False

    def _has_file_twice(self) -> bool:
        files: dict[int, list[Any]] = {}
        for item in self._records:
            if item.file is not None:
                files.setdefault(item.file, []).append(item.message["record"])
        return any(is_twice(records) for records in files.values())

    def _is_trusted(self, started: float) -> bool:
        states = [item for item in self._all if item.type == "STATE"]
        is_unfinished = bool(states) and (
            states[-1].message["value"].get("currently_syncing") == self.tap.name
        )
        is_old = any(
            isinstance(version, Version) and _moment(version, started) < started - TOLERANCE_SECONDS
            for version in self._versions
        )
        return not (is_unfinished or is_old or len(self._versions) > 1)


def is_twice(records: list[Any]) -> bool:
    """Whether the records of a BATCH message are those of one file that it names twice."""
    middle = len(records) // 2
    return bool(middle) and records[:middle] == records[middle:]


def _bookmark(item: Item, tap: Tap) -> dict[str, Any]:
    if item.type != "STATE":
        return {}
    marks: dict[str, Any] = item.message["value"].get("bookmarks", {})
    found: dict[str, Any] = marks.get(tap.name, {})
    return found


def _moment(version: Version, started: float) -> float:
    return version.at(started) / (1 if version.is_in_seconds else 1_000)


def _is_of_run(version: Any, started: float) -> bool:
    if not isinstance(version, Version):
        return False
    return started < _moment(version, started) <= started + TOLERANCE_SECONDS


def _whole_number(stated: Any) -> int | None:
    if isinstance(stated, bool) or stated is None:
        return None
    text = str(stated).removesuffix(".0")
    return int(text) if text.isdigit() else None


def doubts(case: Case, items: list[Item], started: float) -> Doubt:
    """Return what a run may not claim to know whole that has read these items."""
    trusts = case.settings["trust_end_of_input"]
    found = Doubt()
    expected = [
        Came(tap, sink, items) for tap in case.taps for sink in tap.sinks if sink.is_snapshot
    ]
    came = [each for each in expected if each.has_schema]
    for each in expected:
        if not each.has_schema:
            _never_came(found, case, each, came)
    for each in came:
        broken = {
            name for name in each.fed if not each.is_whole(name, trusts=trusts, started=started)
        }
        found.segments |= broken
        if each.sink.is_named and not each.fed:
            found.fails = True
        is_whole = each.is_whole_for_all(trusts=trusts, started=started)
        if each.sink.is_named and not is_whole:
            # It may have been about to name any other segment.
            found.segments |= {*_fed_by_others(came, each)} - each.fed
    _unmissed(found, case, came)
    return found


def _never_came(found: Doubt, case: Case, missing: Came, came: list[Came]) -> None:
    is_missed = missing.tap.name in case.settings.get("stream_maps", {}) or all(
        each.sink is not missing.sink for each in came
    )
    has_names = bool(case.settings.get("streams"))
    if not is_missed or not (has_names or missing.tap.name in case.settings.get("stream_maps", {})):
        # The settings do not name it. That none came at all shows all the same.
        found.fails = found.fails or not came
        return
    found.fails = True
    if missing.sink.is_named:
        found.segments |= {*_fed_by_others(came, missing)}
    else:
        found.segments.add(missing.sink.segments[0])


def _fed_by_others(came: list[Came], broken: Came) -> Iterator[str]:
    for other in came:
        if other is not broken and other.sink.kind == broken.sink.kind:
            yield from other.fed


def _unmissed(found: Doubt, case: Case, came: list[Came]) -> None:
    """Of several streams of a segment, each must be named, or nobody would miss it."""
    streams, maps = case.settings.get("streams", {}), case.settings.get("stream_maps", {})
    feeders = [(name, each) for each in came for name in each.fed]
    counts = Counter(name for name, _ in feeders)
    for name, each in feeders:
        if counts[name] > 1 and each.tap.name not in maps:
            twins = sum(each.sink is other.sink for other in came)
            if each.sink.name not in streams:
                found.segments.add(name)
            elif twins > 1:
                # Its name in `streams` may stand for the other one.
                found.maybe.add(name)
