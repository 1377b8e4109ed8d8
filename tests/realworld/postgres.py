"""A PostgreSQL server for the tests alone, and the two makes of tap-postgres that read it."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from neighbours import PATIENCE_SECONDS, tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Make = Literal["meltanolabs", "pipelinewise"]

USER = "reader"
#: How long a log may say nothing until a log based run ends.
IDLE_SECONDS = 2
#: The server refuses to run as root.
SERVANT = "postgres"
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "100",
    "fsync": "off",
}
#: Says what may write the log, in servers since 15.19 and its siblings; older ones do not know it.
NEW_OPTION = "output_plugin_libraries"


@dataclass(frozen=True)
class Server:
    """A running server."""

    programs: Path
    port: int
    password: str

    def variables(self, database: str) -> dict[str, str]:
        """Return what leads `psql` to a database."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }

    @property
    def has_wal2json(self) -> bool:
        """Whether the plugin is there that taps read the log by."""
        return (self.programs.parent / "lib" / "wal2json.so").exists()

    def execute(self, database: str, *statements: str) -> None:
        """Run SQL, each statement in a transaction of its own."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        done = subprocess.run(
            [self.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"],
            env=ours | self.variables(database),
            input=";\n".join([*statements, ""]),
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Database:
    """A database, read by one make of tap-postgres."""

    server: Server
    name: str
    make: Make
    #: More settings of the tap.
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tap(self) -> list[str]:
        """The command of the tap."""
        return [tool(f".venv-{self.make}", "tap-postgres")]

    @property
    def tap_config(self) -> dict[str, Any]:
        """Settings of the tap, of which both makes read what they know."""
        ours = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": USER,
            "password": self.server.password,
            "filter_schemas": "marts" if self.make == "pipelinewise" else ["marts"],
            # pipelinewise
            "dbname": self.name,
            "logical_poll_total_seconds": IDLE_SECONDS,
            # meltanolabs
            "database": self.name,
            "dates_as_string": True,
            "replication_slot_name": self.slot,
            "replication_idle_exit_seconds": IDLE_SECONDS,
        }
        return ours | dict(self.more)

    @property
    def slot(self) -> str:
        """The name of the replication slot, which pipelinewise prescribes."""
        return f"pipelinewise_{self.name}"

    def open_slot(self) -> None:
        """Make the slot from which a log based run reads; without wal2json, skip."""
        if not self.server.has_wal2json:
            pytest.skip(f"the server in {self.server.programs} has no wal2json")
        self.execute(f"select pg_create_logical_replication_slot('{self.slot}', 'wal2json')")

    def execute(self, *statements: str) -> None:
        """Run SQL."""
        self.server.execute(self.name, *statements)


def create_database(server: Server, make: Make, **more: Any) -> Database:
    """Create an empty database with a schema `marts`."""
    database = Database(server, f"{make}_{secrets.token_hex(4)}", make, more)
    server.execute("postgres", f"create database {database.name}")
    database.execute("create schema marts")
    return database


@contextmanager
def serve() -> Iterator[Server]:
    """Run a server in a folder of its own for a while; where there is none, skip."""
    programs = find_programs()
    if os.geteuid() == 0 and not _is_user(SERVANT):
        pytest.skip(f"PostgreSQL does not run as root, and there is no user {SERVANT}")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    password = secrets.token_hex()
    (folder / "password").write_text(password)
    servant: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, SERVANT, SERVANT)
        servant |= {"user": SERVANT, "group": SERVANT, "extra_groups": []}
    try:
        _create(programs, folder, servant)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        with _running(programs, folder, port, servant):
            yield Server(programs, port, password)
    finally:
        shutil.rmtree(folder)


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs: the newest that has wal2json, else the newest."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    folders = [each for each in folders if (each / "initdb").exists()]
    folders.sort(key=lambda each: not (each.parent / "lib" / "wal2json.so").exists())
    if not folders:
        pytest.skip("no PostgreSQL: Debian's packages are postgresql and postgresql-15-wal2json")
    return folders[0]


def _is_user(name: str) -> bool:
    return any(each.pw_name == name for each in pwd.getpwall())


def _version(programs: Path) -> int:
    name = programs.parent.name
    return int(name) if name.isdecimal() else 0


def _create(programs: Path, folder: Path, servant: dict[str, Any]) -> None:
    done = subprocess.run(
        [
            *(programs / "initdb", "--pgdata", folder / "data", "--username", USER),
            *("--auth", "scram-sha-256", "--pwfile", folder / "password"),
            *("--encoding", "UTF8", "--no-locale", "--no-sync"),
        ],
        capture_output=True,
        check=False,
        text=True,
        **servant,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def _running(programs: Path, folder: Path, port: int, servant: dict[str, Any]) -> Iterator[None]:
    options = OPTIONS | {"port": str(port)}
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    asked = [*command, "-C", NEW_OPTION]
    if not subprocess.run(asked, capture_output=True, check=False, **servant).returncode:
        options |= {NEW_OPTION: "wal2json"}
    command += [f"--{name}={value}" for name, value in options.items()]
    log = folder / "server.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=stderr, stderr=stderr, **servant)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(asked, check=False).returncode:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        # Its quickest end: nothing of it is needed any more.
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE_SECONDS)
