"""What a stated size proves, and what each way to miss it is told to be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from completeness_cases import NOW, rows_of

from target_launchdarkly.audience.completeness import (
    REMEDY_CONTRADICTION,
    REMEDY_DUPLICATES,
    REMEDY_FILTER,
    REMEDY_LOST,
    REMEDY_SIZE,
    Completeness,
    Gap,
    Rows,
)

NO_VERSION = "no ACTIVATE_VERSION came after the last record"
NO_TRUST = "trust_end_of_input is not set"
NO_NUMBER = "'size' is not the same whole number in all records"


def stream(records: int = 1, **more: Any) -> Completeness:
    told = Completeness(started_at=NOW, audience_size_field="size", **more)
    for _ in range(records):
        told.note_record(None)
    told.arrived = records
    return told


def size_gap(*stated: object, keys: int | None = None) -> Gap | None:
    """Return the gap of a stream whose rows state these sizes, each with a key of its own."""
    came = len(stated) if keys is None else keys
    return stream(len(stated)).gap(rows_of(*stated), came, now=NOW)


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param([1], id="one-row"),
        pytest.param([3, 3, 3], id="numbers"),
        pytest.param([3, "3", 3.0], id="the-same-number-as-taps-write-it"),
        pytest.param([Decimal(2), Decimal("2.0")], id="decimals"),
        pytest.param(["2", "2"], id="text"),
        pytest.param([" 2 ", "2.000"], id="text-padded-and-with-zeros"),
    ],
)
def test_size_that_all_records_state_and_keys_make_proves(stated: list[object]) -> None:
    assert size_gap(*stated) is None


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        pytest.param([3, 3], "'size' says 3 keys, 2 came", id="one-too-few"),
        pytest.param([1, 1], "'size' says 1 key, 2 came", id="one-too-many"),
        pytest.param([12_000], "'size' says 12,000 keys, 1 came", id="thousands"),
        pytest.param([0], "'size' says 0 keys, 1 came", id="zero"),
    ],
)
def test_size_of_other_keys_than_came_proves_nothing(stated: list[object], told: str) -> None:
    gap = size_gap(*stated)

    assert gap == Gap(told, REMEDY_LOST)


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param([2, 3], id="changing"),
        pytest.param([3, 2, 3], id="changing-and-back"),
        pytest.param([2, None], id="null-once"),
        pytest.param([None], id="null"),
        pytest.param([True], id="true"),
        pytest.param([1.5], id="a-fraction"),
        pytest.param([float("nan")], id="not-a-number"),
        pytest.param([float("inf")], id="infinity"),
        pytest.param([Decimal("NaN")], id="decimal-not-a-number"),
        pytest.param([-1], id="negative"),
        pytest.param(["-1"], id="negative-text"),
        pytest.param(["one"], id="words"),
        pytest.param([""], id="empty-text"),
        pytest.param(["1.5"], id="text-with-a-fraction"),
        pytest.param(["1e0"], id="text-with-an-exponent"),
        pytest.param(["²"], id="a-digit-that-is-no-number"),
        pytest.param(["1" * 5_000], id="more-digits-than-python-reads"),
        pytest.param([10**400], id="no-number-of-keys"),
        pytest.param([Decimal("1E+999999")], id="huge-exponent"),
        pytest.param([[1]], id="a-list"),
        pytest.param([{}], id="an-object"),
    ],
)
def test_size_that_is_not_one_whole_number_proves_nothing(stated: list[object]) -> None:
    gap = size_gap(*stated)

    assert gap
    assert NO_NUMBER in gap.reason
    assert gap.remedy == REMEDY_SIZE


def test_size_of_a_segment_that_no_row_named_proves_nothing() -> None:
    gap = stream().gap(Rows(), 0, now=NOW)

    assert gap
    assert "no record with 'size' came" in gap.reason


@pytest.mark.parametrize(
    ("size", "keys", "is_proven"),
    [
        pytest.param(3, 3, True, id="distinct-keys-fit"),
        pytest.param(4, 3, False, id="a-row-twice-in-place-of-another"),
    ],
)
def test_size_counts_different_keys(size: int, keys: int, is_proven: bool) -> None:
    """Duplicates and lost rows may cancel out in a count of rows."""
    gap = size_gap(*[size] * 4, keys=keys)

    assert (gap is None) == is_proven
    if gap:
        assert "'size' says 4 keys, 3 came in 4 rows: rows repeat keys" in gap.reason
        assert gap.remedy == REMEDY_DUPLICATES
        assert "select distinct" in gap.remedy


def test_size_before_a_filter_says_where_to_filter() -> None:
    told = stream(3)
    told.arrived = 1
    gap = told.gap(rows_of(3), 1, now=NOW)

    assert gap
    assert "'size' says 3 keys, 1 came: stream_maps filtered 2 rows out" in gap.reason
    assert gap.remedy == REMEDY_FILTER


def empty_row(rows: Rows) -> Rows:
    rows.note(0, names_nobody=True)
    return rows


def test_row_of_size_zero_without_a_key_proves_an_empty_audience() -> None:
    assert stream().gap(empty_row(Rows()), 0, now=NOW) is None


@pytest.mark.parametrize("size", [0, 1])
def test_row_of_size_zero_beside_rows_that_name_keys_is_a_contradiction(size: int) -> None:
    gap = stream(2).gap(empty_row(rows_of(size)), 1, now=NOW)

    assert gap
    assert "a row says that the audience is empty, and others name keys" in gap.reason
    assert gap.remedy == REMEDY_CONTRADICTION


def test_size_that_proves_does_not_need_the_other_proofs() -> None:
    told = stream(incremental_because="its SCHEMA names bookmark_properties", is_resumed=True)
    told.note_activate_version(NOW - 3_600)

    assert told.gap(rows_of(1), 1, now=NOW) is None


def test_size_that_does_not_fit_is_a_gap_whatever_else_speaks_for_the_stream() -> None:
    """Who trusts the end of input does not trust it against what every row says."""
    told = stream(trust_end_of_input=True)

    assert told.gap(rows_of(7), 1, now=NOW) == Gap("'size' says 7 keys, 1 came", REMEDY_LOST)
