"""The target's command line: how tests run it, and what a failure of it looks like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from running import TOKEN

#: Text that stands for personal data: never on stdout or stderr above DEBUG.
KEY = "zoe.secret@example.com"
VARIABLE = "TARGET_LAUNCHDARKLY_"
SCRIPT = [str(Path(sys.executable).with_name("target-launchdarkly"))]
MODULE = [sys.executable, "-m", "target_launchdarkly"]

Result = subprocess.CompletedProcess[str]


def run(
    program: list[str],
    *arguments: str,
    feed: bytes = b"",
    variables: dict[str, str] | None = None,
) -> Result:
    result = subprocess.run(
        [*program, *arguments],
        input=feed,
        capture_output=True,
        check=False,
        env=os.environ | (variables or {}),
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def assert_failed(result: Result, *told: str) -> None:
    """One ERROR line says all of this; exit code 1, no traceback, no STATE, no secret."""
    [error] = [line for line in result.stderr.splitlines() if "ERROR" in line]
    for text in told:
        assert text in error
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert KEY not in result.stderr
    assert TOKEN not in result.stderr
