"""The last net: at the log handlers, no token passes, and no second line."""

from __future__ import annotations

import io
import json
import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from target_launchdarkly.discretion import MASK, Discretion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "api-0f9c2e51-77aa-4d0b-8c3e-1d2f3a4b5c6d"
ODD_TOKEN = 'api-"q\\u0t&e<d%41+tok/en=='


def fail(text: str) -> None:
    raise ValueError(text)


@contextmanager
def logged(token: str = TOKEN, level: int = logging.INFO) -> Iterator[io.StringIO]:
    """Yield what a handler of the root logger writes while the net is there."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        with Discretion(token).at_the_handlers():
            yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


SPELLINGS = {
    "as-it-is": lambda token: token,
    "upper-case": str.upper,
    "lower-case": str.lower,
    "percent-encoded": lambda token: quote(token, safe=""),
    "percent-encoded-in-lower-case": lambda token: quote(token, safe="").lower(),
    "percent-encoded-twice": lambda token: quote(quote(token, safe=""), safe=""),
    "plus-encoded": quote_plus,
    "every-character-percent-encoded": lambda token: "".join(f"%{ord(c):02X}" for c in token),
    "every-character-escaped": lambda token: "".join(f"\\u{ord(c):04x}" for c in token),
    "json": json.dumps,
    "python": repr,
    "bytes": lambda token: repr(token.encode()),
    "within-others": lambda token: f"x{token}y",
    "in-a-url": lambda token: f"https://host/?key={quote(token)}&other=1",
}


@pytest.mark.parametrize("token", [TOKEN, ODD_TOKEN], ids=["usual", "odd"])
@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_token_passes_in_no_spelling(spelled: Callable[[str], str], token: str) -> None:
    with logged(token) as written:
        logging.getLogger("of.somebody.else").warning("It echoed %s again", spelled(token))

    assert MASK in written.getvalue()
    assert token[4:].casefold() not in written.getvalue().casefold()
    assert "again" in written.getvalue()


def test_token_that_is_cut_off_does_not_pass() -> None:
    with logged() as written:
        logging.getLogger("x").warning("It echoed %s", TOKEN[:20])

    assert TOKEN[:12] not in written.getvalue()


def test_token_does_not_pass_in_a_traceback_at_debug() -> None:
    with logged(level=logging.DEBUG) as written:
        try:
            fail(f"odd token {TOKEN}")
        except ValueError:
            logging.getLogger("of.somebody.else").exception("It broke")

    assert "Traceback" in written.getvalue()
    assert MASK in written.getvalue()
    assert TOKEN not in written.getvalue()


def test_token_does_not_pass_in_a_traceback_that_another_handler_has_kept() -> None:
    """Formatters keep the text of a traceback in the record, for the next handler to use."""
    try:
        fail(f"odd token {TOKEN}")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "It broke", None, None)
        record.exc_info = (type(error), error, error.__traceback__)
        record.exc_text = traceback.format_exc()
    with logged(level=logging.DEBUG) as written:
        logging.getLogger("x").handle(record)

    assert "Traceback" in written.getvalue()
    assert TOKEN not in written.getvalue()


def test_traceback_is_for_the_log_at_debug_alone() -> None:
    with logged() as written:
        try:
            fail("odd")
        except ValueError:
            logging.getLogger("of.somebody.else").exception("It broke", stack_info=True)

    assert written.getvalue() == "ERROR It broke\n"


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
)
def test_log_line_has_no_second_line(end: str) -> None:
    with logged() as written:
        logging.getLogger("x").warning("one%sERROR two", end)

    [line] = written.getvalue().splitlines()
    assert "one" in line
    assert "two" in line


def test_log_line_does_nothing_to_a_terminal() -> None:
    with logged() as written:
        logging.getLogger("x").warning("\x1b[2Jone")

    assert written.getvalue() == "WARNING \\x1b[2Jone\n"


def test_handlers_are_as_before_afterwards() -> None:
    with logged() as written:
        pass
    root = logging.getLogger()
    handler = logging.StreamHandler(written)
    root.addHandler(handler)
    try:
        with Discretion(TOKEN).at_the_handlers():
            assert handler.formatter is not None
        assert handler.formatter is None
    finally:
        root.removeHandler(handler)


def test_short_token_is_masked_as_a_word_of_its_own() -> None:
    """Nobody has such a token, but a log line of masks would say nothing."""
    told = Discretion("a").told("a cat and a")

    assert told == f"{MASK} cat and {MASK}"


def test_nothing_is_masked_without_a_token() -> None:
    assert Discretion().told("one two") == "one two"


def test_libraries_that_quote_urls_say_nothing_above_debug() -> None:
    with logged() as written:
        logging.getLogger("urllib3.connection").warning("Failed to parse headers (url=%s)", "zoe")
    with logged(level=logging.DEBUG) as debugged:
        logging.getLogger("urllib3.connection").debug("url=%s", "zoe")

    assert written.getvalue() == ""
    assert "zoe" in debugged.getvalue()
