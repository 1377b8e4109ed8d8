"""Whether a snapshot stream came whole. Pure: no I/O; time is given.

What looks like an end proves nothing: a tap that dies closes the pipe like one that finished, STATE
may come in the middle, and ACTIVATE_VERSION comes before the first record from some taps and after
a resumed table from others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

#: A version this much older than the run is that of an earlier, interrupted run.
VERSION_TOLERANCE_SECONDS = 60
#: Epoch times above this are milliseconds: in seconds it would be the year 5138.
MILLISECONDS_FROM = 100_000_000_000
#: More is no row count, and might not be turned into a whole number.
MAX_ROW_DIGITS = 15


@dataclass(slots=True)
class StreamCompleteness:
    """What one snapshot stream has shown of itself, over all its SCHEMA messages."""

    stream_name: str
    #: Epoch seconds when the run began.
    started_at: float
    audience_size_field: str | None = None
    trust_end_of_input: bool = False
    #: Whether the SCHEMA names bookmark properties: such a stream sends only what is new.
    is_incremental: bool = False
    records: int = 0
    _version: object = None
    _has_two_versions: bool = False
    #: The version of an ACTIVATE_VERSION after which no record came.
    _activated: object = None
    #: Rows by segment key, as counted and as the size field states them.
    _counted: Counter[str] = field(default_factory=Counter)
    _stated: dict[str, set[int | None]] = field(default_factory=dict)

    def note_record(self, version: object) -> None:
        """Take note of a record or of a file of records, whatever it holds."""
        if self.records and version != self._version:
            self._has_two_versions = True
        self.records += 1
        self._version = version
        self._activated = None

    def note_size(self, segment_key: str, stated: object) -> None:
        """Take note of what a record says about the number of rows for its segment."""
        self._counted[segment_key] += 1
        self._stated.setdefault(segment_key, set()).add(_row_count(stated))

    def note_activate_version(self, version: object) -> None:
        """Take note of an ACTIVATE_VERSION message."""
        self._activated = version

    def is_proven(self, segment_key: str, *, now: float) -> bool:
        """Whether the stream's rows for a segment are all here."""
        return not self.gaps(segment_key, now=now)

    def gaps(self, segment_key: str, *, now: float) -> list[str]:
        """Return what each proof lacks; nothing if one of them holds."""
        gaps = [
            self._version_gap(now),
            self._size_gap(segment_key),
            self._trust_gap(),
        ]
        return [] if None in gaps else [gap for gap in gaps if gap]

    def _version_gap(self, now: float) -> str | None:
        if not self.records:
            return "no record came"
        if self._activated is None:
            return "no ACTIVATE_VERSION came after the last record"
        if self._has_two_versions or self._version != self._activated:
            return "not all records carry the version that was activated"
        if not _is_time_of_run(self._activated, self.started_at, now):
            return "the activated version is not the time of this run, so the table was resumed"
        return None

    def _size_gap(self, segment_key: str) -> str | None:
        if self.audience_size_field is None:
            return "audience_size_field is not set"
        stated = self._stated.get(segment_key, set())
        counted = self._counted[segment_key]
        if not counted:
            return f"no record with '{self.audience_size_field}' came"
        if None in stated or len(stated) > 1:
            return f"'{self.audience_size_field}' is not the same whole number in all records"
        if stated != {counted}:
            return f"'{self.audience_size_field}' says {stated.pop():,} rows, {counted:,} came"
        return None

    def _trust_gap(self) -> str | None:
        if not self.trust_end_of_input:
            return "trust_end_of_input is not set"
        if self.is_incremental:
            return (
                "trust_end_of_input does not count, because the SCHEMA names bookmark_properties: "
                "an incremental stream lists only what is new"
            )
        return None if self.records else "no record came"


def _is_time_of_run(version: object, started_at: float, now: float) -> bool:
    if isinstance(version, bool) or not isinstance(version, int):
        return False
    milliseconds = version if version > MILLISECONDS_FROM else version * 1000
    earliest = (started_at - VERSION_TOLERANCE_SECONDS) * 1000
    return earliest <= milliseconds <= (now + VERSION_TOLERANCE_SECONDS) * 1000


def _row_count(stated: object) -> int | None:
    """Return a number of rows, as taps write it: `12000`, `12000.0` or `"12000"`."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():
        return int(stated) if len(stated) <= MAX_ROW_DIGITS else None
    if isinstance(stated, bool) or not isinstance(stated, int | float | Decimal):
        return None
    number = Decimal(stated)
    if not number.is_finite() or number.is_signed() or number.adjusted() >= MAX_ROW_DIGITS:
        return None
    return int(number) if number == number.to_integral_value() else None
