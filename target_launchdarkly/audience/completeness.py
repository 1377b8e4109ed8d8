"""Whether a snapshot stream came whole. Pure: no I/O; time is given.

What looks like an end proves nothing: a tap that dies closes the pipe like one that finished, STATE
may come in the middle, and ACTIVATE_VERSION comes before the first record from some taps and after
a resumed table from others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from target_launchdarkly.plural import counted

#: A version may be so much later than now: two machines' clocks differ.
CLOCK_TOLERANCE_SECONDS = 60
#: Epoch times above this are milliseconds: in seconds it would be the year 5138.
MILLISECONDS_FROM = 100_000_000_000
#: More is no number of keys, and might not be turned into a whole number.
MAX_SIZE_DIGITS = 15
#: One is right; more need not be kept to see that they differ.
MAX_STATED = 2

_NUMBER = re.compile(r"[0-9]{1,20}(\.0+)?", re.ASCII)

WAYS_TO_PROVE = (
    "Give one proof that the stream is whole: add `count(*) over () as audience_size` to the model "
    "(with segment_key_field: `count(*) over (partition by` that column `)`), whose keys must be "
    "unique, and set audience_size_field to 'audience_size'; or use a tap that writes "
    "ACTIVATE_VERSION after the last record, started without STATE; or set trust_end_of_input to "
    "true, if a tap that fails cannot end its output unnoticed. To sync now without removals, set "
    "audience_sync_mode to 'add'."
)
REMEDY_EMPTY = (
    "If the tap failed, run again. If the audience is empty, let the model say so by one row with "
    "a null key and the size 0, and set audience_size_field."
)
REMEDY_UNREADABLE = "Correct these rows in the model; until then nobody can tell who is missing."
REMEDY_DUPLICATES = (
    "Write the model with one row a key (`select distinct`, or `group by`), or let the size count "
    "the different keys."
)
REMEDY_FILTER = (
    "Filter in the model instead of in stream_maps, so that the size counts what is left."
)
REMEDY_FILTERED = (
    "If that is so because the audience is empty, let the model say so by one row with a null key "
    "and the size 0, and set audience_size_field."
)
REMEDY_SIZE = "Let the model cast it to an integer that is the same on every row of a segment."
REMEDY_CONTRADICTION = "Correct the model: write the row with size 0 only where no other row is."
REMEDY_LOST = "Rows are missing or too many: look whether the tap failed, and run again."


class Gap(NamedTuple):
    """Why a stream is not proven whole, e.g. `("no record came", "If the tap failed, …")`."""

    reason: str
    remedy: str


@dataclass(slots=True)
class Rows:
    """What a stream's rows said of their number, for one segment."""

    #: Rows that name somebody.
    count: int = 0
    #: Whether a row says that there is nobody.
    says_empty: bool = False
    #: What their size fields state, two different ones at most; None for what is no whole number.
    stated: set[int | None] = field(default_factory=set)

    def note(self, stated: object, *, names_nobody: bool = False) -> None:
        """Take note of a row and of what it says about the number of keys."""
        self.count += not names_nobody
        self.says_empty |= names_nobody
        if len(self.stated) < MAX_STATED:
            self.stated.add(whole_number(stated))


