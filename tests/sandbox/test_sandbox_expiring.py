"""Targets that leave a segment by themselves: the endpoint, its rules, and the sandbox's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from launchdarkly_api.models.expiring_target_get_response import ExpiringTargetGetResponse
from launchdarkly_api.models.expiring_target_patch_response import ExpiringTargetPatchResponse
from launchdarkly_api.models.patch_segment_expiring_target_input_rep import (
    PatchSegmentExpiringTargetInputRep,
)
from sandbox_client import BETA_USERS, SEMANTIC_PATCH, Client, Clock, refusal, targets

from target_launchdarkly.sandbox import Fault, ForeignChange

if TYPE_CHECKING:
    import requests

    from target_launchdarkly.sandbox import Sandbox

EXPIRING = "/api/v2/segments/default/beta-users/expiring-targets/test"
NOW_MS = 1_700_000_000_000
SOON = NOW_MS + 60_000


def instruction(kind: str, key: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": f"{kind}ExpiringTarget",
        "targetType": "included",
        "contextKind": "user",
        "contextKey": key,
    } | more


def send(client: Client, *instructions: object, **more: Any) -> requests.Response:
    body = {"instructions": instructions} | more
    return client.call("PATCH", EXPIRING, json=body, headers={"Content-Type": SEMANTIC_PATCH})


def apply(client: Client, *instructions: Any) -> ExpiringTargetPatchResponse:
    """Send instructions that are well-formed by LaunchDarkly's own description; read the answer."""
    body = {"instructions": list(instructions)}
    assert PatchSegmentExpiringTargetInputRep.from_dict(body) is not None
    answer = send(client, *instructions)
    assert answer.status_code == 200
    document = ExpiringTargetPatchResponse.from_json(answer.text)
    assert document is not None
    return document


def listed(client: Client) -> dict[str, tuple[int, int]]:
    """Return the epoch milliseconds and the version by key."""
    answer = ExpiringTargetGetResponse.from_json(client.get(EXPIRING).text)
    assert answer is not None
    return {one.context_key: (one.expiration_date, one.version) for one in answer.items}


def test_targets_are_listed_with_the_moment_at_which_they_leave(client: Client) -> None:
    client.include("a", "b")
    assert listed(client) == {}
    answer = apply(client, instruction("add", "a", value=SOON), instruction("add", "b", value=SOON))
    assert (answer.total_instructions, answer.successful_instructions) == (2, 2)
    assert (answer.failed_instructions, answer.errors) == (0, None)
    assert [one.context_key for one in answer.items] == ["a", "b"]
    assert listed(client) == {"a": (SOON, 1), "b": (SOON, 1)}
    one = client.get(EXPIRING).json()["items"][0]
    assert (one["targetType"], one["contextKind"]) == ("included", "user")
    assert one["_resourceId"]["key"] == "beta-users"


def test_moment_is_moved_and_taken_back(client: Client) -> None:
    client.include("a", "b")
    apply(client, instruction("add", "a", value=SOON), instruction("add", "b", value=SOON))
    apply(client, instruction("update", "a", value=SOON + 1, version=1), instruction("remove", "b"))
    assert listed(client) == {"a": (SOON + 1, 2)}


def test_segment_comes_before_the_environment_in_the_path(client: Client) -> None:
    other_way = "/api/v2/segments/default/test/expiring-targets/beta-users"
    assert client.get(EXPIRING).status_code == 200
    assert client.get(other_way).json()["message"] == "Unknown environment key beta-users"


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        pytest.param(instruction("add", "a", value=SOON), "has an expiration", id="add-twice"),
        pytest.param(instruction("add", "c", value=SOON), "no individual target", id="no-target"),
        pytest.param(
            instruction("add", "b", value=SOON, targetType="excluded"),
            "no individual target",
            id="no-target-of-that-type",
        ),
        pytest.param(instruction("add", "b", value=NOW_MS), "has passed", id="add-passed"),
        pytest.param(instruction("update", "a", value=NOW_MS), "has passed", id="move-to-passed"),
        pytest.param(instruction("update", "b", value=SOON), "has no expiration", id="move-none"),
        pytest.param(
            instruction("update", "a", value=SOON + 1, version=2), "another version", id="version"
        ),
        pytest.param(instruction("remove", "b"), "has no expiration", id="remove-none"),
    ],
)
def test_instruction_that_fails_is_named_and_the_others_are_applied(
    client: Client, failing: dict[str, Any], reason: str
) -> None:
    client.include("a", "b", "last")
    apply(client, instruction("add", "a", value=SOON))
    answer = apply(client, failing, instruction("add", "last", value=SOON))
    assert answer.errors is not None
    (error,) = answer.errors
    assert error.instruction_index == 0
    assert reason in error.message
    assert (answer.successful_instructions, answer.failed_instructions) == (1, 1)
    assert listed(client) == {"a": (SOON, 1), "last": (SOON, 1)}


