"""Patches that are applied late, after their connection was dropped or an error answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from sandbox_client import BETA_USERS, SEGMENTS, SEMANTIC_PATCH, targets

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox_client import Client

    from target_launchdarkly.sandbox import FaultKind, Sandbox


def include_late(client: Client, sandbox: Sandbox, *keys: str, later: int | None = None) -> None:
    sandbox.faults.append(Fault("late-status", method="PATCH", later=later))
    assert client.include(*keys).status_code == 504


def test_late_patch_is_dropped_first_and_applied_when_told(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.append(Fault("late-drop", method="PATCH", later=None))
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        client.include("a")
    assert sandbox.requests[-1].status is None
    assert (sandbox.included("beta-users"), sandbox.late) == ([], 1)
    assert sandbox.apply_late() == 1
    assert (sandbox.included("beta-users"), sandbox.late) == (["a"], 0)


@pytest.mark.parametrize(
    ("status", "answered"),
    [pytest.param(None, 504, id="default"), pytest.param(500, 500, id="own")],
)
def test_late_patch_may_be_answered_with_an_error_first(
    client: Client, sandbox: Sandbox, status: int | None, answered: int
) -> None:
    sandbox.faults.append(Fault("late-status", status=status, headers={"Retry-After": "3"}))
    answer = client.include("a")
    assert (answer.status_code, answer.headers["Retry-After"]) == (answered, "3")
    assert sandbox.included("beta-users") == []


@pytest.mark.parametrize("later", [1, 2, 3])
def test_late_patch_waits_for_so_many_requests(
    client: Client, sandbox: Sandbox, later: int
) -> None:
    include_late(client, sandbox, "a", later=later)
    seen = [client.get().json()["included"] for _ in range(3)]
    assert seen == [[]] * (later - 1) + [["a"]] * (4 - later)
    assert sandbox.late == 0


def test_late_patch_may_come_after_a_request_that_does_not_show_it(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.append(Fault("late-status", method="PATCH", later=1, when="after"))
    client.include("a")
    assert client.get().json()["included"] == []
    assert sandbox.included("beta-users") == ["a"]
    assert client.get().json()["included"] == ["a"]


def test_late_patch_counts_requests_of_every_kind_and_outcome(
    client: Client, sandbox: Sandbox
) -> None:
    include_late(client, sandbox, "a", later=3)
    client.call("GET", "/api/v2/nope")
    client.call("GET", "/sandbox/requests")
    sandbox.faults.append(Fault("status"))
    client.get()
    assert sandbox.included("beta-users") == []
    client.call("DELETE", SEGMENTS + "/nope")
    assert sandbox.included("beta-users") == ["a"]


def test_late_patch_is_applied_once(client: Client, sandbox: Sandbox) -> None:
    include_late(client, sandbox, "a", later=1)
    client.get()
    client.remove("a")
    client.get()
    assert sandbox.apply_late() == 0
    assert sandbox.included("beta-users") == []


def test_late_patch_told_to_apply_does_not_come_again_in_its_turn(
    client: Client, sandbox: Sandbox
) -> None:
    include_late(client, sandbox, "a", later=2)
    sandbox.apply_late()
    client.remove("a")
    client.get()
    assert sandbox.included("beta-users") == []


def test_late_patch_undoes_what_was_said_meanwhile(client: Client, sandbox: Sandbox) -> None:
    include_late(client, sandbox, "a", "b")
    client.include("a", "b")
    client.remove("a")
    sandbox.apply_late()
    answer = client.get().json()
    assert (answer["included"], answer["version"]) == (["b", "a"], 4)


def test_late_patches_are_applied_in_their_order(client: Client, sandbox: Sandbox) -> None:
    include_late(client, sandbox, "a")
    sandbox.faults.append(Fault("late-status", later=None))
    client.remove("a")
    assert sandbox.late == 2
    assert sandbox.apply_late() == 2
    assert sandbox.included("beta-users") == []


def exclude(client: Client, _sandbox: Sandbox) -> None:
    client.patch(targets("addExcludedTargets", "a"))


def delete(client: Client, _sandbox: Sandbox) -> None:
    client.call("DELETE", BETA_USERS)


def forbid(_client: Client, sandbox: Sandbox) -> None:
    sandbox.read_only = True


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(exclude, id="invalid-by-then"),
        pytest.param(delete, id="segment-gone"),
        pytest.param(forbid, id="forbidden-by-then"),
    ],
)
def test_late_patch_that_is_refused_by_then_ends_in_silence(
    client: Client, sandbox: Sandbox, change: Callable[[Client, Sandbox], None]
) -> None:
    include_late(client, sandbox, "a")
    change(client, sandbox)
    assert (sandbox.apply_late(), sandbox.late) == (0, 0)
    assert client.get().json().get("included", []) == []


def test_late_patch_reaches_a_segment_that_was_made_anew(client: Client, sandbox: Sandbox) -> None:
    include_late(client, sandbox, "a")
    sandbox.recreate_segment("beta-users")
    sandbox.apply_late()
    assert sandbox.included("beta-users") == ["a"]


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        pytest.param({"Authorization": "wrong"}, BETA_USERS, id="token"),
        pytest.param({"Content-Type": "text/plain"}, BETA_USERS, id="no-semantic-patch"),
        pytest.param({}, "/api/v2/segments/nope/test/beta-users", id="project"),
        pytest.param({}, "/api/v2/nope", id="route"),
    ],
)
def test_late_patch_that_nobody_would_take_is_answered_but_never_pending(
    client: Client, sandbox: Sandbox, headers: dict[str, str], path: str
) -> None:
    sandbox.faults.append(Fault("late-status", later=None))
    headers = {"Content-Type": SEMANTIC_PATCH} | headers
    answer = client.call("PATCH", path, json={"environmentKey": "test"}, headers=headers)
    assert answer.status_code == 504
    assert sandbox.late == 0


def test_late_status_is_a_plain_error_for_a_request_that_is_no_patch(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.extend([Fault("late-status"), Fault("late-status")])
    assert client.get().status_code == 504
    assert client.call("DELETE", BETA_USERS).status_code == 504
    assert sandbox.late == 0
    assert client.get().status_code == 200


def test_late_drop_is_a_plain_drop_for_a_request_that_is_no_patch(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.append(Fault("late-drop"))
    with pytest.raises(requests.ConnectionError):
        client.call("DELETE", BETA_USERS)
    assert sandbox.late == 0
    assert client.get().status_code == 200


@pytest.mark.parametrize("kind", ["late-drop", "late-status"])
def test_late_patches_can_be_called_off(client: Client, sandbox: Sandbox, kind: FaultKind) -> None:
    sandbox.faults.extend([Fault(kind, later=2), Fault("status")])
    try:
        client.include("a")
    except requests.ConnectionError:
        assert kind == "late-drop"
    sandbox.call_off()
    assert (sandbox.late, len(sandbox.faults)) == (0, 0)
    assert [client.get().json()["included"] for _ in range(3)] == [[]] * 3


def test_late_patch_is_the_tokens_own_change(client: Client, sandbox: Sandbox) -> None:
    include_late(client, sandbox, "a")
    sandbox.apply_late()
    (change,) = sandbox.changes("beta-users")
    assert (change.source, change.tally.added, change.version) == ("patch", 1, 2)
