"""Whatever goes wrong around a run ends as one line, with the exit code of a program that knows."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from command_line import KEY
from messages import lines, members, record, schema, state
from running import SEGMENT, TOKEN

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

MESSAGES = [schema(), *members(KEY, "bob"), state({"done": 1})]
Result = subprocess.CompletedProcess[bytes]


@pytest.fixture
def shell(config: dict[str, Any], tmp_path: Path) -> Callable[..., Result]:
    """Run the target by a shell: `shell(">&-", messages, stream_maps=…)`."""

    def run(
        redirection: str = "",
        messages: list[Any] | None = None,
        *,
        options: str = "",
        before: Callable[[], None] | None = None,
        **settings: Any,
    ) -> Result:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config | settings))
        command = f"exec {sys.executable} -m target_launchdarkly --config {path} {options}"
        return subprocess.run(
            ["sh", "-c", f"{command} {redirection}"],
            input=lines(MESSAGES if messages is None else messages),
            capture_output=True,
            check=False,
            preexec_fn=before,
            env=os.environ | {"TARGET_LAUNCHDARKLY_LOGLEVEL": "INFO"},
        )

    return run


def told(result: Result) -> str:
    """Return the one ERROR line; nothing else was told that a run must not tell."""
    text = result.stderr.decode()
    [error] = [line for line in text.splitlines() if "ERROR" in line or "Error" in line]
    assert "Traceback" not in text
    assert KEY not in text
    assert TOKEN not in text
    return error


# Streams that are closed or full


@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">&-", "stdout is closed"), (">/dev/full", "No space left on device")],
)
def test_stdout_that_takes_no_state_ends_the_run(
    sandbox: Sandbox, shell: Callable[..., Result], redirection: str, reason: str
) -> None:
    """What was applied is told: without STATE the tap sends it again, which changes nothing."""
    result = shell(redirection)

    assert result.returncode == 1
    assert reason in told(result)
    assert "2 added" in told(result)
    assert sandbox.included(SEGMENT) == [KEY, "bob"]


def test_reader_that_has_gone_ends_the_run(
    config: dict[str, Any], tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "target_launchdarkly", "--config", str(path)],
        input=lines(MESSAGES),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)

    assert result.returncode == 1
    assert "Broken pipe" in told(result)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_stderr_that_takes_nothing_changes_nothing_else(
    sandbox: Sandbox, shell: Callable[..., Result], redirection: str
) -> None:
    good = shell(redirection)
    bad = shell(redirection, [*MESSAGES, "oops"])

    assert (good.returncode, good.stdout) == (0, b'{"done":1}\n')
    assert (bad.returncode, bad.stdout) == (1, b"")
    assert sandbox.included(SEGMENT) == [KEY, "bob"]


def test_stdin_that_is_closed_is_told(shell: Callable[..., Result]) -> None:
    result = shell("<&-")

    assert result.returncode == 1
    assert "stdin is closed" in told(result)


def test_nothing_open_at_all_still_ends(shell: Callable[..., Result]) -> None:
    assert shell("<&- >&- 2>&-").returncode == 1


@pytest.mark.parametrize("options", ["--check", "--about", "--help", "--version"])
def test_stdout_that_is_full_ends_what_only_prints(
    shell: Callable[..., Result], options: str
) -> None:
    result = shell(">/dev/full", options=options)

    assert result.returncode == 1
    assert "room" in told(result) or "No space left" in told(result)


# A machine without room


def no_files_over(size: int) -> Callable[[], None]:
    """Return what lets no file of a process grow larger: as a disk that is full, to that file."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize(
    ("is_big", "count"),
    [pytest.param(False, 250_000, id="words"), pytest.param(True, 40_000, id="file-of-an-import")],
)
def test_full_disk_is_told(
    sandbox: Sandbox, shell: Callable[..., Result], is_big: bool, count: int
) -> None:
    sandbox.add_segment("large", unbounded=is_big)
    everybody = members(*(f"person-{number}" for number in range(count)))

    result = shell(
        "", [schema(), *everybody, state({})], segment_key="large", before=no_files_over(50_000)
    )

    assert result.returncode == 1
    assert "TMPDIR" in told(result)
    assert "person-" not in result.stderr.decode()
    assert result.stdout == b""


