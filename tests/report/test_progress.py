"""On a terminal a live line and a table, elsewhere plain log lines, never both."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from messages import keys, lines, members, schema, state

from target_launchdarkly.report import progress
from target_launchdarkly.report.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox


def on_a_terminal(
    config: dict[str, Any], folder: Path, messages: list[dict[str, Any]]
) -> tuple[int, str, str]:
    """Run the target with a terminal as stderr; return exit code, stdout and what was shown."""
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    source = folder / "input.singer"
    source.write_bytes(lines(messages))
    terminal, stderr = pty.openpty()
    command = [sys.executable, "-m", "target_launchdarkly", "--config", str(path)]
    process = subprocess.Popen(
        [*command, "--input", str(source)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(stderr)
    shown = b""
    while True:
        try:
            block = os.read(terminal, 65_536)
        except OSError:  # the terminal is gone with its last writer
            break
        if not block:
            break
        shown += block
    os.close(terminal)
    stdout, _ = process.communicate()
    return process.returncode, stdout.decode(), shown.decode()


def test_live_line_counts_in_words() -> None:
    one = SimpleNamespace(tally=Tally(records=1, changed=1))
    many: Any = [one, SimpleNamespace(tally=Tally(records=1_200))]

    assert progress.status(many[:1], None) == "1 record, 1 change sent, 1 segment"
    assert progress.status(many, None) == "1,201 records, 1 change sent, 2 segments"


def test_terminal_shows_a_line_and_a_table_but_no_log_lines(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    code, stdout, shown = on_a_terminal(
        config, tmp_path, [schema(), *members(*keys(3_000)), state(1)]
    )

    assert code == 0, shown
    assert stdout == "1\n"
    assert "records," in shown
    assert "changes sent" in shown
    assert "3,000" in shown.rsplit("segment", 1)[-1]
    assert " | INFO " not in shown
    assert len(sandbox.included("beta-users")) == 3_000


def end(shown: str) -> str:
    """Return what is shown at the end, its words parted by one blank."""
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.rsplit("\x1b[2K", 1)[-1])
    return " ".join(plain.split())


def test_table_tells_what_deserves_a_look(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    sandbox.add_segment("vips", excluded=["x"])
    settings = {"streams": {"vips": {"segment_key": "vips"}}, "dry_run": True}
    other = [schema("vips"), *members("x", " y", stream="vips")]

    code, _, shown = on_a_terminal(config | settings, tmp_path, [schema(), *members("a"), *other])

    assert code == 0, shown
    assert end(shown).endswith(
        "segment records added removed in place skipped requests to note "
        "beta-users 1 1 0 0 0 1 "
        "vips 2 1 0 0 1 1 1 excluded by hand, 1 with blanks around the key "
        "Dry run: nothing was sent."
    )


def test_terminal_says_so_if_no_record_came(config: dict[str, Any], tmp_path: Path) -> None:
    code, _, shown = on_a_terminal(config, tmp_path, [schema()])

    assert code == 0, shown
    assert end(shown).endswith("No record came: nothing to do.")


def test_error_is_the_last_word_on_a_terminal(config: dict[str, Any], tmp_path: Path) -> None:
    code, stdout, shown = on_a_terminal(
        config | {"segment_key": "nope"}, tmp_path, [schema(), *members("a"), state(1)]
    )

    assert code == 1
    assert stdout == ""
    assert "no segment 'nope'" in shown.rsplit("ERROR", 1)[-1].replace("\r\n", " ")


def test_elsewhere_there_are_plain_log_lines(
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    result = command([schema(), *members("a")])

    assert " | INFO " in result.stderr
    assert "\x1b" not in result.stderr


HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_gives_the_terminal_its_cursor_back(
    config: dict[str, Any], tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    """Ctrl-C while the live line is shown, which hides the cursor."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "target_launchdarkly", "--config", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(stderr)
    shown = b""
    while HIDE_CURSOR not in shown:
        shown += os.read(terminal, 65_536)
    process.send_signal(signum)
    with contextlib.suppress(OSError):  # the terminal is gone with its last writer
        while block := os.read(terminal, 65_536):
            shown += block
    os.close(terminal)
    process.communicate()

    assert process.returncode == code
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)
    assert shown.endswith(b"\n")
    assert f"Stopped by {signum.name}" in shown.decode()
