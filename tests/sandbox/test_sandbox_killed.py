"""A target that is killed while it sends: the sandbox goes on, and says nothing of it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import pytest
    from sandbox_client import Client

    from target_launchdarkly.sandbox import Sandbox


def test_sender_that_goes_in_the_middle_of_a_body_is_no_error(
    client: Client, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(sandbox.url)
    path = "/api/v2/segments/default/test/beta-users"
    head = f"PATCH {path} HTTP/1.1\r\nHost: any\r\nContent-Length: 1000\r\n\r\n"
    for _ in range(3):
        with socket.create_connection((url.hostname or "", url.port or 0)) as sender:
            sender.sendall(head.encode() + b'{"instr')

    # More than one, so that the server has seen that the others are gone.
    for key in ("a", "b", "c", "d", "e"):
        assert client.include(key).status_code == 200
    assert sandbox.included("beta-users") == ["a", "b", "c", "d", "e"]
    assert len(sandbox.requests) == 5
    assert "Error handling request" not in caplog.text
