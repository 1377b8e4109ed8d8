"""An answer has to come whole within the time that a request may take, however it drips."""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket


class PunctualAdapter(HTTPAdapter):
    """Reads answers that end in time; for whatever is as large as a file, it is not meant.

    The timeout of requests is that of each single read, so that a byte now and then would keep an
    answer, or its headers, coming for ever.
    """

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make the pools of connections, with connections of our own."""
        super().init_poolmanager(*args, **more)
        _make_punctual(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        """Return the pools of a proxy, with connections of our own."""
        manager = super().proxy_manager_for(*args, **more)
        _make_punctual(manager)
        return manager


def _make_punctual(manager: Any) -> None:
    """Let a manager's pools read punctual answers; again is as good as once."""
    manager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": _punctual(pool.ConnectionCls)})
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _punctual(connection: type) -> type:
    return type(connection.__name__, (connection,), {"response_class": _PunctualAnswer})


class _PunctualAnswer(http.client.HTTPResponse):
    """An answer whose every byte comes before the timeout that the socket has when it begins."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_PunctualFile(sock, self.fp.detach()))


class _PunctualFile(io.RawIOBase):
    """What comes from a socket, until a moment."""

    def __init__(self, sock: socket.socket, file: Any) -> None:
        self._socket = sock
        self._file = file
        self._deadline: float | None = None
        if (timeout_seconds := sock.gettimeout()) is not None:
            self._deadline = time.monotonic() + timeout_seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come.

        Raises:
            TimeoutError: The moment is over.
        """
        if self._deadline is not None:
            left_seconds = self._deadline - time.monotonic()
            if left_seconds <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left_seconds)
        read: int | None = self._file.readinto(buffer)
        return read

    def close(self) -> None:
        self._file.close()
        super().close()
