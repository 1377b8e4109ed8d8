"""No process escapes the eye of the tests: what any of them writes is looked at."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import MODULE
from running import TOKEN
from watched import Watch, WatchedProcess

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parent
LEAKS = [pytest.param("user-1", id="key"), pytest.param(TOKEN, id="token")]
#: Other ways to start a process than by `subprocess`.
OTHER_WAYS = {
    *("fork", "forkpty", "posix_spawn", "posix_spawnp", "spawn", "system", "popen", "execv"),
    *("execve", "execvp", "spawnl", "spawnv", "spawnvp", "startfile", "getoutput"),
    *("getstatusoutput", "create_subprocess_exec", "create_subprocess_shell"),
}
#: Starts targets quickly; what they write is judged by who asks for it.
MAY_FORK = {"kills/kill_server.py"}


def program(text: str, stream: str = "stderr") -> list[str]:
    """Return a command that is the target by its looks, and writes a text."""
    code = f"import sys; sys.{stream}.write({text!r} + chr(10))"
    return [sys.executable, "-c", code, *MODULE[2:]]


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("is_text", [False, True])
def test_process_that_is_run_is_looked_at(leak: str, stream: str, is_text: bool) -> None:
    with pytest.raises(AssertionError):
        subprocess.run(program(leak, stream), capture_output=True, text=is_text, check=True)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("way", ["read", "readline", "readlines", "iterate", "communicate"])
def test_process_that_is_read_from_is_looked_at(leak: str, way: str) -> None:
    with subprocess.Popen(program(leak), stderr=subprocess.PIPE) as process:
        stderr = process.stderr
        assert stderr
        ways: dict[str, Callable[[], object]] = {
            "read": stderr.read,
            "readline": stderr.readline,
            "readlines": stderr.readlines,
            "iterate": lambda: [*stderr],
            "communicate": process.communicate,
        }

        with pytest.raises(AssertionError):
            ways[way]()
        process.wait()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["sh", "-c", "echo user-1; : target-launchdarkly"], id="in-a-shell"),
        pytest.param(["echo", "user-1", "/bin/target-launchdarkly"], id="by-its-path"),
        pytest.param(
            ["echo", "12 | INFO     | target_launchdarkly.sinks     | user-1"], id="passed-on"
        ),
    ],
)
def test_target_is_known_however_it_is_started(command: list[str]) -> None:
    with pytest.raises(AssertionError):
        subprocess.run(command, capture_output=True, check=True)


def test_keys_show_at_debug_and_in_no_line_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_LAUNCHDARKLY_LOGLEVEL", "DEBUG")
    subprocess.run(program("1 | DEBUG | user-1"), capture_output=True, check=True)

    for leak in ("1 | INFO | user-1", f"1 | DEBUG | {TOKEN}"):
        with pytest.raises(AssertionError):
            subprocess.run(program(leak), capture_output=True, check=True)


def test_others_may_write_what_they_like() -> None:
    command = ["echo", "user-1", TOKEN, "-m", "target_launchdarkly.sandbox"]

    assert subprocess.run(command, capture_output=True, check=True).stdout


def test_of_what_meltano_writes_only_the_target_s_lines_are_looked_at() -> None:
    """Its taps may name keys in their errors."""
    watch = Watch(["/bin/meltano", "run", "tap-x", "target-launchdarkly"], {})
    line = "[info ] 12 | INFO     | target-launchdarkly            | {} cmd_type=elb"

    watch.look(b"tap-x: cannot convert 'user-0'\n" + line.format("done").encode())
    for leak in ("user-0", TOKEN):
        with pytest.raises(AssertionError):
            watch.look(line.format(leak))


def test_process_of_a_test_is_always_one_that_is_watched() -> None:
    assert subprocess.Popen is WatchedProcess


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_no_test_starts_a_process_another_way(path: Path) -> None:
    if str(path.relative_to(TESTS)) in MAY_FORK:
        return
    tree = ast.parse(path.read_text())
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"os", "pty", "asyncio", "subprocess"}
    }
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "pty", "subprocess"}
        for alias in node.names
    }

    assert not (called | imported) & (OTHER_WAYS | {"call", "check_call", "check_output"})
    assert not imported & {"Popen", "run"}
