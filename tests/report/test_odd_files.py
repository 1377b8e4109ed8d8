"""Report files in odd places, and runs that end before their settings are read: nothing is lost."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import MODULE, VARIABLE, run
from messages import lines, members, record, schema, state
from running import SEGMENT, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_launchdarkly.sandbox import Sandbox

MESSAGES = [schema(), *members("user-0"), state({"at": 1})]
SETTINGS = ("changes_file", "summary_file")


@pytest.fixture
def config_path(config: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return path


def status(path: Path) -> str:
    return str(json.loads(path.read_text())["status"])


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("spelled", ["/dev/stdout", "state.json"])
def test_file_that_stdout_was_led_to_keeps_the_state_lines(
    sandbox: Sandbox, config_path: Path, setting: str, spelled: str, *, check: bool
) -> None:
    """What a run writes there would take their place, and nobody would know."""
    target = config_path.with_name("state.json")
    path = spelled if spelled.startswith("/") else str(target)
    with target.open("wb") as stdout:
        result = subprocess.run(
            [*MODULE, "--config", str(config_path), "--config", "ENV", *["--check"] * check],
            input=lines(MESSAGES),
            env=os.environ | {f"{VARIABLE}{setting.upper()}": path},
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert result.returncode == 1
    told = target.read_text() if check else result.stderr.decode()
    assert f"{setting} cannot be written: it is where this process reads or writes already" in told
    assert check or target.read_bytes() == b""
    assert sandbox.included(SEGMENT) == []


def test_check_that_fails_leaves_the_summary_of_the_last_run_alone(config_path: Path) -> None:
    path = config_path.with_name("summary.json")
    variables = {f"{VARIABLE}SUMMARY_FILE": str(path)}
    given = ("--config", str(config_path), "--config", "ENV")
    assert run(MODULE, *given, feed=lines(MESSAGES), variables=variables).returncode == 0

    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*MODULE, *given, "--check"],
            env=os.environ | variables,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert result.returncode == 1
    assert status(path) == "succeeded"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(None, "there is no such file", id="missing"),
        pytest.param("{", "is not valid JSON", id="no-json"),
        pytest.param("[1]", "must be a JSON object", id="no-object"),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_config_that_cannot_be_read_is_named_and_the_run_summed_up(
    config_path: Path, text: str | None, told: str, *, is_first: bool
) -> None:
    summary = config_path.with_name("summary.json")
    good = config_path.with_name("good.json")
    good.write_text(json.dumps({"summary_file": str(summary), "access_token": TOKEN}))
    bad = config_path.with_name("bad.json")
    if text is not None:
        bad.write_text(text)
    paths = [bad, good] if is_first else [good, bad]

    result = run(MODULE, *(word for path in paths for word in ("--config", str(path))))

    assert result.returncode == 1
    (error,) = [line for line in result.stderr.splitlines() if "ERROR" in line]
    assert "bad.json" in error
    assert "good.json" not in error
    assert told in error
    assert status(summary) == "failed"


def test_one_file_in_two_spellings_is_refused_and_not_written(config_path: Path) -> None:
    folder = config_path.parent
    variables = {
        f"{VARIABLE}CHANGES_FILE": f"{folder}/one.json",
        f"{VARIABLE}SUMMARY_FILE": f"{folder}/../{folder.name}/one.json",
    }
    for more in ([], ["--check"]):
        result = run(
            MODULE, "--config", str(config_path), "--config", "ENV", *more, variables=variables
        )

        assert result.returncode == 1
        assert "summary_file: is that of changes_file" in result.stdout + result.stderr
        assert not (folder / "one.json").exists()


def test_token_that_stands_for_another_setting_is_in_no_summary(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "summary.json"
    result = command(
        [schema(stream=TOKEN), *[record("user-0") | {"stream": TOKEN}], state(1)],
        summary_file=str(path),
        project_key=TOKEN,
    )

    assert result.returncode == 1
    assert TOKEN not in path.read_text()
    assert "[access token]" in path.read_text()


@pytest.mark.parametrize("name", ["s" * 250, "ß" * 125, "\U0001d530" * 62])
def test_long_name_and_own_rights_of_a_summary_are_kept(
    command: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    assert command(MESSAGES, summary_file=str(path)).returncode == 0
    path.chmod(0o640)

    assert command(MESSAGES, summary_file=str(path)).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("more", [(), ("--check",)])
def test_input_of_a_closed_stdin_is_told(config_path: Path, more: tuple[str, ...]) -> None:
    command = [*MODULE, "--config", str(config_path), "--input", "-", *more]
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, check=False
    )

    assert result.returncode == 1
    assert b"stdin is closed. Pipe the output of a tap" in result.stderr
    assert sys.executable.encode() not in result.stderr


def test_stream_whose_name_is_half_a_character_is_told(config_path: Path) -> None:
    feed = lines([schema(stream="s-half")]).replace(b"s-half", b"s\\ud800")

    result = run(MODULE, "--config", str(config_path), "--check", "--input", "-", feed=feed)

    assert "stream 's\\ud800'" in result.stdout
    assert f"segment '{SEGMENT}'" in result.stdout
