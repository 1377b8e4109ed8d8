"""`--check` tries to write by patches that change nothing, whatever becomes of `dryRun`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from command_line import MODULE, run
from running import SEGMENT

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import Result

    from target_launchdarkly.sandbox import Exchange, Sandbox

FULL = [f"user-{number}" for number in range(15_000)]
PATH = f"/api/v2/segments/default/test/{SEGMENT}"
DRY = f"{PATH}?dryRun=true"


@pytest.fixture
def check(config: dict[str, Any], tmp_path: Path) -> Callable[..., Result]:
    def check(**settings: Any) -> Result:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config | settings))
        return run(MODULE, "--check", "--config", str(path))

    return check


def patches(sandbox: Sandbox) -> list[Exchange]:
    return [each for each in sandbox.requests if each.method != "GET"]


def is_unchanged(sandbox: Sandbox) -> bool:
    """Whether no segment has another version than at first, nor a target more or less."""
    big = sandbox.get_segment("big")
    return (
        sandbox.get_segment(SEGMENT)["version"] == big["version"] == 1
        and not sandbox.included(SEGMENT)
        and sandbox.included("big", "org") == ["a"]
    )


@pytest.fixture(autouse=True)
def big(sandbox: Sandbox) -> None:
    sandbox.add_segment("big", unbounded=True, included=["a"], context_kind="org")


@pytest.mark.parametrize("ignores_dry_run", [False, True], ids=["dry", "ignored"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="standard"),
        pytest.param({"segment_key": "big", "context_kind": "org"}, id="big"),
        pytest.param({"removal_action": "exclude", "comment": "nightly"}, id="excluding"),
        pytest.param({"expires_at_field": "ends"}, id="expiring"),
        pytest.param({"streams": {"other": {"context_kind": "org"}}}, id="two-kinds"),
    ],
)
def test_trial_is_taken_and_changes_nothing_whether_dry_run_is_known_or_not(
    sandbox: Sandbox, check: Callable[..., Result], settings: Any, *, ignores_dry_run: bool
) -> None:
    sandbox.ignores_dry_run = ignores_dry_run

    result = check(**settings)

    assert result.returncode == 0, result.stdout
    assert "a patch that changes nothing was taken" in result.stdout
    assert patches(sandbox)
    assert is_unchanged(sandbox)


def test_trial_holds_what_a_run_may_send(sandbox: Sandbox, check: Callable[..., Result]) -> None:
    """An un-include of a key nobody has, of each kind, with the run's comment."""
    check(comment="nightly", removal_action="exclude", streams={"other": {"context_kind": "org"}})

    body: Any = patches(sandbox)[0].body
    assert body["comment"] == "nightly"
    shown = [(each["kind"], each["contextKind"]) for each in body["instructions"]]
    assert shown == [
        ("removeIncludedTargets", "org"),
        ("removeIncludedTargets", "user"),
        ("removeExcludedTargets", "org"),
        ("removeExcludedTargets", "user"),
    ]
    keys = {each["values"][0] for each in body["instructions"]}
    assert len(keys) == 2
    assert all(key.startswith("target-launchdarkly-check-") for key in keys)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        pytest.param(
            403,
            {"code": "forbidden", "message": "Access to the requested resource was denied"},
            "The token may not change segments. Give it the Writer role",
            id="role",
        ),
        pytest.param(
            403,
            {"code": "forbidden", "message": "approval is required"},
            "bypassRequiredSegmentApproval",
            id="approval",
        ),
        pytest.param(
            400,
            {"code": "invalid_request", "message": "no such thing"},
            "Its patch would change nothing, and is refused all the same",
            id="bad-request",
        ),
    ],
)
def test_patch_that_is_not_taken_is_told_with_its_own_remedy(
    sandbox: Sandbox, check: Callable[..., Result], status: int, body: Any, told: str
) -> None:
    sandbox.faults.append(
        Fault("status", method="PATCH", status=status, body=json.dumps(body), times=2)
    )

    result = check()

    assert result.returncode == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert line.startswith(f"FAIL  segment '{SEGMENT}': ")
    assert told in line


def test_launchdarkly_that_refuses_dry_runs_is_asked_without(
    sandbox: Sandbox, check: Callable[..., Result]
) -> None:
    sandbox.faults.append(Fault("status", method="PATCH", status=400))

    result = check()

    assert result.returncode == 0, result.stdout
    assert [each.path for each in patches(sandbox)] == [DRY, PATH]
    assert is_unchanged(sandbox)


def test_where_approvals_are_required_a_dry_run_is_not_believed(
    sandbox: Sandbox, check: Callable[..., Result]
) -> None:
    """Nobody says whether approvals gate it; a patch that changes nothing they do gate."""
    sandbox.approval_required = sandbox.approval_bypassed = True

    result = check()

    assert result.returncode == 0, result.stdout
    assert "require approvals" in result.stdout
    assert [each.path for each in patches(sandbox)] == [DRY, PATH]
    assert is_unchanged(sandbox)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"segment_key": "fresh", "create_segment": "standard"}, id="missing"),
        pytest.param({"segment_key": None, "segment_key_field": "segment"}, id="by-records"),
    ],
)
def test_approvals_that_cannot_be_tried_are_told(
    sandbox: Sandbox, check: Callable[..., Result], settings: Any
) -> None:
    sandbox.approval_required = True

    result = check(**settings)

    assert result.returncode == 1
    assert "bypassRequiredSegmentApproval, if it has none yet" in result.stdout
    assert not patches(sandbox)


def test_token_that_may_not_say_when_targets_expire_is_told_by_a_trial(
    sandbox: Sandbox, check: Callable[..., Result]
) -> None:
    sandbox.faults.append(Fault("status", method="PATCH", after=1, status=403))

    result = check(expires_at_field="ends")

    assert result.returncode == 1
    assert "updateExpiringTargets" in result.stdout


@pytest.mark.parametrize("trouble", ["read_only", "approval_required"])
def test_dry_run_needs_no_rights_and_tries_none(
    sandbox: Sandbox, check: Callable[..., Result], trouble: str
) -> None:
    setattr(sandbox, trouble, True)

    result = check(dry_run=True)

    assert result.returncode == 0, result.stdout
    assert result.stdout.count("warn") == 1
    assert "dry_run" in result.stdout
    assert not patches(sandbox)


def test_dry_run_says_that_writing_was_not_tried(check: Callable[..., Result]) -> None:
    told = check(dry_run=True).stdout

    assert "whether it takes changes was not tried, because dry_run is set" in told


@pytest.mark.parametrize(
    ("included", "level", "told"),
    [
        pytest.param(FULL[1:], "ok  ", "room for 0 more", id="with-an-excluded-one-full"),
        pytest.param(FULL[2:], "ok  ", "room for 1 more", id="one-free"),
        pytest.param(FULL, "warn", "15,001 targets, more than the 15,000 that", id="over"),
    ],
)
def test_size_is_told_against_what_launchdarkly_supports(
    sandbox: Sandbox, check: Callable[..., Result], included: list[str], level: str, told: str
) -> None:
    sandbox.add_segment("full", included=included, excluded=["somebody"])

    result = check(segment_key="full")

    assert result.returncode == 0, result.stderr
    [line] = [line for line in result.stdout.splitlines() if "'full'" in line]
    assert line.startswith(level)
    assert told in line
