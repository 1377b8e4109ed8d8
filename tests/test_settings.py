"""Settings: what is refused at start, how it is told, and what the defaults are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from messages import members, schema
from singer_sdk.exceptions import ConfigValidationError

from target_launchdarkly.settings import INSTANCES, PROPERTIES, WITHOUT_EFFECT
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

TOKEN = "api-do-not-print-me"
GOOD: dict[str, Any] = {
    "access_token": TOKEN,
    "project_key": "default",
    "environment_key": "test",
    "segment_key": "beta-users",
}
PREFIX = "TARGET_LAUNCHDARKLY_"

#: One wrong value for every setting, in the order of the documentation.
WRONG: dict[str, Any] = {
    "access_token": 7319,
    "api_instance": "mars",
    "api_url": "",
    "project_key": "two words",
    "environment_key": "-begins-with-a-dash",
    "segment_key": "slash/in/it",
    "context_kind": "multi",
    "audience_sync_mode": "delete",
    "context_key_field": "",
    "membership_field": ["is_member"],
    "segment_key_field": 7319,
    "streams": "audience",
    "mirror_source": "guess",
    "audience_size_field": "",
    "trust_end_of_input": "perhaps",
    "max_removal_percent": 101,
    "removal_action": "delete",
    "excluded_key_action": "ignore",
    "invalid_record_action": "ignore",
    "create_segment": "small",
    "comment": 7319,
    "dry_run": "perhaps",
    "batch_size_rows": 1_501,
    "request_timeout": 0,
    "max_retry_seconds": -1,
    # The SDK's own.
    "validate_records": "perhaps",
    "stream_maps": "audience",
    "stream_map_config": "audience",
    "faker_config": "audience",
    "flattening_enabled": "perhaps",
    "flattening_max_depth": "deep",
    "flattening_max_key_length": "long",
    "flattening_separator": 7319,
    "batch_config": "audience",
}

#: More ways to be wrong.
ALSO_WRONG = [
    pytest.param("access_token", "", id="token-empty"),
    pytest.param("access_token", [TOKEN], id="token-in-an-array"),
    pytest.param("access_token", {"value": TOKEN}, id="token-in-an-object"),
    pytest.param("access_token", "sdk-do-not-print-me", id="sdk-key"),
    pytest.param("access_token", "mob-do-not-print-me", id="mobile-key"),
    pytest.param("access_token", f"{TOKEN}\n", id="token-with-newline"),
    pytest.param("access_token", f" {TOKEN}", id="token-with-blank"),
    pytest.param("access_token", f"{TOKEN}é", id="token-not-ascii"),
    pytest.param("api_url", "app.launchdarkly.com", id="url-without-scheme"),
    pytest.param("api_url", "ftp://app.launchdarkly.com", id="url-of-another-scheme"),
    pytest.param("api_url", "https://", id="url-without-host"),
    pytest.param("api_url", "https://[::1", id="url-malformed"),
    pytest.param("api_url", "https://host:port", id="url-with-a-port-that-is-no-number"),
    pytest.param("api_url", "https://me:do-not-print-me@host", id="url-with-password"),
    pytest.param("api_url", "https://host?key=do-not-print-me", id="url-with-query"),
    pytest.param("api_url", "https://host#do-not-print-me", id="url-with-fragment"),
    pytest.param("api_url", "http://app.launchdarkly.com", id="http-to-another-host"),
    pytest.param("api_url", "http://192.168.0.1:8765", id="http-to-a-private-address"),
    pytest.param("api_url", "http://127.0.0.1.example.com", id="http-to-a-lookalike"),
    pytest.param("project_key", "", id="project-empty"),
    pytest.param("project_key", "default\n", id="project-with-newline"),
    pytest.param("environment_key", "..", id="environment-dots"),
    pytest.param("segment_key", "", id="segment-empty"),
    pytest.param("segment_key", "beta-users\n", id="segment-with-newline"),
    pytest.param("context_kind", "", id="kind-empty"),
    pytest.param("context_kind", "kind", id="kind-reserved"),
    pytest.param("context_kind", "two words", id="kind-with-blank"),
    pytest.param("audience_sync_mode", "Mirror", id="mode-in-another-case"),
    pytest.param("context_key_field", "  ", id="key-field-blank"),
    pytest.param("membership_field", "  ", id="flag-field-blank"),
    pytest.param("membership_field", "context_key", id="flag-field-is-the-key-field"),
    pytest.param("comment", "", id="comment-empty"),
    pytest.param("dry_run", "true", id="boolean-as-text"),
    pytest.param("dry_run", 1, id="boolean-as-number"),
    pytest.param("batch_size_rows", 0, id="no-rows-a-request"),
    pytest.param("batch_size_rows", -1, id="negative-rows-a-request"),
    pytest.param("batch_size_rows", 1.5, id="fraction-of-rows"),
    pytest.param("batch_size_rows", "1500", id="rows-as-text"),
    pytest.param("batch_size_rows", True, id="rows-as-boolean"),
    pytest.param("request_timeout", -1, id="timeout-negative"),
    pytest.param("request_timeout", "60", id="timeout-as-text"),
    pytest.param("request_timeout", float("nan"), id="timeout-nan"),
    pytest.param("request_timeout", float("inf"), id="timeout-infinite"),
    pytest.param("max_retry_seconds", "600", id="patience-as-text"),
    pytest.param("max_retry_seconds", float("nan"), id="patience-nan"),
]


def problems_of(config: dict[str, Any], *, parse_env_config: bool = False) -> list[str]:
    """Return the problems that the target tells at its start; no request is made."""
    with pytest.raises(ConfigValidationError) as caught:
        TargetLaunchDarkly(config=dict(config), parse_env_config=parse_env_config)
    told = repr(caught.value) + "".join(caught.value.errors)
    assert "do-not-print-me" not in told
    assert "7319" not in told
    return caught.value.errors


def target(**more: Any) -> TargetLaunchDarkly:
    return TargetLaunchDarkly(config=GOOD | more)


def names(problems: list[str]) -> list[str]:
    return [problem.partition(":")[0] for problem in problems]


# Refused


@pytest.mark.parametrize(
    ("name", "value"),
    [*(pytest.param(name, value, id=name) for name, value in WRONG.items()), *ALSO_WRONG],
)
def test_wrong_value_is_told_by_its_settings_name_only(name: str, value: Any) -> None:
    """Each problem begins with the setting's name, says more, and never quotes the value."""
    problems = problems_of(GOOD | {name: value})

    assert problems
    for problem in problems:
        assert problem.startswith(f"{name}: ")
        assert problem.endswith((".", "?"))
        assert len(problem) > len(name) + 10


