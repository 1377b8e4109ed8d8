"""Runs the command within this process, as often as one likes, and keeps all that it printed."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import random
import re
import signal
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import unquote

import requests
from fuzz_answers import Trouble
from fuzz_stand_in import StandIn
from fuzz_values import MARK, TOKEN_MARK
from running import FakeClock

from target_launchdarkly.__main__ import main
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fuzz_case import Case
    from fuzz_wire import WireServer

#: More requests than any way of a run takes, with its retries.
MAX_REQUESTS = 1_000
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| (DEBUG|INFO|WARNING|ERROR) ")


class BrokenRuleError(Exception):
    """A run did what no run may do."""


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    code: int
    stdout: bytes
    stderr: str
    requests: int
    waits: int


def run(case: Case, folder: Path, wire: WireServer) -> Outcome:
    """Run the command once."""
    clock = FakeClock()
    trouble = Trouble(case.chance, case.trouble_rate, StandIn(clock.now), clock)
    wire.begin(case.chance)
    stdout, stderr = io.BytesIO(), io.BytesIO()
    with contextlib.ExitStack() as stack:
        for each in (_as_before(), _world(case, folder), _streams(case, stdout, stderr)):
            stack.enter_context(each)
        stack.enter_context(mock.patch.object(TargetLaunchDarkly, "clock", clock.system))
        if not case.is_on_the_wire:
            adapter = mock.patch.object(requests.Session, "get_adapter", lambda *_: trouble)
            stack.enter_context(adapter)
        random.seed(case.number)
        code = _exit_code()
        sys.stdout.flush()
        sys.stderr.flush()
        written, told = stdout.getvalue(), stderr.getvalue().decode(errors="surrogateescape")
    count = wire.count if case.is_on_the_wire else trouble.count
    return Outcome(code, written, told, count, len(clock.slept))


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextlib.contextmanager
def _world(case: Case, folder: Path) -> Iterator[None]:
    """Let the process be where a shell would start it."""
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    if case.source.file is not None:
        (folder / "config.json").write_bytes(case.source.file)
    variables = case.source.variables | {"TARGET_LAUNCHDARKLY_LOGLEVEL": case.level}
    arguments = ["target-launchdarkly", *case.source.arguments, *case.options]
    try:
        with (
            contextlib.chdir(folder),
            mock.patch.dict(os.environ, variables),
            mock.patch.object(sys, "argv", arguments),
        ):
            yield
    finally:
        for path in folder.iterdir():
            path.unlink()


@contextlib.contextmanager
def _streams(case: Case, stdout: io.BytesIO, stderr: io.BytesIO) -> Iterator[None]:
    with (
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(case.feed))),
        mock.patch.object(sys, "stdout", io.TextIOWrapper(stdout, "utf-8")),
        mock.patch.object(
            sys, "stderr", io.TextIOWrapper(stderr, "utf-8", "backslashreplace", newline="\n")
        ),
    ):
        yield


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Leave logging, signals and warnings as they were."""
    root = logging.getLogger()
    handlers, level, raises = [*root.handlers], root.level, logging.raiseExceptions
    hooks = sys.excepthook
    signals = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    root.handlers.clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:], logging.raiseExceptions = handlers, raises
        root.setLevel(level)
        sys.excepthook = hooks
        for each, handler in signals.items():
            signal.signal(each, handler)


def judge(case: Case, outcome: Outcome) -> None:
    """Demand what holds of every run.

    Raises:
        BrokenRuleError: It does not.
    """
    lines = outcome.stderr.split("\n")
    errors = [line for line in lines if "| ERROR" in line[:40]]
    _demand(outcome.code in {0, 1}, f"exit code {outcome.code}")
    _demand(len(errors) == outcome.code, f"{len(errors)} ERROR lines with exit {outcome.code}")
    _demand(outcome.requests <= MAX_REQUESTS, f"{outcome.requests} requests")
    for text in (outcome.stderr, unquote(outcome.stderr)):
        _demand(TOKEN_MARK not in text.casefold(), "the token shows")
    if case.level != "DEBUG":
        _demand(outcome.stderr.endswith("\n"), "the last log line has no end")
        for line in lines[:-1]:
            _demand(LOG_LINE.match(line), f"no log line: {line[:200]!r}")
            _demand(line == "".join(line.splitlines()), f"more than a line: {line[:200]!r}")
        _demand("Traceback" not in outcome.stderr, "a traceback shows")
        _demand(MARK not in outcome.stderr.casefold(), "a context key shows")
    if not case.options:
        _judge_states(outcome)


def _judge_states(outcome: Outcome) -> None:
    _demand(outcome.stdout == b"" or outcome.stdout.endswith(b"\n"), "a torn line on stdout")
    for line in outcome.stdout.splitlines():
        json.loads(line)


def _demand(is_so: Any, otherwise: str) -> None:
    if not is_so:
        raise BrokenRuleError(otherwise)
