"""The changes file itself: whose it is, what becomes of an earlier one, what cannot be written."""

from __future__ import annotations

import json
import os
import stat
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from messages import members, record, schema, state
from running import SEGMENT
from told_changes import change, told

from target_launchdarkly.audience.plan import Change
from target_launchdarkly.errors import ReportError
from target_launchdarkly.report.changes import ChangesFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.jsonl"


def test_no_file_is_written_unless_it_is_set(
    sync: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    run = sync([schema(), *members("a")])

    assert run.error is None
    assert [*tmp_path.iterdir()] == []


def test_file_is_its_owners_alone_and_that_is_told_once(
    sync: Callable[..., Run], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    umask = os.umask(0)
    try:
        with caplog.at_level("INFO"):
            sync([schema(), *members("a")], changes_file=str(path))
    finally:
        os.umask(umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert caplog.text.count("personal data") == 1


def test_file_of_an_earlier_run_is_kept_beside_the_new_one(
    sync: Callable[..., Run], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for key in ("a", "b", "c"):
        with caplog.at_level("INFO"):
            sync([schema(), *members(key)], changes_file=str(path))

    assert told(path) == [change("c", "add")]
    kept = [each for each in path.parent.iterdir() if each != path]
    assert sorted(line["context_key"] for each in kept for line in told(each)) == ["a", "b"]
    for each in kept:
        assert each.suffix == ".jsonl"
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert each.name in caplog.text


def test_run_without_changes_leaves_an_empty_file_which_the_next_replaces(
    sync: Callable[..., Run], path: Path
) -> None:
    sync([], changes_file=str(path))
    assert told(path) == []

    sync([schema(), *members("a")], changes_file=str(path))
    assert [*path.parent.iterdir()] == [path]


def foreign_file(path: Path) -> None:
    path.write_text('{"access_token": "…"}\n')


def no_folder(path: Path) -> None:
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        pytest.param(foreign_file, "no earlier run wrote", id="somebody-elses-file"),
        pytest.param(lambda path: path.mkdir(), "no ordinary file", id="folder"),
        pytest.param(os.mkfifo, "no ordinary file", id="pipe"),
        pytest.param(
            lambda path: path.symlink_to("/dev/stdin"), "no ordinary file", id="link-to-a-pipe"
        ),
        pytest.param(no_folder, "No such file or directory", id="no-folder"),
    ],
)
def test_file_that_cannot_be_written_ends_the_run_before_anything_is_sent(
    sandbox: Sandbox,
    command: Callable[..., Any],
    path: Path,
    prepare: Callable[[Path], object],
    why: str,
) -> None:
    place = path.parent / "reports" / path.name
    place.parent.mkdir()
    prepare(place)

    result = command([schema(), *members("a"), state({})], changes_file=str(place))

    assert (result.returncode, result.stdout) == (1, "")
    (error,) = [line for line in result.stderr.splitlines() if "ERROR" in line]
    assert "changes_file cannot be written" in error
    assert why in error
    assert sandbox.requests == []


def test_disk_that_fills_up_leaves_whole_lines_and_no_state(
    sync: Callable[..., Run], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [250]

    def full(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = write(file, bytes(data[: room[0]]))
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    rows = [*members("a"), record("b", "?"), record("c", "?"), state({"at": "end"})]

    run = sync([schema(), *rows], changes_file=str(path), invalid_record_action="skip")

    assert isinstance(run.error, ReportError)
    assert "No space left on device" in str(run.error)
    assert [line["context_key"] for line in told(path)] == ["b"]
    assert run.states == []


def test_millions_of_changes_take_no_memory(path: Path) -> None:
    """What is written is forgotten: 50 times as many changes take as much as these."""
    file = ChangesFile(str(path), lambda: 0.0, is_dry_run=False)
    count = 50_000
    changes = (Change("user", f"key-{number}", ("include",)) for number in range(count))

    tracemalloc.start()
    file.note_changes(SEGMENT, changes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(told(path)) == count
    assert peak < path.stat().st_size / 4


def test_lines_need_no_more_than_json(sync: Callable[..., Run], path: Path) -> None:
    """Whatever a key holds, a line stays one line."""
    odd = ["a\nb", "a\u2028b", 'a"b', "a\\b", "\x00", "\x7f"]

    sync([schema(), *members(*odd)], changes_file=str(path))

    lines = path.read_bytes().split(b"\n")[:-1]
    assert [json.loads(line)["context_key"] for line in lines] == odd
