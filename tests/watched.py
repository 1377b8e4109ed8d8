"""Processes whose every line is looked at: no token, and above DEBUG no context key.

While tests run, `WatchedProcess` stands in the place of `subprocess.Popen`, so that whoever starts
a process starts one of these, by `subprocess.run` as well.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from running import demand_discreet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: The target by its script or its module, but nothing that only has its name in its own.
TARGET = re.compile(r"target[-_]launchdarkly(?![.\w/-])")
#: A line of the target's log that another program passes on.
PASSED_ON = re.compile(r"\| (target-launchdarkly|target_launchdarkly\.\S+) +\|")
LEVEL = re.compile(r"\| (INFO|WARNING|ERROR) ")


class Watch:
    """Looks at what a process writes.

    Args:
        arguments: It was started with.
        variables: Of its environment.
    """

    def __init__(self, arguments: Any, variables: Mapping[str, str]) -> None:
        words = [arguments] if isinstance(arguments, str | bytes | os.PathLike) else arguments
        program, *more = [os.fsdecode(word) for word in words]
        # Meltano is told the target's name, and passes on what the tap says as well.
        is_meltano = program.endswith("meltano")
        self._is_target = not is_meltano and TARGET.search(" ".join([program, *more])) is not None
        self._is_debugged = variables.get("TARGET_LAUNCHDARKLY_LOGLEVEL") == "DEBUG"

    def look(self, written: Any) -> None:
        """Assert that a text, or bytes of one, may be shown."""
        text = written.decode(errors="replace") if isinstance(written, bytes) else written or ""
        for line in text.splitlines():
            if self._is_target or PASSED_ON.search(line):
                is_above_debug = not self._is_debugged or LEVEL.search(line)
                demand_discreet(line, keys_may_show=not is_above_debug)


class WatchedFile:
    """A process's stdout or stderr; whatever is read of it is looked at."""

    def __init__(self, file: Any, look: Callable[[Any], None]) -> None:
        self._file = file
        self._look = look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[Any]:
        for line in self._file:
            self._look(line)
            yield line

    def read(self, *size: int) -> Any:
        return self._looked_at(self._file.read(*size))

    def readline(self, *size: int) -> Any:
        return self._looked_at(self._file.readline(*size))

    def readlines(self) -> list[Any]:
        return [*self]

    def _looked_at(self, written: Any) -> Any:
        self._look(written)
        return written


class WatchedProcess(subprocess.Popen[Any]):
    """A process that is watched."""

    def __init__(self, args: Any, *more: Any, **named: Any) -> None:
        super().__init__(args, *more, **named)
        self._watch = Watch(args, named.get("env") or os.environ)
        for name in ("stdout", "stderr"):
            if getattr(self, name, None) is not None:
                setattr(self, name, WatchedFile(getattr(self, name), self._watch.look))

    def communicate(self, *args: Any, **named: Any) -> tuple[Any, Any]:
        written = super().communicate(*args, **named)
        for each in written:
            self._watch.look(each)
        return written
