"""A target that runs as a process of its own, and what tells when to send it a signal."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from messages import lines

from target_launchdarkly.sandbox import Fault, FaultQueue, RequestLog

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from target_launchdarkly.sandbox import Exchange, Sandbox

#: A test that hangs is ended after so long; none waits for it.
DEADLINE_SECONDS = 60
STOPPED_BY = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}


class WatchedFaults(FaultQueue):
    """Tells when a request has met a fault, which the log does only when it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.met = threading.Event()

    def take(self, method: str) -> Fault | None:
        fault = super().take(method)
        if fault:
            self.met.set()
        return fault


@dataclass
class Running:
    """A target that runs."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def wait_for_log(self, text: str) -> None:
        """Wait until the target logs a text."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line.decode():
                return
        raise AssertionError(f"it ended without '{text}'")

    def stop(self, signum: signal.Signals) -> str:
        """Send a signal, demand the exit code, and return what was logged since."""
        self.process.send_signal(signum)
        return self.end(signum)

    def end(self, signum: signal.Signals) -> str:
        assert self.process.stderr is not None
        told = self.process.stderr.read().decode()
        assert self.process.wait() == STOPPED_BY[signum], told
        assert "Traceback" not in told
        return told

    @property
    def states(self) -> list[Any]:
        """The whole STATE lines on stdout."""
        text = self.output.read_text()
        assert text == "" or text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]


def send(running: Running, messages: list[dict[str, Any]], *, end: bool = True) -> None:
    running.stdin.write(lines(messages))
    running.stdin.flush()
    if end:
        running.stdin.close()


def notice(sandbox: Sandbox, method: str, count: int) -> threading.Event:
    """Return what is set once so many requests of a method were answered."""
    seen = threading.Event()
    left = [count]

    def note(exchange: Exchange) -> None:
        left[0] -= exchange.method == method
        if left[0] == 0:
            seen.set()

    sandbox.log = RequestLog(on_exchange=note)
    return seen
