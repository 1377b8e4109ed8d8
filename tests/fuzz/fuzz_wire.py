"""Answers over a real connection, byte by byte as no server should write them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fuzz_answers import BODIES, HEADER_VALUES, HEADERS
from fuzz_values import MARK, TOKEN, secret

if TYPE_CHECKING:
    import random

STATUS_LINES = (
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request"),
    *(b"HTTP/1.1 200", b"HTTP/9.9 200 OK", b"200 OK", b"HTTP/1.1 abc OK", b"HTTP/1.1 99 X", b""),
    *(b"HTTP/1.1 1000 X", b"ICY 200 OK", b"\xff\xfe", b"HTTP/1.1 503 " + MARK.encode(), b"HTTP/1.0 200 OK"),
    *(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"x" * 70_000, b"HTTP/1.1 429 Too Many"),
)
HEADER_LINES = (
    *(b"Content-Length: abc", b"Content-Length: -1", b"Content-Length: 99999999", b"Content-Length: 0"),
    *(b"Content-Length: 5\r\nContent-Length: 6", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip"),
    *(b"Content-Encoding: deflate", b"Content-Encoding: br", b"no colon here", b" folded: line", b": empty"),
    *(b"X: " + b"y" * 70_000, b"\xff\xfe: \xff", b"Set-Cookie: a=b; Expires=" + b"9" * 50, b"X: a\x00b"),
    *(b"Set-Cookie: " + MARK.encode(), b"X-Echo: " + TOKEN.encode(), b"\r", b"X:\r Y"),
    b"\r\n".join(b"X-%d: 1" % number for number in range(150)),
)


class WireServer:
    """Serves what it is told, one answer a connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._chance: random.Random | None = None
        self.count = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def begin(self, chance: random.Random) -> None:
        """Draw the answers from here on by a chance of its own."""
        self._chance = chance
        self.count = 0

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    _read_request(connection)
                    self.count += 1
                    if self._chance:
                        connection.sendall(answer(self._chance))


def _read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        block = connection.recv(65_536)
        if not block:
            return
        received += block


def answer(chance: random.Random) -> bytes:
    """Return the bytes of an answer."""
    body = chance.choice(BODIES)
    if chance.random() < 0.4:
        body = b'{"key": "standard", "version": 1, "creationDate": 1, "included": []}'
    lines = [chance.choice(STATUS_LINES)]
    if chance.random() < 0.6:
        lines.append(b"Content-Length: %d" % len(body))
    for _ in range(chance.choice([0, 1, 1, 3])):
        lines.append(chance.choice(HEADER_LINES))
    for _ in range(chance.choice([0, 1, 2])):
        odd = secret(chance) if chance.random() < 0.3 else chance.choice(HEADER_VALUES)
        line = f"{chance.choice(HEADERS)}: {odd}"
        lines.append(line.encode(errors="surrogatepass"))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