def test_table_of_wrong_values_has_every_setting() -> None:
    assert set(TargetLaunchDarkly.config_jsonschema["properties"]) <= set(WRONG)


def test_all_problems_are_told_at_once() -> None:
    assert set(names(problems_of(WRONG))) == set(WRONG)


def test_all_missing_settings_are_told_at_once_with_their_variables() -> None:
    problems = problems_of({})

    required = ["access_token", "project_key", "environment_key"]
    assert names(problems)[:3] == required
    for name, problem in zip(required, problems, strict=False):
        assert PREFIX + name.upper() in problem
        assert "--config ENV" in problem


def test_all_contradictions_are_told_at_once() -> None:
    problems = problems_of(
        GOOD
        | {
            "access_token": "sdk-do-not-print-me",
            "api_url": "http://example.com",
            "membership_field": "context_key",
            "removal_action": "exclude",
            "batch_size_rows": 1,
        }
    )

    assert set(names(problems)) == {
        "access_token",
        "api_url",
        "membership_field",
        "batch_size_rows",
    }


def test_wrong_values_and_contradictions_are_told_at_once() -> None:
    """Nobody should correct one setting only to be told of the next."""
    problems = problems_of(
        GOOD
        | {
            "access_token": "sdk-do-not-print-me",
            "api_url": "http://example.com",
            "project_key": "two words",
            "typo": 1,
        }
    )

    assert set(names(problems)) == {"access_token", "api_url", "project_key", "typo"}


@pytest.mark.parametrize(
    "two_operations",
    [{"removal_action": "exclude"}, {"excluded_key_action": "include"}],
    ids=["exclude", "include"],
)
def test_two_operations_a_key_need_room_for_two(two_operations: dict[str, Any]) -> None:
    [problem] = problems_of(GOOD | two_operations | {"batch_size_rows": 1})

    assert problem.startswith("batch_size_rows: ")
    assert target(**two_operations, batch_size_rows=2).settings.batch_size_rows == 2


def test_segment_key_that_is_missing_is_told() -> None:
    [problem] = problems_of({name: GOOD[name] for name in GOOD if name != "segment_key"})

    assert problem.startswith("segment_key: ")


@pytest.mark.parametrize(
    ("own", "name"),
    [
        pytest.param({"audience_sync_mode": "delete"}, "audience_sync_mode", id="wrong-value"),
        pytest.param({"segment_key": "two words"}, "segment_key", id="malformed-key"),
        pytest.param({"context_kind": "multi"}, "context_kind", id="reserved-kind"),
        pytest.param({"contxt_kind": "user"}, "contxt_kind", id="typo"),
        pytest.param({"membership_field": "context_key"}, "membership_field", id="same-property"),
        pytest.param({"access_token": TOKEN}, "access_token", id="not-for-one-stream"),
    ],
)
def test_problem_of_one_stream_is_told_with_its_path(own: dict[str, Any], name: str) -> None:
    problems = problems_of(GOOD | {"streams": {"audience": own}})

    assert problems
    for problem in problems:
        assert problem.startswith("streams.audience")
        assert name in problem


