"""Imports of the sandbox beside one another, with the clock, and on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from launchdarkly_api.models.status_conflict_error_rep import StatusConflictErrorRep
from sandbox_client import MANY, SEGMENTS, BigClient, refusal

from target_launchdarkly.sandbox import NEVER, ApiError, Fault, ForeignImport, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox_client import Clock

OTHER = SEGMENTS + "/other"


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment("many", context_kind="org", included=["a", "b"], unbounded=True)
    sandbox.add_segment("other", included=["o"], unbounded=True)
    sandbox.add_segment("beta-users")
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BigClient]:
    with requests.Session() as session:
        yield BigClient(sandbox, session)


def demand_conflict(answer: requests.Response) -> None:
    error = StatusConflictErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (409, "conflict")


# One at a time


def test_import_conflicts_with_one_of_another_segment_until_that_ends(client: BigClient) -> None:
    first = client.upload(b"c\n", path=OTHER).headers["Location"]
    demand_conflict(client.upload(b"d\n"))
    assert [client.poll(first), client.poll(first)] == ["in_progress", "complete"]
    assert client.upload(b"d\n").status_code == 204


@pytest.mark.parametrize("segment_key", ["many", "other"])
def test_import_conflicts_with_one_of_somebody_else_until_the_clock_ends_that(
    client: BigClient, sandbox: Sandbox, clock: Clock, segment_key: str
) -> None:
    sandbox.read_only = True
    ForeignImport(segment_key, ("f",), seconds=600)(sandbox)
    sandbox.read_only = False
    demand_conflict(client.upload(b"d\n"))
    clock.now += 599
    demand_conflict(client.upload(b"d\n"))
    clock.now += 1
    assert client.upload(b"d\n").status_code == 204
    assert sandbox.changes(segment_key)[0].source == "foreign"
    assert sandbox.included(segment_key, "org" if segment_key == "many" else "user")[-1] == "f"


def test_import_of_somebody_else_may_begin_at_a_request(
    client: BigClient, sandbox: Sandbox
) -> None:
    sandbox.meanwhile(ForeignImport("other"), method="POST")
    demand_conflict(client.upload(b"d\n"))
    assert client.call("GET", OTHER).json()["_importInProgress"]


def test_import_of_somebody_else_waits_its_turn_as_well(
    client: BigClient, sandbox: Sandbox
) -> None:
    client.upload(b"d\n")
    with pytest.raises(ApiError, match="import of many is in progress"):
        ForeignImport("other")(sandbox)


def test_import_of_a_deleted_segment_is_in_nobodys_way(client: BigClient) -> None:
    client.upload(b"c\n", path=OTHER)
    assert client.call("DELETE", OTHER).status_code == 204
    assert client.upload(b"d\n").status_code == 204


# Limits


def test_import_takes_as_many_keys_and_bytes_as_documented(sandbox: Sandbox) -> None:
    rules = sandbox.import_rules
    assert (rules.max_keys, rules.max_bytes) == (1_000_000, 40_000_000)


@pytest.mark.parametrize(
    ("content", "is_taken"),
    [
        pytest.param(b"c\nd\ne\n", True, id="as-many-keys"),
        pytest.param(b"c\n\nd\n\ne", True, id="empty-lines"),
        pytest.param(b"c\nd\ne\nf\n", False, id="one-key-more"),
        pytest.param(b"c\nd\nc\nd\n", False, id="one-line-more"),
        pytest.param(b"c" * 19 + b"\n", True, id="as-many-bytes"),
        pytest.param(b"c" * 19 + b"\n\n", False, id="one-byte-more"),
        pytest.param(b"c," + b"x" * 19, False, id="another-column"),
    ],
)
def test_import_is_refused_above_its_limits(
    client: BigClient, sandbox: Sandbox, content: bytes, *, is_taken: bool
) -> None:
    sandbox.import_rules.max_keys, sandbox.import_rules.max_bytes = 3, 20
    answer = client.upload(content)
    assert answer.status_code == (204 if is_taken else 400)
    if not is_taken:
        assert "more than" in refusal(answer)
        assert sandbox.included("many", "org") == ["a", "b"]


# On its way


def test_import_that_replaces_shows_on_its_way(client: BigClient, sandbox: Sandbox) -> None:
    path = client.upload(b"c\nb\n").headers["Location"]
    assert sandbox.included("many", "org") == ["a", "b"]
    assert client.poll(path) == "in_progress"
    assert sandbox.included("many", "org") == ["c"]
    assert client.poll(path) == "complete"
    assert sandbox.included("many", "org") == ["c", "b"]
    assert sandbox.left("many", "org") == {"a", "b"}
    assert [(one.tally.added, one.tally.removed) for one in sandbox.changes("many")] == [
        (1, 2),
        (1, 0),
    ]


def test_import_that_merges_shows_on_its_way_and_nobody_leaves(
    client: BigClient, sandbox: Sandbox
) -> None:
    path = client.upload(b"b\nc\nd\ne\n", mode="merge").headers["Location"]
    client.poll(path)
    assert sandbox.included("many", "org") == ["a", "b", "c"]
    client.poll(path)
    assert sandbox.included("many", "org") == ["a", "b", "c", "d", "e"]
    assert sandbox.left("many", "org") == set()
    assert [one.tally.added for one in sandbox.changes("many")] == [1, 2]


def test_import_may_be_one_step(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.is_one_step = True
    path = client.upload(b"c\nb\n").headers["Location"]
    client.poll(path)
    assert sandbox.included("many", "org") == ["a", "b"]
    client.poll(path)
    assert sandbox.included("many", "org") == ["c", "b"]
    assert sandbox.left("many", "org") == {"a"}


@pytest.mark.parametrize("by_hand", [False, True])
def test_import_that_is_stopped_on_its_way_leaves_what_showed(
    client: BigClient, sandbox: Sandbox, *, by_hand: bool
) -> None:
    sandbox.import_rules.outcome = "complete" if by_hand else "stopped"
    path = client.upload(b"c\nb\n").headers["Location"]
    client.poll(path)
    if by_hand:
        sandbox.stop_import("many")
    assert client.poll(path) == "stopped"
    assert sandbox.included("many", "org") == ["c"]
    assert not client.segment().import_in_progress


def test_only_an_import_in_progress_can_be_stopped_or_approved(sandbox: Sandbox) -> None:
    for act in (sandbox.stop_import, sandbox.approve_import):
        with pytest.raises(ApiError, match="No import of many"):
            act("many")


# With the clock


def test_import_takes_its_time_however_often_it_is_looked_at(
    client: BigClient, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.import_rules.seconds = 60
    path = client.upload(b"c\n").headers["Location"]
    assert {client.poll(path) for _ in range(5)} == {"in_progress"}
    clock.now += 60
    assert client.poll(path) == "complete"


def test_import_ends_with_the_clock_though_nobody_looks(
    client: BigClient, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.import_rules.polls, sandbox.import_rules.seconds = 0, 60
    client.upload(b"c\nd\n")
    assert sandbox.included("many", "org") == ["c"]
    clock.now += 60
    assert sandbox.included("many", "org") == ["c", "d"]


def test_import_may_never_end(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.polls = NEVER
    path = client.upload(b"c\n").headers["Location"]
    assert {client.poll(path) for _ in range(10)} == {"in_progress"}


# Late


@pytest.mark.parametrize("later", [1, None])
def test_import_may_be_answered_with_an_error_and_start_late(
    client: BigClient, sandbox: Sandbox, later: int | None
) -> None:
    sandbox.import_rules.polls = 0
    sandbox.faults.append(Fault("late-status", method="POST", later=later))
    assert client.upload(b"c\n", mode="merge").status_code == 504
    assert (sandbox.included("many", "org"), sandbox.late) == (["a", "b"], 1)
    client.segment()
    assert sandbox.late == (0 if later else 1)
    sandbox.apply_late()
    assert sandbox.included("many", "org") == ["a", "b", "c"]


def test_import_that_is_late_waits_for_no_other(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("late-status", method="POST", later=None))
    client.upload(b"c\n")
    client.upload(b"d\n", path=OTHER)
    assert sandbox.apply_late() == 0
    assert not client.segment().import_in_progress


@pytest.mark.parametrize("path", ["/contexts", "/exports"])
def test_post_of_another_kind_is_never_late(client: BigClient, sandbox: Sandbox, path: str) -> None:
    sandbox.faults.append(Fault("late-status", method="POST"))
    body = {"included": {"add": ["c"]}}
    assert client.call("POST", MANY + path, json=body).status_code == 504
    assert sandbox.late == 0
    assert sandbox.included("many", "org") == ["a", "b"]


# Approvals


def test_import_waits_where_changes_need_an_approval(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.approval_required = True
    path = client.upload(b"c\n").headers["Location"]
    assert [client.poll(path), client.poll(path)] == ["preparing", "pending_approval"]
    assert sandbox.included("many", "org") == ["a", "b"]
    demand_conflict(client.upload(b"c\n"))
    sandbox.approve_import("many")
    assert client.poll(path) == "complete"


def test_import_of_somebody_else_needs_no_approval(sandbox: Sandbox) -> None:
    sandbox.approval_required = True
    ForeignImport("many", ("c",), seconds=0)(sandbox)
    assert sandbox.included("many", "org") == ["a", "b", "c"]


def test_import_waits_for_an_approval_when_told(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.polls = 1
    file = ("keys.csv", b"c\n", "text/csv")
    data = {"mode": "merge", "waitOnApprovals": "true"}
    answer = client.call("POST", MANY + "/imports", files={"file": file}, data=data)
    assert client.poll(answer.headers["Location"]) == "pending_approval"
    assert sandbox.included("many", "org") == ["a", "b"]
