"""Where settings come from: the environment and the command line, and how that can go wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from configs import GOOD, PREFIX, TOKEN, WRONG, problems_of
from messages import members, schema

from target_launchdarkly.configuration import unknown_variables
from target_launchdarkly.settings import WITHOUT_EFFECT
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

# The environment


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the target's variables: `environment(dry_run="yes")`."""

    def put(**texts: str) -> None:
        for name, text in (GOOD | texts).items():
            monkeypatch.setenv(PREFIX + name.upper(), text)

    return put


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(
            pytest.param("dry_run", text, value, id=f"boolean-{text}")
            for text, value in {
                "true": True,
                "TRUE": True,
                "1": True,
                "yes": True,
                "on": True,
                "false": False,
                "False": False,
                "0": False,
                "no": False,
                "off": False,
            }.items()
        ),
        pytest.param("batch_size_rows", "7", 7, id="integer"),
        pytest.param("request_timeout", "2.5", 2.5, id="number"),
        pytest.param("comment", "1", "1", id="text-that-looks-like-a-number"),
        pytest.param("comment", "true", "true", id="text-that-looks-like-a-boolean"),
    ],
)
def test_environment_variable_becomes_its_settings_type(
    environment: Callable[..., None], name: str, text: str, value: object
) -> None:
    environment(**{name: text})

    settings = TargetLaunchDarkly(config={}, parse_env_config=True).settings

    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("dry_run", "ja", id="boolean-in-another-language"),
        pytest.param("dry_run", "", id="boolean-empty"),
        pytest.param("batch_size_rows", "many", id="integer-in-words"),
        pytest.param("batch_size_rows", "1.5", id="integer-with-fraction"),
        pytest.param("batch_size_rows", "", id="integer-empty"),
        pytest.param("max_retry_seconds", "nan", id="number-nan"),
        pytest.param("request_timeout", "1 minute", id="number-with-unit"),
        pytest.param("stream_maps", "{broken", id="object-broken"),
        pytest.param("access_token", "sdk-do-not-print-me", id="token"),
    ],
)
def test_environment_variable_that_cannot_be_read_is_told_by_its_setting(
    environment: Callable[..., None], name: str, text: str
) -> None:
    """The SDK would end in a traceback or turn `ja` into False: a guard would be off."""
    environment(**{name: text})

    [problem] = problems_of({}, parse_env_config=True)

    assert problem.startswith(f"{name}: ")


def test_environment_is_not_read_unless_asked(environment: Callable[..., None]) -> None:
    environment()

    assert problems_of({})


# The command line


def run(
    *arguments: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "target_launchdarkly", *arguments],
        input="",
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | (variables or {}),
    )


