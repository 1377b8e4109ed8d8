"""Real processes that are told to stop, or killed, at the worst moments."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from messages import keys, leavers, lines, members, schema, state
from running import SEGMENT, TOKEN
from target_process import DEADLINE_SECONDS, STOPPED_BY, Running, WatchedFaults, notice, send

from target_launchdarkly.sandbox import Fault, RateLimit, RequestLog, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Exchange

SIGNALS = [pytest.param(each, id=each.name) for each in STOPPED_BY]
CHANGES = {"audience_sync_mode": "mirror"}
TRUSTED_SNAPSHOT = CHANGES | {"mirror_source": "snapshot", "trust_end_of_input": True}
#: Drains, and writes STATE, after every record instead of every five minutes.
OFTEN = """
from singer_sdk.target_base import Target
from target_launchdarkly.target import TargetLaunchDarkly
Target._MAX_RECORD_AGE_IN_MINUTES = -1
TargetLaunchDarkly.cli()
"""


@pytest.fixture
def faults() -> WatchedFaults:
    return WatchedFaults()


@pytest.fixture
def sandbox(faults: WatchedFaults) -> Iterator[Sandbox]:
    """A sandbox by the system's clock, as the processes have no other."""
    sandbox = Sandbox(project_key="default", environment_key="test", token=TOKEN)
    sandbox.faults = faults
    sandbox.add_segment(SEGMENT, included=["gone", "stays"])
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def start(config: dict[str, Any], tmp_path: Path) -> Callable[..., AbstractContextManager[Running]]:
    """Start a target as users do; settings are given by name."""

    @contextmanager
    def run(*command: str, **settings: Any) -> Iterator[Running]:
        path, output = tmp_path / "config.json", tmp_path / "states.jsonl"
        path.write_text(json.dumps(config | settings))
        with (
            output.open("wb") as stdout,
            subprocess.Popen(
                [sys.executable, *(command or ("-m", "target_launchdarkly")), "--config", path],
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=subprocess.PIPE,
            ) as process,
        ):
            watchdog = threading.Timer(DEADLINE_SECONDS, process.kill)
            watchdog.start()
            try:
                yield Running(process, output)
            finally:
                watchdog.cancel()
                process.kill()

    return run


MESSAGES = [schema(), *members("new-1", "new-2"), *leavers("gone"), state({"at": "end"})]


def demand_rerun_converges(
    sandbox: Sandbox, sync: Callable[..., Run], messages: list[dict[str, Any]], **settings: Any
) -> None:
    sandbox.faults.clear()
    sandbox.rate_limit = None
    run = sync(messages, **settings)
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert set(sandbox.included(SEGMENT)) == {"stays", "new-1", "new-2"}


def demand_told(told: str, signum: signal.Signals) -> None:
    """A signal that can be caught leaves one ERROR line, and no key in it."""
    if signum == signal.SIGKILL:
        return
    assert f"Stopped by {signum.name}. Nothing more is sent." in told
    for name in ("new-1", "new-2", "gone", "stays", TOKEN):
        assert name not in told


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_signal_with_a_request_in_flight_stops_at_once(  # noqa: PLR0917
    sandbox: Sandbox,
    faults: WatchedFaults,
    start: Callable[..., Any],
    sync: Callable[..., Run],
    signum: signal.Signals,
    method: str,
) -> None:
    faults.append(Fault("delay", method=method, seconds=30))
    with start(**CHANGES) as running:
        send(running, MESSAGES)
        assert faults.met.wait(DEADLINE_SECONDS)
        answered = len(sandbox.requests)
        told = running.stop(signum)

        demand_told(told, signum)
        assert running.states == []
        assert sandbox.included(SEGMENT) == ["gone", "stays"]
        assert len(sandbox.requests) == answered
    demand_rerun_converges(sandbox, sync, MESSAGES, **CHANGES)


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("limit", ["429", "used-up"])
def test_signal_while_waiting_for_a_rate_limit_stops_at_once(  # noqa: PLR0917
    sandbox: Sandbox,
    faults: WatchedFaults,
    start: Callable[..., Any],
    sync: Callable[..., Run],
    signum: signal.Signals,
    limit: str,
) -> None:
    if limit == "429":
        headers = {"Retry-After": "60"}
        faults.append(Fault("status", method="PATCH", status=429, headers=headers))
    else:
        sandbox.rate_limit = RateLimit(1, 60)
    with start(**CHANGES) as running:
        send(running, MESSAGES)
        running.wait_for_log("Trying again in" if limit == "429" else "The rate limit is used up")
        answered = len(sandbox.requests)
        told = running.stop(signum)

        demand_told(told, signum)
        assert running.states == []
        assert sandbox.included(SEGMENT) == ["gone", "stays"]
        assert len(sandbox.requests) == answered
    demand_rerun_converges(sandbox, sync, MESSAGES, **CHANGES)


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_while_blocked_on_input_stops_at_once(
    sandbox: Sandbox,
    start: Callable[..., Any],
    sync: Callable[..., Run],
    signum: signal.Signals,
) -> None:
    """What waits for a checkpoint is not sent any more."""
    read = notice(sandbox, "GET", 1)
    with start(batch_size_rows=2, **CHANGES) as running:
        send(running, MESSAGES, end=False)
        assert read.wait(DEADLINE_SECONDS)
        told = running.stop(signum)

        demand_told(told, signum)
        assert running.states == []
        assert sandbox.included(SEGMENT) == ["gone", "stays"]
        assert [each.method for each in sandbox.requests] == ["GET"]
    demand_rerun_converges(sandbox, sync, MESSAGES, **CHANGES)


