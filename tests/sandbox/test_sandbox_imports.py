"""Imports of the sandbox's big segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from launchdarkly_api.models.model_import import ModelImport
from launchdarkly_api.models.status_conflict_error_rep import StatusConflictErrorRep
from sandbox_client import BETA_USERS, MANY, BigClient, refusal

from target_launchdarkly.sandbox import Sandbox

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


def test_import_replaces_the_targets_when_it_completes(client: BigClient, sandbox: Sandbox) -> None:
    answer = client.upload(b"c,extra\r\n\r\nd\r\n")
    path = answer.headers["Location"]
    assert answer.status_code == 204
    assert path.startswith(MANY + "/imports/")
    assert client.segment().import_in_progress
    assert client.poll(path) == "in_progress"
    assert client.poll(path) == "complete"
    assert sandbox.included("many", "org") == ["c", "d"]
    assert sandbox.excluded("many", "org") == ["x"]
    assert (client.segment().import_in_progress, client.segment().version) == (False, 3)
    assert client.poll(path) == "complete"
    assert client.segment().version == 3


def test_import_is_described_as_documented(client: BigClient) -> None:
    path = client.upload(b"c\n").headers["Location"]
    one = ModelImport.from_json(client.call("GET", path).text)
    assert one is not None
    assert one.files is not None
    assert (one.segment_key, one.mode, one.files[0].filename) == ("many", "replace", "keys.csv")
    assert one.links["self"].href == path


def test_import_merges_when_told(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.polls = 0
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
    client: BigClient, sandbox: Sandbox, content: bytes, keys: list[str]
) -> None:
    sandbox.import_rules.polls = 0
    assert client.upload(content).status_code == 204
    assert sandbox.included("many", "org") == keys


def test_import_takes_a_file_beyond_any_usual_limit(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.polls = 0
    content = "".join(f"context-key-{number:08d}\n" for number in range(200_000)).encode()
    assert client.upload(content).status_code == 204
    assert len(sandbox.included("many", "org")) == 200_000


def test_import_that_stops_changes_nothing(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.polls = 1
    sandbox.import_rules.outcome = "stopped"
    path = client.upload(b"c\n").headers["Location"]
    assert client.poll(path) == "stopped"
    assert sandbox.included("many", "org") == ["a", "b"]
    assert client.upload(b"c\n").status_code == 204


def test_import_that_waits_for_approval_completes_when_processed(
    client: BigClient, sandbox: Sandbox
) -> None:
    sandbox.import_rules.polls = 1
    sandbox.import_rules.outcome = "pending_approval"
    path = client.upload(b"c\n").headers["Location"]
    assert [client.poll(path), client.poll(path)] == ["pending_approval"] * 2
    instruction = {"kind": "processBigSegmentImport", "importId": path.rpartition("/")[2]}
    assert client.patch(instruction).status_code == 200
    assert client.poll(path) == "complete"
    assert sandbox.included("many", "org") == ["c"]
    assert "pending import" in refusal(client.patch(instruction))


def test_import_conflicts_with_one_in_progress(client: BigClient) -> None:
    client.upload(b"c\n")
    answer = client.upload(b"d\n")
    error = StatusConflictErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (409, "conflict")


def test_import_is_refused_for_a_standard_segment(client: BigClient) -> None:
    assert "standard segment" in refusal(client.upload(b"c\n", path=BETA_USERS))


def test_import_is_refused_in_another_mode(client: BigClient) -> None:
    assert "mode" in refusal(client.upload(b"c\n", mode="append"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"\xff\n", "not UTF-8", id="no-utf-8"),
        pytest.param(b'"a"b\n', "not CSV", id="broken-quotes"),
    ],
)
def test_import_is_refused_for_a_file_that_cannot_be_read(
    client: BigClient, content: bytes, message: str
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
    client: BigClient, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(client.call("POST", MANY + "/imports", **options))


def test_import_is_forbidden_to_a_read_only_token(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.read_only = True
    assert client.upload(b"c\n").status_code == 403


def test_import_that_nobody_started_is_not_found(client: BigClient) -> None:
    answer = client.call("GET", MANY + "/imports/nope")
    assert (answer.status_code, answer.json()["message"]) == (404, "Unknown import nope")