def assert_told(result: subprocess.CompletedProcess[str], *told: str) -> None:
    """The run failed as a user's error does: exit code 1, no traceback, no secret, no STATE."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "do-not-print-me" not in result.stderr
    for text in told:
        assert text in result.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param(WRONG, list(WRONG), id="every-setting-wrong"),
        pytest.param({"access_token": [TOKEN]}, ["access_token: "], id="token-is-no-text"),
        pytest.param(
            {"access_token": "mob-do-not-print-me"}, ["access_token: ", "mobile key"], id="mobile"
        ),
        pytest.param({"dryrun": True}, ["dryrun: ", "'dry_run'"], id="typo"),
        pytest.param({"segment_key": None}, ["segment_key: "], id="no-segment"),
    ],
)
def test_command_with_wrong_settings_sends_nothing(
    sandbox: Sandbox,
    command: Callable[..., subprocess.CompletedProcess[str]],
    settings: dict[str, Any],
    told: list[str],
) -> None:
    result = command([schema(), *members("a")], **settings)

    assert_told(result, *told)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "config.json", id="missing"),
        pytest.param("", "not valid JSON", id="empty"),
        pytest.param(f'{{"access_token": "{TOKEN}",}}', "not valid JSON", id="broken"),
        pytest.param(json.dumps([TOKEN]), "JSON object", id="array"),
        pytest.param(json.dumps(TOKEN), "JSON object", id="text"),
    ],
)
def test_command_with_a_config_file_that_cannot_be_read(
    tmp_path: Path, content: str | None, told: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)

    assert_told(run("--config", str(path)), told)


def test_config_file_with_fractions_is_used(
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    result = command(
        [schema(), *members("a")],
        max_retry_seconds=30.5,
        request_timeout=20.5,
        streams={"audience": {"max_removal_percent": 33.3}},
    )

    assert result.returncode == 0, result.stderr


def test_command_with_a_config_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe" + TOKEN.encode())

    assert_told(run("--config", str(path)), "config")


def test_command_without_any_config_tells_what_is_missing() -> None:
    assert_told(run(), "access_token: ", "project_key: ", "environment_key: ")


def test_command_with_an_environment_that_cannot_be_read() -> None:
    texts = GOOD | {"dry_run": "ja", "batch_size_rows": "many"}
    variables = {PREFIX + name.upper(): text for name, text in texts.items()}

    assert_told(run("--config", "ENV", variables=variables), "dry_run: ", "batch_size_rows: ")


# Variables that nobody reads


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("DRYRUN", "Did you mean TARGET_LAUNCHDARKLY_DRY_RUN?"),
        ("DRY_RUM", "Did you mean TARGET_LAUNCHDARKLY_DRY_RUN?"),
        ("SEGMENTKEY", "Did you mean TARGET_LAUNCHDARKLY_SEGMENT_KEY?"),
        ("ZZZZZZ", "--about lists them."),
    ],
)
def test_variable_that_is_no_setting_is_warned_of_with_the_nearest_name(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path, variable: str, told: str
) -> None:
    """`TARGET_LAUNCHDARKLY_DRYRUN=true` was a real sync, and nobody was told."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))

    result = run("--config", str(path), variables={PREFIX + variable: "do-not-print-me"})

    assert result.returncode == 0
    [line] = [each for each in result.stderr.splitlines() if PREFIX in each]
    assert PREFIX + variable in line
    assert "WARNING" in line
    assert told in line
    assert "do-not-print-me" not in result.stderr
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "name",
    [
        *WRONG,
        *sorted(WITHOUT_EFFECT),
        "loglevel",
        # Meltano writes settings within settings so, and its own.
        "streams_marts_vips_segment_key",
        "stream_maps_audience_is_member",
        "stream_map_config_hash_seed",
        "batch_config_storage_root",
        "faker_config_seed",
        "_load_schema",
        "_catalog",
    ],
)
def test_variable_that_somebody_reads_is_not_warned_of(name: str) -> None:
    names = [PREFIX + name.upper(), "PATH", "target_launchdarkly_dryrun", "TARGET_OTHER_X"]
    environ = dict.fromkeys(names, "any")
    known = {*TargetLaunchDarkly.config_jsonschema["properties"], *WITHOUT_EFFECT}

    assert unknown_variables(environ, PREFIX, known) == []


def test_variables_that_nobody_reads_are_found_in_order() -> None:
    names = [f"{PREFIX}DRYRUN", f"{PREFIX}STREAMSX", f"{PREFIX}DRY_RUN", f"{PREFIX}ACCESS"]

    assert unknown_variables(dict.fromkeys(names, "any"), PREFIX, ["dry_run"]) == [
        f"{PREFIX}ACCESS",
        f"{PREFIX}DRYRUN",
        f"{PREFIX}STREAMSX",
    ]


@pytest.mark.parametrize("loader", ["target-launchdarkly-orgs", "target-launchdarkly--orgs"])
def test_variables_of_an_inheriting_loader_are_left_to_meltano(loader: str) -> None:
    """Meltano writes all its settings into variables that begin with its name."""
    own = loader.upper().replace("-", "_")
    names = [f"{own}_ACCESS_TOKEN", f"{PREFIX}DRYRUN"]
    environ = {"MELTANO_LOADER_NAME": loader} | dict.fromkeys(names, "any")

    assert unknown_variables(environ, PREFIX, ["access_token"]) == [f"{PREFIX}DRYRUN"]


def test_variables_of_the_loader_itself_are_looked_at() -> None:
    environ = {"MELTANO_LOADER_NAME": "target-launchdarkly", f"{PREFIX}DRYRUN": "true"}

    assert unknown_variables(environ, PREFIX, ["dry_run"]) == [f"{PREFIX}DRYRUN"]
