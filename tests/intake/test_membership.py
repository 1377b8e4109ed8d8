"""What a record says about one context's membership."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.intake.membership import (
    FLAGS,
    MAX_KEY_DIGITS,
    MembershipRule,
    context_key,
    membership_flag,
)

if TYPE_CHECKING:
    from target_launchdarkly.intake.membership import SyncMode

FIELD = "customer_id"

KEYS = [
    # Text is a key as it is.
    pytest.param("user-17", "user-17", id="plain-text"),
    pytest.param(" two words ", " two words ", id="blanks-around-are-kept"),
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
    pytest.param(1e22, "1" + "0" * 22, id="float-with-exponent"),
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
def test_context_key_of_every_integer_reads_back_as_it(number: int) -> None:
    assert int(context_key(number, FIELD)) == number
    assert context_key(Decimal(number), FIELD) == str(number)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False).map(round))
def test_context_key_of_whole_float_equals_that_of_its_integer(number: int) -> None:
    assert context_key(float(number), FIELD) == context_key(number, FIELD)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip))
def test_context_key_of_every_text_that_is_not_blank_is_that_text(text: str) -> None:
    assert context_key(text, FIELD) == text


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
    return MembershipRule(mode, "id", "member", has_flag)


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
    assert rule(mode).read({"id": 7, "member": flag}) == ("7", expected)


@pytest.mark.parametrize(("mode", "expected"), [("add", True), ("remove", False), ("mirror", True)])
def test_rule_decides_by_mode_alone_without_a_flag_column(mode: SyncMode, expected: bool) -> None:
    assert rule(mode, has_flag=False).read({"id": "a"}) == ("a", expected)


@pytest.mark.parametrize(
    ("mode", "expected"), [("add", None), ("remove", False), ("mirror", False)]
)
@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"id": "a", "member": True}, id="flag-true"),
        pytest.param({"id": "a", "member": None}, id="flag-null"),
        pytest.param({"id": "a", "member": "secret-7319"}, id="flag-unreadable"),
        pytest.param({"id": "a"}, id="flag-missing"),
    ],
)
@pytest.mark.parametrize("has_flag", [True, False], ids=["flag-column", "no-flag-column"])
def test_rule_counts_a_deleted_row_as_false_whatever_its_flag(
    mode: SyncMode, expected: bool | None, record: dict[str, Any], has_flag: bool
) -> None:
    assert rule(mode, has_flag=has_flag).read(record, deleted=True) == ("a", expected)


@pytest.mark.parametrize("mode", ["add", "remove", "mirror"])
@pytest.mark.parametrize("record", [{"id": "a"}, {"id": "a", "member": None}], ids=str)
def test_rule_refuses_a_record_without_flag_where_the_schema_declares_one(
    mode: SyncMode, record: dict[str, Any]
) -> None:
    """A forgotten flag must not remove or include anybody."""
    with pytest.raises(InvalidRecordError, match="'member'"):
        rule(mode).read(record)


def test_rule_reads_a_flag_that_the_schema_does_not_declare() -> None:
    """A flag that is there is obeyed: including whom it calls no member would be wrong."""
    assert rule("mirror", has_flag=False).read({"id": "a", "member": "no"}) == ("a", False)


@pytest.mark.parametrize("deleted", [True, False])
def test_rule_refuses_a_record_without_key_deleted_or_not(deleted: bool) -> None:
    with pytest.raises(InvalidRecordError, match="'id'"):
        rule("mirror").read({"member": True}, deleted=deleted)
