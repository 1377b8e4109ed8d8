"""Runs a target in a process of its own against a sandbox, and stops it at the moment of a case."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from messages import lines
from running import SEGMENT, TOKEN

from target_launchdarkly.sandbox import RateLimit, RequestLog, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from kill_case import Case

SERVER = Path(__file__).with_name("kill_server.py")
#: Between these a run is at work, seconds after its start.
LEAST_SECONDS, MOST_SECONDS = 0.08, 0.35
DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    code: int
    stdout: bytes
    stderr: str
    #: At what the signal found it, as the target says; empty if it found no handler yet.
    place: str
    #: Whether a terminal is as it was; true where there was none.
    is_terminal_as_before: bool
    #: Who is a member afterwards.
    members: frozenset[str]


class Targets:
    """Starts targets, one at a time."""

    def __enter__(self) -> Self:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = subprocess.Popen(
            [sys.executable, SERVER, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._server.wait()

    def start(self, request: dict[str, Any], streams: list[int]) -> int:
        """Start a target with these streams, which are closed here; return its process's ID."""
        socket.send_fds(self._link, [json.dumps(request).encode()], streams)
        for stream in streams:
            os.close(stream)
        return int(self._link.recv(100))

    def end(self) -> int:
        """Wait until the target has ended; return its exit code, negative for a signal."""
        return int(self._link.recv(100))


class Running:
    """One run: what feeds it, what reads from it, and what stops it."""

    def __init__(self, case: Case, messages: list[dict[str, Any]], sandbox: Sandbox) -> None:
        self._case = case
        self._messages = messages
        self._sandbox = sandbox
        self._process = 0
        self._is_started = threading.Event()
        self._stdout, self._stderr, self._place = bytearray(), bytearray(), bytearray()
        #: Whether a signal is still to be sent, and what sends it.
        self._is_due = False
        self._lock = threading.Lock()

    def run(self, targets: Targets, folder: Path, planted: str, *, is_stopped: bool) -> Outcome:
        """Run the target to its end, or to the signal."""
        self._is_due = is_stopped
        (stdin, feed), output, places = os.pipe(), os.pipe(), os.pipe()
        errors = pty.openpty() if self._case.is_on_a_terminal else os.pipe()
        # Kept open, as a shell does that looks at it afterwards.
        terminal = os.dup(errors[1])
        before = _settings_of(terminal)
        self._sandbox.log = RequestLog(on_exchange=lambda _: self._note_request())
        streams = [stdin, output[1], errors[1], places[1]]
        self._process = targets.start(self._request(folder, planted), streams)
        self._is_started.set()
        threads = self._begin(feed, output[0], errors[0], places[0])
        if self._case.when == "time" and is_stopped:
            time.sleep(LEAST_SECONDS + self._case.share * (MOST_SECONDS - LEAST_SECONDS))
            self._stop()
        code = targets.end()
        with self._lock:
            self._is_due = False
        is_as_before = before == _settings_of(terminal)
        os.close(terminal)
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
        return self._outcome(code, is_as_before=is_as_before)

    def _begin(self, feed: int, output: int, errors: int, places: int) -> list[threading.Thread]:
        """Begin to write what the target reads, and to read what it writes."""
        threads = [
            threading.Thread(target=self._feed, args=(feed,)),
            threading.Thread(target=self._read, args=(output, self._stdout, self._note_output)),
            threading.Thread(target=self._read, args=(errors, self._stderr, None)),
            threading.Thread(target=self._read, args=(places, self._place, None)),
        ]
        for thread in threads:
            thread.start()
        return threads

    def _outcome(self, code: int, *, is_as_before: bool) -> Outcome:
        return Outcome(
            code,
            bytes(self._stdout),
            self._stderr.decode().replace("\r\n", "\n"),
            self._place.decode(),
            is_as_before,
            frozenset(self._sandbox.included(SEGMENT)),
        )

    def _request(self, folder: Path, planted: str) -> dict[str, Any]:
        path = folder / "config.json"
        settings: dict[str, Any] = {
            "access_token": TOKEN,
            "api_url": self._sandbox.url,
            "project_key": "default",
            "environment_key": "test",
            "segment_key": SEGMENT,
        }
        path.write_text(json.dumps(settings | self._case.settings))
        return {
            "arguments": ["--config", str(path)],
            "variables": {"TERM": "xterm-256color", "COLUMNS": "200"},
            "is_often": self._case.is_often,
            "planted": planted,
        }

    def _stop(self) -> None:
        self._is_started.wait(DEADLINE_SECONDS)
        time.sleep(self._case.delay)
        with self._lock:
            if self._is_due:
                self._is_due = False
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process, self._case.signum)

    def _feed(self, stream: int) -> None:
        last = int(self._case.share * len(self._messages)) if self._case.when == "input" else -1
        with contextlib.suppress(BrokenPipeError), os.fdopen(stream, "wb", buffering=0) as file:
            for number, message in enumerate(self._messages):
                file.write(lines([message]))
                if number == last:
                    self._stop()

    def _read(self, stream: int, into: bytearray, note: Callable[[int], None] | None) -> None:
        # A terminal is gone with its last writer.
        with contextlib.suppress(OSError):
            while block := os.read(stream, 65_536):
                into += block
                if note:
                    note(len(into))
        os.close(stream)

    def _note_output(self, length: int) -> None:
        if self._case.when == "state" and length > self._case.share * self._case.output_bytes:
            self._stop()

    def _note_request(self) -> None:
        count = len(self._sandbox.requests)
        if self._case.when == "request" and count >= self._case.share * self._case.requests:
            self._stop()


def _settings_of(stream: int) -> list[Any] | None:
    """Return how a terminal is set; None if it is none."""
    return termios.tcgetattr(stream) if os.isatty(stream) else None


def run_case(case: Case, targets: Targets, folder: Path, planted: str = "") -> list[Outcome]:
    """Run a case: to the signal, and then from the last STATE to the end."""
    sandbox = Sandbox(project_key="default", environment_key="test", token=TOKEN)
    sandbox.add_segment(SEGMENT, included=["gone", "stays", "user-1", "user-2"])
    with sandbox.serve():
        for fault in case.faults:
            sandbox.faults.append(fault)
        if case.rate_limit:
            sandbox.rate_limit = RateLimit(case.rate_limit, 0.1)
        stopped = Running(case, case.messages, sandbox).run(
            targets, folder, planted, is_stopped=True
        )
        sandbox.faults.clear()
        sandbox.rate_limit = None
        rest = [case.messages[0], *case.messages[position(stopped) :]]
        again = Running(case, rest, sandbox).run(targets, folder, "", is_stopped=False)
    return [stopped, again]


def position(outcome: Outcome) -> int:
    """Return how many messages the last whole STATE line covers."""
    whole = outcome.stdout.split(b"\n")[:-1]
    return json.loads(whole[-1])["position"] if whole else 0
