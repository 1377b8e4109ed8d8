"""What of LaunchDarkly's words an error quotes: no key in whatever spelling, and no token."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from failing_runs import KEY, MESSAGES, assert_failed
from running import TOKEN

from target_launchdarkly.api.quoting import media_type, told_by
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

OTHER = "someone.else@example.com"
ODD = 'zoe "van \u00fcber" o\'neil\\'


def quoted(message: object, code: object = "invalid_request") -> str:
    return told_by({"code": code, "message": message}, "application/json")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param("Invalid request body", "Invalid request body", id="plain"),
        pytest.param(
            "Conflict. Optimistic lock error. Try again later.",
            "Conflict. Optimistic lock error. Try again later",
            id="sentences",
        ),
        pytest.param(
            f'The key "{KEY}" of context kind "user" would be both included and excluded',
            "The key … of context kind user would be both included and excluded",
            id="key-in-the-middle",
        ),
        pytest.param(f"Invalid key: {KEY}\nand {OTHER}", "Invalid key: … and …", id="two-lines"),
        pytest.param(f"Invalid key {ODD} again", "Invalid key … again", id="key-of-four-words"),
        pytest.param(KEY, "", id="nothing-but-a-key"),
        pytest.param("", "", id="nothing"),
        pytest.param(None, "", id="no-text"),
        pytest.param(["Invalid request"], "", id="a-list"),
        pytest.param("Invalid key 4711", "Invalid key …", id="a-number-may-be-a-key"),
        pytest.param("Invalid invalid_request", "Invalid …", id="word-that-is-not-let-in"),
    ],
)
def test_message_is_quoted_without_anything_that_may_be_a_key(message: Any, expected: str) -> None:
    assert quoted(message) == f"invalid_request: {expected}".removesuffix(": ")


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param(KEY, id="as-it-is"),
        pytest.param(KEY.upper(), id="upper-case"),
        pytest.param(KEY.title(), id="title-case"),
        pytest.param(quote(KEY, safe=""), id="percent-encoded"),
        pytest.param(json.dumps(ODD), id="escaped"),
        pytest.param(ODD.encode("unicode_escape").decode(), id="backslashes"),
        pytest.param(f"a{KEY}b", id="within-a-word"),
        pytest.param(KEY[:7], id="cut"),
        pytest.param(f"<b>{KEY}</b>", id="marked-up"),
        pytest.param(OTHER, id="of-no-request-of-this-run"),
        pytest.param(TOKEN, id="the-token"),
        pytest.param("zoe", id="first-name"),
        pytest.param("z", id="one-letter"),
    ],
)
@pytest.mark.parametrize(
    "frame", ["Invalid key {}", "{}", "{}: not found", "'{}'", "x" * 499 + "{}"]
)
def test_key_is_quoted_in_no_spelling(frame: str, spelled: str) -> None:
    told = quoted(frame.format(spelled), code=spelled)

    left = told.replace("Invalid key", "").replace("not found", "").strip("…: ")
    assert left in {"", "no code that is known here"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("optimistic_locking_error", "optimistic_locking_error"),
        ("forbidden", "forbidden"),
        ("key_exists", "key_exists"),
        ("key_" * 30 + "key", "no code that is known here"),
        ("zoe", "no code that is known here"),
        ("invalid_request\nERROR", "no code that is known here"),
        (400, "no code that is known here"),
        (None, "no code that is known here"),
    ],
)
def test_code_is_quoted_if_it_is_one(code: object, expected: str) -> None:
    assert told_by({"code": code}, None) == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/html; charset=utf-8", "text/html"),
        ("Application/JSON", "application/json"),
        (KEY, "another content type"),
        (f"text/{KEY}", "another content type"),
        ("", "no content type"),
        (None, "no content type"),
    ],
)
def test_content_type_is_quoted_if_it_is_usual(content_type: str | None, expected: str) -> None:
    assert media_type(content_type) == expected


@pytest.mark.parametrize("status", [400, 402, 403, 404, 418, 503])
def test_whole_text_stands_in_the_log_at_debug_alone_and_in_one_line(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"code": "some_code", "message": f"Invalid key\n{OTHER}"})
    sandbox.faults.append(Fault("status", status=status, body=body, times=100))

    run = sync(MESSAGES, max_retry_seconds=0)

    assert_failed(run, f"HTTP {status}", "some_code: Invalid key …")
    assert OTHER not in str(run.error)
    naming = [each for each in caplog.records if OTHER in each.getMessage()]
    assert {each.levelno for each in naming} == {logging.DEBUG}
    assert not any("\n" in each.getMessage() for each in naming)
