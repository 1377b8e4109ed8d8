"""The summary file: one document a run, whatever becomes of it, as its schema says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from messages import COLUMNS, keys, leavers, lines, members, record, schema, state
from running import SEGMENT, TOKEN

from target_launchdarkly.sandbox import Fault, RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_launchdarkly.sandbox import Exchange, Sandbox

    Command = Callable[..., subprocess.CompletedProcess[str]]

Document = dict[str, Any]

SCHEMA = json.loads(
    files("target_launchdarkly").joinpath("report/summary.schema.json").read_text("utf-8")
)
CHANGES = {"audience_sync_mode": "mirror"}
SNAPSHOT = CHANGES | {"mirror_source": "snapshot", "audience_size_field": "size"}
SIZED = COLUMNS | {"size": {"type": "integer"}}
BY_SEGMENT = COLUMNS | {"segment": {"type": "string"}}
END = state({"at": "end"})
MEMBERS = [schema(), *members(*keys(3)), END]
LISTED = [schema(columns=SIZED), *(record(key, size=3) for key in keys(3)), END]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "summary.json"


def read(path: Path) -> Document:
    """Return the document, which is as the schema says and names nobody."""
    text = path.read_text("utf-8")
    assert TOKEN not in text
    assert not re.search(r"user-\d", text)
    found: Document = json.loads(text)
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(found)
    assert [each.name for each in path.parent.iterdir() if path.name in each.name] == [path.name]
    return found


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.fixture
def run(command: Command, path: Path) -> Callable[..., Document]:
    """Run the target, and return what the summary file says, the exit code being right."""

    def run(messages: list[Any], **settings: Any) -> Document:
        result = command(messages, summary_file=str(path), **settings)
        found = read(path)
        assert found["exit_code"] == result.returncode
        assert found["states_written"] == len(result.stdout.splitlines())
        if found["error"]:
            assert found["error"]["message"] in result.stderr
        return found

    return run


# What became of the run


@pytest.mark.parametrize(
    ("messages", "settings", "status", "kind"),
    [
        pytest.param(MEMBERS, {}, "succeeded", None, id="success"),
        pytest.param([], {}, "succeeded", None, id="empty-input"),
        pytest.param(MEMBERS, {"dry_run": True}, "succeeded", None, id="dry-run"),
        pytest.param(LISTED, SNAPSHOT, "succeeded", None, id="snapshot"),
        pytest.param(LISTED[:-2], SNAPSHOT, "refused", "PlanRefusedError", id="rows-missing"),
        pytest.param([], SNAPSHOT, "refused", "PlanRefusedError", id="no-stream"),
        pytest.param(["{"], {}, "failed", "InputError", id="no-message"),
        pytest.param([schema(), record(None)], {}, "failed", "InvalidRecordError", id="no-key"),
        pytest.param(MEMBERS, {"segment_key": "no"}, "failed", "NotFoundError", id="no-segment"),
        pytest.param(MEMBERS, {"access_token": "api-x"}, "failed", "LaunchDarklyError", id="401"),
        pytest.param(MEMBERS, {"dry_run": 7}, "failed", "ConfigValidationError", id="settings"),
        pytest.param(
            MEMBERS, {"changes_file": "/no/where"}, "failed", "ReportError", id="changes-file"
        ),
    ],
)
def test_summary_is_written_whatever_becomes_of_the_run(
    run: Callable[..., Document],
    messages: list[Any],
    settings: dict[str, Any],
    status: str,
    kind: str | None,
) -> None:
    found = run(messages, **settings)

    assert found["status"] == status
    assert (found["error"] or {"type": None})["type"] == kind
    assert found["ended_at"] >= found["started_at"]
    assert found["seconds"] > 0
    assert found["warnings"]["empty_input"] == (status == "succeeded" and not messages)


def test_failure_that_is_nobodys_mistake_in_the_input_is_told_too(
    config: dict[str, Any], path: Path
) -> None:
    """Stdout is a disk that is full."""
    settings = path.with_name("config.json")
    settings.write_text(json.dumps(config | {"summary_file": str(path)}))

    with open("/dev/full", "wb") as full:  # noqa: PTH123
        result = subprocess.run(
            [sys.executable, "-m", "target_launchdarkly", "--config", settings],
            input=lines(MEMBERS),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    found = read(path)
    assert (result.returncode, found["exit_code"], found["status"]) == (1, 1, "failed")
    assert found["states_written"] == 0
    assert [each["status"] for each in found["segments"]] == ["synced"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_signal_is_told(
    sandbox: Sandbox, config: dict[str, Any], path: Path, signum: signal.Signals
) -> None:
    """It comes while a patch is applied and not answered yet."""
    process = start(sandbox, config, path, signum)

    found = read(path)
    assert found["status"] == "stopped"
    assert found["exit_code"] == process.returncode == 128 + signum
    assert found["error"]["type"] == signum.name
    assert [each["status"] for each in found["segments"]] == ["unfinished"]
    assert found["requests"] == {"GET": 1, "PATCH": 1}


def test_run_that_is_killed_stays_running(
    sandbox: Sandbox, config: dict[str, Any], path: Path
) -> None:
    """Nobody takes the success of the night before for this one's."""
    path.write_text(json.dumps({"target": "target-launchdarkly", "status": "ok"}, indent=2))

    start(sandbox, config, path, signal.SIGKILL)

    found = read(path)
    assert (found["status"], found["exit_code"], found["ended_at"]) == ("running", None, None)


