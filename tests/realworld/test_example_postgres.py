"""`examples/postgres` and `examples/postgres-log`, as they are, with a real PostgreSQL."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

import pytest
from meltano_project import MeltanoProject, copy_example, target_variables
from neighbours import TARGET, tool
from postgres import Server, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

    #: Copies an example and runs its SQL in a new database, whose SQL the second runs.
    Stage = Callable[[str, str], tuple[MeltanoProject, Callable[..., None]]]

pytestmark = pytest.mark.realworld


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def stage(server: Server, tmp_path: Path, sandbox: Sandbox) -> Stage:
    def stage(example: str, sql: str) -> tuple[MeltanoProject, Callable[..., None]]:
        folder = tmp_path / example
        copy_example(example, folder)
        database = f"example_{secrets.token_hex(4)}"
        server.execute("postgres", f"create database {database}")
        variables = server.variables(database) | target_variables(sandbox)
        project = MeltanoProject(folder, "test", variables)
        project.install("tap-postgres", tool(".venv-meltanolabs", "tap-postgres"))
        project.install("target-launchdarkly", *TARGET)
        execute = partial(server.execute, database)
        execute((folder / sql).read_text())
        return project, execute

    return stage


def sync(project: MeltanoProject) -> None:
    done = project.run("run", "--no-install", "tap-postgres", "target-launchdarkly")
    assert done.returncode == 0, done.stderr
    # Whatever the streams are called, all of them came.
    assert "never came" not in done.stderr


def test_audiences_follow_flags_and_the_view(stage: Stage, sandbox: Sandbox) -> None:
    project, execute = stage("postgres", "audiences.sql")
    sandbox.add_segment("premium-users", included=["1", "2"])

    sync(project)

    assert sorted(sandbox.included("beta-users")) == ["ann", "ben", "dan"]
    assert sorted(sandbox.included("premium-users")) == ["1", "3"]

    execute(
        "update marts.beta_users set is_member = false, updated_at = now()"
        " where context_key = 'ann'",
        # As its README says, this says nothing about anybody.
        "delete from marts.beta_users where context_key = 'ben'",
        "update marts.users set plan = 'free' where user_id = 3",
    )
    sync(project)

    assert sorted(sandbox.included("beta-users")) == ["ben", "dan"]
    assert sandbox.included("premium-users") == ["1"]


def test_subscribers_follow_the_log(server: Server, stage: Stage, sandbox: Sandbox) -> None:
    if not server.has_wal2json:
        pytest.skip("the server has no wal2json")
    sandbox.add_segment("subscribers")
    project, execute = stage("postgres-log", "subscribers.sql")

    sync(project)

    assert sorted(sandbox.included("subscribers")) == ["ann", "ben", "cem"]

    execute(
        "delete from marts.subscribers where context_key = 'ann'",
        "insert into marts.subscribers values (4, 'eva'), (5, 'fay')",
        "delete from marts.subscribers where context_key = 'fay'",
    )
    sync(project)

    assert sorted(sandbox.included("subscribers")) == ["ben", "cem", "eva"]
    execute("select pg_drop_replication_slot('launchdarkly')")
