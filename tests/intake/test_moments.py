"""When a membership ends, as a record states it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.intake.columns import DELETED_AT, Columns
from target_launchdarkly.intake.membership import ABSENT, MembershipRule, Row, SyncMode, number
from target_launchdarkly.intake.moments import EARLIEST_MS, LATEST_MS, moment_ms

#: 2026-12-31T00:00:00Z.
MIDNIGHT = 1_798_675_200_000
SIX = MIDNIGHT + 18 * 3_600_000
FIELD = "trial_ends"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # ISO 8601 with an offset, as warehouses and taps write it.
        pytest.param("2026-12-31T18:00:00Z", SIX, id="utc"),
        pytest.param("2026-12-31t18:00:00z", SIX, id="lower-case"),
        pytest.param("2026-12-31T18:00:00+00:00", SIX, id="offset-zero"),
        pytest.param("2026-12-31T19:00:00+01:00", SIX, id="offset-east"),
        pytest.param("2026-12-31T10:00:00-0800", SIX, id="offset-west-without-colon"),
        pytest.param("2026-12-31T23:30:00+05:30", SIX, id="offset-of-half-an-hour"),
        pytest.param("2027-01-01T08:00:00+14:00", SIX, id="offset-over-the-year"),
        pytest.param("2026-12-31 18:00:00+00", SIX, id="postgres"),
        pytest.param("2026-12-31 18:00:00.000 +0000", SIX, id="snowflake"),
        pytest.param("2026-12-31 18:00:00 UTC", SIX, id="bigquery"),
        pytest.param("2026-12-31 18:00:00.25 UTC", SIX + 250, id="bigquery-fraction"),
        pytest.param("2026-12-31T18:00Z", SIX, id="without-seconds"),
        pytest.param("20261231T180000Z", SIX, id="basic-format"),
        pytest.param("  2026-12-31T18:00:00Z  ", SIX, id="char-column-pads"),
        pytest.param("2026-12-31T18:00:00.25Z", SIX + 250, id="fraction"),
        pytest.param("2026-12-31T18:00:00,25Z", SIX + 250, id="fraction-with-comma"),
        pytest.param("2026-12-31T18:00:00.123999Z", SIX + 123, id="microseconds"),
        pytest.param("2026-12-31T18:00:00.123999999Z", SIX + 123, id="nanoseconds"),
        pytest.param(datetime(2026, 12, 31, 18, tzinfo=UTC), SIX, id="made-by-a-stream-map"),
        # Dates: their first moment in UTC.
        pytest.param("2026-12-31", MIDNIGHT, id="date"),
        pytest.param(date(2026, 12, 31), MIDNIGHT, id="date-made-by-a-stream-map"),
        # Epoch seconds or milliseconds, as numbers or their text.
        pytest.param(1_798_675_200, MIDNIGHT, id="seconds"),
        pytest.param(1_798_675_200_000, MIDNIGHT, id="milliseconds"),
        pytest.param("1798675200", MIDNIGHT, id="text-seconds"),
        pytest.param(" 1798675200000 ", MIDNIGHT, id="text-milliseconds"),
        pytest.param("1798675200.000000000", MIDNIGHT, id="text-numeric-38-9"),
        pytest.param("1.7986752e9", MIDNIGHT, id="text-with-exponent"),
        pytest.param(number("1798675200.5"), MIDNIGHT + 500, id="json-seconds-with-fraction"),
        pytest.param(1_798_675_200.123, MIDNIGHT + 123, id="double-that-is-a-little-off"),
        pytest.param(number("1798675200.123"), MIDNIGHT + 123, id="the-same-in-json"),
        pytest.param(number("1.7986752E+12"), MIDNIGHT, id="json-with-exponent"),
        pytest.param(Decimal("1798675200000.9"), MIDNIGHT + 1, id="milliseconds-with-fraction"),
        # The edges of what is no sign of something else.
        pytest.param(946_684_800, EARLIEST_MS, id="seconds-of-2000"),
        pytest.param(EARLIEST_MS, EARLIEST_MS, id="milliseconds-of-2000"),
        pytest.param("2000-01-01", EARLIEST_MS, id="date-of-2000"),
        pytest.param(9_999_999_999, LATEST_MS - 1_000, id="last-seconds-of-ten-digits"),
        pytest.param(LATEST_MS - 1, LATEST_MS - 1, id="last-milliseconds-of-thirteen-digits"),
        pytest.param("2286-11-20T17:46:39.999Z", LATEST_MS - 1, id="last-text"),
        # Never.
        pytest.param(None, None, id="null"),
        pytest.param("", None, id="empty-text-is-null"),
        pytest.param("  ", None, id="blank-text-is-null"),
        pytest.param("2286-11-20T17:46:40Z", None, id="first-text-beyond"),
        pytest.param("9999-12-31", None, id="end-of-all-dates"),
        pytest.param("9999-12-31T23:59:59.999999-12:00", None, id="end-of-all-moments"),
    ],
)
def test_moment_is_read_however_it_is_written(value: object, expected: int | None) -> None:
    assert moment_ms(value, FIELD) == expected


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param("2026-12-31T18:00:00", "without an offset", id="naive"),
        pytest.param("2026-12-31 18:00:00.000000", "without an offset", id="naive-with-blank"),
        pytest.param(
            datetime(2026, 12, 31, 18),  # noqa: DTZ001 the very case
            "without an offset",
            id="naive-made-by-a-stream-map",
        ),
        pytest.param("31.12.2026", "no moment", id="german"),
        pytest.param("12/31/2026", "no moment", id="american"),
        pytest.param("2026-12", "no moment", id="month"),
        pytest.param("2026-W53-4", "no moment", id="week"),
        pytest.param("2026-1231", "no moment", id="half-basic"),
        pytest.param("2026-12-31T18:00:00 Europe/Berlin", "no moment", id="zone-name"),
        pytest.param("2026-12-31T18:00:00 UTC+1", "no moment", id="zone-name-with-offset"),
        pytest.param("2026-12-31T18:00:00 EST", "no moment", id="zone-abbreviation"),
        pytest.param("2026-12-31Z", "no moment", id="date-with-offset"),
        pytest.param("never", "no moment", id="word"),
        pytest.param("infinity", "no moment", id="postgres-infinity"),
        pytest.param("nan", "no moment", id="text-nan"),
        pytest.param("20000-01-01T00:00:00Z", "no moment", id="year-of-five-digits"),
        pytest.param("\uff12\uff10\uff12\uff16-12-31", "no moment", id="digits-of-another-script"),
        pytest.param("1_798_675_200", "no moment", id="digits-in-groups"),
        pytest.param("1" * 500, "no moment", id="endless-digits"),
        pytest.param("2026-02-30", "no calendar has", id="day-that-is-none"),
        pytest.param("2026-12-31T24:00:00Z", "no calendar has", id="hour-24"),
        pytest.param("2026-12-31T23:59:60Z", "no calendar has", id="leap-second"),
        pytest.param("2026-12-31T00:00:00+24:00", "no calendar has", id="offset-of-a-day"),
        pytest.param("0000-00-00", "no calendar has", id="mysql-zero-date"),
        pytest.param("1999-12-31T23:59:59.999Z", "before the year 2000", id="before-2000"),
        pytest.param("2000-01-01T00:00:00+01:00", "before the year 2000", id="before-2000-in-utc"),
        pytest.param("1970-01-01T00:00:00Z", "before the year 2000", id="epoch"),
        pytest.param("0001-01-01T00:00:00Z", "before the year 2000", id="zero-time-of-go"),
        pytest.param("0001-01-01T00:00:00+14:00", "before the year 2000", id="before-all-dates"),
        pytest.param(20_261_231, "neither epoch seconds", id="date-as-number"),
        pytest.param("20261231", "neither epoch seconds", id="date-as-digits"),
        pytest.param(20_261_231_180_000, "neither epoch seconds", id="date-and-time-as-number"),
        pytest.param(46_387, "neither epoch seconds", id="days"),
        pytest.param(0, "neither epoch seconds", id="zero"),
        pytest.param(-1, "neither epoch seconds", id="minus-one"),
        pytest.param("-1798675200", "neither epoch seconds", id="negative-text"),
        pytest.param(-62_135_596_800_000, "neither epoch seconds", id="year-one"),
        pytest.param(1_798_675_200_000_000, "neither epoch seconds", id="microseconds"),
        pytest.param(1_798_675_200_000_000_000, "neither epoch seconds", id="nanoseconds"),
        pytest.param(253_402_300_799, "neither epoch seconds", id="year-9999-in-seconds"),
        pytest.param(946_684_799, "neither epoch seconds", id="seconds-before-2000"),
        pytest.param(10_000_000_000, "neither epoch seconds", id="seconds-of-eleven-digits"),
        pytest.param(EARLIEST_MS - 1, "neither epoch seconds", id="milliseconds-before-2000"),
        pytest.param(LATEST_MS, "neither epoch seconds", id="milliseconds-of-fourteen-digits"),
        pytest.param(float("nan"), "neither epoch seconds", id="nan"),
        pytest.param(Decimal("Infinity"), "neither epoch seconds", id="infinity"),
        pytest.param(number("1e999999"), "neither epoch seconds", id="huge-exponent"),
        pytest.param("1e99", "neither epoch seconds", id="huge-text"),
        pytest.param(10**399, "neither epoch seconds", id="four-hundred-digits"),
        pytest.param(True, "no moment", id="true"),
        pytest.param({"seconds": 1_798_675_200}, "no moment", id="object"),
        pytest.param([1_798_675_200], "no moment", id="array"),
        pytest.param(b"2026-12-31", "no moment", id="bytes"),
    ],
)
def test_what_cannot_be_read_or_may_mean_something_else_is_refused(
    value: object, told: str
) -> None:
    """Who reads 20261231 as seconds ends every trial; who reads a naive time shifts it by hours."""
    with pytest.raises(InvalidRecordError, match=f"'{FIELD}'.*{told}") as caught:
        moment_ms(value, FIELD)

    for digits in ("2026", "1798675200", "20261231"):
        assert digits not in str(caught.value).replace("2026-12-31T18:00:00+01:00", "")


MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 2, tzinfo=UTC).replace(tzinfo=None),
    max_value=datetime(2286, 11, 19, tzinfo=UTC).replace(tzinfo=None),
)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS)
@settings(derandomize=True, deadline=None, database=None)
def test_every_moment_is_the_same_in_text_and_as_number(moment: datetime, offset: timezone) -> None:
    moment = moment.replace(tzinfo=UTC)
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    local = moment.astimezone(offset)
    for text in (local.isoformat(), str(local), local.isoformat(timespec="microseconds")):
        assert moment_ms(text, FIELD) == expected
    assert moment_ms(expected, FIELD) == expected
    seconds = json.dumps(expected / 1000)
    assert moment_ms(number(seconds), FIELD) == moment_ms(float(seconds), FIELD) == expected
    assert moment_ms(expected // 1000, FIELD) == expected // 1000 * 1000


def read(mode: SyncMode, expires: Any, flag: Any = True, deleted: Any = None) -> Any:
    """Return what a record says in a run at `MIDNIGHT`; ABSENT for a stream without a flag."""
    declared = frozenset({"key", "expires"} if flag is ABSENT else {"key", "flag", "expires"})
    columns = Columns("id", "member", DELETED_AT, None, None, FIELD, declared)
    row = Row("a", flag, deleted, ABSENT, ABSENT, expires)
    return MembershipRule(mode, columns, MIDNIGHT).read(row)


MODES: list[SyncMode] = ["add", "remove", "mirror", "snapshot"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("flag", [True, ABSENT], ids=["flag-true", "no-flag"])
@pytest.mark.parametrize("expires", [MIDNIGHT, MIDNIGHT - 1, "2026-12-31", "2020-01-01"])
def test_membership_whose_moment_has_passed_counts_as_false(
    mode: SyncMode, flag: Any, expires: Any
) -> None:
    assert read(mode, expires, flag).included == read(mode, None, flag=False).included


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("flag", [True, ABSENT], ids=["flag-true", "no-flag"])
@pytest.mark.parametrize(
    ("expires", "ends_ms"), [(MIDNIGHT + 1, MIDNIGHT + 1), (None, None), ("9999-12-31", None)]
)
def test_membership_whose_moment_is_to_come_counts_as_true(
    mode: SyncMode, flag: Any, expires: Any, ends_ms: int | None
) -> None:
    """Also where rows without a flag would leave: whoever has a trial is not taken out."""
    expected = None if mode == "remove" else True

    assert read(mode, expires, flag)[1:] == (expected, ends_ms)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("flag", "deleted"), [(False, None), (True, "2026-11-22T09:42:06Z")])
def test_moment_of_who_leaves_anyway_is_not_looked_at(
    mode: SyncMode, flag: bool, deleted: str | None
) -> None:
    assert read(mode, "perhaps", flag, deleted) == read(mode, None, flag, deleted)


@pytest.mark.parametrize("mode", MODES)
def test_moment_that_cannot_be_read_makes_the_record_invalid(mode: SyncMode) -> None:
    with pytest.raises(InvalidRecordError, match=FIELD):
        read(mode, "perhaps")