@pytest.mark.parametrize(
    ("malformed", "message"),
    [
        pytest.param({"kind": "addIncludedTargets"}, "needs a kind", id="other-kind"),
        pytest.param(instruction("add", "a"), "Unix milliseconds", id="no-value"),
        pytest.param(instruction("add", "a", value="2026"), "Unix milliseconds", id="text"),
        pytest.param(instruction("add", "a", value=True), "Unix milliseconds", id="boolean"),
        pytest.param(instruction("add", "", value=SOON), "contextKey", id="no-key"),
        pytest.param(instruction("add", "a", value=SOON, contextKind=1), "contextKind", id="kind"),
        pytest.param(
            instruction("add", "a", value=SOON, targetType="rule"), "targetType", id="target-type"
        ),
        pytest.param(instruction("remove", "a", version="1"), "version", id="version"),
        pytest.param("add", "needs a kind", id="no-object"),
    ],
)
def test_malformed_patch_is_refused_whole(client: Client, malformed: object, message: str) -> None:
    client.include("a")
    assert message in refusal(send(client, instruction("add", "a", value=SOON), malformed))
    assert listed(client) == {}


def test_patch_has_a_limit_and_a_content_type(client: Client) -> None:
    many = [instruction("remove", f"user-{number}") for number in range(1_501)]
    assert "more than 1500" in refusal(send(client, *many))
    assert "at least one" in refusal(send(client))
    assert "comment" in refusal(send(client, *many[:1], comment=1))
    plain = client.call("PATCH", EXPIRING, json={"instructions": many[:1]})
    assert "semantic patches only" in refusal(plain)


def test_only_whoever_may_change_the_segment_says_when_targets_leave(
    client: Client, sandbox: Sandbox
) -> None:
    client.include("a")
    one = instruction("add", "a", value=SOON)
    sandbox.approval_required = True
    assert "approval is required" in send(client, one).json()["message"]
    sandbox.read_only = True
    assert send(client, one).status_code == 403
    assert listed(client) == {}


def test_targets_of_a_big_segment_do_not_leave_by_themselves(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.add_segment("many", unbounded=True, included=["a"])
    path = EXPIRING.replace("beta-users", "many")
    body = {"instructions": [instruction("add", "a", value=SOON)]}
    answer = client.call("PATCH", path, json=body, headers={"Content-Type": SEMANTIC_PATCH})
    assert "big segment" in refusal(answer)


# The clock


def test_target_leaves_at_its_moment_whoever_looks(
    client: Client, sandbox: Sandbox, clock: Clock
) -> None:
    client.include("a", "b")
    client.patch(targets("addExcludedTargets", "x"), targets("addIncludedTargets", "stays"))
    apply(
        client,
        instruction("add", "a", value=SOON),
        instruction("add", "b", value=SOON + 1),
        instruction("add", "x", value=SOON, targetType="excluded"),
    )
    clock.now += 59.9
    assert sandbox.included("beta-users") == ["a", "b", "stays"]
    clock.now += 0.1
    assert sandbox.included("beta-users") == ["b", "stays"]
    assert sandbox.excluded("beta-users") == []
    segment = client.get().json()
    assert (segment["included"], segment["version"]) == (["b", "stays"], 4)
    assert listed(client) == {"b": (SOON + 1, 1)}
    change = sandbox.changes("beta-users")[-1]
    assert (change.source, change.tally.removed, change.tally.unexcluded) == ("expiry", 1, 1)


def test_target_that_left_before_may_come_back_and_stay(client: Client, clock: Clock) -> None:
    client.include("a")
    apply(client, instruction("add", "a", value=SOON))
    client.remove("a")
    assert listed(client) == {}
    client.include("a")
    clock.now += 61
    assert client.get().json()["included"] == ["a"]


def test_moment_may_outlive_its_target(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    """Which of the two LaunchDarkly does is not documented."""
    sandbox.keeps_orphans = True
    client.include("a")
    apply(client, instruction("add", "a", value=SOON))
    client.remove("a")
    assert listed(client) == {"a": (SOON, 1)}
    client.include("a")
    clock.now += 61
    assert client.get().json()["included"] == []


def test_segment_made_anew_knows_no_moments(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    apply(client, instruction("add", "a", value=SOON))
    sandbox.recreate_segment("beta-users")
    assert listed(client) == {}


# Troubles


def test_stale_list_is_one_change_behind(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    apply(client, instruction("add", "a", value=SOON))
    sandbox.faults.append(Fault("stale", method="GET"))
    assert listed(client) == {}
    assert listed(client) == {"a": (SOON, 1)}
    sandbox.forget_past()
    sandbox.faults.append(Fault("stale", method="GET"))
    assert listed(client) == {"a": (SOON, 1)}


def test_stale_answer_shows_results_as_they_were_before(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    sandbox.faults.append(Fault("stale", method="PATCH"))
    answer = apply(client, instruction("add", "a", value=SOON))
    assert (answer.items, answer.successful_instructions) == ([], 1)
    assert listed(client) == {"a": (SOON, 1)}


def test_late_patch_is_applied_later(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    sandbox.faults.append(Fault("late-status", method="PATCH", later=None))
    assert send(client, instruction("add", "a", value=SOON)).status_code == 504
    assert (listed(client), sandbox.late) == ({}, 1)
    assert sandbox.apply_late() == 1
    assert listed(client) == {"a": (SOON, 1)}


def test_somebody_elses_removal_takes_the_moment_along(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    apply(client, instruction("add", "a", value=SOON))
    sandbox.meanwhile(ForeignChange("beta-users", remove=("a",)), method="GET")
    assert client.get(BETA_USERS).json()["included"] == []
    assert listed(client) == {}