# Errors of others


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        pytest.param("int(context_key)", "ValueError", id="quotes-the-key"),
        pytest.param("context_key + 1", "TypeError", id="of-a-wrong-type"),
        pytest.param("context_key['x']", "stream map", id="no-such-part"),
        pytest.param("nobody", "nobody", id="no-such-property"),
        pytest.param("1 / 0", "ZeroDivisionError", id="impossible"),
        pytest.param("context_key +", "Failed to parse", id="no-expression"),
    ],
)
def test_stream_map_that_fails_quotes_no_key(
    shell: Callable[..., Result], expression: str, reason: str
) -> None:
    result = shell("", stream_maps={"audience": {"context_key": expression}})

    assert result.returncode == 1
    assert reason in told(result)


def test_schema_that_cannot_be_flattened_is_told(shell: Callable[..., Result]) -> None:
    odd = {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"type": "null"}]}
    columns = {"context_key": {"type": "string"}, "address": odd}
    messages = [schema(columns=columns), record(KEY, address={"a": 1})]

    result = shell("", messages, flattening_enabled=True, flattening_max_depth=2)

    assert result.returncode == 1
    assert "flattening_enabled" in told(result)
    assert "at line 1" in told(result)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        value = {"more": value}
    return value


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(state(nested(900)), id="state"),
        pytest.param(schema("deep", columns={"context_key": nested(900)}), id="schema"),
        pytest.param(
            {"type": "BATCH", "stream": "audience", "encoding": nested(900), "manifest": []},
            id="batch",
        ),
    ],
)
def test_message_that_is_nested_without_measure_is_refused(
    shell: Callable[..., Result], message: dict[str, Any]
) -> None:
    result = shell("", [*MESSAGES[:-1], message])

    assert result.returncode == 1
    assert "Line 4" in told(result)
    assert "nested" in told(result)


def test_state_that_is_nested_as_states_are_is_written(
    shell: Callable[..., Result],
) -> None:
    result = shell("", [*MESSAGES[:-1], state(nested(90))])

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == nested(90)


def test_wrong_settings_are_one_line(shell: Callable[..., Result]) -> None:
    result = shell("", segment_key="two words", context_kind="multi", batch_size_rows=0)

    assert result.returncode == 1
    for name in ("segment_key", "context_kind", "batch_size_rows"):
        assert f"{name}: " in told(result)


def test_log_at_debug_shows_where_an_error_came_from(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """And the line that tells of the error is the same: it says how to see more."""
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(config | {"stream_maps": {"audience": {"context_key": "int(context_key)"}}})
    )
    result = subprocess.run(
        [sys.executable, "-m", "target_launchdarkly", "--config", str(path)],
        input=lines(MESSAGES),
        capture_output=True,
        check=False,
        env=os.environ | {"TARGET_LAUNCHDARKLY_LOGLEVEL": "DEBUG"},
    )

    text = result.stderr.decode()
    [error] = [line for line in text.splitlines() if "| ERROR" in line]
    assert "LOGLEVEL=DEBUG" in error
    assert KEY not in error
    assert "Traceback" in text
    assert TOKEN not in text


def test_answer_of_another_shape_is_no_traceback(
    sandbox: Sandbox, shell: Callable[..., Result]
) -> None:
    body = json.dumps({"key": SEGMENT, "version": 1, "creationDate": 1, "included": 5})
    sandbox.faults.append(Fault("status", status=200, body=body, times=100))

    result = shell("", max_retry_seconds=0)

    assert result.returncode == 1
    assert "included" in told(result)