@dataclass(slots=True)
class Completeness:
    """What one stream of the tap has shown of itself, over all its SCHEMA messages."""

    #: Epoch seconds when this process began.
    started_at: float
    audience_size_field: str | None = None
    trust_end_of_input: bool = False
    #: Why it sends only what is new, if it does, e.g. `its SCHEMA names bookmark_properties`.
    incremental_because: str | None = None
    #: Whether a STATE before the first record shows that the table was begun in an earlier run.
    is_resumed: bool = False
    #: Whether the last STATE says that it is being synced.
    is_unfinished: bool = False
    #: What the tap sent, whatever stream maps made of it.
    records: int = 0
    #: Of these, what no stream map has filtered out.
    arrived: int = 0
    #: Rows whose key or segment could not be read.
    unreadable: int = 0
    _version: object = None
    _has_two_versions: bool = False
    #: The version of an ACTIVATE_VERSION after which no record came.
    _activated: object = None
    #: Whether a SCHEMA came after the last record: taps announce each part of a stream by one.
    _is_announced: bool = False
    _files: set[str] = field(default_factory=set)
    _has_file_twice: bool = False

    def note_schema(self) -> None:
        """Take note of a SCHEMA message."""
        self._is_announced = True

    def note_file(self, url: str) -> None:
        """Take note of a file that a BATCH message names."""
        self._has_file_twice |= url in self._files
        self._files.add(url)

    def note_record(self, version: object, count: int = 1) -> None:
        """Take note of records that the tap sent, with the same version."""
        if self.records and version != self._version:
            self._has_two_versions = True
        self.records += count
        self._version = version
        self._activated = None
        self._is_announced = False

    def note_activate_version(self, version: object) -> None:
        """Take note of an ACTIVATE_VERSION message.

        After a SCHEMA it announces what is to come, as taps of the Meltano SDK do before each
        partition, always with the same version.
        """
        if not self._is_announced:
            self._activated = version

    def gap(self, rows: Rows, keys: int, *, now: float) -> Gap | None:
        """Return why the stream is not proven whole, or None if it is.

        Args:
            rows: Its rows for one segment; none where it has not named any.
            keys: How many different keys these rows named.
            now: Epoch seconds.
        """
        if not self.records:
            return Gap("no record came", REMEDY_EMPTY)
        if self.unreadable:
            reason = f"{counted(self.unreadable, 'row')} came whose key or segment cannot be read"
            return Gap(reason, REMEDY_UNREADABLE)
        if not self.arrived:
            rows_out = counted(self.records, "row")
            return Gap(f"stream_maps filtered all {rows_out} out", REMEDY_FILTERED)
        size = self._size_gap(rows, keys)
        # What contradicts itself is not whole, whatever else speaks for it.
        if size is None or (rows.stated and self.audience_size_field):
            return size
        if self.is_whole(now):
            return None
        reason = f"{self._version_gap(now)}, {size.reason}, {self._trust_gap()}"
        return Gap(reason, WAYS_TO_PROVE)

    def proven_by(self, rows: Rows, now: float) -> str:
        """Return what proves a stream whole that has no gap."""
        if self.audience_size_field and rows.stated:
            return "audience_size_field"
        return "trust_end_of_input" if self._version_gap(now) else "ACTIVATE_VERSION"

    def is_whole(self, now: float) -> bool:
        """Whether it is proven that all of it came, for whatever segments."""
        is_usable = bool(self.arrived) and not self.unreadable
        return is_usable and None in (self._version_gap(now), self._trust_gap())

    def ran_before(self, now: float) -> bool:
        """Whether an ACTIVATE_VERSION proves nothing but for being of another time than the run."""
        activated = self._activated
        if activated is None or self._version != activated or self._has_two_versions:
            return False
        if self._doubt(""):
            return False
        return not _is_time_of_run(activated, self.started_at, now)

    def _version_gap(self, now: float) -> str | None:
        if self._activated is None:
            return "no ACTIVATE_VERSION came after the last record"
        if self._has_two_versions or self._version != self._activated:
            return "not all records carry the version that was activated"
        if not _is_time_of_run(self._activated, self.started_at, now):
            return "the activated version is not later than the start of this run"
        return self._doubt("ACTIVATE_VERSION")

    def _doubt(self, proof: str) -> str | None:
        """Return why the end of the stream proves nothing, however it is marked."""
        if self.incremental_because:
            return (
                f"{proof} does not count, because {self.incremental_because}: an incremental "
                "stream lists only what is new"
            )
        if self.is_resumed:
            return f"{proof} does not count, because a STATE shows a table that was resumed"
        if self._has_file_twice:
            return f"{proof} does not count, because a BATCH file came twice"
        return None

    def _size_gap(self, rows: Rows, keys: int) -> Gap | None:
        name = self.audience_size_field
        if name is None:
            return Gap("audience_size_field is not set", WAYS_TO_PROVE)
        if not rows.stated:
            return Gap(f"no record with '{name}' came", WAYS_TO_PROVE)
        if rows.says_empty and rows.count:
            reason = "a row says that the audience is empty, and others name keys"
            return Gap(reason, REMEDY_CONTRADICTION)
        size, *others = rows.stated
        if size is None or others:
            return Gap(f"'{name}' is not the same whole number in all records", REMEDY_SIZE)
        told = f"'{name}' says {counted(size, 'key')}"
        return None if size == keys else self._other_size(rows, told, keys)

    def _other_size(self, rows: Rows, told: str, keys: int) -> Gap:
        """Return why other keys came than the size says, as far as that can be seen."""
        told = f"{told}, {keys:,} came"
        if keys < rows.count:
            return Gap(f"{told} in {rows.count:,} rows: rows repeat keys", REMEDY_DUPLICATES)
        if self.arrived < self.records:
            filtered = counted(self.records - self.arrived, "row")
            return Gap(f"{told}: stream_maps filtered {filtered} out", REMEDY_FILTER)
        return Gap(told, REMEDY_LOST)

    def _trust_gap(self) -> str | None:
        if not self.trust_end_of_input:
            return "trust_end_of_input is not set"
        if self.is_unfinished:
            return (
                "trust_end_of_input does not count, because the last STATE is in the middle of it"
            )
        if self._has_two_versions or _is_old(self._version, self.started_at):
            return "trust_end_of_input does not count, because records carry an earlier version"
        return self._doubt("trust_end_of_input")


def _is_time_of_run(version: object, started_at: float, now: float) -> bool:
    """Whether a version is later than the process's start; what is earlier is another run's."""
    milliseconds = _milliseconds(version)
    latest = (now + CLOCK_TOLERANCE_SECONDS) * 1000
    return milliseconds is not None and started_at * 1000 < milliseconds <= latest


def _is_old(version: object, started_at: float) -> bool:
    """Whether records carry the version of an earlier run."""
    milliseconds = _milliseconds(version)
    earliest = (started_at - CLOCK_TOLERANCE_SECONDS) * 1000
    return milliseconds is not None and 0 < milliseconds < earliest


def _milliseconds(version: object) -> int | None:
    if isinstance(version, bool) or not isinstance(version, int):
        return None
    return version if version > MILLISECONDS_FROM else version * 1000


def whole_number(stated: object) -> int | None:
    """Return a number as taps write it: `12000`, `12000.0` or `"12000"`; None for anything else."""
    if isinstance(stated, int) and not isinstance(stated, bool):
        return stated if 0 <= stated < 10**MAX_SIZE_DIGITS else None
    if isinstance(stated, str) and _NUMBER.fullmatch(stated.strip()):
        stated = Decimal(stated.strip())
    if not isinstance(stated, float | Decimal):
        return None
    number = Decimal(stated)
    if not number.is_finite() or number.is_signed() or number.adjusted() >= MAX_SIZE_DIGITS:
        return None
    return int(number) if number == number.to_integral_value() else None
