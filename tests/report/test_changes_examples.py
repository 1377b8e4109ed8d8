"""The commands that the documents show for the changes file, as they stand there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from documents import DOCS, README, blocks, typed
from messages import leavers, lines, members, record, schema
from running import SEGMENT
from told_changes import FIELDS

if TYPE_CHECKING:
    from target_launchdarkly.sandbox import Sandbox

PAGE = DOCS / "operations.md"
FEED = [schema(), *members("ann", "zoë"), *leavers("bob"), record("cid", "perhaps")]

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


@pytest.fixture
def folder(sandbox: Sandbox, config: dict[str, Any], tmp_path: Path) -> Path:
    """Where a reader stands: with settings, and a tap's output."""
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT, included=["bob"])
    settings = {"audience_sync_mode": "mirror", "invalid_record_action": "skip"}
    (tmp_path / "config.json").write_text(json.dumps(config | settings))
    (tmp_path / "audience.singer").write_bytes(lines(FEED))
    return tmp_path


def run(folder: Path, *commands: str) -> list[str]:
    """Run what a reader types, and return what is printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)],
        cwd=folder,
        env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_rehearsal_and_real_run_differ_in_nothing(sandbox: Sandbox, folder: Path) -> None:
    """All commands of the page, one after the other, and what each question is answered."""
    # Those about other files need a tap, or a run that failed.
    others = ("summary.json", "tap-snowflake", "--check")
    commands = [line for line in typed(PAGE) if not any(other in line for other in others)]
    questions = [line for line in commands if line.startswith("jq -r")]
    rehearsal = [line for line in commands if line not in questions]

    assert run(folder, *rehearsal) == []
    assert set(sandbox.included(SEGMENT)) == {"ann", "zoë"}
    answers = [run(folder, question) for question in questions]

    assert answers[0] == ["bob"]
    assert [line.split() for line in answers[1][:2]] == [
        ["2", "beta-users,", "add,", "stated", "by", "a", "record"],
        ["1", "beta-users,", "remove,", "stated", "by", "a", "record"],
    ]
    (told,) = answers[2]
    assert told.startswith("line 5: 'is_member' holds text that is no membership flag")


def test_first_page_asks_what_this_page_and_its_tests_ask() -> None:
    asked = [line for line in typed(README) if line.startswith("jq ")]

    assert len(asked) == 3
    assert all(any(known.startswith(line) for known in typed(PAGE)) for line in asked)


def test_example_lines_have_the_fields_that_lines_have() -> None:
    (example,) = [block.text for block in blocks(PAGE) if block.text.startswith('{"segment"')]
    shown = [json.loads(line) for line in example.splitlines()]

    assert [[*line][: len(FIELDS)] for line in shown] == [FIELDS] * len(shown)
    assert [*shown[-1]][len(FIELDS) :] == ["stream", "line"]
    assert {line["action"] for line in shown} == {"add", "remove", "skip"}
