"""Answers over a real connection, byte by byte as no server should write them."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fuzz_answers import BODIES, HEADER_VALUES, HEADERS
from fuzz_stand_in import Asked, kind_of
from fuzz_values import MARK, TOKEN, secret

if TYPE_CHECKING:
    from fuzz_stand_in import StandIn

STATUS_LINES = (
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request"),
    *(b"HTTP/1.1 200", b"HTTP/9.9 200 OK", b"200 OK", b"HTTP/1.1 abc OK", b"HTTP/1.1 99 X", b""),
    *(
        b"HTTP/1.1 1000 X",
        b"ICY 200 OK",
        b"\xff\xfe",
        b"HTTP/1.1 503 " + MARK.encode(),
        b"HTTP/1.0 200 OK",
    ),
    *(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"x" * 70_000, b"HTTP/1.1 429 Too Many"),
)
HEADER_LINES = (
    *(
        b"Content-Length: abc",
        b"Content-Length: -1",
        b"Content-Length: 99999999",
        b"Content-Length: 0",
    ),
    *(
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
    ),
    *(
        b"Content-Encoding: deflate",
        b"Content-Encoding: br",
        b"no colon here",
        b" folded: line",
        b": empty",
    ),
    *(
        b"X: " + b"y" * 70_000,
        b"\xff\xfe: \xff",
        b"Set-Cookie: a=b; Expires=" + b"9" * 50,
        b"X: a\x00b",
    ),
    *(b"Set-Cookie: " + MARK.encode(), b"X-Echo: " + TOKEN.encode(), b"\r", b"X:\r Y"),
    b"\r\n".join(b"X-%d: 1" % number for number in range(150)),
)


class WireServer:
    """Serves what it is told, one answer a connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._chance = random.Random()  # noqa: S311
        self._stand_in: StandIn | None = None
        self._rate = 1.0
        self.count = 0
        #: What was asked for where the answer was not right.
        self.changed: Counter[str] = Counter()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def begin(self, chance: random.Random, stand_in: StandIn, rate: float) -> None:
        """Draw the answers from here on by a chance of its own.

        Args:
            chance: Draws them.
            stand_in: Knows the right answers.
            rate: How many of the answers are odd, from 0 to 1.
        """
        self._chance, self._stand_in, self._rate = chance, stand_in, rate
        stand_in.store.files_base = self.url
        self.count = 0
        self.changed = Counter()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    asked = _read_request(connection)
                    self.count += 1
                    connection.sendall(self._answer(asked))

    def _answer(self, asked: Asked) -> bytes:
        if self._stand_in is None or self._chance.random() < self._rate:
            self.changed[kind_of(asked)] += 1
            return answer(self._chance)
        status, headers, body = self._stand_in.answer(asked)
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{told}"
        return f"{head}\r\n".encode() + body


def _read_request(connection: socket.socket) -> Asked:
    """Read a request.

    Raises:
        OSError: There is none.
    """
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    request, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _some(connection)
    method, url, _ = request.split(" ")
    return Asked(method, url, headers.get("authorization"), body)


def _some(connection: socket.socket) -> bytes:
    block = connection.recv(65_536)
    if not block:
        raise ConnectionAbortedError
    return block


def answer(chance: random.Random) -> bytes:
    """Return the bytes of an answer."""
    body = chance.choice(BODIES)
    if chance.random() < 0.4:
        body = b'{"key": "standard", "version": 1, "creationDate": 1, "included": []}'
    lines = [chance.choice(STATUS_LINES)]
    if chance.random() < 0.6:
        lines.append(b"Content-Length: %d" % len(body))
    lines += [chance.choice(HEADER_LINES) for _ in range(chance.choice([0, 1, 1, 3]))]
    for _ in range(chance.choice([0, 1, 2])):
        odd = secret(chance) if chance.random() < 0.3 else chance.choice(HEADER_VALUES)
        line = f"{chance.choice(HEADERS)}: {odd}"
        lines.append(line.encode(errors="surrogatepass"))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
