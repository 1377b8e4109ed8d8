"""The command line end to end, as a process of its own."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from command_line import KEY, MODULE, SCRIPT, VARIABLE, run
from messages import keys, leavers, lines, members, record, schema, state
from running import SEGMENT, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import Result

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture
def config_file(config: dict[str, Any], tmp_path: Path) -> str:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(config))
    return str(path)


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
    assert {"access_token", "segment_key", "stream_maps"} <= set(properties)
    assert not {"load_method", "add_record_metadata", "validate_records"} & set(properties)


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
        sandbox.refused_keys = {KEY}

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
    assert ("| DEBUG" in result.stderr) == (level == "DEBUG")


def test_filter_rule_that_names_a_key_is_not_logged(command: Callable[..., Result]) -> None:
    """The SDK tells the rules of stream_maps at INFO."""
    maps = {"audience": {"__filter__": f"context_key != '{KEY}'"}}

    result = command([schema(), *members(KEY, "b")], stream_maps=maps)

    assert result.returncode == 0
    assert KEY not in result.stderr


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
