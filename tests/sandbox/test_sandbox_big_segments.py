"""Big segments of the sandbox: instructions, targets, imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from launchdarkly_api.models.big_segment_target import BigSegmentTarget
from launchdarkly_api.models.model_import import ModelImport
from launchdarkly_api.models.status_conflict_error_rep import StatusConflictErrorRep
from launchdarkly_api.models.user_segment import UserSegment

from target_launchdarkly.sandbox import ApiError, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
SEGMENTS = "/api/v2/segments/default/test"
MANY = SEGMENTS + "/many"
BETA_USERS = SEGMENTS + "/beta-users"


class Client:
    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self._sandbox = sandbox
        self._session = session

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": "api-sandbox"} | options.pop("headers", {})
        url = self._sandbox.url + path
        return self._session.request(method, url, headers=headers, timeout=30, **options)

    def patch(self, *instructions: object, path: str = MANY) -> requests.Response:
        body = {"environmentKey": "test", "instructions": instructions}
        return self.call("PATCH", path, json=body, headers={"Content-Type": SEMANTIC_PATCH})

    def upload(self, content: bytes, mode: str = "replace", path: str = MANY) -> requests.Response:
        file = ("keys.csv", content, "text/csv")
        return self.call("POST", path + "/imports", files={"file": file}, data={"mode": mode})

    def poll(self, path: str) -> str:
        one = ModelImport.from_json(self.call("GET", path).text)
        assert one is not None
        return str(one.status)

    def segment(self) -> UserSegment:
        segment = UserSegment.from_json(self.call("GET", MANY).text)
        assert segment is not None
        return segment


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
def client(sandbox: Sandbox) -> Iterator[Client]:
    with requests.Session() as session:
        yield Client(sandbox, session)


def refusal(answer: requests.Response) -> str:
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    return str(answer.json()["message"])


def test_big_segment_is_read_without_its_keys(client: Client) -> None:
    segment = client.segment()
    assert segment.unbounded
    assert segment.unbounded_context_kind == "org"
    assert not segment.included
    assert not segment.included_contexts
    assert segment.import_in_progress is False
    assert segment.unbounded_metadata is not None
    assert segment.unbounded_metadata.included_count == 2
    assert segment.unbounded_metadata.excluded_count == 1


def test_big_segment_is_created_with_its_kind(client: Client, sandbox: Sandbox) -> None:
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
    client: Client, sandbox: Sandbox, kind: str, key: str, included: str, excluded: str
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
    client: Client, sandbox: Sandbox, instruction: object, message: str
) -> None:
    added = {"kind": "addBigSegmentIncludedTargets", "values": []}
    assert message in refusal(client.patch(added, instruction))
    assert sandbox.included("many", "org") == ["a", "b"]


# Targets


def test_targets_are_changed_and_asked_about_one_by_one(client: Client, sandbox: Sandbox) -> None:
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


def test_target_key_may_hold_any_character(client: Client, sandbox: Sandbox) -> None:
    client.call("POST", MANY + "/contexts", json={"included": {"add": ["a/b ü"]}})
    state = client.call("GET", MANY + "/contexts/a%2Fb%20%C3%BC").json()
    assert state == {"userKey": "a/b ü", "included": True, "excluded": False}


def test_targets_that_are_there_already_do_not_count_as_a_change(client: Client) -> None:
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
def test_targets_are_refused_when_malformed(client: Client, sandbox: Sandbox, body: object) -> None:
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
    client: Client, method: str, path: str
) -> None:
    assert "standard segment" in refusal(client.call(method, BETA_USERS + path, json={}))


# Imports


def test_import_replaces_the_targets_when_it_completes(client: Client, sandbox: Sandbox) -> None:
    answer = client.upload(b"c,extra\r\n\r\nd\r\n")
    path = answer.headers["Location"]
    assert answer.status_code == 204
    assert path.startswith(MANY + "/imports/")
    assert client.segment().import_in_progress
    assert client.poll(path) == "in_progress"
    assert sandbox.included("many", "org") == ["a", "b"]
    assert client.poll(path) == "complete"
    assert sandbox.included("many", "org") == ["c", "d"]
    assert sandbox.excluded("many", "org") == ["x"]
    assert (client.segment().import_in_progress, client.segment().version) == (False, 2)
    assert client.poll(path) == "complete"
    assert client.segment().version == 2


def test_import_is_described_as_documented(client: Client) -> None:
    path = client.upload(b"c\n").headers["Location"]
    one = ModelImport.from_json(client.call("GET", path).text)
    assert one is not None
    assert one.files is not None
    assert (one.segment_key, one.mode, one.files[0].filename) == ("many", "replace", "keys.csv")
    assert one.links["self"].href == path


def test_import_merges_when_told(client: Client, sandbox: Sandbox) -> None:
    sandbox.import_polls = 0
    client.upload(b"c\na\n", mode="merge")
    assert sandbox.included("many", "org") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        pytest.param("\ufeffü\n".encode(), ["ü"], id="byte-order-mark"),
        pytest.param(b'"a,b"\n"a ""b"""\n"a\nb"\n', ["a,b", 'a "b"', "a\nb"], id="quoted"),
        pytest.param(b"c\nd\nc", ["c", "d"], id="twice-and-no-last-newline"),
        pytest.param(b"", [], id="empty"),
    ],
)
def test_import_reads_csv(
    client: Client, sandbox: Sandbox, content: bytes, keys: list[str]
) -> None:
    sandbox.import_polls = 0
    assert client.upload(content).status_code == 204
    assert sandbox.included("many", "org") == keys


