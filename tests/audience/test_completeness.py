"""What proves a snapshot whole, and what looks as if it did."""

from __future__ import annotations

from decimal import Decimal

import pytest
from completeness_cases import NOW, VERSION, gap_of, reason, rows_of, stream, with_records

from target_launchdarkly.audience.completeness import (
    REMEDY_CONTRADICTION,
    REMEDY_DUPLICATES,
    REMEDY_EMPTY,
    REMEDY_FILTER,
    REMEDY_FILTERED,
    REMEDY_LOST,
    REMEDY_SIZE,
    REMEDY_UNREADABLE,
    WAYS_TO_PROVE,
    Completeness,
    Gap,
)

LATER = NOW + 3_600
NO_VERSION = "no ACTIVATE_VERSION came after the last record"
NO_TIME = "the activated version is not later than the start of this run"
OTHER_VERSION = "not all records carry the version that was activated"
NO_SIZE = "audience_size_field is not set"
NO_TRUST = "trust_end_of_input is not set"


# What is missing


def test_stream_that_shows_nothing_has_no_record() -> None:
    assert gap_of(stream()) == Gap("no record came", REMEDY_EMPTY)


def test_stream_that_ends_without_a_sign_names_what_each_proof_lacks() -> None:
    gap = gap_of(with_records(None))

    assert gap == Gap(f"{NO_VERSION}, {NO_SIZE}, {NO_TRUST}", WAYS_TO_PROVE)


# Versions


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(NOW + 1, id="seconds"),
        pytest.param(LATER, id="seconds-at-the-end"),
        pytest.param(LATER + 60, id="seconds-of-a-clock-that-is-fast"),
        pytest.param(NOW * 1_000 + 1, id="milliseconds"),
        pytest.param((LATER + 60) * 1_000, id="milliseconds-of-a-clock-that-is-fast"),
    ],
)
def test_new_version_activated_after_its_last_record_proves(version: int) -> None:
    told = with_records(version, version)

    told.note_activate_version(version)

    assert gap_of(told) is None


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(NOW, id="seconds-of-the-start"),
        pytest.param(NOW * 1_000, id="milliseconds-of-the-start"),
        pytest.param(NOW - 1, id="seconds-just-before"),
        pytest.param(NOW * 1_000 - 1, id="milliseconds-just-before"),
        pytest.param(NOW - 30, id="half-a-minute-before"),
        pytest.param(LATER + 61, id="seconds-of-the-future"),
        pytest.param((LATER + 60) * 1_000 + 1, id="milliseconds-of-the-future"),
        pytest.param(VERSION * 1_000_000, id="microseconds"),
        pytest.param(10**400, id="a-number-that-no-float-holds"),
        pytest.param(-(10**400), id="a-negative-number-that-no-float-holds"),
        pytest.param(0, id="zero"),
        pytest.param(1, id="a-counter"),
        pytest.param(-VERSION, id="negative"),
        pytest.param(True, id="true"),
        pytest.param(float(VERSION), id="a-float"),
        pytest.param(Decimal(VERSION), id="a-decimal"),
        pytest.param(str(VERSION), id="text"),
        pytest.param("2027-01-15T08:00:01Z", id="a-date"),
        pytest.param([VERSION], id="a-list"),
        pytest.param({}, id="an-object"),
    ],
)
def test_version_that_is_no_time_of_this_run_proves_nothing(version: object) -> None:
    """One of the start or earlier may be an interrupted run's, which the tap has resumed."""
    told = with_records(version)

    told.note_activate_version(version)

    assert NO_TIME in reason(told)


def test_version_later_than_a_start_within_a_second_proves() -> None:
    told = Completeness(started_at=NOW + 0.25, arrived=1)
    told.note_record(NOW * 1_000 + 251)
    told.note_activate_version(NOW * 1_000 + 251)

    assert gap_of(told) is None


def test_version_null_is_no_version() -> None:
    told = with_records(None)

    told.note_activate_version(None)

    assert NO_VERSION in reason(told)


def test_version_of_a_resumed_table_proves_nothing() -> None:
    """Whatever its number: rows that left before it was resumed are not missed."""
    told = with_records(VERSION, is_resumed=True)

    told.note_activate_version(VERSION)

    assert "ACTIVATE_VERSION does not count, because a STATE shows a table" in reason(told)


