"""Configs for tests of the settings: a good one, one wrong value for every setting, and more."""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from target_launchdarkly.target import TargetLaunchDarkly

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
    "expires_at_field": "",
    "streams": "audience",
    "mirror_source": "guess",
    "audience_size_field": "",
    "trust_end_of_input": "perhaps",
    "max_removal_percent": 101,
    "removal_action": "delete",
    "excluded_key_action": "ignore",
    "invalid_record_action": "ignore",
    "create_segment": "small",
    "big_segment_removals": "guess",
    "comment": 7319,
    "changes_file": "",
    "summary_file": "",
    "dry_run": "perhaps",
    "batch_size_rows": 1_501,
    "request_timeout": 0,
    "max_retry_seconds": -1,
    "max_import_seconds": -1,
    # The SDK's own.
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
    pytest.param("api_url", "https://host/a b", id="url-with-blank"),
    pytest.param("api_url", "https://host\nERROR", id="url-with-newline"),
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
    pytest.param("expires_at_field", " ", id="moment-field-blank"),
    pytest.param("expires_at_field", "is_member", id="moment-field-is-the-flag-field"),
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
    pytest.param("max_import_seconds", float("inf"), id="import-patience-infinite"),
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
