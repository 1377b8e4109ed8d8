"""The programs around the target, each in an environment of its own that the Makefile makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True)
class Warehouse:
    """A Snowflake account by fakesnow: a folder of databases."""

    folder: Path

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

    def discover(self) -> dict[str, Any]:
        """Return the tap's catalog of all tables."""
        config = self.folder / "discover.json"
        config.write_text(json.dumps(TAP_CONFIG))
        command = [*self.tap, "--config", str(config), "--discover"]
        found = subprocess.run(command, capture_output=True, check=True).stdout
        catalog: dict[str, Any] = json.loads(found)
        return catalog


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
    """What `tap-snowflake | target-launchdarkly` left behind."""

    tap_code: int
    code: int
    #: The STATE values that the target wrote.
    states: list[Any]
    tap_log: str
    log: str


@dataclass
class Pipeline:
    """`tap-snowflake | target-launchdarkly`, its files in one folder."""

    folder: Path
    warehouse: Warehouse
    #: What the tap discovered.
    catalog: Mapping[str, Any]
    #: Settings of the target.
    config: Mapping[str, Any]
    #: Programs between the two.
    through: list[str] = field(default_factory=list)

    def select(self, stream_name: str, method: str, replication_key: str | None = None) -> None:
        """Select one stream of the catalog."""
        # fakesnow shows a table among the views too, so that each stream is found twice.
        stream = deepcopy(
            next(each for each in self.catalog["streams"] if each["tap_stream_id"] == stream_name)
        )
        stream |= {"replication_method": method, "replication_key": replication_key}
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
            entry["metadata"].pop("forced-replication-method", None)
        self._write("catalog.json", {"streams": [stream]})

    def start(self, state: Any = None, **settings: Any) -> list[Process]:
        """Start all, joined by pipes as a shell joins them."""
        tap = [
            *self.warehouse.tap,
            *("--config", self._write("tap.json", TAP_CONFIG)),
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

    def _write(self, name: str, value: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(value))
        return str(path)


Process = subprocess.Popen[bytes]


def plain_environment(**variables: str) -> dict[str, str]:
    """Return the environment without what configures taps, targets and Meltano."""
    prefixes = ("MELTANO_", "TAP_", "TARGET_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    return inherited | variables
