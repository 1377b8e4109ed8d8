"""Runs the command within this process, as often as one likes, and keeps all that it printed."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from unittest import mock

import requests
from fuzz_answers import Trouble
from fuzz_stand_in import StandIn
from running import FakeClock
from singer_sdk import plugin_base
from singer_sdk.helpers._packaging import get_package_version

from target_launchdarkly.__main__ import main
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from fuzz_case import Case
    from fuzz_wire import WireServer

#: More requests than any way of a run takes, with its retries.
MAX_REQUESTS = 400


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    code: int
    stdout: bytes
    stderr: str
    requests: int
    #: What was asked for where the answer was not right.
    changed: Counter[str]


def run(case: Case, folder: Path, wire: WireServer) -> Outcome:
    """Run the command once."""
    clock = FakeClock()
    stand_in = StandIn(clock.now)
    if case.is_on_the_wire:
        wire.begin(case.chance, stand_in, case.trouble_rate)
    if case.kind == "process":
        return _run_process(case, folder, wire)
    trouble = Trouble(case.chance, case.trouble_rate, stand_in, clock, MAX_REQUESTS)
    stdout, stderr = io.BytesIO(), io.BytesIO()
    with contextlib.ExitStack() as stack:
        for each in (_as_before(), _within(case, folder), _streams(case, stdout, stderr)):
            stack.enter_context(each)
        stack.enter_context(mock.patch.object(TargetLaunchDarkly, "clock", clock.system))
        # What the SDK reads of disk twice a run is the same each time.
        stack.enter_context(mock.patch.object(plugin_base, "get_package_version", _version))
        if not case.is_on_the_wire:
            adapter = mock.patch.object(requests.Session, "get_adapter", return_value=trouble)
            stack.enter_context(adapter)
        random.seed(case.number)
        code = _exit_code()
        sys.stdout.flush()
        sys.stderr.flush()
        written, told = stdout.getvalue(), stderr.getvalue().decode(errors="surrogateescape")
    met = wire if case.is_on_the_wire else trouble
    return Outcome(code, written, told, met.count, met.changed)


_version = cache(get_package_version)


def _run_process(case: Case, folder: Path, wire: WireServer) -> Outcome:
    with _files(case, folder):
        done = subprocess.run(
            [sys.executable, "-m", "target_launchdarkly", *case.source.arguments, *case.options],
            input=case.feed,
            capture_output=True,
            check=False,
            cwd=folder,
            env=os.environ | _variables(case),
        )
    told = done.stderr.decode(errors="surrogateescape")
    return Outcome(done.returncode, done.stdout, told, wire.count, wire.changed)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextlib.contextmanager
def _files(case: Case, folder: Path) -> Iterator[None]:
    """Let the folder hold what the run is given, and nothing else."""
    given = dict(case.files)
    if case.source.file is not None:
        given["config.json"] = case.source.file
    for name, content in given.items():
        (folder / name).write_bytes(content)
    try:
        yield
    finally:
        for path in folder.iterdir():
            path.unlink()


def _variables(case: Case) -> dict[str, str]:
    return case.source.variables | {"TARGET_LAUNCHDARKLY_LOGLEVEL": case.level}


@contextlib.contextmanager
def _within(case: Case, folder: Path) -> Iterator[None]:
    """Let this process be what a shell would start there."""
    variables = _variables(case)
    arguments = ["target-launchdarkly", *case.source.arguments, *case.options]
    os.environ.update(variables)
    try:
        with (
            _files(case, folder),
            contextlib.chdir(folder),
            mock.patch.object(sys, "argv", arguments),
        ):
            yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


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
