"""Fixtures: a sandbox over real HTTP, time that stands still, the target in and out of process."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from messages import lines
from singer_sdk.exceptions import SingerSDKError

from target_launchdarkly.api.client import Clock
from target_launchdarkly.errors import TargetError
from target_launchdarkly.sandbox import Sandbox
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

TOKEN = "api-sandbox"
SEGMENT = "beta-users"


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    #: A whole second, as HTTP dates have no smaller unit.
    epoch: float = 1_800_000_000.0
    elapsed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.epoch + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.elapsed += seconds

    @property
    def system(self) -> Clock:
        return Clock(sleep=self.sleep, monotonic=self.monotonic, now=self.now)


@dataclass
class Run:
    """What a run left behind."""

    target: TargetLaunchDarkly
    #: The STATE values on stdout, in order.
    states: list[Any]
    error: Exception | None

    @property
    def summary(self) -> str:
        return "\n".join(self.target.summary())


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does: no token in any log line, no context key above DEBUG."""
    yield
    for line in caplog.get_records("call"):
        demand_discreet(line.getMessage(), keys_may_show=line.levelno <= logging.DEBUG)


def demand_discreet(text: str, *, keys_may_show: bool = False) -> None:
    """Assert that a text holds neither the sandbox's token nor one of the numbered keys."""
    assert TOKEN not in text
    assert keys_may_show or not re.search(r"user-\d", text)


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
        result = subprocess.run(
            [sys.executable, "-m", "target_launchdarkly", "--config", str(path)],
            input=lines(messages).decode(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        demand_discreet(result.stdout + result.stderr)
        return result

    return run
