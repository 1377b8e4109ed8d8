"""The README's way from an empty folder to a synced segment, typed as it is printed there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from documents import README, blocks
from neighbours import ROOT, plain_environment, tool
from postgres import serve
from running import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.realworld

AT_MOST = 10
#: Installing a tap and the target takes longer where many tests run at once.
PATIENCE_SECONDS = 600
#: What a reader has, in place of what the page has for it.
CHECKOUT, PORT = "~/target-launchdarkly", "8765"


@pytest.fixture(scope="module")
def commands() -> list[str]:
    """What a reader types."""
    (text,) = (block.text for block in blocks(README) if "$ meltano install\n" in block.text)
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """The variables that lead `psql` to an empty database."""
    with serve() as server:
        server.execute("postgres", "create database newcomer")
        yield server.variables("newcomer") | {"PROGRAMS": str(server.programs)}


@pytest.fixture
def port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def script(commands: list[str], database: dict[str, str], port: str) -> str:
    """Return the commands with the reader's own values, waiting where a reader would."""
    ready = f"until (: > /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep 0.1; done"
    lines = ["set -e"]
    for command in commands:
        typed = re.sub(
            r"\b(PG[A-Z]+)=\S+", lambda found: f"{found[1]}={database[found[1]]}", command
        )
        lines.append(typed.replace(CHECKOUT, str(ROOT)).replace(PORT, port))
        if command.endswith("&"):
            lines.append(ready)
    return "\n".join(lines)


def test_there_are_at_most_ten(commands: list[str]) -> None:
    assert 0 < len(commands) <= AT_MOST


def test_empty_folder_becomes_a_synced_segment(
    commands: list[str], database: dict[str, str], port: str, tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    meltano = str(Path(tool(".venv-meltano", "meltano")).parent)
    path = os.pathsep.join([meltano, database["PROGRAMS"], os.environ["PATH"]])
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", script(commands, database, port)],
            cwd=folder,
            env=plain_environment(PATH=path, NO_COLOR="1"),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        segments = f"http://127.0.0.1:{port}/api/v2/segments/default/test"
        answers = {
            key: requests.get(f"{segments}/{key}", headers={"Authorization": TOKEN}, timeout=10)
            for key in ("beta-users", "premium-users")
        }
    finally:
        # With it the sandbox, which the shell has left running.
        os.killpg(process.pid, signal.SIGTERM)

    members = {key: sorted(answer.json()["included"]) for key, answer in answers.items()}
    assert members == {"beta-users": ["ann", "ben", "dan"], "premium-users": ["1", "3"]}
    (text,) = (block.text for block in blocks(README) if "$ meltano install\n" in block.text)
    told = log.read_text()
    for line in text.replace(PORT, port).splitlines():
        assert line.startswith("$ ") or line in told, line