def test_version_activated_before_the_first_record_proves_nothing() -> None:
    told = stream()
    told.note_activate_version(VERSION)

    assert reason(told) == "no record came"
    told.note_record(VERSION)
    told.arrived = 1

    assert NO_VERSION in reason(told)


def test_version_activated_without_a_record_proves_nothing() -> None:
    told = stream(trust_end_of_input=True, audience_size_field="size")

    told.note_activate_version(VERSION)

    assert reason(told) == "no record came"


def test_version_activated_twice_counts_by_the_later_one() -> None:
    told = with_records(VERSION)
    told.note_activate_version(VERSION)
    told.note_activate_version(VERSION + 1)

    assert OTHER_VERSION in reason(told)
    told.note_activate_version(VERSION)

    assert gap_of(told) is None


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param([VERSION + 1, VERSION], id="first-of-another"),
        pytest.param([VERSION, VERSION + 1, VERSION], id="one-between-of-another"),
        pytest.param([VERSION, VERSION + 1], id="last-of-another"),
        pytest.param([VERSION + 1, VERSION + 1], id="all-of-another"),
        pytest.param([None, VERSION], id="first-of-none"),
        pytest.param([VERSION, None], id="last-of-none"),
        pytest.param([None, None], id="all-of-none"),
        pytest.param([str(VERSION)], id="as-text"),
        pytest.param([VERSION * 1_000], id="in-milliseconds"),
    ],
)
def test_records_that_do_not_all_carry_the_activated_version_prove_nothing(
    versions: list[object],
) -> None:
    told = with_records(*versions)

    told.note_activate_version(VERSION)

    assert OTHER_VERSION in reason(told)


def test_two_versions_are_not_forgotten_by_the_second_ones_activation() -> None:
    told = with_records(VERSION)
    told.note_activate_version(VERSION)
    told.note_record(VERSION + 1)
    told.note_activate_version(VERSION + 1)

    assert OTHER_VERSION in reason(told)


# Rows that cannot be read


@pytest.mark.parametrize(
    ("unreadable", "told"),
    [(1, "1 row came whose key or segment cannot be read"), (1_200, "1,200 rows came whose key")],
)
def test_rows_that_cannot_be_read_outweigh_every_proof(unreadable: int, told: str) -> None:
    """Nobody can tell who is missing: the row may have named him."""
    stream = with_records(VERSION, audience_size_field="size", trust_end_of_input=True)
    stream.note_activate_version(VERSION)
    assert gap_of(stream, rows_of(1), 1) is None

    stream.unreadable = unreadable
    gap = gap_of(stream, rows_of(1), 1)

    assert gap
    assert told in gap.reason
    assert gap.remedy == REMEDY_UNREADABLE


# What else proves nothing


def test_version_after_a_schema_announces_what_is_to_come() -> None:
    """Taps of the Meltano SDK write it before each partition, always the same one."""
    told = with_records(VERSION)
    told.note_schema()
    told.note_activate_version(VERSION)

    assert NO_VERSION in reason(told)
    told.note_record(VERSION)
    told.note_activate_version(VERSION)

    assert gap_of(told) is None


def test_rows_that_stream_maps_all_filtered_out_are_no_audience() -> None:
    """However whole the stream is: a filter that is wrong would empty the segment."""
    told = with_records(VERSION, VERSION, trust_end_of_input=True)
    told.note_activate_version(VERSION)
    told.arrived = 0

    gap = gap_of(told)

    assert gap == Gap("stream_maps filtered all 2 rows out", REMEDY_FILTERED)


def test_each_cause_has_a_remedy_of_its_own() -> None:
    remedies = [
        *(WAYS_TO_PROVE, REMEDY_EMPTY, REMEDY_UNREADABLE),
        *(REMEDY_DUPLICATES, REMEDY_FILTER, REMEDY_FILTERED, REMEDY_LOST),
        *(REMEDY_CONTRADICTION, REMEDY_SIZE),
    ]

    assert len(set(remedies)) == len(remedies)
    for way in ("audience_size_field", "ACTIVATE_VERSION", "trust_end_of_input", "'add'"):
        assert way in WAYS_TO_PROVE
    assert "null key and the size 0" in REMEDY_EMPTY
    assert "stream_maps" in REMEDY_FILTER
