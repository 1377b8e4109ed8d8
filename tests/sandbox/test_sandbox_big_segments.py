"""Big segments of the sandbox: instructions and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from launchdarkly_api.models.big_segment_target import BigSegmentTarget
from launchdarkly_api.models.user_segment import UserSegment
from sandbox_client import BETA_USERS, MANY, SEGMENTS, BigClient, refusal

from target_launchdarkly.sandbox import ApiError, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    sandbox.add_segment(
        "many", context_kind="org", included=["a", "b"], excluded=["x"], unbounded=True
    )
    sandbox.add_segment("beta-users")
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BigClient]:
    with requests.Session() as session:
        yield BigClient(sandbox, session)


def test_big_segment_is_read_without_its_keys(client: BigClient) -> None:
    segment = client.segment()
    assert segment.unbounded
    assert segment.unbounded_context_kind == "org"
    assert not segment.included
    assert not segment.included_contexts
    assert segment.import_in_progress is False
    assert segment.unbounded_metadata is not None
    assert segment.unbounded_metadata.included_count == 2
    assert segment.unbounded_metadata.excluded_count == 1


def test_big_segment_is_created_with_its_kind(client: BigClient, sandbox: Sandbox) -> None:
    body = {"key": "new", "name": "New", "unbounded": True, "unboundedContextKind": "device"}
    created = UserSegment.from_json(client.call("POST", SEGMENTS, json=body).text)
    assert created is not None
    assert created.unbounded_context_kind == "device"
    client.patch({"kind": "addBigSegmentIncludedTargets", "values": ["d"]}, path=SEGMENTS + "/new")
    assert sandbox.included("new", "device") == ["d"]


@pytest.mark.parametrize(
    ("kind", "key", "included", "excluded"),
    [
        pytest.param("addBigSegmentIncludedTargets", "c", "abc", "x", id="add-included"),
        pytest.param("removeBigSegmentIncludedTargets", "a", "b", "x", id="remove-included"),
        pytest.param("addBigSegmentExcludedTargets", "y", "ab", "xy", id="add-excluded"),
        pytest.param("removeBigSegmentExcludedTargets", "x", "ab", "", id="remove-excluded"),
    ],
)
def test_big_segment_patch_changes_targets(  # noqa: PLR0917 - a table
    client: BigClient, sandbox: Sandbox, kind: str, key: str, included: str, excluded: str
) -> None:
    assert client.patch({"kind": kind, "values": [key]}).json()["version"] == 2
    assert sandbox.included("many", "org") == list(included)
    assert sandbox.excluded("many", "org") == list(excluded)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        pytest.param(
            {"kind": "addIncludedTargets", "contextKind": "org", "values": ["c"]},
            "standard segments only",
            id="standard-instruction",
        ),
        pytest.param(
            {"kind": "addIncludedUsers", "values": ["c"]}, "standard segments only", id="users"
        ),
        pytest.param(
            {"kind": "addBigSegmentIncludedTargets", "values": ["x"]}, '"x"', id="excluded-key"
        ),
        pytest.param(
            {"kind": "addBigSegmentIncludedTargets", "values": ["k"] * 1_501},
            "1501 operations",
            id="too-many-operations",
        ),
    ],
)
def test_big_segment_patch_is_refused_whole(
    client: BigClient, sandbox: Sandbox, instruction: object, message: str
) -> None:
    added = {"kind": "addBigSegmentIncludedTargets", "values": []}
    assert message in refusal(client.patch(added, instruction))
    assert sandbox.included("many", "org") == ["a", "b"]


# Targets


def test_targets_are_changed_and_asked_about_one_by_one(
    client: BigClient, sandbox: Sandbox
) -> None:
    body = {
        "included": {"add": ["x", "c"], "remove": ["a"]},
        "excluded": {"add": ["a"], "remove": ["x"]},
    }
    assert client.call("POST", MANY + "/contexts", json=body).status_code == 204
    assert sandbox.included("many", "org") == ["b", "x", "c"]
    assert sandbox.excluded("many", "org") == ["a"]
    state = BigSegmentTarget.from_json(client.call("GET", MANY + "/contexts/x").text)
    assert state is not None
    assert (state.user_key, state.included, state.excluded) == ("x", True, False)


def test_target_key_may_hold_any_character(client: BigClient, sandbox: Sandbox) -> None:
    client.call("POST", MANY + "/contexts", json={"included": {"add": ["a/b ü"]}})
    state = client.call("GET", MANY + "/contexts/a%2Fb%20%C3%BC").json()
    assert state == {"userKey": "a/b ü", "included": True, "excluded": False}


def test_targets_that_are_there_already_do_not_count_as_a_change(client: BigClient) -> None:
    client.call("POST", MANY + "/contexts", json={"included": {"add": ["a"]}})
    assert client.segment().version == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="no-object"),
        pytest.param({"included": ["c"]}, id="list-without-action"),
        pytest.param({"included": {"add": "c"}}, id="no-list"),
        pytest.param({"included": {"add": ["c"]}, "excluded": {"add": ["c"]}}, id="both-sides"),
    ],
)
def test_targets_are_refused_when_malformed(
    client: BigClient, sandbox: Sandbox, body: object
) -> None:
    refusal(client.call("POST", MANY + "/contexts", json=body))
    assert sandbox.included("many", "org") == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/contexts", id="change-targets"),
        pytest.param("GET", "/contexts/a", id="ask-about-a-target"),
        pytest.param("GET", "/imports/i", id="ask-about-an-import"),
    ],
)
def test_big_segment_operation_is_refused_for_a_standard_segment(
    client: BigClient, method: str, path: str
) -> None:
    assert "standard segment" in refusal(client.call(method, BETA_USERS + path, json={}))


# In process


@pytest.mark.parametrize(
    ("key", "context_kind", "status"),
    [
        pytest.param("a b", "user", 400, id="malformed-key"),
        pytest.param("fine", "a b", 400, id="malformed-kind"),
        pytest.param("many", "user", 409, id="taken-key"),
    ],
)
def test_segment_is_put_in_place_only_when_well_formed(
    sandbox: Sandbox, key: str, context_kind: str, status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        sandbox.add_segment(key, context_kind=context_kind)
    assert caught.value.status == status
