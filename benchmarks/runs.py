"""Runs programs over scenarios and looks what came of it; keeps the sandbox's process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from inputs import lines
from measure import Usage, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import Program
    from scenarios import Scenario

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `rows` is what the program was given."""

    usage: Usage
    rows: int
    requests: dict[str, int]
    sent_bytes: int
    problems: tuple[str, ...]


class SandboxProcess:
    """The sandbox of the session."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url: str = self._read()

    def ask(self, do: str, scenario: Scenario, **more: Any) -> dict[str, Any]:
        """Give an order and return the answer."""
        order = {"do": do, "scenario": scenario.name, "rows": scenario.rows} | more
        self._pipe(self._process.stdin).write(json.dumps(order) + "\n")
        self._pipe(self._process.stdin).flush()
        answer: dict[str, Any] = self._read()
        return answer

    def _read(self) -> Any:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            sys.exit("The sandbox's process has ended; its error stands above.")
        return json.loads(line)

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise ValueError("not piped")
        return pipe


@contextmanager
def sandbox_process() -> Iterator[SandboxProcess]:
    """Run the sandbox until the block ends."""
    command = [sys.executable, str(HERE / "served.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield SandboxProcess(process)
        finally:
            process.terminate()


class Lab:
    """Where programs are run.

    Args:
        sandbox: Holds the segments, and writes the inputs.
        folder: For all files.
        rival_rows: How many rows programs get that need not have all.
    """

    def __init__(self, sandbox: SandboxProcess, folder: Path, rival_rows: int) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._inputs = folder / "inputs"
        self._inputs.mkdir()
        self._rival_rows = rival_rows

    def run(self, program: Program, scenario: Scenario) -> Run:
        """Run a program once over a scenario's input and look what came of it."""
        rows = program.rows_of(scenario, self._rival_rows)
        self._sandbox.ask("prepare", scenario)
        config = self._folder / "config.json"
        config.write_text(program.settings(scenario, self._sandbox.url))
        command = [sys.executable, *program.command, "--config", str(config)]
        if scenario.is_piped:
            blocks = lines(scenario, rows, self._inputs)
            usage, problems = measure(command, self._folder, fed_with=blocks)
        else:
            stored = self._stored(scenario, rows)
            usage, problems = measure(command, self._folder, input_path=stored)
        if self._last_state() != scenario.last_state(rows):
            problems.append("its last STATE is not the input's")
        answer = self._sandbox.ask("look", scenario, program=program.name, sent_rows=rows)
        problems += answer["problems"]
        return Run(usage, rows, answer["requests"], answer["sent_bytes"], tuple(problems))

    def forget_inputs(self) -> None:
        """Delete all inputs."""
        shutil.rmtree(self._inputs)
        self._inputs.mkdir()

    def _stored(self, scenario: Scenario, rows: int) -> Path:
        """Return the input as a file, which all programs of a scenario read."""
        path = self._inputs / f"{scenario.name}-{scenario.rows}-{rows}.singer"
        # A version is only good for the next run.
        if scenario.proof == "version" or not path.exists():
            self._sandbox.ask("store", scenario, sent_rows=rows, path=str(path))
        return path

    def _last_state(self) -> Any:
        """Return the last STATE that a program wrote: as a line, or as a message."""
        written = (self._folder / "out").read_bytes().splitlines()
        return json.loads(written[-1]) if written else {}
