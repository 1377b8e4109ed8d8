"""Fixtures: a sandbox over real HTTP, time that stands still, the target in and out of process."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from messages import lines
from running import SEGMENT, TOKEN, FakeClock, Run, demand_discreet
from singer_sdk.exceptions import SingerSDKError
from watched import WatchedProcess

from target_launchdarkly.errors import TargetError
from target_launchdarkly.sandbox import Sandbox
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is no Unicode in what a test printed: reports go to another process."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does: no token in any log line, no context key above DEBUG."""
    yield
    for line in caplog.get_records("call"):
        demand_discreet(line.getMessage(), keys_may_show=line.levelno <= logging.DEBUG)


@pytest.fixture(autouse=True, scope="session")
def processes_are_watched() -> Iterator[None]:
    """Whoever starts a process: the same of every line that it writes."""
    with mock.patch.object(subprocess, "Popen", WatchedProcess):
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sandbox(clock: FakeClock) -> Iterator[Sandbox]:
    """A sandbox with one empty standard segment, `beta-users`."""
    sandbox = Sandbox(project_key="default", environment_key="test", token=TOKEN, clock=clock.now)
    sandbox.add_segment(SEGMENT)
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    """Settings that point at the sandbox's segment."""
    return {
        "access_token": TOKEN,
        "api_url": sandbox.url,
        "project_key": "default",
        "environment_key": "test",
        "segment_key": SEGMENT,
    }


@pytest.fixture
def sync(config: dict[str, Any], clock: FakeClock) -> Callable[..., Run]:
    """Run the target in this process: `sync(messages, audience_sync_mode="mirror")`."""

    class Target(TargetLaunchDarkly):
        pass

    Target.clock = clock.system

    def run(messages: Iterable[dict[str, Any] | str], **settings: Any) -> Run:
        target = Target(config=config | settings)
        output = io.StringIO()
        error: Exception | None = None
        with contextlib.redirect_stdout(output):
            try:
                target.listen(io.BytesIO(lines(messages)))  # type: ignore[arg-type]
            except (TargetError, SingerSDKError) as failure:
                error = failure
        return Run(target, [json.loads(line) for line in output.getvalue().splitlines()], error)

    return run


@pytest.fixture
def command(
    config: dict[str, Any], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the target as users do: `command(messages, audience_sync_mode="mirror")`."""

    def run(
        messages: Iterable[dict[str, Any] | str] = (), **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config | settings))
        return subprocess.run(
            [sys.executable, "-m", "target_launchdarkly", "--config", str(path)],
            input=lines(messages).decode(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run
