"""What the requests of a sync hold, as LaunchDarkly receives them."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from messages import keys, leavers, members, schema
from running import SEGMENT, TOKEN
from sent_requests import bodies, methods

from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.errors import LaunchDarklyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

# Whole bodies


def test_body_for_users(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """Removals come before additions in one patch; keys keep the order of the records."""
    sandbox.add_segment("table", included=["old-1", "old-2"])

    run = sync(
        [schema(), *members("z", "a"), *leavers("old-2"), *members("m m,m"), *leavers("old-1")],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert bodies(sandbox) == [
        {
            "environmentKey": "test",
            "instructions": [
                {
                    "kind": "removeIncludedTargets",
                    "contextKind": "user",
                    "values": ["old-2", "old-1"],
                },
                {
                    "kind": "addIncludedTargets",
                    "contextKind": "user",
                    "values": ["z", "a", "m m,m"],
                },
            ],
        }
    ]


def test_body_for_another_kind_with_comment(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("table", context_kind="organization", included=["gone"])

    run = sync(
        [schema(), *members("Zoë 🦊"), *leavers("gone")],
        segment_key="table",
        context_kind="organization",
        audience_sync_mode="mirror",
        comment="Nightly, Zoë",
    )

    assert run.error is None
    assert bodies(sandbox) == [
        {
            "environmentKey": "test",
            "instructions": [
                {
                    "kind": "removeIncludedTargets",
                    "contextKind": "organization",
                    "values": ["gone"],
                },
                {
                    "kind": "addIncludedTargets",
                    "contextKind": "organization",
                    "values": ["Zoë 🦊"],
                },
            ],
            "comment": "Nightly, Zoë",
        }
    ]
    assert sandbox.included("table", "organization") == ["Zoë 🦊"]
    assert sandbox.included("table", "user") == []


def test_comment_is_in_every_patch(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members(*keys(5))], comment="Nightly", batch_size_rows=2)

    assert [body["comment"] for body in bodies(sandbox)] == ["Nightly"] * 3


# Headers and URLs


def test_headers_of_every_request(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members(*keys(3))], batch_size_rows=2)

    assert methods(sandbox) == {"GET": 1, "PATCH": 2}
    for exchange in sandbox.requests:
        assert exchange.headers["authorization"] == TOKEN
        assert exchange.headers["ld-api-version"] == "20240415"
        user_agent = f"target-launchdarkly/{version('target-launchdarkly')}"
        assert exchange.headers["user-agent"] == user_agent
        assert exchange.headers.get("content-type") == (
            None
            if exchange.method == "GET"
            else "application/json; domain-model=launchdarkly.semanticpatch"
        )


def test_urls_name_project_environment_and_segment(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sync([schema(), *members("a")])

    assert [(each.method, each.path) for each in sandbox.requests] == [
        ("GET", f"/api/v2/segments/default/test/{SEGMENT}"),
        ("PATCH", f"/api/v2/segments/default/test/{SEGMENT}"),
    ]


def test_api_url_may_end_with_a_slash(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members("a")], api_url=f"{sandbox.url}/")

    assert sandbox.requests[0].path == f"/api/v2/segments/default/test/{SEGMENT}"


def test_keys_are_quoted_in_urls(sandbox: Sandbox) -> None:
    """A key can never reach into another path, whoever checks it before."""
    client = Client(Connection(sandbox.url, "de/fault", "te st?", "tests"), TOKEN)

    with pytest.raises(LaunchDarklyError):
        client.get_segment("../ü#%2F")

    [exchange] = sandbox.requests
    assert exchange.path == "/api/v2/segments/de%2Ffault/te%20st%3F/..%2F%C3%BC%23%252F"
