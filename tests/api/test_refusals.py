"""Refusals of LaunchDarkly: told at once, never sent again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from failing_runs import KEY, MESSAGES, assert_failed, methods
from messages import keys, members, schema, state
from running import SEGMENT

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


def answer(status: int, message: str, **more: Any) -> Fault:
    body = json.dumps({"code": "some_code", "message": message})
    return Fault(kind="status", status=status, body=body, **more)


def test_401_says_where_tokens_are_made_and_which_instance_was_asked(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(MESSAGES, access_token="api-of-somebody-else")

    assert_failed(run, "HTTP 401", "access_token", "Authorization", "api_instance", sandbox.url)
    assert "api-of-somebody-else" not in str(run.error)
    assert methods(sandbox) == ["GET"]
    assert sandbox.included(SEGMENT) == []


def test_403_says_which_role_the_token_needs(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.read_only = True

    run = sync(MESSAGES)

    assert_failed(run, "HTTP 403", "Writer", "updateIncluded", "updateExcluded", f"'{SEGMENT}'")
    assert "bypassRequiredSegmentApproval" not in str(run.error)
    assert methods(sandbox).count("PATCH") <= 1
    assert sandbox.included(SEGMENT) == []


def test_403_of_an_approval_says_how_to_get_around_it(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.approval_required = True

    run = sync(MESSAGES)

    assert_failed(run, "approval", "bypassRequiredSegmentApproval", "'test'")
    assert methods(sandbox) == ["GET", "PATCH"]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize(
    ("settings", "told", "untold"),
    [
        pytest.param(
            {"project_key": "nowhere"},
            ["project 'nowhere'", "project_key"],
            ["environment_key", "segment_key"],
            id="project",
        ),
        pytest.param(
            {"environment_key": "nowhere"},
            ["environment 'nowhere'", "environment_key"],
            ["project_key", "segment_key"],
            id="environment",
        ),
        pytest.param(
            {"segment_key": "nowhere"},
            ["segment 'nowhere'", "segment_key"],
            ["project_key", "environment_key"],
            id="segment",
        ),
    ],
)
def test_404_names_the_one_that_is_unknown(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    settings: dict[str, str],
    told: list[str],
    untold: list[str],
) -> None:
    run = sync(MESSAGES, **settings)

    assert_failed(run, "HTTP 404", sandbox.url, *told)
    for text in untold:
        assert text not in str(run.error)
    assert methods(sandbox) == ["GET"]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize("words", ["Invalid resource identifier", "Not found"])
def test_404_that_does_not_say_what_is_unknown_names_all_three(
    sandbox: Sandbox, sync: Callable[..., Run], words: str
) -> None:
    sandbox.faults.append(answer(404, words))

    run = sync(MESSAGES)

    assert_failed(run, "project_key", "environment_key", "segment_key", words)
    assert methods(sandbox) == ["GET"]


def test_400_quotes_launchdarkly_and_counts_operations_but_never_names_keys(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    words = f'Target limit reached at "{KEY}" and bob'
    sandbox.faults.append(answer(400, words, method="PATCH", times=100))

    run = sync(MESSAGES)

    assert_failed(run, "HTTP 400", "Target limit reached", f"'{SEGMENT}'", "2 operations")
    assert sandbox.included(SEGMENT) == []


def test_400_of_the_first_request_is_not_sent_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(answer(400, "Invalid request"))

    run = sync(MESSAGES)

    assert_failed(run, "HTTP 400", "Invalid request", f"'{SEGMENT}'")
    assert methods(sandbox) == ["GET"]


def test_long_words_of_launchdarkly_are_cut(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.faults.append(answer(400, "invalid request " * 100_000))

    run = sync(MESSAGES)

    assert_failed(run, "invalid request invalid")
    assert len(str(run.error)) < 2_000


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(
    sandbox: Sandbox, sync: Callable[..., Run], method: str, status: int
) -> None:
    """The token would go elsewhere."""
    sandbox.faults.append(Fault(kind="redirect", status=status, method=method))

    run = sync(MESSAGES)

    assert_failed(run, f"HTTP {status}", "Redirects are not followed", "api_instance", sandbox.url)
    assert methods(sandbox) == ["GET", "PATCH"][: ["GET", "PATCH"].index(method) + 1]
    assert sandbox.included(SEGMENT) == []


@pytest.mark.parametrize("status", [402, 405, 410, 413, 422])
def test_other_refusals_are_told_with_launchdarklys_words(
    sandbox: Sandbox, sync: Callable[..., Run], status: int
) -> None:
    sandbox.faults.append(answer(status, "Some other reason", method="PATCH"))

    run = sync(MESSAGES)

    assert_failed(run, f"HTTP {status}", "Some other reason", sandbox.url)
    assert methods(sandbox) == ["GET", "PATCH"]
    assert sandbox.included(SEGMENT) == []


def test_failure_after_some_chunks_keeps_them_and_writes_no_state(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(answer(403, "Access denied", method="PATCH", after=2))

    run = sync([schema(), *members(*keys(7)), state({"done": 1})], batch_size_rows=2)

    assert_failed(run, "HTTP 403")
    assert sandbox.included(SEGMENT) == keys(4)
    assert methods(sandbox) == ["GET", "PATCH", "PATCH", "PATCH"]
