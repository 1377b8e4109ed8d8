"""What a stream showed of itself, as the target notes it."""

from __future__ import annotations

from typing import Any

from target_launchdarkly.audience.completeness import Completeness, Gap, Rows

NOW = 1_800_000_000
#: A version of this run.
VERSION = NOW + 1


def stream(**more: Any) -> Completeness:
    return Completeness(started_at=NOW, **more)


def with_records(*versions: object, **more: Any) -> Completeness:
    told = stream(**more)
    for version in versions:
        told.note_record(version)
        told.arrived += 1
    return told


def rows_of(*stated: object) -> Rows:
    rows = Rows()
    for each in stated:
        rows.note(each)
    return rows


def gap_of(told: Completeness, rows: Rows | None = None, keys: int = 0) -> Gap | None:
    return told.gap(rows or Rows(), keys, now=NOW + 3_600)


def reason(told: Completeness) -> str:
    gap = gap_of(told)
    return gap.reason if gap else ""
