"""Settings: what is refused at start, how it is told, and what the defaults are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from configs import ALSO_WRONG, GOOD, PREFIX, TOKEN, WRONG, names, problems_of, target

from target_launchdarkly.settings import (
    INSTANCES,
    PROPERTIES,
    STREAM_NAMES,
    WITHOUT_EFFECT,
    StreamSettings,
)
from target_launchdarkly.target import TargetLaunchDarkly

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
        pytest.param({"max_removal_percent": 101}, "max_removal_percent", id="above-all"),
        pytest.param({"max_removal_percent": -1}, "max_removal_percent", id="below-none"),
        pytest.param({"max_removal_percent": "20"}, "max_removal_percent", id="number-as-text"),
        pytest.param({"max_removal_percent": float("nan")}, "max_removal_percent", id="nan"),
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
    assert stream.max_removal_percent == 50


@pytest.mark.parametrize(
    ("chosen", "action"),
    [
        pytest.param({}, "skip", id="nothing"),
        pytest.param({"removal_action": "remove"}, "skip", id="remove"),
        pytest.param({"removal_action": "exclude"}, "include", id="exclude"),
        pytest.param(
            {"removal_action": "exclude", "excluded_key_action": None}, "include", id="null"
        ),
        *(
            pytest.param(
                {"removal_action": removal, "excluded_key_action": action},
                action,
                id=f"{removal}-{action}",
            )
            for removal in ("remove", "exclude")
            for action in ("skip", "include", "fail")
        ),
    ],
)
def test_who_comes_back_is_included_where_leaving_excludes(
    chosen: dict[str, Any], action: str
) -> None:
    """What is set holds; what is not set follows `removal_action`."""
    assert target(**chosen).settings.excluded_key_action == action


def test_excluded_key_action_has_no_default_that_the_sdk_would_fill_in() -> None:
    setting = PROPERTIES["excluded_key_action"]

    assert "default" not in setting
    assert f"Default: `{target().settings.excluded_key_action}`;" in setting["description"]


def test_stream_has_its_own_max_removal_percent() -> None:
    settings = target(
        max_removal_percent=20,
        streams={
            "premium": {"segment_key": "premium-users", "max_removal_percent": 0},
            "beta": {"context_kind": "organization"},
        },
    ).settings

    assert settings.stream.max_removal_percent == 20
    assert settings.for_stream("premium").max_removal_percent == 0
    assert settings.for_stream("beta").max_removal_percent == 20


def test_decimal_of_a_config_file_becomes_a_float() -> None:
    """The SDK reads a fraction as a Decimal, which the clock's floats cannot be added to."""
    settings = target(
        max_removal_percent=Decimal("12.5"),
        request_timeout=Decimal("2.5"),
        max_retry_seconds=Decimal("0.5"),
        streams={"audience": {"max_removal_percent": Decimal("33.3")}},
    ).settings

    numbers = [
        settings.stream.max_removal_percent,
        settings.request_timeout,
        settings.max_retry_seconds,
        settings.for_stream("audience").max_removal_percent,
    ]
    assert numbers == [12.5, 2.5, 0.5, 33.3]
    assert {type(number) for number in numbers} == {float}


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


def test_settings_of_one_stream_are_those_of_the_schema_and_of_its_description() -> None:
    streams = PROPERTIES["streams"]

    assert set(STREAM_NAMES) == set(StreamSettings._fields)
    assert set(STREAM_NAMES) == set(streams["additionalProperties"]["properties"])
    assert all(f"`{name}`" in streams["description"] for name in STREAM_NAMES)
