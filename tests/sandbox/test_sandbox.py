"""The sandbox against LaunchDarkly's documented rules, over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests
from launchdarkly_api.models.caller_identity_rep import CallerIdentityRep
from launchdarkly_api.models.environment import Environment
from launchdarkly_api.models.forbidden_error_rep import ForbiddenErrorRep
from launchdarkly_api.models.method_not_allowed_error_rep import MethodNotAllowedErrorRep
from launchdarkly_api.models.not_found_error_rep import NotFoundErrorRep
from launchdarkly_api.models.project import Project
from launchdarkly_api.models.status_conflict_error_rep import StatusConflictErrorRep
from launchdarkly_api.models.unauthorized_error_rep import UnauthorizedErrorRep
from launchdarkly_api.models.user_segments import UserSegments
from sandbox_client import BETA_USERS, SEGMENTS, contexts, read, refusal, targets

from target_launchdarkly.sandbox import Sandbox
from target_launchdarkly.sandbox.web import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox_client import Client, Clock

TOKEN = "api-sandbox"


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment("beta-users", included=["a", "b"], excluded=["x"])
    with sandbox.serve():
        yield sandbox


# Reading


def test_segment_is_read_with_its_user_targets(client: Client) -> None:
    answer = client.call("GET", BETA_USERS)
    segment = read(answer)
    assert answer.headers["Content-Type"] == "application/json"
    assert (segment.key, segment.version, segment.unbounded) == ("beta-users", 1, False)
    assert (segment.included, segment.excluded) == (["a", "b"], ["x"])
    assert segment.creation_date == 1_700_000_000_000


def test_segment_lists_another_kind_among_its_contexts(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_segment("orgs", context_kind="org", included=["o"], excluded=["p"])
    segment = read(client.call("GET", SEGMENTS + "/orgs"))
    assert (segment.included, segment.excluded) == ([], [])
    assert contexts(segment.included_contexts) == {"org": ["o"]}
    assert contexts(segment.excluded_contexts) == {"org": ["p"]}


def test_segment_names_another_kind_even_without_targets(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_segment("orgs", context_kind="org")
    assert contexts(read(client.call("GET", SEGMENTS + "/orgs")).included_contexts) == {"org": []}


def test_segment_shows_what_is_denied_to_a_read_only_token(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.read_only = True
    access = read(client.call("GET", BETA_USERS)).access
    assert access is not None
    assert [one.action for one in access.denied] == [
        "updateIncluded",
        "updateExcluded",
        "updateExpiringTargets",
        "createSegmentExport",
    ]
    assert {one.reason.effect for one in access.denied} == {"deny"}


def test_list_gives_a_page_and_the_total(client: Client, sandbox: Sandbox) -> None:
    for number in range(3):
        sandbox.add_segment(f"more-{number}")
    answer = client.call("GET", SEGMENTS, params={"limit": 2, "offset": 1})
    page = UserSegments.from_json(answer.text)
    assert page is not None
    assert [one.key for one in page.items] == ["more-0", "more-1"]
    assert page.total_count == 4


def test_list_refuses_a_limit_that_is_no_number(client: Client) -> None:
    assert refusal(client.call("GET", SEGMENTS + "?limit=-1")) == "limit must be a whole number"


def test_head_is_answered_like_get_without_a_body(client: Client) -> None:
    answer = client.call("HEAD", BETA_USERS)
    assert (answer.status_code, answer.text) == (200, "")


def test_project_environment_and_caller_can_be_read(client: Client, sandbox: Sandbox) -> None:
    sandbox.approval_required = True
    project = Project.from_json(client.call("GET", "/api/v2/projects/default").text)
    path = "/api/v2/projects/default/environments/test"
    environment = Environment.from_json(client.call("GET", path).text)
    caller = CallerIdentityRep.from_json(client.call("GET", "/api/v2/caller-identity").text)
    assert project is not None
    assert environment is not None
    assert environment.approval_settings is not None
    assert caller is not None
    assert (project.key, environment.key, caller.token_kind) == ("default", "test", "auth")
    assert environment.approval_settings.required


# Refusals


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="empty"),
        pytest.param("other", id="another-token"),
        pytest.param(f"Bearer {TOKEN}", id="bearer"),
    ],
)
def test_token_is_refused_unless_it_stands_bare(client: Client, authorization: str) -> None:
    answer = client.call("GET", BETA_USERS, headers={"Authorization": authorization})
    error = UnauthorizedErrorRep.from_json(answer.text)
    assert error is not None
    assert answer.status_code == 401
    assert (error.code, error.message) == ("unauthorized", "Invalid access token")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param(
            "segments/nope/test/beta-users", "Unknown project key nope", id="project-of-segment"
        ),
        pytest.param(
            "segments/default/nope/beta-users",
            "Unknown environment key nope",
            id="environment-of-segment",
        ),
        pytest.param("segments/default/test/nope", "Unknown segment key nope", id="segment"),
        pytest.param("projects/nope", "Unknown project key nope", id="project"),
        pytest.param(
            "projects/default/environments/nope", "Unknown environment key nope", id="environment"
        ),
        pytest.param("nope", "Invalid resource identifier", id="route"),
    ],
)
def test_not_found_names_the_unknown_part(client: Client, path: str, message: str) -> None:
    answer = client.call("GET", "/api/v2/" + path)
    error = NotFoundErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code, error.message) == (404, "not_found", message)


def test_method_without_a_route_is_refused_with_those_allowed(client: Client) -> None:
    answer = client.call("PUT", BETA_USERS)
    error = MethodNotAllowedErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (405, "method_not_allowed")
    assert "PATCH" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda client: client.patch(targets("addIncludedTargets", "c")), id="patch"),
        pytest.param(
            lambda client: client.call("POST", SEGMENTS, json={"key": "k", "name": "n"}),
            id="create",
        ),
        pytest.param(lambda client: client.call("DELETE", BETA_USERS), id="delete"),
    ],
)
def test_read_only_token_changes_nothing(
    client: Client, sandbox: Sandbox, change: Callable[[Client], requests.Response]
) -> None:
    sandbox.read_only = True
    answer = change(client)
    error = ForbiddenErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (403, "forbidden")
    assert error.message == "Access to the requested resource was denied"
    assert sandbox.included("beta-users") == ["a", "b"]


def test_patch_is_forbidden_where_approval_is_required(client: Client, sandbox: Sandbox) -> None:
    sandbox.approval_required = True
    answer = client.patch(targets("addIncludedTargets", "c"))
    error = ForbiddenErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (403, "forbidden")
    assert "approval is required" in error.message
    assert sandbox.included("beta-users") == ["a", "b"]


def test_synced_segment_refuses_patches(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_segment("cohort", external="amplitude", unbounded=True)
    path = SEGMENTS + "/cohort"
    assert read(client.call("GET", path)).external == "amplitude"
    instruction = {"kind": "addBigSegmentIncludedTargets", "values": ["c"]}
    assert "amplitude" in refusal(client.patch(instruction, path=path))


# Creating and deleting


def test_segment_is_created_as_described(client: Client) -> None:
    body = {"key": "new", "name": "New", "description": "Fresh", "tags": ["t"]}
    answer = client.call("POST", SEGMENTS, json=body)
    created = read(answer)
    assert answer.status_code == 201
    assert (created.key, created.name, created.description, created.tags) == (
        "new",
        "New",
        "Fresh",
        ["t"],
    )
    assert read(client.call("GET", SEGMENTS + "/new")) == created


def test_creating_a_segment_conflicts_with_a_key_that_is_taken(client: Client) -> None:
    answer = client.call("POST", SEGMENTS, json={"key": "beta-users", "name": "Beta"})
    error = StatusConflictErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (409, "conflict")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"name": None}, "name is required", id="no-name"),
        pytest.param({"key": ""}, "key is required", id="empty-key"),
        pytest.param({"key": "a b"}, "Malformed segment key", id="malformed-key"),
        pytest.param({"unbounded": "yes"}, "unbounded must be", id="unbounded-no-boolean"),
        pytest.param({"unboundedContextKind": 1}, "must be a string", id="kind-no-string"),
        pytest.param({"unboundedContextKind": "a b"}, "Malformed context kind", id="bad-kind"),
        pytest.param({"description": 1}, "description must be", id="description-no-string"),
        pytest.param({"tags": "t"}, "tags must be", id="tags-no-list"),
    ],
)
def test_creating_a_segment_is_refused_when_malformed(
    client: Client, change: dict[str, object], message: str
) -> None:
    body = {"key": "new", "name": "New"} | change
    assert message in refusal(client.call("POST", SEGMENTS, json=body))
    assert client.call("GET", SEGMENTS + "/new").status_code == 404


def test_creating_a_segment_takes_an_object_only(client: Client) -> None:
    assert "JSON object" in refusal(client.call("POST", SEGMENTS, json=[]))


def test_segment_is_gone_after_delete(client: Client) -> None:
    assert client.call("DELETE", BETA_USERS).status_code == 204
    assert client.call("GET", BETA_USERS).status_code == 404


# In process


def test_url_is_unknown_before_serving() -> None:
    with pytest.raises(RuntimeError, match=re.escape("not served yet")):
        _ = Sandbox().url


def test_sandbox_stops_at_once_with_an_open_connection(sandbox: Sandbox, client: Client) -> None:
    with sandbox.serve() as again:
        assert client.call("GET", BETA_USERS).status_code == 200
        url = again.url
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        pytest.param("127.0.0.1", "http://127.0.0.1:8765", id="ipv4"),
        pytest.param("::1", "http://[::1]:8765", id="ipv6"),
    ],
)
def test_url_is_one_that_clients_take(host: str, url: str) -> None:
    assert server._url(host, 8765) == url


def test_serving_reports_why_it_could_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_sandbox: Sandbox) -> None:
        raise LookupError("no application")

    monkeypatch.setattr(server, "build_app", fail)
    with pytest.raises(LookupError, match="no application"), Sandbox().serve():
        pytest.fail("served without an application")
