"""What the sandbox shows late, keeps for those who watch, and only tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from sandbox_client import BETA_USERS, MANY, SEGMENTS, BigClient, contexts, read, targets

from target_launchdarkly.sandbox import ApiError, Fault, ForeignChange, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox_client import Clock


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment(
        "many", context_kind="org", included=["a", "b"], excluded=["x"], unbounded=True
    )
    sandbox.add_segment("beta-users", included=["a", "b"])
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BigClient]:
    with requests.Session() as session:
        yield BigClient(sandbox, session)


def add(*keys: str) -> dict[str, object]:
    return {"kind": "addBigSegmentIncludedTargets", "values": list(keys)}


def take_out(*keys: str) -> dict[str, object]:
    return {"kind": "removeBigSegmentIncludedTargets", "values": list(keys)}


# Counts that lag behind


def counts(client: BigClient) -> tuple[int | None, int | None]:
    metadata = client.segment().unbounded_metadata
    assert metadata is not None
    return metadata.included_count, metadata.excluded_count


def test_counts_lag_behind_by_some_reads(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.count_lag_reads = 2
    answer = read(client.patch(add("c")))
    assert answer.unbounded_metadata is not None
    assert (answer.version, answer.unbounded_metadata.included_count) == (2, 2)
    assert [counts(client) for _ in range(3)] == [(2, 1), (2, 1), (3, 1)]


def test_counts_lag_behind_the_first_of_several_changes(
    client: BigClient, sandbox: Sandbox
) -> None:
    sandbox.count_lag_reads = 2
    client.patch(add("c"))
    counts(client)
    client.patch({"kind": "removeBigSegmentExcludedTargets", "values": ["x"]})
    assert [counts(client) for _ in range(3)] == [(2, 1), (2, 1), (3, 0)]


def test_counts_do_not_lag_behind_what_changes_nothing(client: BigClient, sandbox: Sandbox) -> None:
    client.patch(add("c"))
    sandbox.count_lag_reads = 2
    client.patch(add("c"))
    assert counts(client) == (3, 1)


# Who left


def test_who_left_is_kept_also_of_those_that_came_back(client: BigClient, sandbox: Sandbox) -> None:
    client.patch(take_out("a", "nobody"))
    client.patch(add("a"))
    assert sandbox.included("many", "org") == ["b", "a"]
    assert sandbox.left("many", "org") == {"a"}
    assert sandbox.left("many") == set()


def test_who_stays_in_one_patch_did_not_leave(client: BigClient, sandbox: Sandbox) -> None:
    client.patch(take_out("a"), add("a"))
    assert sandbox.left("many", "org") == set()


@pytest.mark.parametrize("segment_key", ["many", "beta-users"])
@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param({"remove": ("a",)}, {"a"}, id="removed"),
        pytest.param({"exclude": ("a",)}, {"a"}, id="excluded"),
        pytest.param({"add": ("c", "a")}, set(), id="added"),
        pytest.param({"unexclude": ("x",)}, set(), id="exclusion-lifted"),
        pytest.param({"fate": "delete"}, {"a", "b"}, id="deleted"),
        pytest.param({"fate": "recreate"}, {"a", "b"}, id="made-anew"),
    ],
)
def test_who_left_by_somebody_else_is_kept(
    sandbox: Sandbox, segment_key: str, change: dict[str, Any], left: set[str]
) -> None:
    ForeignChange(segment_key, **change)(sandbox)
    assert sandbox.left(segment_key, "org" if segment_key == "many" else "user") == left


def test_who_left_is_kept_over_deletion(client: BigClient, sandbox: Sandbox) -> None:
    client.patch(take_out("a"))
    client.call("DELETE", MANY)
    client.call("POST", SEGMENTS, json={"key": "many", "name": "many", "unbounded": True})
    assert sandbox.left("many", "org") == {"a", "b"}
    ForeignChange("many", fate="recreate")(sandbox)
    assert sandbox.left("many", "org") == {"a", "b"}


def test_who_left_at_a_moment_is_kept(client: BigClient, sandbox: Sandbox, clock: Clock) -> None:
    instruction = {
        "kind": "addExpiringTarget",
        "targetType": "included",
        "contextKind": "user",
        "contextKey": "a",
        "value": int(clock.now * 1_000) + 1,
    }
    sandbox.patch_expirations("beta-users", {"instructions": [instruction]})
    clock.now += 1
    assert sandbox.included("beta-users") == ["b"]
    assert sandbox.left("beta-users") == {"a"}


def test_who_left_is_forgotten_when_told(client: BigClient, sandbox: Sandbox) -> None:
    client.patch(take_out("a"))
    sandbox.forget_left()
    client.patch(take_out("b"))
    assert sandbox.left("many", "org") == {"b"}


def test_who_left_is_asked_of_a_segment_that_is_known(sandbox: Sandbox) -> None:
    with pytest.raises(ApiError, match="Unknown segment key nope"):
        sandbox.left("nope")


# Dry runs


def dry_run(client: BigClient, *instructions: object, path: str) -> requests.Response:
    return client.patch(*instructions, path=path + "?dryRun=true")


def test_dry_run_of_a_patch_shows_the_segment_after_it_and_changes_nothing(
    client: BigClient, sandbox: Sandbox
) -> None:
    before = client.get().text
    answer = dry_run(
        client,
        targets("removeIncludedTargets", "a"),
        targets("addIncludedTargets", "c", context_kind="org"),
        {"kind": "updateName", "value": "Beta"},
        {"kind": "addTags", "values": ["t"]},
        path=BETA_USERS,
    )
    assert answer.status_code == 200
    shown = read(answer)
    assert (shown.version, shown.name, shown.tags) == (2, "Beta", ["t"])
    assert shown.included == ["b"]
    assert contexts(shown.included_contexts) == {"org": ["c"]}
    assert client.get().text == before
    assert sandbox.changes("beta-users") == []
    assert sandbox.left("beta-users") == set()


def test_dry_run_of_a_big_patch_shows_its_counts_and_changes_nothing(
    client: BigClient, sandbox: Sandbox
) -> None:
    shown = read(dry_run(client, take_out("a"), add("c", "d"), path=MANY))
    assert shown.unbounded_metadata is not None
    assert (shown.version, shown.unbounded_metadata.included_count) == (2, 3)
    assert sandbox.included("many", "org") == ["a", "b"]
    assert counts(client) == (2, 1)


def test_dry_run_of_what_is_in_place_shows_no_new_version(client: BigClient) -> None:
    assert read(dry_run(client, add("a"), path=MANY)).version == 1


def test_dry_run_approves_no_import(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.import_rules.polls, sandbox.import_rules.outcome = 1, "pending_approval"
    path = client.upload(b"c\n").headers["Location"]
    client.poll(path)
    instruction = {"kind": "processBigSegmentImport", "importId": path.rpartition("/")[2]}
    assert dry_run(client, instruction, path=MANY).status_code == 200
    assert client.poll(path) == "pending_approval"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("read_only", 403, id="rights"),
        pytest.param("approval_required", 403, id="approval"),
    ],
)
def test_dry_run_needs_the_rights_of_a_real_one(
    client: BigClient, sandbox: Sandbox, name: str, status: int
) -> None:
    setattr(sandbox, name, True)
    real, dry = client.patch(add("c")), dry_run(client, add("c"), path=MANY)
    assert (dry.status_code, dry.text) == (real.status_code, real.text)
    assert dry.status_code == status


@pytest.mark.parametrize(
    ("instruction", "path"),
    [
        pytest.param(add("c"), SEGMENTS + "/nope", id="unknown-segment"),
        pytest.param(add("x"), MANY, id="excluded-key"),
        pytest.param(add(*["k"] * 1_501), MANY, id="too-many-operations"),
        pytest.param({"kind": "nope"}, MANY, id="unknown-kind"),
        pytest.param(add("c"), BETA_USERS, id="standard-segment"),
    ],
)
def test_dry_run_is_refused_like_a_real_one(
    client: BigClient, instruction: object, path: str
) -> None:
    dry, real = dry_run(client, instruction, path=path), client.patch(instruction, path=path)
    assert (dry.status_code, dry.text) == (real.status_code, real.text)
    assert dry.status_code in {400, 404}


def test_dry_run_that_is_late_never_happens(client: BigClient, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("late-status", method="PATCH"))
    assert dry_run(client, add("c"), path=MANY).status_code == 504
    assert sandbox.late == 0
    counts(client)
    assert sandbox.included("many", "org") == ["a", "b"]


@pytest.mark.parametrize("text", ["true", "maybe"])
def test_dry_run_that_is_ignored_is_a_patch_like_any_other(
    client: BigClient, sandbox: Sandbox, text: str
) -> None:
    """So it was before there were dry runs."""
    sandbox.ignores_dry_run = True
    assert client.patch(add("c"), path=f"{MANY}?dryRun={text}").status_code == 200
    assert sandbox.included("many", "org") == ["a", "b", "c"]


@pytest.mark.parametrize(("text", "status"), [("false", 200), ("maybe", 400)])
def test_dry_run_is_true_or_false(client: BigClient, text: str, status: int) -> None:
    assert client.patch(add("c"), path=f"{MANY}?dryRun={text}").status_code == status
    assert client.segment().version == (2 if status == 200 else 1)
