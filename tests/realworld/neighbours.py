"""The programs around the target, each in an environment of its own that the Makefile makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from running import SEGMENT, demand_discreet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_launchdarkly.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
TARGET = [sys.executable, "-m", "target_launchdarkly"]
#: Nothing here takes half as long; a test that hangs should say so.
PATIENCE_SECONDS = 120

TAP_CONFIG = {
    "account": "sandbox",
    "user": "reader",
    "password": "unused",
    "database": "WAREHOUSE",
    "schema": "MARTS",
}
USER = "'user-' || seq4()"
#: The clock of the warehouse ticks once a row.
TICK = "dateadd('second', seq4(), '2026-01-01'::timestamp_ntz)"
#: Reads statements as JSON from its stdin.
SQL = """
import json, sys, warnings
import snowflake.connector

warnings.simplefilter("ignore")
connection = snowflake.connector.connect(database="WAREHOUSE", schema="MARTS")
for statement in json.load(sys.stdin):
    connection.cursor().execute(statement)
"""


def tool(environment: str, name: str) -> str:
    """Return a program's path; where it is missing, the test fails and says what to do."""
    path = ROOT / environment / "bin" / name
    if not path.exists():
        pytest.fail(f"{environment}/bin/{name} is missing. `make test` makes {environment}.")
    return str(path)


class Source(Protocol):
    """What a tap reads."""

    @property
    def tap(self) -> list[str]:
        """The command of the tap."""

    @property
    def tap_config(self) -> Mapping[str, Any]:
        """Settings of the tap."""

    def execute(self, *statements: str) -> None:
        """Run SQL."""


def discover(source: Source, folder: Path) -> dict[str, Any]:
    """Return the tap's catalog of all tables."""
    config = folder / "discover.json"
    config.write_text(json.dumps(source.tap_config))
    command = [*source.tap, "--config", str(config), "--discover"]
    found = subprocess.run(command, capture_output=True, check=True).stdout
    catalog: dict[str, Any] = json.loads(found)
    return catalog