LISTING = [schema(), *members("stays", "new-1", "new-2"), state({"at": "end"})]


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_in_the_middle_of_a_trusted_snapshot_removes_nobody(
    sandbox: Sandbox,
    start: Callable[..., Any],
    sync: Callable[..., Run],
    signum: signal.Signals,
) -> None:
    read = notice(sandbox, "GET", 1)
    with start(batch_size_rows=1, **TRUSTED_SNAPSHOT) as running:
        send(running, LISTING[:3], end=False)
        assert read.wait(DEADLINE_SECONDS)
        told = running.stop(signum)

        demand_told(told, signum)
        assert running.states == []
        assert sandbox.included(SEGMENT) == ["gone", "stays"]
    demand_rerun_converges(sandbox, sync, LISTING, **TRUSTED_SNAPSHOT)


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_before_a_trusted_snapshots_removals_removes_nobody(
    sandbox: Sandbox,
    faults: WatchedFaults,
    start: Callable[..., Any],
    sync: Callable[..., Run],
    signum: signal.Signals,
) -> None:
    """The input has ended; the last addition is in flight."""
    faults.append(Fault("delay", method="PATCH", seconds=30))
    with start(**TRUSTED_SNAPSHOT) as running:
        send(running, LISTING)
        assert faults.met.wait(DEADLINE_SECONDS)
        told = running.stop(signum)

        demand_told(told, signum)
        assert running.states == []
        assert sandbox.included(SEGMENT) == ["gone", "stays"]
        assert [each.method for each in sandbox.requests] == ["GET"]
    demand_rerun_converges(sandbox, sync, LISTING, **TRUSTED_SNAPSHOT)


def positioned(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put a STATE after each record, which says how many messages came before it."""
    told: list[dict[str, Any]] = [schema()]
    for message in messages:
        told.append(message)
        told.append(state({"position": len(told)}))
    return told


def wanted_after(messages: list[dict[str, Any]]) -> dict[str, bool]:
    """Return the last flag of every key."""
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    return {row["context_key"]: row["is_member"] for row in rows}


def demand_state_holds(sandbox: Sandbox, messages: list[dict[str, Any]], position: int) -> None:
    """LaunchDarkly has what the messages before a position say."""
    there = set(sandbox.included(SEGMENT))
    for key, is_member in wanted_after(messages[:position]).items():
        # A later record of the key may have been applied already.
        if key in wanted_after(messages[position:]):
            continue
        assert (key in there) == is_member


@pytest.mark.parametrize("number", range(10))
def test_kill_at_a_random_moment_leaves_an_honest_state_and_a_rerun_converges(
    sandbox: Sandbox, start: Callable[..., Any], sync: Callable[..., Run], number: int
) -> None:
    """The signal comes while LaunchDarkly has applied a request and not answered it yet."""
    chosen = random.Random(number)  # noqa: S311
    signum = chosen.choice(list(STOPPED_BY))
    records = [*members(*keys(6)), *leavers("gone", "user-2"), *members("user-7")]
    messages = positioned(records)
    processes: list[subprocess.Popen[bytes]] = []
    left = [chosen.randint(1, 10)]

    def stop(_exchange: Exchange) -> None:
        left[0] -= 1
        if left[0] == 0:
            processes[0].send_signal(signum)

    sandbox.log = RequestLog(on_exchange=stop)
    with start("-c", OFTEN, **CHANGES) as running:
        processes.append(running.process)
        send(running, messages)
        told = running.end(signum)

        demand_told(told, signum)
        answered = len(sandbox.requests)
        states = running.states
    position = states[-1]["position"] if states else 0
    demand_state_holds(sandbox, messages, position)
    assert len(sandbox.requests) == answered

    run = sync([schema(), *messages[position:]], **CHANGES)

    assert run.error is None
    expected = {key for key, is_member in wanted_after(messages).items() if is_member} | {"stays"}
    assert set(sandbox.included(SEGMENT)) == expected


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_waits_until_a_state_line_is_whole(
    config: dict[str, Any], tmp_path: Path, signum: signal.Signals
) -> None:
    """A STATE far larger than a pipe holds: the signal comes when half of it is written."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    value = {"bookmarks": {f"stream_{number}": {"at": "x" * 100} for number in range(20_000)}}
    with subprocess.Popen(
        [sys.executable, "-m", "target_launchdarkly", "--config", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(lines([schema(), state(value)]))
        process.stdin.close()
        beginning = process.stdout.read(10)  # the pipe is full: the target waits in its write
        process.send_signal(signum)
        rest = process.stdout.read()
        assert process.stderr
        told = process.stderr.read().decode()

    assert process.wait() == STOPPED_BY[signum]
    assert json.loads(beginning + rest) == value
    assert (beginning + rest).endswith(b"\n")
    assert f"Stopped by {signum.name}" in told
