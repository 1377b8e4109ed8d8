"""Settings that nobody would write, from each source: one line tells them, without the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from command_line import MODULE, VARIABLE, run
from jsonschema import Draft202012Validator
from singer_sdk.exceptions import ConfigValidationError

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "api-0f9c2e51-77aa-4d0b-8c3e-1d2f3a4b5c6d"
GOOD = {
    "access_token": TOKEN,
    "project_key": "default",
    "environment_key": "test",
    "segment_key": "any",
}


def problems_of(settings: dict[str, Any]) -> str:
    with pytest.raises(ConfigValidationError) as caught:
        TargetLaunchDarkly(config=GOOD | settings)
    return " ".join(caught.value.errors)


@pytest.mark.parametrize(
    "name", ["request_timeout", "max_retry_seconds", "max_import_seconds", "batch_size_rows"]
)
@pytest.mark.parametrize("value", [{}, "true", [], "1e999"])
def test_setting_of_the_whole_run_under_a_stream_is_told_whatever_it_holds(
    name: str, value: Any
) -> None:
    told = problems_of({"streams": {"audience": {name: value}}})

    assert f"streams.audience.{name}: there is no such setting here" in told


@pytest.mark.parametrize("name", ["request_timeout", "max_retry_seconds", "max_removal_percent"])
def test_number_beyond_all_numbers_is_told(name: str) -> None:
    assert f"{name}: must be" in problems_of({name: 10**400})


def test_number_beyond_all_numbers_of_a_stream_is_told() -> None:
    told = problems_of({"streams": {"audience": {"max_removal_percent": 10**400}}})

    assert "streams.audience.max_removal_percent: must be" in told


@pytest.mark.parametrize("value", ["x", 5, [], {"a": 1}, True])
@pytest.mark.parametrize("within", [False, True])
def test_stream_maps_that_leave_out_others_by_a_wrong_word_are_told(
    value: Any, within: bool
) -> None:
    """The SDK's own schema holds what is no schema there, at which validators break."""
    maps = {"__else__": value}

    assert "stream_maps" in problems_of({"stream_maps": {"audience": maps} if within else maps})


def test_schema_of_the_settings_is_one() -> None:
    TargetLaunchDarkly.append_builtin_config(TargetLaunchDarkly.config_jsonschema)

    Draft202012Validator.check_schema(TargetLaunchDarkly.config_jsonschema)


@pytest.mark.parametrize("is_variable", [False, True], ids=["file", "environment"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({f"no such {TOKEN}": 1}, id="name"),
        pytest.param({"streams": {TOKEN: {"nothing": 1}}}, id="stream"),
        pytest.param({"stream_maps": 5, TOKEN.upper(): 1}, id="name-in-another-spelling"),
    ],
)
def test_problem_of_a_setting_never_shows_the_token(
    tmp_path: Path, settings: dict[str, Any], is_variable: bool
) -> None:
    """What is told before the settings are known is told discreetly as well."""
    path, summary = tmp_path / "config.json", tmp_path / "summary.json"
    config = GOOD | settings | {"summary_file": str(summary)}
    variables = {}
    if is_variable:
        variables[f"{VARIABLE}ACCESS_TOKEN"] = config.pop("access_token")
    path.write_text(json.dumps(config))

    result = run(MODULE, "--config", str(path), "--config", "ENV", variables=variables)

    assert result.returncode == 1
    assert "The settings cannot be used" in result.stderr
    assert TOKEN[4:].lower() not in result.stderr.lower()
    assert TOKEN[4:].lower() not in summary.read_text().lower()


@pytest.mark.parametrize("name", ["STREAM_MAPS", "FLATTENING_ENABLED", "BATCH_CONFIG"])
def test_variable_of_the_sdk_s_own_settings_is_not_warned_of(name: str) -> None:
    """Whoever sets it by the environment must not be told that nobody reads it."""
    result = run(MODULE, "--config", "ENV", variables={f"{VARIABLE}{name}": "{}"})

    assert f"{VARIABLE}{name} is none of" not in result.stderr


def test_setting_whose_name_is_no_text_is_told() -> None:
    """A program that makes the settings may have made its names of numbers."""
    odd: dict[Any, Any] = GOOD | {1500: True}

    assert "1500: there is no such setting here" in problems_of(odd)


@pytest.mark.parametrize("name", [f"{VARIABLE}LOGLEVEL", "LOGLEVEL", "SINGER_SDK_LOG_CONFIG"])
@pytest.mark.parametrize("value", ["loud", "10", "a: ["])
def test_log_that_cannot_be_set_up_is_told_with_its_variables(
    tmp_path: Path, name: str, value: str
) -> None:
    if name == "SINGER_SDK_LOG_CONFIG":
        path = tmp_path / "logging.yml"
        path.write_text(value)
        value = str(path)

    result = run(MODULE, "--config", "ENV", variables={name: value})

    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "| ERROR " in line
    assert "the log could not be set up" in line
    assert name in line


@pytest.mark.parametrize(
    "url", ["https://a\\b", "https://a..b", "https://%zz", "https://.", "https://a,b/"]
)
def test_address_that_leads_nowhere_is_told_before_anything_is_tried(url: str) -> None:
    assert "api_url: is no" in problems_of({"api_url": url})


@pytest.mark.parametrize(
    "url", ["https://app.launchdarkly.com", "http://[::1]:9", "https://a-b.c./x"]
)
def test_address_that_may_lead_somewhere_is_taken(url: str) -> None:
    assert TargetLaunchDarkly(config=GOOD | {"api_url": url}).settings.api_url


def test_variable_that_is_nested_too_deeply_is_told_by_its_setting() -> None:
    variables = {f"{VARIABLE}STREAMS": "[" * 100_000, f"{VARIABLE}ACCESS_TOKEN": TOKEN}

    result = run(MODULE, "--config", "ENV", variables=variables)

    assert result.returncode == 1
    assert "streams: must be object" in result.stderr


def test_certificates_that_cannot_be_read_are_told_by_their_variable(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD | {"api_url": "https://127.0.0.1:9"}))
    variables = {"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")}

    result = run(MODULE, "--config", str(path), "--check", variables=variables)

    assert result.returncode == 1
    assert "REQUESTS_CA_BUNDLE" in result.stdout
