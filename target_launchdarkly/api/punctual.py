"""An answer has to come whole within the time that a request may take, however it drips."""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket


class TooLongError(TimeoutError):
    """An answer came, but not whole within what all of it may take."""


class PunctualAdapter(HTTPAdapter):
    """Reads answers that end in time.

    The timeout of requests is that of each single read, so that a byte now and then would keep an
    answer, or its headers, coming for ever.

    Args:
        whole_seconds: What a whole answer may take; None for the timeout of its request.
    """

    def __init__(self, whole_seconds: float | None = None) -> None:
        self._whole_seconds = whole_seconds
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make the pools of connections, with connections of our own."""
        super().init_poolmanager(*args, **more)
        _make_punctual(self.poolmanager, self._whole_seconds)

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        """Return the pools of a proxy, with connections of our own."""
        manager = super().proxy_manager_for(*args, **more)
        _make_punctual(manager, self._whole_seconds)
        return manager


def _make_punctual(manager: Any, whole_seconds: float | None) -> None:
    """Let a manager's pools read punctual answers; again is as good as once."""
    manager.pool_classes_by_scheme = {
        scheme: type(
            pool.__name__,
            (pool,),
            {"ConnectionCls": _punctual(pool.ConnectionCls, whole_seconds)},
        )
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _punctual(connection: type, whole_seconds: float | None) -> type:
    answer = type("_Answer", (_PunctualAnswer,), {"whole_seconds": whole_seconds})
    return type(connection.__name__, (connection,), {"response_class": answer})


class _PunctualAnswer(http.client.HTTPResponse):
    """An answer whose every byte comes in time, counted from when it begins."""

    whole_seconds: float | None = None

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        punctual = _PunctualFile(sock, self.fp.detach(), self.whole_seconds)
        self.fp = io.BufferedReader(punctual)


class _PunctualFile(io.RawIOBase):
    """What comes from a socket, until a moment."""

    def __init__(self, sock: socket.socket, file: Any, whole_seconds: float | None) -> None:
        self._socket = sock
        self._file = file
        self._timeout_seconds = sock.gettimeout()
        self._late = TimeoutError if whole_seconds is None else TooLongError
        self._deadline: float | None = None
        within = self._timeout_seconds if whole_seconds is None else whole_seconds
        if within is not None:
            self._deadline = time.monotonic() + within

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come.

        Raises:
            TooLongError: The moment is over, and was that of a whole answer.
            TimeoutError: It was not, or a single read took too long.
        """
        if self._deadline is not None:
            left_seconds = self._deadline - time.monotonic()
            if left_seconds <= 0:
                raise self._late("timed out")
            # A single read may take no longer than it might anyway.
            waits = (each for each in (left_seconds, self._timeout_seconds) if each is not None)
            self._socket.settimeout(min(waits))
        try:
            read: int | None = self._file.readinto(buffer)
        except TimeoutError as error:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise self._late("timed out") from error
            raise
        return read

    def close(self) -> None:
        self._file.close()
        super().close()
