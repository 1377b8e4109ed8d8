"""Fixtures: a sandbox over real HTTP, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from sandbox_client import Client, Clock

from target_launchdarkly.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """A sandbox with one empty standard segment, `beta-users`."""
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment("beta-users")
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    with requests.Session() as session:
        yield Client(sandbox, session)
