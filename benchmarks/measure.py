"""Runs one process to its end and measures what it took."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: `ru_maxrss` is in KiB, but on macOS in bytes.
MAXRSS_PER_MIB = 1_048_576 if sys.platform == "darwin" else 1_024
SHOWN_LOG_CHARACTERS = 2_000
#: How often is looked at the temporary files. A look takes a ten-thousandth of a second.
LOOK_SECONDS = 0.05
BLOCK_BYTES = 512
DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took."""

    cpu_seconds: float
    wall_seconds: float
    #: None if it cannot be told from the harness's own.
    peak_mib: float | None
    #: The most that its unnamed temporary files took at once; 0 where that cannot be seen.
    disk_mib: float


def measure(
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
        with _disk_watched(process.pid) as disk:
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
    cpu_seconds = used.ru_utime + used.ru_stime
    return Usage(cpu_seconds, wall_seconds, _own_peak_mib(used), disk.peak_mib), problems


def _environment() -> dict[str, str]:
    """Return an environment in which modules are compiled once, as after an installation."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _feed(process: subprocess.Popen[bytes], blocks: Iterable[bytes]) -> None:
    if process.stdin is None:
        raise ValueError("not piped")
    try:
        process.stdin.writelines(blocks)
        process.stdin.close()
    except BrokenPipeError:
        return  # Its exit code and its log tell why it stopped reading.


def _own_peak_mib(used: resource.struct_rusage) -> float | None:
    """Return a peak, unless it may be ours: on Linux, exec keeps that of the process that forked.

    Why inputs are made and large things compared in the sandbox's process.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used.ru_maxrss / MAXRSS_PER_MIB if used.ru_maxrss > own else None


class _Disk:
    """Looks at the temporary files of a process, which have no name, so that none is left behind.

    They are seen on Linux only.
    """

    def __init__(self, pid: int) -> None:
        self._descriptors = Path(f"/proc/{pid}/fd")
        self._peak_bytes = 0
        self.over = Event()

    @property
    def peak_mib(self) -> float:
        """The most that was seen."""
        return self._peak_bytes / 1_048_576

    def watch(self) -> None:
        """Look until it is over."""
        while not self.over.wait(LOOK_SECONDS):
            self._peak_bytes = max(self._peak_bytes, self._bytes())

    def _bytes(self) -> int:
        """Return what is taken now; a file may go between two looks, and the process as well."""
        used = 0
        try:
            for link in os.scandir(self._descriptors):
                if DELETED in os.readlink(link.path):  # noqa: PTH115 a path would cost more
                    used += os.stat(link.path).st_blocks * BLOCK_BYTES  # noqa: PTH116
        except OSError:
            return used
        return used


@contextmanager
def _disk_watched(pid: int) -> Iterator[_Disk]:
    disk = _Disk(pid)
    thread = Thread(target=disk.watch)
    thread.start()
    try:
        yield disk
    finally:
        disk.over.set()
        thread.join()
