"""Runs whole processes and measures them; keeps the sandbox's process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scenarios import Scenario

HERE = Path(__file__).parent
RIVALS = HERE / "rivals"
#: `ru_maxrss` is in KiB, but on macOS in bytes.
MAXRSS_PER_MIB = 1_048_576 if sys.platform == "darwin" else 1_024
SHOWN_LOG_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Program:
    """What is measured; `max_rows` where more would take too long."""

    name: str
    command: tuple[str, ...]
    told: str
    max_rows: int | None = None


def _rival(name: str, told: str, max_rows: int | None = None) -> Program:
    return Program(name, (str(RIVALS / f"{name}.py"),), told, max_rows)


PROGRAMS = {
    program.name: program
    for program in (
        Program("target", ("-m", "target_launchdarkly"), "target-launchdarkly"),
        _rival("stock", "SDK BatchSink that sends nothing: what records cost before any work"),
        _rival("batch", "SDK BatchSink, one PATCH per batch of 1,500, no GET"),
        _rival("record", "SDK RecordSink, one PATCH a record, as in the template", 2_000),
        _rival("client", "script with json.loads and the official launchdarkly-api client"),
    )
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float


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


def run(program: Program, scenario: Scenario, sandbox: SandboxProcess, folder: Path) -> Run:
    """Run a program once over a scenario's input and look what came of it."""
    rows = min(scenario.rows, program.max_rows or scenario.rows)
    sandbox.ask("prepare", scenario)
    config = folder / "config.json"
    config.write_text(json.dumps(scenario.settings(sandbox.url)))
    command = [sys.executable, *program.command, "--config", str(config)]
    lines = scenario.lines(rows)
    if scenario.is_piped:
        usage, problems = _measure(command, folder, fed_with=lines)
    else:
        usage, problems = _measure(command, folder, input_path=_stored(scenario, rows, folder))
    if _last_state(folder) != scenario.last_state(rows):
        problems.append("its last STATE is not the input's")
    answer = sandbox.ask("look", scenario, program=program.name, sent_rows=rows)
    problems += answer["problems"]
    return Run(usage, rows, answer["requests"], answer["sent_bytes"], tuple(problems))


def _environment() -> dict[str, str]:
    """Return an environment in which modules are compiled once, as after an installation."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _stored(scenario: Scenario, rows: int, folder: Path) -> Path:
    """Return the input as a file, which all programs of a scenario read."""
    path = folder / f"{scenario.name}-{rows}.singer"
    if not path.exists():
        with path.open("wb") as file:
            file.writelines(scenario.lines(rows))
    return path


def _measure(
    command: list[str],
    folder: Path,
    *,
    input_path: Path | None = None,
    fed_with: Iterable[bytes] = (),
) -> tuple[Usage, list[str]]:
    """Run a command to its end, with a file as its input or fed through a pipe."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        source: IO[bytes] | int = input_path.open("rb") if input_path else subprocess.PIPE
        started = time.perf_counter()
        # Elsewhere, as `python -m` looks where it is before it looks at what is installed.
        process = subprocess.Popen(
            command, stdin=source, stdout=out, stderr=err, cwd=folder, env=_environment()
        )
        if isinstance(source, int):
            _feed(process, fed_with)
        else:
            source.close()
        # Not the sum over all children that getrusage has, but this child's own account.
        _, status, used = os.wait4(process.pid, 0)
        wall_seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    problems = []
    if process.returncode:
        log = (folder / "err").read_text(errors="replace")[-SHOWN_LOG_CHARACTERS:]
        problems.append(f"exit code {process.returncode}; the end of its log:\n{log}")
    _demand_own_peak(used)
    peak_mib = used.ru_maxrss / MAXRSS_PER_MIB
    return Usage(used.ru_utime + used.ru_stime, wall_seconds, peak_mib), problems


def _feed(process: subprocess.Popen[bytes], blocks: Iterable[bytes]) -> None:
    if process.stdin is None:
        raise ValueError("not piped")
    try:
        process.stdin.writelines(blocks)
        process.stdin.close()
    except BrokenPipeError:
        return  # Its exit code and its log tell why it stopped reading.


def _demand_own_peak(used: resource.struct_rusage) -> None:
    """Refuse a peak that may be ours: on Linux, exec keeps the peak of the process that forked.

    Why the input is written in blocks and large things are compared in the sandbox's process.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if used.ru_maxrss <= own:
        sys.exit(f"A peak of {used.ru_maxrss} cannot be told from the harness's own, {own}.")


def _last_state(folder: Path) -> Any:
    """Return the last STATE that a program wrote: as a line, or as a message."""
    lines = (folder / "out").read_bytes().splitlines()
    return json.loads(lines[-1]) if lines else {}
