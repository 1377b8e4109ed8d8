"""Answers that show a segment as it was before its last changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox_client import BETA_USERS, SEGMENTS, targets

from target_launchdarkly.sandbox import Fault, ForeignChange

if TYPE_CHECKING:
    from sandbox_client import Client

    from target_launchdarkly.sandbox import Sandbox


def lag(sandbox: Sandbox, method: str, behind: int = 1) -> None:
    sandbox.faults.append(Fault("stale", method=method, behind=behind))


def test_stale_patch_is_applied_but_its_answer_shows_the_segment_before(
    client: Client, sandbox: Sandbox
) -> None:
    client.include("a")
    lag(sandbox, "PATCH")
    stale = client.patch(targets("addIncludedTargets", "b"), targets("addExcludedTargets", "x"))
    assert stale.status_code == 200
    assert (stale.json()["included"], stale.json()["excluded"]) == (["a"], [])
    assert stale.json()["version"] == 2
    fresh = client.get().json()
    assert (fresh["included"], fresh["excluded"], fresh["version"]) == (["a", "b"], ["x"], 3)


def test_stale_patch_that_changes_nothing_shows_the_segment_as_it_is(
    client: Client, sandbox: Sandbox
) -> None:
    client.include("a")
    lag(sandbox, "PATCH")
    assert client.include("a").json()["included"] == ["a"]


def test_stale_patch_is_refused_like_any_other(client: Client, sandbox: Sandbox) -> None:
    lag(sandbox, "PATCH")
    assert client.patch({"kind": "nope"}).status_code == 400


def test_stale_patch_may_lag_further_behind(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    lag(sandbox, "PATCH", behind=2)
    assert client.include("b").json()["included"] == []


@pytest.mark.parametrize(
    ("behind", "included", "version"),
    [
        pytest.param(1, ["a"], 2, id="one"),
        pytest.param(2, [], 1, id="two"),
        pytest.param(9, [], 1, id="more-than-there-were"),
    ],
)
def test_stale_read_shows_the_segment_so_many_changes_ago_once(
    client: Client, sandbox: Sandbox, behind: int, included: list[str], version: int
) -> None:
    client.include("a")
    client.patch(targets("addIncludedTargets", "b", context_kind="org"))
    client.include("a")
    lag(sandbox, "GET", behind)
    stale, fresh = client.get().json(), client.get().json()
    assert (stale["included"], stale["version"]) == (included, version)
    assert stale["includedContexts"] == []
    assert (fresh["included"], fresh["version"]) == (["a"], 3)
    assert fresh["includedContexts"] == [{"contextKind": "org", "values": ["b"]}]


def test_stale_read_of_a_segment_that_never_changed_shows_it_as_it_is(
    client: Client, sandbox: Sandbox
) -> None:
    lag(sandbox, "GET")
    assert client.get().json()["version"] == 1


def test_stale_read_is_not_behind_what_a_test_put_in_place(
    client: Client, sandbox: Sandbox
) -> None:
    client.include("a")
    sandbox.delete_segment("beta-users")
    sandbox.add_segment("beta-users", included=["b"])
    lag(sandbox, "GET")
    assert client.get().json()["included"] == ["b"]
    client.include("c")
    sandbox.forget_past()
    lag(sandbox, "GET")
    assert client.get().json()["included"] == ["b", "c"]


def test_stale_read_shows_a_segment_that_is_gone(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    client.call("DELETE", BETA_USERS)
    lag(sandbox, "GET")
    assert client.get().json()["included"] == ["a"]
    assert client.get().status_code == 404


def test_stale_read_misses_a_segment_that_is_new(client: Client, sandbox: Sandbox) -> None:
    client.call("POST", SEGMENTS, json={"key": "new", "name": "New"})
    lag(sandbox, "GET")
    assert client.get(SEGMENTS + "/new").status_code == 404
    assert client.get(SEGMENTS + "/new").status_code == 200


def test_stale_read_shows_the_segment_that_was_made_anew(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    sandbox.recreate_segment("beta-users")
    lag(sandbox, "GET")
    assert (client.get().json()["included"], client.get().json()["included"]) == (["a"], [])


def test_stale_read_misses_somebody_elses_change(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    ForeignChange("beta-users", remove=("a",))(sandbox)
    lag(sandbox, "GET")
    assert (client.get().json()["included"], client.get().json()["included"]) == (["a"], [])


def test_stale_read_of_a_big_segment_shows_its_former_counts(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.add_segment("many", unbounded=True, included=["a"])
    client.call("POST", SEGMENTS + "/many/contexts", json={"included": {"add": ["b"]}})
    lag(sandbox, "GET")
    counts = [client.get(SEGMENTS + "/many").json()["_unboundedMetadata"] for _ in range(2)]
    assert [one["includedCount"] for one in counts] == [1, 2]
    assert [one["version"] for one in counts] == [1, 2]


def test_stale_read_still_tells_what_is_denied(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    sandbox.read_only = True
    lag(sandbox, "GET")
    assert "_access" in client.get().json()
    sandbox.read_only = False
    lag(sandbox, "GET")
    assert "_access" not in client.get().json()


def test_stale_is_no_trouble_for_other_requests(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("stale"))
    assert client.call("DELETE", BETA_USERS).status_code == 204
