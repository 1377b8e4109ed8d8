"""What somebody else does to a segment at a request: changes, deletion, creation anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
import requests
from sandbox_client import SEGMENTS, targets

from target_launchdarkly.sandbox import Fault, ForeignChange, Sandbox
from target_launchdarkly.sandbox.state.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox_client import Client, Clock


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment("beta-users", included=["a", "b"], excluded=["x"])
    sandbox.add_segment("many", context_kind="org", included=["a", "b"], unbounded=True)
    with sandbox.serve():
        yield sandbox


@pytest.mark.parametrize("when", ["before", "after"])
def test_change_before_a_request_shows_in_its_answer_and_one_after_it_does_not(
    client: Client, sandbox: Sandbox, when: Literal["before", "after"]
) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", remove=("a",)), when=when)
    answer = client.include("c").json()
    assert answer["included"] == (["b", "c"] if when == "before" else ["a", "b", "c"])
    assert sandbox.included("beta-users") == ["b", "c"]
    assert client.get().json()["version"] == 3


def test_change_comes_at_its_own_request_only(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", add=("c",)), method="patch", after=1)
    client.get()
    client.patch({"kind": "addTags", "values": ["t"]})
    client.get()
    assert sandbox.included("beta-users") == ["a", "b"]
    assert len(sandbox.happenings) == 1
    assert client.patch({"kind": "addTags", "values": ["s"]}).json()["included"] == ["a", "b", "c"]
    assert len(sandbox.happenings) == 0


def test_change_may_come_at_several_requests_in_a_row(client: Client, sandbox: Sandbox) -> None:
    numbers = iter("cdefg")

    def add(sandbox: Sandbox) -> None:
        ForeignChange("beta-users", add=(next(numbers),))(sandbox)

    sandbox.meanwhile(add, method="GET", after=1, times=2, when="after")
    for _ in range(5):
        client.get()
    assert sandbox.included("beta-users") == ["a", "b", "c", "d"]


def test_changes_of_one_request_come_in_their_order(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", add=("c",)))
    sandbox.meanwhile(ForeignChange("beta-users", remove=("c",)))
    sandbox.meanwhile(ForeignChange("beta-users", add=("d",)))
    assert client.get().json()["included"] == ["a", "b", "d"]


def test_change_comes_at_a_request_that_meets_trouble(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("drop-before"))
    sandbox.meanwhile(ForeignChange("beta-users", add=("c",)), when="after")
    with pytest.raises(requests.ConnectionError):
        client.get()
    assert sandbox.included("beta-users") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("change", "included", "excluded"),
    [
        pytest.param(ForeignChange("beta-users", add=("x",)), "abx", "", id="add-lifts-exclusion"),
        pytest.param(ForeignChange("beta-users", remove=("a",)), "b", "x", id="remove"),
        pytest.param(ForeignChange("beta-users", exclude=("a",)), "b", "xa", id="exclude-removes"),
        pytest.param(ForeignChange("beta-users", unexclude=("x",)), "ab", "", id="unexclude"),
        pytest.param(
            ForeignChange("beta-users", add=("c",), remove=("a", "b")), "c", "x", id="several"
        ),
    ],
)
def test_change_does_what_it_is_called(
    client: Client, sandbox: Sandbox, change: ForeignChange, included: str, excluded: str
) -> None:
    sandbox.meanwhile(change)
    answer = client.get().json()
    assert (answer["included"], answer["excluded"]) == (list(included), list(excluded))


def test_change_may_be_of_another_kind(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", add=("o",), context_kind="org"))
    assert client.get().json()["includedContexts"] == [{"contextKind": "org", "values": ["o"]}]


def test_change_of_a_big_segment_is_of_its_kind(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("many", add=("c",), exclude=("a",)))
    client.get()
    assert sandbox.included("many", "org") == ["b", "c"]
    assert sandbox.excluded("many", "org") == ["a"]


def test_change_may_be_any_function_of_the_sandbox(client: Client, sandbox: Sandbox) -> None:
    body = {"environmentKey": "test", "instructions": [targets("addIncludedTargets", "c")]}
    sandbox.meanwhile(lambda sandbox: sandbox.patch_segment("beta-users", body))
    client.get()
    (change,) = sandbox.changes("beta-users")
    assert (change.source, change.tally.added) == ("foreign", 1)


def test_change_counts_as_somebody_elses_beside_those_of_the_token(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", remove=("a", "b")), when="after")
    client.include("c")
    client.include("d")
    changes = [(one.source, one.version, one.tally) for one in sandbox.changes("beta-users")]
    assert [(source, version) for source, version, _ in changes] == [
        ("patch", 2),
        ("foreign", 3),
        ("patch", 4),
    ]
    tally = changes[1][2]
    assert (tally.added, tally.removed, tally.excluded, tally.unexcluded) == (0, 2, 0, 0)
    patches = requests.get(sandbox.url + "/sandbox/segments/beta-users/patches", timeout=10).json()
    assert [one["source"] for one in patches["patches"]] == ["patch", "foreign", "patch"]


def test_change_is_made_whatever_the_token_may_not(client: Client, sandbox: Sandbox) -> None:
    sandbox.read_only = sandbox.approval_required = True
    sandbox.meanwhile(ForeignChange("beta-users", add=("c",)))
    assert client.include("d").status_code == 403
    assert sandbox.included("beta-users") == ["a", "b", "c"]


def test_change_that_is_refused_ends_in_silence(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("nope", add=("c",)))
    sandbox.meanwhile(ForeignChange("nope", fate="recreate"))
    assert client.get().status_code == 200
    assert len(sandbox.happenings) == 0


def test_changes_can_be_called_off(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", add=("c",)))
    sandbox.call_off()
    assert client.get().json()["included"] == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"add": ("a",), "fate": "delete"}, id="keys-of-a-deleted-one"),
        pytest.param({"remove": ("a",), "fate": "recreate"}, id="keys-of-one-made-anew"),
    ],
)
def test_change_is_one_thing(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="one thing to beta-users"):
        ForeignChange("beta-users", **change)  # type: ignore[arg-type]


def test_change_is_refused_with_a_turn_that_never_comes(sandbox: Sandbox) -> None:
    change = ForeignChange("beta-users", add=("c",))
    with pytest.raises(ValueError, match="times at 1"):
        sandbox.meanwhile(change, times=0)
    with pytest.raises(ValueError, match="after starts at 0"):
        sandbox.meanwhile(change, after=-1)
    with pytest.raises(ValueError, match="when is before or after"):
        sandbox.meanwhile(change, when="now")  # type: ignore[arg-type]


# Deletion and creation anew


def test_segment_deleted_before_a_patch_is_not_found(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", fate="delete"), method="PATCH")
    assert client.get().status_code == 200
    assert client.include("c").status_code == 404
    assert client.get().status_code == 404


def test_segment_deleted_after_a_patch_was_there_for_it(client: Client, sandbox: Sandbox) -> None:
    sandbox.meanwhile(ForeignChange("beta-users", fate="delete"), method="PATCH", when="after")
    assert client.include("c").json()["included"] == ["a", "b", "c"]
    assert client.get().status_code == 404


def test_segment_made_anew_is_empty_and_begins_with_version_1(
    client: Client, sandbox: Sandbox
) -> None:
    client.include("c")
    sandbox.meanwhile(ForeignChange("beta-users", fate="recreate"))
    answer = client.get().json()
    assert (answer["included"], answer["excluded"], answer["version"]) == ([], [], 1)
    (change,) = sandbox.changes("beta-users")
    assert (change.source, change.version, change.tally.removed) == ("foreign", 1, 3)
    assert client.include("d").json()["version"] == 2


def test_segment_is_made_anew_with_its_kind_some_requests_after_it_was_deleted(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.meanwhile(ForeignChange("many", fate="delete"))
    sandbox.meanwhile(ForeignChange("many", fate="recreate"), after=2)
    path = SEGMENTS + "/many"
    assert [client.get(path).status_code for _ in range(2)] == [404, 404]
    answer = client.get(path).json()
    assert (answer["unbounded"], answer["unboundedContextKind"]) == (True, "org")
    assert sandbox.included("many", "org") == []


def test_segment_that_never_was_is_not_made_anew(sandbox: Sandbox) -> None:
    with pytest.raises(ApiError, match="Unknown segment key nope"):
        sandbox.recreate_segment("nope")