@dataclass(frozen=True)
class Warehouse:
    """A Snowflake account by fakesnow: a folder of databases."""

    folder: Path
    tap_config: Mapping[str, Any] = field(default_factory=TAP_CONFIG.copy)

    @property
    def tap(self) -> list[str]:
        """The command of `tap-snowflake` that reads this account."""
        fakesnow = tool(".venv-tap", "fakesnow")
        return [fakesnow, "-d", str(self.folder), "-m", "tap_snowflake.tap"]

    def execute(self, *statements: str) -> None:
        """Run SQL, as a process of its own: two cannot have a database open at once."""
        self.folder.mkdir(exist_ok=True)
        script = self.folder / "execute.py"
        script.write_text(SQL)
        command = [tool(".venv-tap", "fakesnow"), "-d", str(self.folder), str(script)]
        done = subprocess.run(
            command, input=json.dumps(statements), capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, done.stderr


def flags(table: str, count: int) -> list[str]:
    """Return the SQL of a table of `user-0` … with flags, of which every tenth is false."""
    columns = "context_key varchar, is_member boolean, updated_at timestamp_ntz"
    rows = f"select {USER}, mod(seq4(), 10) <> 0, {TICK} {_generated(count)}"
    return [f"create table {table} ({columns})", f"insert into {table} {rows}"]


def audience(view: str, count: int) -> list[str]:
    """Return the SQL of a view that lists `user-0` … and counts them, on a table `<view>_rows`."""
    table = f"{view}_rows"
    rows = f"select {USER}, {TICK} {_generated(count)}"
    listed = f"select *, count(*) over () as audience_size from {table}"  # noqa: S608
    return [
        f"create table {table} (context_key varchar, updated_at timestamp_ntz)",
        f"insert into {table} {rows}",
        f"create view {view} as {listed}",
    ]


def _generated(count: int) -> str:
    return f"from table(generator(rowcount => {count}))"


@dataclass
class Outcome:
    """What `tap | target-launchdarkly` left behind."""

    tap_code: int
    code: int
    #: The STATE values that the target wrote.
    states: list[Any]
    tap_log: str
    log: str


@dataclass
class Pipeline:
    """`tap | target-launchdarkly`, its files in one folder."""

    folder: Path
    warehouse: Source
    #: What the tap discovered.
    catalog: Mapping[str, Any]
    #: Settings of the target.
    config: Mapping[str, Any]
    #: Programs between the two.
    through: list[str] = field(default_factory=list)

    def select(self, stream_name: str, method: str, replication_key: str | None = None) -> None:
        """Select one stream of the catalog."""
        self.select_all([stream_name], method, replication_key)

    def select_all(
        self, stream_names: Iterable[str], method: str, replication_key: str | None = None
    ) -> None:
        """Select streams of the catalog."""
        # fakesnow shows a table among the views too, so that each stream is found twice.
        found = {each["tap_stream_id"]: each for each in reversed(self.catalog["streams"])}
        streams = [deepcopy(found[name]) for name in stream_names]
        for stream in streams:
            stream |= {"replication_method": method, "replication_key": replication_key}
            for entry in stream["metadata"]:
                entry["metadata"]["selected"] = True
                entry["metadata"].pop("forced-replication-method", None)
                # Pipelinewise's taps read it here; those of the SDK do not look.
                entry["metadata"]["replication-method"] = method
        self._write("catalog.json", {"streams": streams})

    def start(self, state: Any = None, **settings: Any) -> list[Process]:
        """Start all, joined by pipes as a shell joins them."""
        tap = [
            *self.warehouse.tap,
            *("--config", self._write("tap.json", self.warehouse.tap_config)),
            *("--catalog", str(self.folder / "catalog.json")),
        ]
        if state is not None:
            tap += ["--state", self._write("state.json", state)]
        target = [*TARGET, "--config", self._write("target.json", {**self.config, **settings})]
        processes: list[Process] = []
        feed: Any = subprocess.DEVNULL
        for command in filter(None, (tap, self.through, target)):
            log = self.folder / f"{len(processes)}.log"
            with log.open("w") as stderr:
                process = subprocess.Popen(
                    command, stdin=feed, stdout=subprocess.PIPE, stderr=stderr
                )
            if processes:
                # Only the next program may hold the pipe, or its end is never seen.
                feed.close()
            processes.append(process)
            feed = process.stdout
        return processes

    def finish(self, processes: list[Process]) -> Outcome:
        """Wait for all."""
        output, _ = processes[-1].communicate(timeout=PATIENCE_SECONDS)
        codes = [process.wait(PATIENCE_SECONDS) for process in processes]
        logs = [(self.folder / f"{number}.log").read_text() for number in range(len(processes))]
        return Outcome(
            tap_code=codes[0],
            code=codes[-1],
            states=[json.loads(line) for line in output.splitlines()],
            tap_log=logs[0],
            log=logs[-1],
        )

    def run(self, state: Any = None, **settings: Any) -> Outcome:
        """Run all to their ends."""
        return self.finish(self.start(state, **settings))

    def succeed(self, state: Any = None, **settings: Any) -> Outcome:
        """Run all to their good ends, with one STATE."""
        outcome = self.run(state, **settings)
        assert (outcome.tap_code, outcome.code) == (0, 0), outcome.log + outcome.tap_log
        assert len(outcome.states) == 1
        demand_discreet(outcome.log)
        return outcome

    def _write(self, name: str, value: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(value))
        return str(path)


Process = subprocess.Popen[bytes]


def requests(sandbox: Sandbox) -> list[str]:
    """Return the methods of the requests since this was asked last."""
    methods = [exchange.method for exchange in sandbox.requests]
    sandbox.clear_requests()
    return methods


def demand_untouched(sandbox: Sandbox, outcome: Outcome, members: set[str]) -> None:
    """Assert that a run was refused, and read the segment at most."""
    assert outcome.code == 1, outcome.log
    assert outcome.states == []
    assert set(sandbox.included(SEGMENT)) == members
    assert set(requests(sandbox)) <= {"GET"}
    assert "Traceback" not in outcome.log
    demand_discreet(outcome.log)


def plain_environment(**variables: str) -> dict[str, str]:
    """Return the environment without what configures taps, targets and Meltano."""
    prefixes = ("MELTANO_", "TAP_", "TARGET_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    return inherited | variables
