"""The sandbox: a store that can be served, with what a rehearsal wants to see and to break."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from target_launchdarkly.sandbox.state.store import (
    DEFAULT_ENVIRONMENT_KEY,
    DEFAULT_PROJECT_KEY,
    DEFAULT_SDK_KEY,
    DEFAULT_TOKEN,
    Store,
)

from .app import build_app
from .faults import FaultQueue
from .log import Exchange, RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from .limits import RateLimit

# Zero would mean to wait for requests in progress without an end.
_SHUTDOWN_SECONDS = 0.01
_BACKLOG = 128


class Sandbox(Store):
    """A stand-in for LaunchDarkly's segments API.

    Example: `sandbox = Sandbox(); sandbox.add_segment("beta-users")`, then
    `with sandbox.serve(): ...` with `sandbox.url` as the API's base URL. Opened in a browser, it
    shows the segments; given to an SDK in polling mode with `sdk_key`, it serves them as flags.

    Attributes:
        faults: troubles of the next requests.
        rate_limit: None for no limit.
        log: every request to the API.
    """

    def __init__(  # noqa: PLR0913 - these are the properties of an environment
        self,
        project_key: str = DEFAULT_PROJECT_KEY,
        environment_key: str = DEFAULT_ENVIRONMENT_KEY,
        token: str = DEFAULT_TOKEN,
        clock: Callable[[], float] = time.time,
        log: RequestLog | None = None,
        *,
        sdk_key: str = DEFAULT_SDK_KEY,
    ) -> None:
        super().__init__(project_key, environment_key, token, clock, sdk_key=sdk_key)
        self.faults = FaultQueue()
        self.rate_limit: RateLimit | None = None
        self.log = log or RequestLog()
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Give the base URL, such as `http://127.0.0.1:8765`; it stays after `serve` ended.

        Raises:
            RuntimeError: before `serve`.
        """
        if self._url is None:
            raise RuntimeError("the sandbox is not served yet")
        return self._url

    @property
    def requests(self) -> list[Exchange]:
        """List the requests to the API so far, oldest first."""
        return self.log.exchanges()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self.log.clear()

    @contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[Self]:
        """Serve the API in a thread of its own; port 0 picks a free one.

        Raises:
            OSError: when the port is in use or the host is not this machine's.
        """
        listener = _listen(host, port)
        self._url = _url(host, listener.getsockname()[1])
        stop_when_ready: Future[Callable[[], object]] = Future()
        thread = threading.Thread(
            target=_run, args=(self, listener, stop_when_ready), name="sandbox", daemon=True
        )
        thread.start()
        stop = stop_when_ready.result()
        try:
            yield self
        finally:
            stop()
            thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _run(
    sandbox: Sandbox, listener: socket.socket, stop_when_ready: Future[Callable[[], object]]
) -> None:
    try:
        asyncio.run(_serve_until_stopped(sandbox, listener, stop_when_ready))
    except Exception as error:
        if stop_when_ready.done():
            raise
        # The thread that waits for the start raises it.
        stop_when_ready.set_exception(error)
    finally:
        listener.close()


async def _serve_until_stopped(
    sandbox: Sandbox, listener: socket.socket, stop_when_ready: Future[Callable[[], object]]
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    runner = web.AppRunner(build_app(sandbox), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=_BACKLOG).start()
    stop_when_ready.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
    await stopped.wait()
    await runner.cleanup()
