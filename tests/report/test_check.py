"""`--check` tells apart what is wrong with a config, and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from running import SEGMENT

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture
def check(config: dict[str, Any], tmp_path: Path) -> Callable[..., Any]:
    def run(**settings: Any) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config | settings))
        command = [sys.executable, "-m", "target_launchdarkly", "--check", "--config", str(path)]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    return run


def test_good_config_is_ok_line_by_line(sandbox: Sandbox, check: Callable[..., Any]) -> None:
    sandbox.add_segment("big", unbounded=True, included=["a"])

    result = check(streams={"other": {"segment_key": "big"}})

    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in lines] == [
        "settings",
        "access token",
        "project 'default', environment 'test'",
        f"segment '{SEGMENT}'",
        "segment 'big'",
    ]
    assert "big segment of kind user, 1 included" in lines[-1]
    assert [each.path for each in sandbox.requests if each.method != "GET"] == [
        f"/api/v2/segments/default/test/{key}?dryRun=true" for key in (SEGMENT, "big")
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param({"access_token": "api-wrong"}, "access token was not accepted", id="token"),
        pytest.param({"access_token": "sdk-123"}, "SDK or mobile key", id="sdk-key"),
        pytest.param(
            {"api_url": "http://127.0.0.1:9", "max_retry_seconds": 0},
            "api_instance",
            id="wrong-instance",
        ),
        pytest.param({"project_key": "nope"}, "no project 'nope'", id="project"),
        pytest.param({"environment_key": "nope"}, "no environment 'nope'", id="environment"),
        pytest.param({"segment_key": "nope"}, "no segment 'nope'", id="segment"),
        pytest.param({"segment_key": "synced"}, "synced by amplitude", id="synced"),
        pytest.param({"segment_key": "devices"}, "context kind 'device'", id="kind-of-big"),
    ],
)
def test_each_problem_is_told_apart(
    sandbox: Sandbox, check: Callable[..., Any], settings: dict[str, Any], told: str
) -> None:
    sandbox.add_segment("synced", unbounded=True, external="amplitude")
    sandbox.add_segment("devices", unbounded=True, context_kind="device")

    result = check(**settings)

    assert result.returncode == 1
    assert told in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert {each.method for each in sandbox.requests} <= {"GET"}
    assert result.stdout.count("FAIL") + result.stderr.count("ERROR") == 1


def test_read_only_token_is_told(sandbox: Sandbox, check: Callable[..., Any]) -> None:
    sandbox.read_only = True

    result = check()

    assert result.returncode == 1
    assert "updateIncluded" in result.stdout


BOTH = "actions updateIncluded and updateExcluded."
SNAPSHOT = {
    "segment_key": "big",
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
}


@pytest.mark.parametrize(
    ("settings", "is_needed"),
    [
        pytest.param(SNAPSHOT, True, id="snapshot"),
        pytest.param(SNAPSHOT | {"big_segment_removals": "replace"}, False, id="replacing"),
        pytest.param({"segment_key": "big"}, False, id="changes"),
        pytest.param(SNAPSHOT | {"segment_key": SEGMENT}, False, id="standard"),
    ],
)
def test_token_that_may_not_export_a_big_snapshot_is_told(
    sandbox: Sandbox, check: Callable[..., Any], settings: dict[str, Any], *, is_needed: bool
) -> None:
    sandbox.add_segment("big", unbounded=True, included=["a"])

    result = check(**settings)

    assert result.returncode == 0, result.stderr
    assert ("createSegmentExport" in result.stdout) == is_needed

    sandbox.export_rules.denied = True
    result = check(**settings)

    assert result.returncode == int(is_needed)
    assert ("lacks the role action createSegmentExport." in result.stdout) == is_needed


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        pytest.param({}, "action updateIncluded.", id="members-alone"),
        pytest.param({"removal_action": "exclude"}, BOTH, id="exclude"),
        pytest.param({"excluded_key_action": "include"}, BOTH, id="lift"),
    ],
)
def test_only_rights_that_a_run_uses_are_demanded(
    sandbox: Sandbox, check: Callable[..., Any], settings: dict[str, Any], lacks: str
) -> None:
    sandbox.read_only = True

    result = check(**settings)

    assert result.returncode == 1
    assert f"the token lacks the role {lacks}" in result.stdout


@pytest.mark.parametrize("setting", ["changes_file", "summary_file"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("none/file", "No such file or directory", id="no-folder"),
        pytest.param(".", "no ordinary file", id="folder"),
        pytest.param("a\0b", "embedded null byte", id="nul"),
        pytest.param("\ud800", "surrogates not allowed", id="no-unicode"),
        pytest.param("config.json", "no earlier run wrote", id="of-somebody-else"),
    ],
)
def test_file_that_a_run_could_not_write_is_told(
    check: Callable[..., Any], tmp_path: Path, setting: str, name: str, told: str
) -> None:
    result = check(**{setting: f"{tmp_path}/{name}"})

    assert result.returncode == 1
    (line,) = (each for each in result.stdout.splitlines() if "settings" in each)
    assert line.startswith(f"FAIL  settings: {setting} cannot be written: ")
    assert told in line
    assert {path.name for path in tmp_path.iterdir()} == {"config.json"}


@pytest.mark.parametrize("mode", ["mirorr", "add"])
def test_summary_file_of_the_last_run_is_left_alone(
    check: Callable[..., Any], tmp_path: Path, mode: str
) -> None:
    """Whoever alerts on it would take a check for a night's run."""
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"target": "target-launchdarkly"}, indent=2))
    before = path.read_text()

    result = check(summary_file=str(path), audience_sync_mode=mode)

    assert result.returncode == (mode == "mirorr")
    assert path.read_text() == before


def test_required_approvals_are_told(sandbox: Sandbox, check: Callable[..., Any]) -> None:
    sandbox.approval_required = True

    result = check()

    assert result.returncode == 1
    assert "bypassRequiredSegmentApproval" in result.stdout


def test_missing_segment_that_a_run_would_create_is_ok(check: Callable[..., Any]) -> None:
    result = check(segment_key="fresh", create_segment="big")

    assert result.returncode == 0
    assert "a run creates it (big)" in result.stdout


def test_segment_whose_memberships_end_is_told_so(
    sandbox: Sandbox, check: Callable[..., Any]
) -> None:
    sandbox.add_segment("big", unbounded=True)

    result = check(expires_at_field="ends", streams={"other": {"segment_key": "big"}})

    assert result.returncode == 0, result.stderr
    assert "memberships end by themselves" in result.stdout
    assert "a record with an end of membership is refused" in result.stdout
    asked = [(each.method, each.path) for each in sandbox.requests if "expiring" in each.path]
    path = f"/api/v2/segments/default/{SEGMENT}/expiring-targets/test"
    assert asked == [("GET", path), ("PATCH", path)]


def test_token_that_may_not_say_when_targets_expire_is_told(
    sandbox: Sandbox, check: Callable[..., Any]
) -> None:
    sandbox.read_only = True

    assert "updateExpiringTargets" in check(expires_at_field="ends").stdout
    assert "updateExpiringTargets" not in check().stdout


@pytest.mark.parametrize("status", [403, 404])
def test_account_without_expiring_targets_is_told(
    sandbox: Sandbox, check: Callable[..., Any], status: int
) -> None:
    """Also where a run would create a missing segment: this one is there."""
    sandbox.faults.append(Fault("status", method="GET", after=3, status=status))

    result = check(expires_at_field="ends", create_segment="standard")

    assert result.returncode == 1
    assert "the account's plan" in result.stdout
