"""What a record says about one context's membership."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.intake.columns import DELETED_AT, Columns
from target_launchdarkly.intake.membership import (
    ABSENT,
    FLAGS,
    MAX_KEY_DIGITS,
    MembershipRule,
    Row,
    context_key,
    membership_flag,
    number,
)

if TYPE_CHECKING:
    from target_launchdarkly.intake.membership import SyncMode

FIELD = "customer_id"

KEYS = [
    # Text is a key as it is.
    pytest.param("user-17", "user-17", id="plain-text"),
    pytest.param(" two words ", "two words", id="blanks-around-are-trimmed"),
    pytest.param("k1                  ", "k1", id="char-column-pads"),
    pytest.param("\u00a0k1\t", "k1", id="blanks-of-other-kinds-are-trimmed"),
    pytest.param("a,b;c", "a,b;c", id="commas"),
    pytest.param("Zoë-日本-🦊", "Zoë-日本-🦊", id="unicode"),
    pytest.param("e\u0301", "e\u0301", id="unicode-is-not-normalised"),
    pytest.param('"quoted"\\', '"quoted"\\', id="quotes-and-backslashes"),
    pytest.param("007", "007", id="leading-zeros"),
    pytest.param("1.0", "1.0", id="text-that-looks-like-a-number"),
    pytest.param("null", "null", id="text-null"),
    # Numbers without a fraction are written in decimal.
    pytest.param(42, "42", id="integer"),
    pytest.param(0, "0", id="zero"),
    pytest.param(-7, "-7", id="negative"),
    pytest.param(2**64 + 1, "18446744073709551617", id="integer-beyond-64-bits"),
    pytest.param(42.0, "42", id="float-without-fraction"),
    pytest.param(float(2**53 - 1), str(2**53 - 1), id="largest-exact-double"),
    pytest.param(number("1.5e1"), "15", id="small-number-with-exponent"),
    pytest.param(
        number("1498392753700442115.000000000"), "1498392753700442115", id="numeric-38-9-is-exact"
    ),
    pytest.param(-0.0, "0", id="negative-zero"),
    pytest.param(Decimal("1E3"), "1000", id="decimal-with-exponent"),
    pytest.param(Decimal("42.000"), "42", id="decimal-with-zero-fraction"),
    pytest.param(
        Decimal(12345678901234567890123456789012345678901),
        "12345678901234567890123456789012345678901",
        id="decimal-longer-than-the-decimal-context",
    ),
    pytest.param(10 ** (MAX_KEY_DIGITS - 1), "1" + "0" * (MAX_KEY_DIGITS - 1), id="longest-number"),
]

NO_KEYS = [
    pytest.param(None, id="null"),
    pytest.param("", id="empty"),
    pytest.param("   ", id="blanks"),
    pytest.param("\t\n\u00a0", id="blanks-of-other-kinds"),
    pytest.param(True, id="true"),
    pytest.param(False, id="false"),
    pytest.param({"id": "secret-7319"}, id="object"),
    pytest.param(["secret-7319"], id="array"),
    pytest.param(b"secret-7319", id="bytes"),
    pytest.param(7319.5, id="fraction"),
    pytest.param(Decimal("7319.000000000000000000000000000000001"), id="tiny-decimal-fraction"),
    pytest.param(Decimal("1E-999999"), id="decimal-next-to-zero"),
    pytest.param(float(2**53), id="double-beyond-2-to-the-53"),
    pytest.param(1e22, id="double-with-exponent"),
    pytest.param(number("1.498392753700442e+18"), id="text-of-a-double"),
    pytest.param(number("1498392753700442.1e3"), id="exponent-in-the-middle"),
    pytest.param(number("1.49839275370044211200e+18"), id="double-written-with-20-digits"),
    pytest.param(number("9007199254740993.0"), id="17-digits-may-be-of-a-double"),
    pytest.param(float("nan"), id="nan"),
    pytest.param(float("inf"), id="infinity"),
    pytest.param(float("-inf"), id="negative-infinity"),
    pytest.param(Decimal("NaN"), id="decimal-nan"),
    pytest.param(Decimal("sNaN"), id="decimal-signalling-nan"),
    pytest.param(Decimal("Infinity"), id="decimal-infinity"),
    pytest.param(Decimal("1E999999"), id="decimal-that-would-fill-the-memory"),
    pytest.param(10**MAX_KEY_DIGITS, id="integer-with-too-many-digits"),
    pytest.param("secret-7319\ud800", id="lone-high-surrogate"),
    pytest.param("\udfffsecret-7319", id="lone-low-surrogate"),
]


@pytest.mark.parametrize(("value", "expected"), KEYS)
def test_context_key_of_text_and_whole_numbers(value: object, expected: str) -> None:
    assert context_key(value, FIELD) == expected


@pytest.mark.parametrize("value", NO_KEYS)
def test_context_key_refuses_everything_else_naming_the_field_only(value: object) -> None:
    with pytest.raises(InvalidRecordError, match=f"'{FIELD}'") as caught:
        context_key(value, FIELD)

    assert "7319" not in str(caught.value)
    assert "secret" not in str(caught.value)


@settings(deadline=None)
@given(st.integers(-(10 ** (MAX_KEY_DIGITS - 1)), 10 ** (MAX_KEY_DIGITS - 1)))
def test_context_key_of_every_integer_reads_back_as_it(whole: int) -> None:
    assert int(context_key(whole, FIELD)) == whole


@settings(deadline=None)
@given(st.integers(1 - 2**53, 2**53 - 1))
def test_context_key_of_whole_float_that_is_exact_equals_that_of_its_integer(whole: int) -> None:
    assert context_key(float(whole), FIELD) == context_key(whole, FIELD)
    assert context_key(number(f"{whole}.000"), FIELD) == str(whole)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: abs(value) >= 2**53))
def test_context_key_is_never_a_double_that_may_have_lost_digits(value: float) -> None:
    """The key would be somebody else's."""
    for told in (value, number(repr(value)), number(f"{value:.25e}")):
        with pytest.raises(InvalidRecordError):
            context_key(told, FIELD)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip))
