"""Answers that come a byte at a time: `request_timeout` is that of the whole answer."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import requests
from failing_runs import MESSAGES, assert_failed
from running import SEGMENT, TOKEN

from target_launchdarkly.api.answers import describe
from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running import Run

TIMEOUT_SECONDS = 0.4
#: Far less than the timeout, so that no single read ends it.
BETWEEN_BYTES_SECONDS = 0.02
BODY = json.dumps({"key": SEGMENT, "version": 1, "creationDate": 1, "included": []})
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def dripping(at_once: str, *then: str) -> Iterator[str]:
    """Serve one answer for ever: its beginning at once, the rest a piece at a time."""
    is_over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=[connection], daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(at_once.encode())
            for piece in then:
                if is_over.wait(BETWEEN_BYTES_SECONDS):
                    return
                connection.sendall(piece.encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        is_over.set()


SIZED = f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n"
CHUNKED = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n"
ELSEWHERE = Connection("http://127.0.0.1:9", "default", "test", "agent")
PIECES = [f"1\r\n{letter}\r\n" for letter in BODY]


@pytest.mark.parametrize(
    ("at_once", "then"),
    [
        pytest.param(SIZED, BODY, id="body"),
        pytest.param(CHUNKED, [*PIECES, "0\r\n\r\n"], id="chunks"),
        pytest.param(HEAD, "\r\n" + BODY, id="until-the-end-of-the-connection"),
        pytest.param("", SIZED + BODY, id="everything"),
        pytest.param(HEAD, [f"X-{n}: {n}\r\n" for n in range(90)], id="headers"),
        pytest.param("", ["HTTP/1.1 100 Continue\r\n\r\n"] * 90, id="promises"),
    ],
)
def test_answer_that_drips_ends_with_the_timeout(
    sync: Callable[..., Run], at_once: str, then: str | list[str]
) -> None:
    """Each is longer than the timeout allows, and good if one waits for its end."""
    with dripping(at_once, *then) as url:
        run = sync(MESSAGES, api_url=url, request_timeout=TIMEOUT_SECONDS, max_retry_seconds=0)

    assert_failed(run, "no answer within request_timeout")


def test_answer_that_comes_in_pieces_but_in_time_is_read(sync: Callable[..., Run]) -> None:
    middle = len(BODY) // 2
    with dripping(SIZED + BODY[:middle], BODY[middle:]) as url:
        run = sync(MESSAGES[:1], api_url=url)
        again = sync(MESSAGES[:2], api_url=url, dry_run=True)

    assert run.error is None
    assert again.error is None
    assert "would be added" in again.summary


def session_of_link(url: str, max_seconds: float) -> requests.Session:
    return Sessions(ELSEWHERE, TOKEN).of_link(url, max_seconds)


def test_file_that_drips_ends_with_what_it_may_take_as_a_whole() -> None:
    """However small the pieces: a block of the file would never be full."""
    with (
        dripping(f"{HEAD}Content-Length: 1000\r\n\r\n", *("x" * 1_000)) as url,
        session_of_link(url, TIMEOUT_SECONDS) as session,
    ):
        answer = session.get(url, stream=True, timeout=5)

        with pytest.raises(requests.ConnectionError) as caught:
            b"".join(answer.iter_content(262_144))
    assert describe(caught.value) == "it took longer than max_import_seconds"


def test_file_whose_next_byte_does_not_come_is_told_by_the_timeout_of_a_read() -> None:
    with (
        dripping(f"{HEAD}Content-Length: 1000\r\n\r\n", *[""] * 1_000) as url,
        session_of_link(url, 60) as session,
    ):
        answer = session.get(url, stream=True, timeout=TIMEOUT_SECONDS)

        with pytest.raises(requests.ConnectionError) as caught:
            b"".join(answer.iter_content(262_144))
    assert describe(caught.value) == "no answer within request_timeout"


def test_file_that_comes_in_time_is_read_whole_by_the_same_session() -> None:
    with (
        dripping(f"{HEAD}Content-Length: 5\r\n\r\n", *"abcde") as url,
        session_of_link(url, 60) as session,
    ):
        answer = session.get(url, stream=True, timeout=5)

        assert b"".join(answer.iter_content(262_144)) == b"abcde"
