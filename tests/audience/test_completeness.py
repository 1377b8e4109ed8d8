"""What proves a snapshot complete, and what looks as if it did."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from target_launchdarkly.audience.completeness import StreamCompleteness

NOW = 1_800_000_000
LATER = NOW + 3_600
NO_VERSION = "no ACTIVATE_VERSION came after the last record"
NO_TIME = "the activated version is not the time of this run"
OTHER_VERSION = "not all records carry the version that was activated"
NO_SIZE = "audience_size_field is not set"
NO_TRUST = "trust_end_of_input is not set"


def stream(**more: Any) -> StreamCompleteness:
    return StreamCompleteness("audience", started_at=NOW, **more)


def with_records(*versions: object, **more: Any) -> StreamCompleteness:
    told = stream(**more)
    for version in versions:
        told.note_record(version)
    return told


def with_sizes(*stated: object, segment_key: str = "beta") -> StreamCompleteness:
    told = stream(audience_size_field="size")
    for size in stated:
        told.note_record(None)
        told.note_size(segment_key, size)
    return told


def gaps(told: StreamCompleteness, segment_key: str = "beta") -> str:
    return ", ".join(told.gaps(segment_key, now=LATER))


def test_stream_that_shows_nothing_lacks_every_proof() -> None:
    told = stream()

    assert told.gaps("beta", now=LATER) == ["no record came", NO_SIZE, NO_TRUST]
    assert not told.is_proven("beta", now=LATER)


def test_stream_that_ends_without_a_sign_names_what_each_proof_lacks() -> None:
    assert with_records(None).gaps("beta", now=LATER) == [NO_VERSION, NO_SIZE, NO_TRUST]


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(NOW, id="seconds-now"),
        pytest.param(NOW - 60, id="seconds-a-minute-before"),
        pytest.param(LATER, id="seconds-at-the-end"),
        pytest.param(NOW * 1_000, id="milliseconds-now"),
        pytest.param((NOW - 60) * 1_000, id="milliseconds-a-minute-before"),
        pytest.param(NOW * 1_000 + 999, id="milliseconds-within-a-second"),
    ],
)
def test_new_version_activated_after_its_last_record_proves(version: int) -> None:
    told = with_records(version, version)

    told.note_activate_version(version)

    assert told.is_proven("beta", now=LATER)
    assert told.is_proven("any other", now=LATER)


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(NOW - 61, id="seconds-more-than-a-minute-before"),
        pytest.param((NOW - 61) * 1_000, id="milliseconds-more-than-a-minute-before"),
        pytest.param((NOW - 60) * 1_000 - 1, id="milliseconds-just-more-than-a-minute-before"),
        pytest.param(LATER + 61, id="seconds-of-the-future"),
        pytest.param((LATER + 61) * 1_000, id="milliseconds-of-the-future"),
        pytest.param(NOW * 1_000_000, id="microseconds"),
        pytest.param(10**400, id="a-number-that-no-float-holds"),
        pytest.param(-(10**400), id="a-negative-number-that-no-float-holds"),
        pytest.param(0, id="zero"),
        pytest.param(1, id="a-counter"),
        pytest.param(-NOW, id="negative"),
        pytest.param(True, id="true"),
        pytest.param(float(NOW), id="a-float"),
        pytest.param(Decimal(NOW), id="a-decimal"),
        pytest.param(str(NOW), id="text"),
        pytest.param("2027-01-15T08:00:00Z", id="a-date"),
        pytest.param([NOW], id="a-list"),
        pytest.param({}, id="an-object"),
    ],
)
def test_version_that_is_no_time_of_this_run_proves_nothing(version: object) -> None:
    told = with_records(version)

    told.note_activate_version(version)

    assert NO_TIME in gaps(told)


def test_version_null_is_no_version() -> None:
    told = with_records(None)

    told.note_activate_version(None)

    assert NO_VERSION in gaps(told)


def test_version_activated_before_the_first_record_proves_nothing() -> None:
    told = stream()
    told.note_activate_version(NOW)

    assert "no record came" in gaps(told)
    told.note_record(NOW)

    assert NO_VERSION in gaps(told)


def test_version_activated_without_a_record_proves_nothing() -> None:
    told = stream(trust_end_of_input=True, audience_size_field="size")

    told.note_activate_version(NOW)

    assert told.gaps("beta", now=LATER) == [
        "no record came",
        "no record with 'size' came",
        "no record came",
    ]


def test_version_activated_twice_counts_by_the_later_one() -> None:
    told = with_records(NOW)
    told.note_activate_version(NOW)
    told.note_activate_version(NOW + 1)

    assert OTHER_VERSION in gaps(told)
    told.note_activate_version(NOW)

    assert told.is_proven("beta", now=LATER)


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param([NOW - 1, NOW], id="first-of-another"),
        pytest.param([NOW, NOW - 1, NOW], id="one-between-of-another"),
        pytest.param([NOW, NOW - 1], id="last-of-another"),
        pytest.param([NOW - 1, NOW - 1], id="all-of-another"),
        pytest.param([None, NOW], id="first-of-none"),
        pytest.param([NOW, None], id="last-of-none"),
        pytest.param([None, None], id="all-of-none"),
        pytest.param([str(NOW)], id="as-text"),
        pytest.param([NOW * 1_000], id="in-milliseconds"),
    ],
)
def test_records_that_do_not_all_carry_the_activated_version_prove_nothing(
    versions: list[object],
) -> None:
    told = with_records(*versions)

    told.note_activate_version(NOW)

    assert OTHER_VERSION in gaps(told)


def test_two_versions_are_not_forgotten_by_the_second_ones_activation() -> None:
    told = with_records(NOW - 1)
    told.note_activate_version(NOW - 1)
    told.note_record(NOW)
    told.note_activate_version(NOW)

    assert OTHER_VERSION in gaps(told)


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param([1], id="one-row"),
        pytest.param([3, 3, 3], id="numbers"),
        pytest.param([3, "3", 3.0, Decimal("3.0")][:3], id="the-same-number-as-taps-write-it"),
        pytest.param([Decimal(2), Decimal("2.0")], id="decimals"),
        pytest.param(["2", "2"], id="text"),
    ],
)
def test_size_that_all_records_state_and_make_proves(stated: list[object]) -> None:
    assert with_sizes(*stated).is_proven("beta", now=LATER)


@pytest.mark.parametrize(
    ("stated", "gap"),
    [
        pytest.param([], "no record with 'size' came", id="no-record"),
        pytest.param([3, 3], "'size' says 3 rows, 2 came", id="one-too-few"),
        pytest.param([1, 1], "'size' says 1 rows, 2 came", id="one-too-many"),
        pytest.param([12_000], "'size' says 12,000 rows, 1 came", id="thousands"),
        pytest.param([0], "'size' says 0 rows, 1 came", id="zero"),
        pytest.param([2, 3], "not the same whole number", id="changing"),
        pytest.param([3, 2, 3], "not the same whole number", id="changing-and-back"),
        pytest.param([2, None], "not the same whole number", id="null-once"),
        pytest.param([None], "not the same whole number", id="null"),
        pytest.param([True], "not the same whole number", id="true"),
        pytest.param([1.5], "not the same whole number", id="a-fraction"),
        pytest.param([float("nan")], "not the same whole number", id="not-a-number"),
        pytest.param([float("inf")], "not the same whole number", id="infinity"),
        pytest.param([Decimal("NaN")], "not the same whole number", id="decimal-not-a-number"),
        pytest.param([-1], "not the same whole number", id="negative"),
        pytest.param(["-1"], "not the same whole number", id="negative-text"),
        pytest.param(["one"], "not the same whole number", id="words"),
        pytest.param([""], "not the same whole number", id="empty-text"),
        pytest.param(["1.0"], "not the same whole number", id="text-with-a-fraction"),
        pytest.param(["²"], "not the same whole number", id="a-digit-that-is-no-number"),
        pytest.param(
            ["1" * 5_000], "not the same whole number", id="more-digits-than-python-reads"
        ),
        pytest.param([10**400], "not the same whole number", id="no-row-count"),
        pytest.param([Decimal("1E+999999")], "not the same whole number", id="huge-exponent"),
        pytest.param([[1]], "not the same whole number", id="a-list"),
        pytest.param([{}], "not the same whole number", id="an-object"),
    ],
)
def test_size_that_does_not_fit_proves_nothing(stated: list[object], gap: str) -> None:
    assert gap in gaps(with_sizes(*stated))


def test_sizes_count_by_segment() -> None:
    told = with_sizes(2, 2, segment_key="whole")
    told.note_size("cut", 2)

    assert told.is_proven("whole", now=LATER)
    assert "'size' says 2 rows, 1 came" in gaps(told, "cut")
    assert "no record with 'size' came" in gaps(told, "unnamed")


def test_size_that_proves_does_not_need_the_other_proofs() -> None:
    told = with_sizes(2, 2)
    told.note_activate_version(NOW - 3_600)
    told.is_incremental = True

    assert told.gaps("beta", now=LATER) == []


def test_size_that_does_not_fit_is_no_gap_where_another_proof_holds() -> None:
    """Each of the three is enough: the first one that holds proves the stream."""
    told = with_records(NOW, audience_size_field="size")
    told.note_size("beta", 7)
    told.note_activate_version(NOW)

    assert told.is_proven("beta", now=LATER)


def test_trust_needs_a_record() -> None:
    told = stream(trust_end_of_input=True)

    assert not told.is_proven("beta", now=LATER)
    told.note_record(None)

    assert told.is_proven("beta", now=LATER)


def test_trust_does_not_count_for_an_incremental_stream() -> None:
    told = with_records(None, trust_end_of_input=True)

    told.is_incremental = True

    assert "bookmark_properties" in gaps(told)


def test_version_counts_for_an_incremental_stream() -> None:
    """Whoever writes a new version after the last record has sent the table whole."""
    told = with_records(NOW)
    told.is_incremental = True

    told.note_activate_version(NOW)

    assert told.is_proven("beta", now=LATER)
