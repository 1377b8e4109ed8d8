"""Input that cannot be used, and failures, as the command line tells of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from command_line import KEY, assert_failed
from messages import keys, members, record, schema, state
from running import SEGMENT

from target_launchdarkly.errors import InputError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from command_line import Result
    from running import Run

    from target_launchdarkly.sandbox import Sandbox

BAD_LINES = [
    pytest.param('{"type": "RECORD", "record": {"context_key": "' + KEY, "JSON", id="cut-short"),
    pytest.param(f"Traceback in the tap: {KEY}", "JSON", id="text"),
    pytest.param(f'["{KEY}"]', "object", id="array"),
    pytest.param("null", "object", id="null"),
    pytest.param("[" * 100_000, "JSON", id="nested-without-end"),
    pytest.param(json.dumps({"record": {"key": KEY}}), "type", id="no-type"),
    pytest.param(json.dumps({"type": 7, "record": {"key": KEY}}), "type", id="type-is-a-number"),
    pytest.param(json.dumps({"type": "ROW", "row": {"key": KEY}}), "type", id="unknown-type"),
    pytest.param(json.dumps({"type": "RECORD", "record": {"key": KEY}}), "stream", id="no-stream"),
    pytest.param(json.dumps({"type": "RECORD", "stream": "audience"}), "record", id="no-record"),
    pytest.param(
        json.dumps({"type": "RECORD", "stream": "audience", "record": [KEY]}),
        "record",
        id="record-is-an-array",
    ),
    pytest.param(json.dumps({"type": "STATE"}), "value", id="no-state"),
    pytest.param(json.dumps({"type": "SCHEMA", "stream": "s"}), "schema", id="no-schema"),
    pytest.param(
        json.dumps({"type": "SCHEMA", "stream": "s", "schema": {}, "key_properties": []}),
        "properties",
        id="schema-without-properties",
    ),
    pytest.param(
        json.dumps(schema("s", columns={"email": {"type": "string"}})),
        "context_key_field",
        id="schema-without-the-context-key",
    ),
    pytest.param(json.dumps(record(None)), "context_key", id="no-key"),
    pytest.param(json.dumps(record(KEY, "perhaps")), "is_member", id="flag-unreadable"),
]


@pytest.mark.parametrize(("line", "told"), BAD_LINES)
def test_line_that_cannot_be_used_is_told_by_its_number_and_never_quoted(
    sandbox: Sandbox, sync: Callable[..., Run], line: str, told: str
) -> None:
    """Line 3 of the input; nothing after it is read, and no STATE is written."""
    run = sync([schema(), record("a"), line, record("b"), state({"done": 1})])

    assert isinstance(run.error, InputError)
    assert str(run.error).startswith("Line 3: ")
    assert told in str(run.error)
    assert KEY not in str(run.error)
    assert sandbox.included(SEGMENT) == []
    assert run.states == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param('{"type": "RECORD", "record": {"context_key": "' + KEY, "JSON", id="cut"),
        pytest.param(json.dumps({"type": "ROW", "row": {"key": KEY}}), "type", id="unknown-type"),
        pytest.param(json.dumps(record(KEY, stream="other")), "SCHEMA", id="record-before-schema"),
        pytest.param(json.dumps(record(KEY, "perhaps")), "is_member", id="flag-unreadable"),
        pytest.param(
            json.dumps(schema("s", columns={"email": {"type": "string"}})),
            "context_key_field",
            id="schema-without-the-context-key",
        ),
    ],
)
def test_line_that_cannot_be_used_ends_the_command(
    sandbox: Sandbox, command: Callable[..., Result], line: str, told: str
) -> None:
    result = command([schema(), record("a"), line, record("b"), state({"done": 1})])

    assert_failed(result, "Line 3", told)
    assert sandbox.included(SEGMENT) == []


def test_line_number_counts_blank_lines(command: Callable[..., Result]) -> None:
    """An editor shows the same number."""
    assert_failed(command(["", schema(), "", "oops"]), "Line 4")


def test_activate_version_before_any_schema_is_passed_over(
    sandbox: Sandbox, command: Callable[..., Result]
) -> None:
    activate = {"type": "ACTIVATE_VERSION", "stream": "audience", "version": 1_700_000_000}

    result = command([activate, schema(), record("a"), state({"done": 1})])

    assert result.returncode == 0
    assert sandbox.included(SEGMENT) == ["a"]


def test_failure_is_one_error_line_that_says_what_was_applied(
    sandbox: Sandbox, command: Callable[..., Result]
) -> None:
    sandbox.faults.append(Fault(kind="status", status=403, method="PATCH", after=1))

    result = command(
        [schema(), *members(*keys(4)), state({"done": 1})],
        batch_size_rows=2,
    )

    assert_failed(result, "HTTP 403", "Writer", f"'{SEGMENT}' 2 added, 0 removed")
    assert sandbox.included(SEGMENT) == keys(2)


def test_failure_before_any_change_says_that_nothing_was_applied(
    sandbox: Sandbox, command: Callable[..., Result]
) -> None:
    result = command([schema(), *members("a")], access_token="api-of-somebody-else")

    assert_failed(result, "HTTP 401", "nothing")
    assert "api-of-somebody-else" not in result.stderr
