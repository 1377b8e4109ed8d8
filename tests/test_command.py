"""The command line end to end, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SEGMENT, TOKEN
from messages import keys, leavers, lines, members, record, schema, state

from target_launchdarkly.errors import InputError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run

    from target_launchdarkly.sandbox import Sandbox

#: Text that stands for personal data: never on stdout or stderr above DEBUG.
KEY = "zoe.secret@example.com"
VARIABLE = "TARGET_LAUNCHDARKLY_"
SCRIPT = [str(Path(sys.executable).with_name("target-launchdarkly"))]
MODULE = [sys.executable, "-m", "target_launchdarkly"]

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def config_file(config: dict[str, Any], tmp_path: Path) -> str:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(config))
    return str(path)


def run(
    program: list[str],
    *arguments: str,
    feed: bytes = b"",
    variables: dict[str, str] | None = None,
) -> Result:
    result = subprocess.run(
        [*program, *arguments],
        input=feed,
        capture_output=True,
        check=False,
        env=os.environ | (variables or {}),
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def assert_failed(result: Result, *told: str) -> None:
    """One ERROR line says all of this; exit code 1, no traceback, no STATE, no secret."""
    [error] = [line for line in result.stderr.splitlines() if "ERROR" in line]
    for text in told:
        assert text in error
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert KEY not in result.stderr
    assert TOKEN not in result.stderr


# Without input


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_version_is_told(program: list[str]) -> None:
    result = run(program, "--version")

    assert result.returncode == 0
    assert version("target-launchdarkly") in result.stdout


def test_about_as_text_names_every_setting() -> None:
    result = run(MODULE, "--about")

    assert result.returncode == 0
    assert "access_token" in result.stdout
    assert "max_retry_seconds" in result.stdout


def test_about_as_json_is_json_with_the_settings_that_do_something() -> None:
    result = run(MODULE, "--about", "--format", "json")

    assert result.returncode == 0
    about = json.loads(result.stdout)
    assert about["name"] == "target-launchdarkly"
    properties = about["settings"]["properties"]
    assert {"access_token", "segment_key", "stream_maps", "validate_records"} <= set(properties)
    assert not {"load_method", "add_record_metadata"} & set(properties)


def test_about_as_markdown_is_a_table_of_settings() -> None:
    result = run(MODULE, "--about", "--format", "markdown")

    assert result.returncode == 0
    assert result.stdout.startswith("# ")
    assert "| access_token" in result.stdout


def test_help_is_told() -> None:
    result = run(MODULE, "--help")

    assert result.returncode == 0
    assert "--config" in result.stdout


# A sync


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_sync_writes_state_alone_to_stdout_and_a_summary_to_stderr(
    sandbox: Sandbox, config_file: str, program: list[str]
) -> None:
    feed = lines([schema(), *members(*keys(3)), *leavers("gone"), state({"done": "é"})])

    result = run(program, "--config", config_file, feed=feed)

    assert result.returncode == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == [{"done": "é"}]
    summary = next(line for line in result.stderr.splitlines() if "records:" in line)
    assert f"Segment '{SEGMENT}': 4 records: 3 added, 0 removed" in summary
    assert "1 skipped (1 not for this mode)" in summary
    assert "2 requests (1 GET, 1 PATCH)" in summary
    assert sandbox.included(SEGMENT) == keys(3)


def test_sync_without_state_writes_nothing_to_stdout(sandbox: Sandbox, config_file: str) -> None:
    result = run(MODULE, "--config", config_file, feed=lines([schema(), *members("a")]))

    assert (result.returncode, result.stdout) == (0, "")
    assert sandbox.included(SEGMENT) == ["a"]


def test_input_that_is_empty_is_no_error(sandbox: Sandbox, config_file: str) -> None:
    result = run(MODULE, "--config", config_file)

    assert (result.returncode, result.stdout) == (0, "")
    assert sandbox.requests == []


def test_input_option_reads_a_file(sandbox: Sandbox, config_file: str, tmp_path: Path) -> None:
    path = tmp_path / "audience.singer"
    path.write_bytes(lines([schema(), *members("zoë"), state({"done": 1})]))

    result = run(MODULE, "--config", config_file, "--input", str(path))

    assert result.returncode == 0
    assert json.loads(result.stdout) == {"done": 1}
    assert sandbox.included(SEGMENT) == ["zoë"]


def test_config_option_reads_the_environment(sandbox: Sandbox, config: dict[str, Any]) -> None:
    variables = {VARIABLE + name.upper(): text for name, text in config.items()}

    result = run(
        MODULE, "--config", "ENV", feed=lines([schema(), *members("a")]), variables=variables
    )

    assert result.returncode == 0
    assert sandbox.included(SEGMENT) == ["a"]


def test_later_config_wins_over_an_earlier_one(
    sandbox: Sandbox, config_file: str, tmp_path: Path
) -> None:
    sandbox.add_segment("other")
    path = tmp_path / "more.json"
    path.write_text('{"segment_key": "other"}')

    result = run(
        MODULE,
        *("--config", config_file, "--config", str(path)),
        feed=lines([schema(), *members("a")]),
    )

    assert result.returncode == 0
    assert sandbox.included("other") == ["a"]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="c-locale"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="latin-1"),
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
    ],
)
@pytest.mark.parametrize("way", ["stdin", "file"])
def test_keys_do_not_depend_on_the_locale(
    sandbox: Sandbox, config_file: str, tmp_path: Path, variables: dict[str, str], way: str
) -> None:
    """Containers often have no locale; the same key must reach LaunchDarkly."""
    text = json.dumps(record("Zoë-日本-🦊"), ensure_ascii=False)
    feed = lines([schema(), text, state({"done": "日本"})])
    path = tmp_path / "audience.singer"
    path.write_bytes(feed)
    arguments = ["--input", str(path)] if way == "file" else []

    result = run(
        MODULE,
        *("--config", config_file, *arguments),
        feed=feed if way == "stdin" else b"",
        variables=variables,
    )

    assert result.returncode == 0
    assert sandbox.included(SEGMENT) == ["Zoë-日本-🦊"]
    assert json.loads(result.stdout) == {"done": "日本"}


# Input that cannot be used

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
        pytest.param(json.dumps(record(KEY, stream="other")), "schema", id="record-before-schema"),
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


# What is logged


@pytest.mark.parametrize(
    ("level", "fails"),
    [("DEBUG", False), ("DEBUG", True), ("INFO", False), ("INFO", True)],
)
def test_token_is_never_logged_and_keys_at_most_at_debug(
    sandbox: Sandbox, config_file: str, level: str, fails: bool
) -> None:
    sandbox.add_segment("unused", excluded=[KEY])
    if fails:
        sandbox.faults.append(Fault(kind="status", status=400, method="PATCH", body=f'"{KEY}"'))

    result = run(
        MODULE,
        *("--config", config_file),
        feed=lines([schema(), *members(KEY), *leavers(KEY), *members(KEY), state({})]),
        variables={VARIABLE + "LOGLEVEL": level},
    )

    assert result.returncode == int(fails)
    assert TOKEN not in result.stdout + result.stderr
    assert KEY not in result.stdout
    above_debug = [line for line in result.stderr.splitlines() if "DEBUG" not in line]
    assert KEY not in "\n".join(above_debug)
    assert ("DEBUG" in result.stderr) == (level == "DEBUG")


@pytest.mark.parametrize("value", [KEY, f"{KEY}\ud800", {"email": KEY}, [KEY]], ids=repr)
def test_invalid_record_that_is_skipped_is_counted_and_not_logged(
    sandbox: Sandbox, command: Callable[..., Result], value: Any
) -> None:
    bad = record(value, "perhaps")

    result = command([schema(), bad, record("a"), state({})], invalid_record_action="skip")

    assert result.returncode == 0
    assert "1 invalid" in result.stderr
    assert "WARNING" in result.stderr
    assert KEY not in result.stderr
    assert sandbox.included(SEGMENT) == ["a"]