def test_segment_key_may_be_named_by_the_streams_alone() -> None:
    config = {name: GOOD[name] for name in GOOD if name != "segment_key"}
    config["streams"] = {"audience": {"segment_key": "beta-users"}}

    settings = TargetLaunchDarkly(config=config).settings

    assert settings.for_stream("audience").segment_key == "beta-users"


@pytest.mark.parametrize("name", ["access_token", "project_key", "environment_key", "segment_key"])
def test_null_of_a_setting_that_is_needed_is_told_as_missing(name: str) -> None:
    assert names(problems_of(GOOD | {name: None})) == [name]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("acess_token", "access_token"),
        ("dryrun", "dry_run"),
        ("batch_size", "batch_size_rows"),
        ("sync_mode", "audience_sync_mode"),
        ("segmentkey", "segment_key"),
        ("Comment", "comment"),
    ],
)
def test_unknown_setting_is_refused_with_the_nearest_name(typo: str, meant: str) -> None:
    """A typo must not switch a guard off."""
    [problem] = problems_of(GOOD | {typo: "7319"})

    assert problem.startswith(f"{typo}: ")
    assert f"'{meant}'" in problem


def test_unknown_setting_like_no_other_leads_to_the_list() -> None:
    [problem] = problems_of(GOOD | {"zzzzzz": 1})

    assert problem.startswith("zzzzzz: ")
    assert "--about" in problem


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_sdk_setting_without_effect_is_accepted_and_not_documented(name: str) -> None:
    """Meltano projects carry them along."""
    assert target(**{name: None}).settings
    assert target(**{name: "append-only" if name == "load_method" else True}).settings
    assert name not in TargetLaunchDarkly.config_jsonschema["properties"]


# Accepted


@pytest.mark.parametrize(
    "api_url",
    [
        "http://127.0.0.1:8765",
        "http://127.1.2.3",
        "http://localhost:8765",
        "http://[::1]:8765",
        "https://launchdarkly.example.com",
        "https://proxy.example.com/launchdarkly",
    ],
)
def test_api_url_takes_https_anywhere_and_http_to_this_machine(api_url: str) -> None:
    assert target(api_url=api_url).settings.api_url == api_url


@pytest.mark.parametrize(("instance", "url"), INSTANCES.items())
def test_api_instance_chooses_the_url(instance: str, url: str) -> None:
    assert target(api_instance=instance).settings.api_url == url


def test_instances_are_those_of_launchdarkly() -> None:
    assert INSTANCES == {
        "us": "https://app.launchdarkly.com",
        "eu": "https://app.eu.launchdarkly.com",
        "federal": "https://app.launchdarkly.us",
    }


def test_defaults_hold_where_nothing_is_set() -> None:
    settings = target().settings

    assert settings.api_url == "https://app.launchdarkly.com"
    assert settings.removal_action == "remove"
    assert settings.excluded_key_action == "skip"
    assert settings.invalid_record_action == "fail"
    assert settings.comment is None
    assert settings.dry_run is False
    assert settings.batch_size_rows == 1_500
    assert settings.request_timeout == 60
    assert settings.max_retry_seconds == 600
    stream = settings.for_stream("audience")
    assert stream.segment_key == "beta-users"
    assert stream.context_kind == "user"
    assert stream.audience_sync_mode == "add"
    assert stream.context_key_field == "context_key"
    assert stream.membership_field == "is_member"


def test_null_means_unset() -> None:
    """Meltano passes settings that nobody set as null: the default holds."""
    nulls = dict.fromkeys(PROPERTIES) | GOOD

    assert TargetLaunchDarkly(config=nulls).settings == target().settings


def test_settings_do_not_show_the_token() -> None:
    assert TOKEN not in repr(target().settings)


def test_whole_number_with_a_point_is_an_integer() -> None:
    """JSON knows one kind of number; requests are cut by it either way."""
    assert target(batch_size_rows=2.0).settings.batch_size_rows == 2


# Described


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_setting_has_title_and_description(name: str) -> None:
    setting = PROPERTIES[name]

    assert setting["title"]
    assert setting["description"].endswith(".")


def test_access_token_alone_is_secret() -> None:
    """Meltano and Hub redact what is marked so."""
    assert [name for name, setting in PROPERTIES.items() if setting.get("secret")] == [
        "access_token"
    ]


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
