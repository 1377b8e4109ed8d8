"""The JSON that the sandbox's page shows, and the headers that the page comes with."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest
import requests
from page_sandbox import BETA_USERS, NOW, call, make_sandbox, patch, read, summary
from sandbox_client import SEGMENTS, SEMANTIC_PATCH, targets

from target_launchdarkly.sandbox import Fault, ForeignChange, ForeignImport, RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with make_sandbox().serve() as sandbox:
        yield sandbox


# The overview


def test_overview_says_what_kind_of_segment_each_is(sandbox: Sandbox) -> None:
    overview = read(sandbox, "/sandbox/overview")
    assert (overview["project_key"], overview["environment_key"]) == ("default", "test")
    assert [(one["key"], one["type"], one["size"]) for one in overview["segments"]] == [
        ("beta-users", "standard", 120),
        ("millions", "big", 1),
        ("cohort", "synced", 0),
    ]
    assert summary(sandbox, "cohort")["external"] == "amplitude"


def test_overview_counts_the_targets_of_every_kind(sandbox: Sandbox) -> None:
    patch(sandbox, targets("addIncludedTargets", "acme", "bolt", context_kind="organization"))
    segment = summary(sandbox, "beta-users")
    assert segment["context_kinds"] == [
        {"kind": "user", "included": 120, "excluded": 1},
        {"kind": "organization", "included": 2, "excluded": 0},
    ]
    assert (segment["size"], segment["version"], segment["patches"]) == (122, 2, 1)


def test_overview_shows_imports_and_exports_newest_first(sandbox: Sandbox) -> None:
    path = SEGMENTS + "/millions"
    sandbox.export_rules.polls = 1
    export = call(sandbox, "POST", path + "/exports").headers["Location"]
    begun = summary(sandbox, "millions")["transfers"]
    call(sandbox, "GET", export)
    sandbox.clock = lambda: NOW + 1
    ForeignImport("millions", ("a", "b"), "replace", seconds=60)(sandbox)
    assert begun == [
        {
            "what": "export",
            "started_ms": int(NOW * 1_000),
            "status": "preparing",
            "keys": None,
            "is_foreign": False,
        }
    ]
    assert summary(sandbox, "millions")["transfers"] == [
        {
            "what": "replace import",
            "started_ms": int(NOW * 1_000) + 1_000,
            "status": "in_progress",
            "keys": 2,
            "is_foreign": True,
        },
        begun[0] | {"status": "complete", "keys": 1},
    ]
    assert summary(sandbox, "beta-users")["transfers"] == []


def test_overview_counts_what_showed_the_token_to_the_other_host(sandbox: Sandbox) -> None:
    assert read(sandbox, "/sandbox/overview")["leaks"] == 0
    call(sandbox, "GET", "/exports/any.csv")
    assert read(sandbox, "/sandbox/overview")["leaks"] == 1


def test_overview_names_the_kind_of_a_segment_without_targets(sandbox: Sandbox) -> None:
    body = {"key": "new", "name": "New", "unbounded": True, "unboundedContextKind": "device"}
    call(sandbox, "POST", SEGMENTS, json=body)
    segment = summary(sandbox, "new")
    assert segment["context_kinds"] == [{"kind": "device", "included": 0, "excluded": 0}]
    assert (segment["name"], segment["sizes"]) == ("New", [0])


def test_overview_shows_how_the_size_changed(sandbox: Sandbox) -> None:
    patch(sandbox, targets("addIncludedTargets", "a", "b"))
    patch(sandbox, targets("addIncludedTargets", "a", "b"))
    patch(sandbox, targets("removeIncludedTargets", "a", "user-1", "user-2"))
    assert summary(sandbox, "beta-users")["sizes"] == [120, 122, 119]


def test_history_keeps_the_last_200_sizes_and_100_patches(sandbox: Sandbox) -> None:
    document: dict[str, object] = {"environmentKey": "test"}
    for number in range(201):
        document["instructions"] = [targets("addIncludedTargets", f"more-{number}")]
        sandbox.patch_segment("beta-users", document)
    sizes = summary(sandbox, "beta-users")["sizes"]
    assert (len(sizes), sizes[0], sizes[-1]) == (200, 122, 321)
    patches = read(sandbox, BETA_USERS + "/patches")["patches"]
    assert (len(patches), patches[0]["version"], patches[-1]["version"]) == (100, 202, 103)
    assert summary(sandbox, "beta-users")["patches"] == 201


def test_overview_counts_requests_by_method_and_status(sandbox: Sandbox) -> None:
    assert read(sandbox, "/sandbox/overview")["requests"] == []
    call(sandbox, "GET", SEGMENTS)
    call(sandbox, "GET", SEGMENTS)
    call(sandbox, "GET", SEGMENTS + "/nope")
    call(sandbox, "DELETE", SEGMENTS + "/cohort")
    assert read(sandbox, "/sandbox/overview")["requests"] == [
        {"method": "DELETE", "status": "204", "count": 1},
        {"method": "GET", "status": "200", "count": 2},
        {"method": "GET", "status": "404", "count": 1},
    ]


def test_overview_shows_the_rate_limit_without_using_it(sandbox: Sandbox) -> None:
    assert read(sandbox, "/sandbox/overview")["rate_limit"] is None
    sandbox.rate_limit = RateLimit(2, 10)
    between = {"limit": 2, "window_seconds": 10, "remaining": 2, "reset_in_seconds": None}
    assert read(sandbox, "/sandbox/overview")["rate_limit"] == between
    for remaining in (1, 0, 0):
        call(sandbox, "GET", SEGMENTS)
        limit = read(sandbox, "/sandbox/overview")["rate_limit"]
        assert (limit["remaining"], limit["reset_in_seconds"]) == (remaining, 10)


def test_overview_counts_what_is_still_to_come(sandbox: Sandbox) -> None:
    document = {"environmentKey": "test", "instructions": [targets("addIncludedTargets", "a")]}
    sandbox.patch_late("beta-users", document, None)
    sandbox.faults.append(Fault("stale", times=2))
    for _ in range(2):
        sandbox.meanwhile(ForeignChange("beta-users", add=("b",)))
    overview = read(sandbox, "/sandbox/overview")
    pending = [overview[f"pending_{name}"] for name in ("faults", "late", "foreign")]
    assert pending == [1, 1, 2]


# Members


def test_members_come_in_pages_of_50_newest_first(sandbox: Sandbox) -> None:
    first = read(sandbox, BETA_USERS + "/members")
    assert (first["context_kind"], first["list"]) == ("user", "included")
    assert (first["total"], first["matches"], first["page"], first["pages"]) == (120, 120, 1, 3)
    assert first["keys"] == [f"user-{number}" for number in range(119, 69, -1)]
    last = read(sandbox, BETA_USERS + "/members", page=3)
    assert (last["start"], last["keys"][0], last["keys"][-1]) == (100, "user-19", "user-0")


def test_members_past_the_end_are_those_of_the_last_page(sandbox: Sandbox) -> None:
    assert read(sandbox, BETA_USERS + "/members", page=9)["page"] == 3
    nobody = read(sandbox, BETA_USERS + "/members", page=9, search="nobody")
    assert (nobody["page"], nobody["pages"], nobody["keys"]) == (1, 1, [])


def test_members_are_found_by_a_part_of_their_key_in_any_case(sandbox: Sandbox) -> None:
    found = read(sandbox, BETA_USERS + "/members", search="SER-11")
    assert found["keys"] == [f"user-{number}" for number in (*range(119, 109, -1), 11)]
    assert (found["total"], found["matches"]) == (120, 11)


def test_members_may_be_the_excluded_ones(sandbox: Sandbox) -> None:
    assert read(sandbox, BETA_USERS + "/members", list="excluded")["keys"] == ["x"]


def test_members_are_of_the_kind_with_the_most_keys_unless_asked_for(sandbox: Sandbox) -> None:
    body = {"key": "new", "name": "New"}
    call(sandbox, "POST", SEGMENTS, json=body)
    patch(
        sandbox,
        targets("addIncludedTargets", "ann"),
        targets("addIncludedTargets", "acme", "bolt", context_kind="organization"),
        segment_key="new",
    )
    members = "/sandbox/segments/new/members"
    main = read(sandbox, members)
    assert (main["context_kind"], main["keys"]) == ("organization", ["bolt", "acme"])
    assert read(sandbox, members, kind="user")["keys"] == ["ann"]
    assert read(sandbox, members, kind="device")["keys"] == []


def test_members_of_a_big_segment_are_shown_here(sandbox: Sandbox) -> None:
    found = read(sandbox, "/sandbox/segments/millions/members", search="pho")
    assert (found["context_kind"], found["keys"]) == ("device", ["phone"])


def expire(sandbox: Sandbox, key: str, at_ms: int) -> None:
    instruction = {
        "kind": "addExpiringTarget",
        "targetType": "included",
        "contextKind": "user",
        "contextKey": key,
        "value": at_ms,
    }
    sandbox.patch_expirations("beta-users", {"instructions": [instruction]})


def test_members_say_when_they_leave_by_themselves(sandbox: Sandbox) -> None:
    before = summary(sandbox, "beta-users")
    expire(sandbox, "user-7", 1_700_000_060_000)
    expire(sandbox, "user-117", 1_700_000_070_000)
    found = read(sandbox, BETA_USERS + "/members")
    assert found["leaving"] == {"user-117": 1_700_000_070_000}
    found = read(sandbox, BETA_USERS + "/members", search="user-7")
    assert found["leaving"] == {"user-7": 1_700_000_060_000}
    assert read(sandbox, BETA_USERS + "/members", list="excluded")["leaving"] == {}
    segment = summary(sandbox, "beta-users")
    assert (before["expiring"], segment["expiring"]) == (0, 2)
    # The page asks again for the members when this changes, though the segment's version does not.
    assert segment["expiring_changes"] != before["expiring_changes"]
    assert segment["version"] == before["version"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("page=0", "page starts at 1", id="page-zero"),
        pytest.param("page=x", "whole number", id="page-no-number"),
        pytest.param("list=other", "included or excluded", id="unknown-list"),
        pytest.param("search=" + "x" * 1_001, "at most 1000", id="long-search"),
    ],
)
def test_members_refuse_a_malformed_query(sandbox: Sandbox, query: str, message: str) -> None:
    answer = call(sandbox, "GET", f"{BETA_USERS}/members?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["message"]


@pytest.mark.parametrize("what", ["members", "patches"])
def test_unknown_segment_is_not_found(sandbox: Sandbox, what: str) -> None:
    answer = call(sandbox, "GET", f"/sandbox/segments/nope/{what}")
    assert (answer.status_code, answer.json()["message"]) == (404, "Unknown segment key nope")


# Patches


def test_patches_say_what_they_changed_newest_first(sandbox: Sandbox) -> None:
    patch(
        sandbox,
        targets("removeIncludedTargets", "user-1", "nobody"),
        targets("addIncludedTargets", "a", "b", "user-2"),
        targets("removeExcludedTargets", "x"),
        targets("addExcludedTargets", "y", "z"),
        comment="nightly",
    )
    patch(sandbox, targets("addIncludedTargets", "a"))
    patch(sandbox, {"kind": "updateName", "value": "Beta"})
    named, same, first = read(sandbox, BETA_USERS + "/patches")["patches"]
    assert first == {
        "at_ms": NOW * 1_000,
        "version": 2,
        "source": "patch",
        "comment": "nightly",
        "changed": True,
        "added": 2,
        "removed": 1,
        "excluded": 2,
        "unexcluded": 1,
    }
    assert (same["version"], same["changed"], same["comment"]) == (2, False, None)
    assert (named["version"], named["changed"], named["added"]) == (3, True, 0)


def test_patches_of_somebody_else_are_told_apart(sandbox: Sandbox) -> None:
    ForeignChange("beta-users", remove=("user-1",))(sandbox)
    patch(sandbox, targets("addIncludedTargets", "user-1"))
    own, foreign = read(sandbox, BETA_USERS + "/patches")["patches"]
    assert (own["source"], own["added"]) == ("patch", 1)
    assert (foreign["source"], foreign["removed"]) == ("foreign", 1)
    assert foreign["comment"] == "Changed by somebody else"


def test_refused_patch_is_no_change(sandbox: Sandbox) -> None:
    body = {"environmentKey": "test", "instructions": [targets("addIncludedTargets", "x")]}
    headers = {"Content-Type": SEMANTIC_PATCH}
    path = SEGMENTS + "/beta-users"
    assert call(sandbox, "PATCH", path, json=body, headers=headers).status_code == 400
    assert sandbox.changes("beta-users") == []


@pytest.mark.parametrize(
    ("mode", "added", "removed"),
    [pytest.param("merge", 2, 0, id="merge"), pytest.param("replace", 2, 1, id="replace")],
)
def test_import_counts_what_it_changed(
    sandbox: Sandbox, mode: str, added: int, removed: int
) -> None:
    sandbox.import_rules.polls = 0
    sandbox.change_targets("millions", {"included": {"add": ["tablet"]}})
    file = {"file": ("keys.csv", b"phone\nwatch\nlaptop\n")}
    path = SEGMENTS + "/millions/imports"
    assert call(sandbox, "POST", path, files=file, data={"mode": mode}).status_code == 204
    targets_change, import_change = sandbox.changes("millions")
    assert (targets_change.source, targets_change.tally.added) == ("targets", 1)
    assert (import_change.source, import_change.version) == ("import", 3)
    assert (import_change.tally.added, import_change.tally.removed) == (added, removed)


# The page itself


def test_looking_at_the_page_is_no_api_request(sandbox: Sandbox) -> None:
    for path in ("/", "/sandbox/overview", BETA_USERS + "/members", BETA_USERS + "/patches"):
        assert requests.get(sandbox.url + path, timeout=10).status_code == 200
    assert sandbox.requests == []


def test_page_runs_its_own_script_and_loads_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    answer = requests.get(sandbox.url, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert re.findall(r"https?://[^'\" ]*", answer.text) == [
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/2000/svg",
    ]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", answer.text)
    assert not re.search(r"\son\w+=|\sstyle=", answer.text)
