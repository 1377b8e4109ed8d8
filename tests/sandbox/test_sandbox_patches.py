"""Semantic patches of standard segments, against LaunchDarkly's documented rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox_client import BETA_USERS, SEMANTIC_PATCH, contexts, read, refusal, targets

from target_launchdarkly.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox_client import Client, Clock


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment("beta-users", included=["a", "b"], excluded=["x"])
    with sandbox.serve():
        yield sandbox


@pytest.mark.parametrize(
    ("instruction", "included", "excluded"),
    [
        pytest.param(targets("addIncludedTargets", "c", "a"), "abc", "x", id="add-included"),
        pytest.param(targets("removeIncludedTargets", "a", "n"), "b", "x", id="remove-included"),
        pytest.param(targets("addExcludedTargets", "y"), "ab", "xy", id="add-excluded"),
        pytest.param(targets("removeExcludedTargets", "x"), "ab", "", id="remove-excluded"),
        pytest.param(
            {"kind": "addIncludedUsers", "values": ["c"]}, "abc", "x", id="add-included-users"
        ),
        pytest.param(
            {"kind": "removeIncludedUsers", "values": ["b"]}, "a", "x", id="remove-included-users"
        ),
        pytest.param(
            {"kind": "addExcludedUsers", "values": ["y"]}, "ab", "xy", id="add-excluded-users"
        ),
        pytest.param(
            {"kind": "removeExcludedUsers", "values": ["x"]}, "ab", "", id="remove-excluded-users"
        ),
    ],
)
def test_patch_changes_targets_and_answers_the_segment(
    client: Client, sandbox: Sandbox, instruction: object, included: str, excluded: str
) -> None:
    segment = read(client.patch(instruction))
    assert (segment.included, segment.excluded) == (list(included), list(excluded))
    assert sandbox.included("beta-users", "user") == list(included)
    assert sandbox.excluded("beta-users", "user") == list(excluded)


def test_patch_keeps_kinds_apart(client: Client, sandbox: Sandbox) -> None:
    segment = read(client.patch(targets("addIncludedTargets", "x", context_kind="org")))
    assert contexts(segment.included_contexts) == {"org": ["x"]}
    assert sandbox.included("beta-users", "org") == ["x"]
    assert sandbox.included("beta-users") == ["a", "b"]


def test_patch_counts_the_version_up_only_when_something_changed(
    client: Client, clock: Clock
) -> None:
    clock.now += 1
    same = targets("addIncludedTargets", "a"), targets("removeIncludedTargets", "n")
    unknown_kind = targets("removeIncludedTargets", "n", context_kind="org")
    unchanged = read(client.patch(*same, unknown_kind))
    changed = read(client.patch(targets("addIncludedTargets", "c")))
    assert (unchanged.version, unchanged.last_modified_date) == (1, 1_700_000_000_000)
    assert (changed.version, changed.last_modified_date) == (2, 1_700_000_001_000)
    assert unchanged.included_contexts == []


def test_patch_lets_the_last_word_on_a_key_win(client: Client) -> None:
    removed = targets("removeIncludedTargets", "a", "c")
    added = targets("addIncludedTargets", "a", "c")
    assert read(client.patch(removed, added)).included == ["a", "b", "c"]
    assert read(client.patch(added, removed)).included == ["b"]


def test_patch_changes_name_and_tags(client: Client) -> None:
    segment = read(
        client.patch(
            {"kind": "updateName", "value": "Beta"},
            {"kind": "addTags", "values": ["s", "t"]},
            {"kind": "removeTags", "values": ["s"]},
        )
    )
    assert (segment.name, segment.tags, segment.version) == ("Beta", ["t"], 2)
    again = read(client.patch({"kind": "updateName", "value": "Beta"}))
    assert again.version == 2
    assert read(client.patch({"kind": "removeTags", "values": ["t"]})).tags == []


def test_patch_may_move_a_key_from_excluded_to_included(client: Client) -> None:
    segment = read(
        client.patch(targets("addIncludedTargets", "x"), targets("removeExcludedTargets", "x"))
    )
    assert (segment.included, segment.excluded) == (["a", "b", "x"], [])


@pytest.mark.parametrize(
    ("instructions", "key"),
    [
        pytest.param([targets("addIncludedTargets", "c", "x")], "x", id="was-excluded"),
        pytest.param([targets("addExcludedTargets", "y", "b")], "b", id="was-included"),
        pytest.param(
            [targets("addIncludedTargets", "c"), targets("addExcludedTargets", "c")],
            "c",
            id="both-in-one-patch",
        ),
    ],
)
def test_patch_with_a_key_on_both_sides_applies_nothing(
    client: Client, sandbox: Sandbox, instructions: list[object], key: str
) -> None:
    name = {"kind": "updateName", "value": "Beta"}
    assert f'"{key}"' in refusal(client.patch(name, *instructions))
    segment = read(client.call("GET", BETA_USERS))
    assert (segment.included, segment.excluded) == (["a", "b"], ["x"])
    assert (segment.name, segment.version) == ("beta-users", 1)


def test_patch_takes_1500_target_operations_and_no_more(client: Client, sandbox: Sandbox) -> None:
    keys = [f"key-{number}" for number in range(1_500)]
    assert client.patch(targets("addIncludedTargets", *keys)).status_code == 200
    too_many = targets("removeIncludedTargets", *keys), targets("removeExcludedTargets", "x")
    assert "1501 operations" in refusal(client.patch(*too_many))
    assert sandbox.included("beta-users") == ["a", "b", *keys]
    assert sandbox.excluded("beta-users") == ["x"]


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        pytest.param({"values": ["c"]}, "needs a kind", id="no-kind"),
        pytest.param({"kind": "addFriends"}, "addFriends", id="unknown-kind"),
        pytest.param(
            {"kind": "addIncludedTargets", "values": ["c"]}, "contextKind", id="no-context-kind"
        ),
        pytest.param(targets("addIncludedTargets", ""), "values", id="empty-key"),
        pytest.param(
            {"kind": "addIncludedUsers", "values": "c"}, "values", id="values-are-no-list"
        ),
        pytest.param({"kind": "addIncludedUsers", "values": [1]}, "values", id="key-is-a-number"),
        pytest.param(
            {"kind": "addBigSegmentIncludedTargets", "values": ["c"]},
            "big segments only",
            id="big-segment-instruction",
        ),
        pytest.param({"kind": "updateName", "value": ""}, "updateName", id="empty-name"),
        pytest.param({"kind": "addTags", "values": [""]}, "addTags", id="empty-tag"),
        pytest.param(
            {"kind": "processBigSegmentImport", "importId": "i"}, "pending import", id="no-import"
        ),
        pytest.param("addTags", "JSON object", id="no-object"),
    ],
)
def test_patch_refuses_a_bad_instruction_and_applies_no_other(
    client: Client, sandbox: Sandbox, instruction: object, message: str
) -> None:
    assert message in refusal(client.patch(targets("addIncludedTargets", "c"), instruction))
    assert sandbox.included("beta-users") == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("[]", "JSON object", id="list"),
        pytest.param("{", "Invalid request body", id="no-json"),
        pytest.param('{"instructions": [{}]}', "environmentKey", id="no-environment"),
        pytest.param(
            '{"environmentKey": "prod", "instructions": [{}]}',
            "environmentKey",
            id="another-environment",
        ),
        pytest.param('{"environmentKey": "test"}', "instructions", id="no-instructions"),
        pytest.param(
            '{"environmentKey": "test", "instructions": []}', "instructions", id="empty-list"
        ),
        pytest.param(
            '{"environmentKey": "test", "comment": 1, "instructions": [{}]}',
            "comment",
            id="comment-no-string",
        ),
    ],
)
def test_patch_refuses_a_malformed_body(client: Client, body: str, message: str) -> None:
    headers = {"Content-Type": SEMANTIC_PATCH}
    assert message in refusal(client.call("PATCH", BETA_USERS, data=body, headers=headers))


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json", id="json-patch"),
        pytest.param("text/plain; domain-model=launchdarkly.semanticpatch", id="text"),
        pytest.param("application/json; domain-model=other", id="another-domain-model"),
    ],
)
def test_patch_takes_semantic_patches_only(client: Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = client.call("PATCH", BETA_USERS, data="{}", headers=headers)
    assert "semantic patches only" in refusal(answer)