def test_import_takes_a_file_beyond_any_usual_limit(client: Client, sandbox: Sandbox) -> None:
    sandbox.import_polls = 0
    content = "".join(f"context-key-{number:08d}\n" for number in range(200_000)).encode()
    assert client.upload(content).status_code == 204
    assert len(sandbox.included("many", "org")) == 200_000


def test_import_that_stops_changes_nothing(client: Client, sandbox: Sandbox) -> None:
    sandbox.import_polls = 1
    sandbox.import_outcome = "stopped"
    path = client.upload(b"c\n").headers["Location"]
    assert client.poll(path) == "stopped"
    assert sandbox.included("many", "org") == ["a", "b"]
    assert client.upload(b"c\n").status_code == 204


def test_import_that_waits_for_approval_completes_when_processed(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.import_polls = 1
    sandbox.import_outcome = "pending_approval"
    path = client.upload(b"c\n").headers["Location"]
    assert [client.poll(path), client.poll(path)] == ["pending_approval"] * 2
    instruction = {"kind": "processBigSegmentImport", "importId": path.rpartition("/")[2]}
    assert client.patch(instruction).status_code == 200
    assert client.poll(path) == "complete"
    assert sandbox.included("many", "org") == ["c"]
    assert "pending import" in refusal(client.patch(instruction))


def test_import_conflicts_with_one_in_progress(client: Client) -> None:
    client.upload(b"c\n")
    answer = client.upload(b"d\n")
    error = StatusConflictErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (409, "conflict")


def test_import_is_refused_for_a_standard_segment(client: Client) -> None:
    assert "standard segment" in refusal(client.upload(b"c\n", path=BETA_USERS))


def test_import_is_refused_in_another_mode(client: Client) -> None:
    assert "mode" in refusal(client.upload(b"c\n", mode="append"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"\xff\n", "not UTF-8", id="no-utf-8"),
        pytest.param(b'"a"b\n', "not CSV", id="broken-quotes"),
    ],
)
def test_import_is_refused_for_a_file_that_cannot_be_read(
    client: Client, content: bytes, message: str
) -> None:
    assert message in refusal(client.upload(content))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"json": {}}, "multipart/form-data", id="json"),
        pytest.param({"files": {"other": ("keys.csv", b"c")}}, "file is required", id="no-file"),
        pytest.param({"files": {"file": (None, b"c")}}, "file is required", id="no-filename"),
        pytest.param(
            {"data": b"--", "headers": {"Content-Type": "multipart/form-data"}},
            "Malformed",
            id="no-boundary",
        ),
    ],
)
def test_import_is_refused_without_a_file(
    client: Client, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(client.call("POST", MANY + "/imports", **options))


def test_import_is_forbidden_to_a_read_only_token(client: Client, sandbox: Sandbox) -> None:
    sandbox.read_only = True
    assert client.upload(b"c\n").status_code == 403


def test_import_that_nobody_started_is_not_found(client: Client) -> None:
    answer = client.call("GET", MANY + "/imports/nope")
    assert (answer.status_code, answer.json()["message"]) == (404, "Unknown import nope")


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