def test_context_key_of_every_text_that_is_not_blank_is_that_text_trimmed(text: str) -> None:
    assert context_key(text, FIELD) == text.strip()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.decimals() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(ANYTHING)
def test_any_value_is_read_or_refused_but_never_crashes(value: object) -> None:
    """No value of a warehouse may end a run with anything but an InvalidRecordError."""
    with contextlib.suppress(InvalidRecordError):
        assert context_key(value, FIELD)
    with contextlib.suppress(InvalidRecordError):
        assert membership_flag(value, FIELD) in {True, False}


@pytest.mark.parametrize("change_case", [str.lower, str.upper, str.title], ids=str)
@pytest.mark.parametrize(("word", "expected"), FLAGS.items())
def test_membership_flag_reads_every_word_in_any_case(
    word: str, change_case: Any, expected: bool
) -> None:
    assert membership_flag(change_case(word), FIELD) is expected


def test_membership_flag_words_are_those_of_the_documentation() -> None:
    """true/false, t/f, yes/no, y/n, 1/0: no word is added or lost unnoticed."""
    assert {word for word, flag in FLAGS.items() if flag} == {"true", "t", "yes", "y", "1"}
    assert {word for word, flag in FLAGS.items() if not flag} == {"false", "f", "no", "n", "0"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(True, True, id="true"),
        pytest.param(False, False, id="false"),
        pytest.param(1, True, id="integer-1"),
        pytest.param(0, False, id="integer-0"),
        pytest.param(1.0, True, id="float-1"),
        pytest.param(-0.0, False, id="float-negative-0"),
        pytest.param(Decimal("1.00"), True, id="decimal-1"),
        pytest.param(Decimal(0), False, id="decimal-0"),
    ],
)
def test_membership_flag_reads_booleans_and_numbers(value: object, expected: bool) -> None:
    assert membership_flag(value, FIELD) is expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param("secret-7319", id="other-text"),
        pytest.param("on", id="on"),
        pytest.param("1.0", id="text-1.0"),
        pytest.param("truetrue", id="word-twice"),
        pytest.param(2, id="integer-2"),
        pytest.param(-1, id="integer-minus-1"),
        pytest.param(7319, id="other-integer"),
        pytest.param(0.5, id="half"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(Decimal("0.1"), id="decimal-fraction"),
        pytest.param(Decimal("NaN"), id="decimal-nan"),
        pytest.param(Decimal("sNaN"), id="decimal-signalling-nan"),
        pytest.param(Decimal("1E999999"), id="giant-decimal"),
        pytest.param([True], id="array"),
        pytest.param({"secret-7319": True}, id="object"),
        pytest.param(b"true", id="bytes"),
    ],
)
def test_membership_flag_refuses_everything_else_naming_the_field_only(value: object) -> None:
    with pytest.raises(InvalidRecordError, match=f"'{FIELD}'.*true or false") as caught:
        membership_flag(value, FIELD)

    assert "7319" not in str(caught.value)