def start(
    sandbox: Sandbox, config: dict[str, Any], path: Path, signum: signal.Signals
) -> subprocess.Popen[bytes]:
    """Run the target, and send it a signal as soon as a patch has been applied."""
    settings = path.with_name("config.json")
    settings.write_text(json.dumps(config | {"summary_file": str(path)}))
    running: list[subprocess.Popen[bytes]] = []

    def stop(exchange: Exchange) -> None:
        if exchange.method == "PATCH":
            running[0].send_signal(signum)

    sandbox.log = RequestLog(on_exchange=stop)
    sandbox.faults.append(Fault("delay", method="PATCH", seconds=0))
    with subprocess.Popen(
        [sys.executable, "-m", "target_launchdarkly", "--config", settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        running.append(process)
        process.communicate(lines(MEMBERS))
    return process


# Its numbers


def test_numbers_are_those_of_the_segments(sandbox: Sandbox, run: Callable[..., Document]) -> None:
    sandbox.add_segment("table", included=["gone", "user-0"], excluded=["user-9"])
    rows = [*members("user-0", " user-1 ", "user-9"), *leavers("gone"), record(None)]

    found = run(
        [schema(), *rows, END], segment_key="table", invalid_record_action="skip", **CHANGES
    )

    (segment,) = found["segments"]
    assert segment["status"] == "synced"
    assert (segment["records"], segment["added"], segment["removed"]) == (5, 1, 1)
    assert segment["already_in_place"] == 1
    assert segment["skipped"] == {
        "not_for_this_mode": 0,
        "invalid": 1,
        "excluded_by_hand": 1,
        "refused_by_launchdarkly": 0,
    }
    assert segment["requests"] == found["requests"] == {"GET": 1, "PATCH": 1}
    assert segment["guard"] == [
        {
            "context_kind": "user",
            "members": 2,
            "members_leaving": 1,
            "percent": 50.0,
            "max_removal_percent": 50,
        }
    ]
    warnings = {name: count for name, count in found["warnings"].items() if count}
    assert warnings == {"blanks_around_key": 1, "invalid_records": 1, "excluded_by_hand": 1}
    assert (found["records"], found["lines"], found["states_written"]) == (5, 7, 1)


@pytest.mark.parametrize(
    ("messages", "settings", "proven_by", "missing"),
    [
        pytest.param(LISTED, {}, "audience_size_field", None, id="size"),
        pytest.param(LISTED[:-2], {}, None, "'size' says 3 keys, 2 came", id="rows-missing"),
        pytest.param(
            MEMBERS,
            {"audience_size_field": None, "trust_end_of_input": True},
            "trust_end_of_input",
            None,
            id="trust",
        ),
    ],
)
def test_proof_of_a_snapshot_is_told_with_its_numbers(
    run: Callable[..., Document],
    messages: list[Any],
    settings: dict[str, Any],
    proven_by: str | None,
    missing: str | None,
) -> None:
    found = run(messages, **(SNAPSHOT | settings))

    (stream,) = found["streams"]
    (proof,) = stream["proofs"]
    assert stream["mode"] == "snapshot"
    assert (proof["proven_by"], proof["missing_because"]) == (proven_by, missing)
    if not settings:
        came = len(messages) - 1 - (messages[-1] is END)
        numbers = (proof["rows"], proof["different_keys"], proof["stated_size"])
        assert numbers == (came, came, 3)


def test_guard_that_refuses_is_told_with_its_numbers(
    sandbox: Sandbox, run: Callable[..., Document]
) -> None:
    sandbox.add_segment("table", included=["a", "b", "c", "user-0"])

    found = run(LISTED, segment_key="table", **SNAPSHOT)

    (segment,) = found["segments"]
    assert segment["status"] == "refused"
    assert segment["already_in_place"] is None
    assert segment["guard"][0]["members_leaving"] == 3
    assert segment["guard"][0]["percent"] == 75.0
    (refusal,) = found["refusals"]
    assert refusal["segment"] == "table"
    assert "max_removal_percent is 50" in refusal["reasons"][0]


def test_segments_that_fail_stand_beside_those_that_are_synced(
    sandbox: Sandbox, run: Callable[..., Document]
) -> None:
    sandbox.add_segment("other")
    sandbox.refused_keys = {"bad"}
    rows = [record("bad", segment="other"), *(record(key, segment=SEGMENT) for key in keys(2))]

    found = run([schema(columns=BY_SEGMENT), *rows], segment_key_field="segment")

    assert found["status"] == "failed"
    statuses = {each["segment"]: each["status"] for each in found["segments"]}
    assert statuses == {SEGMENT: "synced", "other": "unfinished"}


def test_big_segment_is_told_as_one(sandbox: Sandbox, run: Callable[..., Document]) -> None:
    sandbox.add_segment("huge", unbounded=True, included=["gone"])

    found = run(LISTED, segment_key="huge", **(SNAPSHOT | {"max_removal_percent": 100}))

    (segment,) = found["segments"]
    assert (segment["type"], segment["status"]) == ("big", "synced")
    assert (segment["added"], segment["removed"]) == (3, 1)
    assert segment["guard"][0]["members"] == 1


# The file


def test_file_of_somebody_else_is_left_alone(
    sandbox: Sandbox, command: Command, path: Path
) -> None:
    path.write_text('{"plugins": []}')

    result = command(MEMBERS, summary_file=str(path))

    assert result.returncode == 1
    assert "summary_file cannot be written: a file is there" in result.stderr
    assert result.stderr.count("summary_file") == 2
    assert path.read_text() == '{"plugins": []}'
    assert sandbox.requests == []


def test_settings_from_the_environment_name_it_too(
    config: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are wrong, so that nothing was set up yet."""
    for name, value in {**config, "dry_run": "?", "summary_file": str(path)}.items():
        monkeypatch.setenv(f"TARGET_LAUNCHDARKLY_{name.upper()}", str(value))

    result = subprocess.run(
        [sys.executable, "-m", "target_launchdarkly", "--config", "ENV"],
        input=b"",
        capture_output=True,
        check=False,
    )

    assert result.returncode == 1
    found = read(path)
    assert (found["status"], found["error"]["type"]) == ("failed", "ConfigValidationError")


def test_both_files_in_one_place_are_refused(command: Command, path: Path) -> None:
    result = command(MEMBERS, summary_file=str(path), changes_file=str(path))

    assert result.returncode == 1
    assert "summary_file: is that of changes_file" in result.stderr
