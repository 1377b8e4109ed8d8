"""What the documents show of the summary file, run as it stands there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from documents import DOCS, blocks, prose, typed
from messages import keys, members, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., subprocess.CompletedProcess[str]]

PAGE = DOCS / "operations.md"
SCHEMA = json.loads(
    files("target_launchdarkly").joinpath("report/summary.schema.json").read_text("utf-8")
)


@pytest.fixture
def summary(command: Command, tmp_path: Path) -> Path:
    """The document of a run that is well."""
    path = tmp_path / "summary.json"
    assert command([schema(), *members(*keys(3))], summary_file=str(path)).returncode == 0
    return path


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(
    ("changes", "is_well"),
    [
        pytest.param({}, True, id="well"),
        pytest.param({"status": "failed"}, False, id="failed"),
        pytest.param({"status": "running", "ended_at": None}, False, id="killed"),
        pytest.param({"ended_at": "2026-01-01T00:00:00Z"}, False, id="of-another-night"),
    ],
)
def test_alert_is_raised_unless_the_last_night_is_well(
    summary: Path, changes: dict[str, Any], is_well: bool
) -> None:
    document = json.loads(summary.read_text("utf-8")) | changes
    summary.write_text(json.dumps(document))
    (line,) = [line for line in typed(PAGE) if "mail" in line]
    look, _, mail = line.partition(" || ")
    assert mail.startswith("mail ")

    result = subprocess.run(
        ["bash", "-c", look], cwd=summary.parent, capture_output=True, check=False
    )

    assert (result.returncode == 0) == is_well


def test_python_of_the_page_tells_what_became_of_a_run(summary: Path) -> None:
    (code,) = [block.text for block in blocks(PAGE) if block.language == "python"]
    names: dict[str, Any] = {}
    exec(compile(code, PAGE, "exec"), names)  # noqa: S102

    told = names["told"](str(summary))

    assert told == {
        "status": "succeeded",
        "error": "",
        "added": 3,
        "removed": 0,
        "refused": [],
        "requests": 2,
    }


def test_fields_that_the_page_names_are_in_the_schema() -> None:
    section = prose(PAGE).partition("## What happened, for machines")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert named
    assert named <= set(SCHEMA["properties"])