def rule(mode: SyncMode, *, has_flag: bool = True) -> MembershipRule:
    declared = frozenset({"key", "flag"} if has_flag else {"key"})
    return MembershipRule(mode, Columns("id", "member", DELETED_AT, None, None, None, declared))


def row(key: Any = ABSENT, flag: Any = ABSENT, deleted: Any = None) -> Row:
    return Row(key, flag, deleted, ABSENT, ABSENT, None)


@pytest.mark.parametrize(
    ("mode", "flag", "expected"),
    [
        pytest.param("add", True, True, id="add-true-includes"),
        pytest.param("add", False, None, id="add-false-does-nothing"),
        pytest.param("remove", True, None, id="remove-true-does-nothing"),
        pytest.param("remove", False, False, id="remove-false-un-includes"),
        pytest.param("mirror", True, True, id="mirror-true-includes"),
        pytest.param("mirror", False, False, id="mirror-false-un-includes"),
    ],
)
def test_rule_decides_by_mode_and_flag(mode: SyncMode, flag: bool, expected: bool | None) -> None:
    assert rule(mode).read(row(7, flag)) == (*("7", expected), None)


@pytest.mark.parametrize(("mode", "expected"), [("add", True), ("remove", False), ("mirror", True)])
def test_rule_decides_by_mode_alone_without_a_flag_column(mode: SyncMode, expected: bool) -> None:
    assert rule(mode, has_flag=False).read(row("a")) == (*("a", expected), None)


@pytest.mark.parametrize(
    ("mode", "expected"), [("add", None), ("remove", False), ("mirror", False)]
)
@pytest.mark.parametrize(
    "flag",
    [
        pytest.param(True, id="flag-true"),
        pytest.param(None, id="flag-null"),
        pytest.param("secret-7319", id="flag-unreadable"),
        pytest.param(ABSENT, id="flag-missing"),
    ],
)
@pytest.mark.parametrize("has_flag", [True, False], ids=["flag-column", "no-flag-column"])
def test_rule_counts_a_deleted_row_as_false_whatever_its_flag(
    mode: SyncMode, expected: bool | None, flag: Any, has_flag: bool
) -> None:
    deleted = "2026-11-22T09:42:06Z"
    assert rule(mode, has_flag=has_flag).read(row("a", flag, deleted)) == (*("a", expected), None)


@pytest.mark.parametrize("deleted", [None, "", "  "], ids=["null", "empty", "blanks"])
def test_rule_takes_a_blank_time_of_deletion_for_none(deleted: str | None) -> None:
    assert rule("mirror").read(row("a", True, deleted)) == (*("a", True), None)


@pytest.mark.parametrize("mode", ["add", "remove", "mirror"])
@pytest.mark.parametrize("flag", [ABSENT, None], ids=["missing", "null"])
def test_rule_refuses_a_record_without_flag_where_the_schema_declares_one(
    mode: SyncMode, flag: Any
) -> None:
    """A forgotten flag must not remove or include anybody."""
    with pytest.raises(InvalidRecordError, match=r"'member'.*coalesce\(member, false\)"):
        rule(mode).read(row("a", flag))


def test_rule_reads_a_flag_that_the_schema_does_not_declare() -> None:
    """A flag that is there is obeyed: including whom it calls no member would be wrong."""
    assert rule("mirror", has_flag=False).read(row("a", "no")) == (*("a", False), None)


@pytest.mark.parametrize(("flag", "expected"), [("t  ", True), (" NO\t", False)])
def test_rule_trims_flags(flag: str, expected: bool) -> None:
    assert rule("mirror").read(row("a", flag)) == (*("a", expected), None)


@pytest.mark.parametrize("deleted", [None, "2026"])
def test_rule_refuses_a_record_without_key_deleted_or_not(deleted: str | None) -> None:
    with pytest.raises(InvalidRecordError, match="'id'"):
        rule("mirror").read(row(flag=True, deleted=deleted))
