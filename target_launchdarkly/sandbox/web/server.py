"""The sandbox: a store that can be served, with what a rehearsal wants to see and to break."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from target_launchdarkly.sandbox.state.errors import ApiError
from target_launchdarkly.sandbox.state.store import (
    DEFAULT_ENVIRONMENT_KEY,
    DEFAULT_PROJECT_KEY,
    DEFAULT_SDK_KEY,
    DEFAULT_TOKEN,
    Store,
)

from .app import build_app
from .faults import FaultQueue
from .happenings import Happening, Happenings, When
from .log import Exchange, RequestLog
from .turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        happenings: somebody else's changes, and late patches, to come.
        rate_limit: None for no limit.
        log: every request to the API.
        downloads: every request for the file of an export.
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
        self.happenings = Happenings()
        self.rate_limit: RateLimit | None = None
        self.log = log or RequestLog()
        self.downloads = RequestLog()
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

    @property
    def leaks(self) -> list[Exchange]:
        """List the requests for files of exports that showed the token, or any other."""
        return [
            one
            for one in self.downloads.exchanges()
            if "authorization" in one.headers or self.token in f"{one.path} {one.headers}"
        ]

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self.log.clear()
        self.downloads.clear()

    @property
    def late(self) -> int:
        """Count the late patches that are not applied yet."""
        return len(self.happenings.late())

    def meanwhile(
        self,
        change: Callable[[Sandbox], object],
        *,
        method: str | None = None,
        after: int = 0,
        when: When = "before",
        times: int = 1,
    ) -> None:
        """Let somebody else change something at a request to come.

        Args:
            change: a `ForeignChange`, or any function, which may use all of the sandbox but its
                address. What it changes counts as somebody else's. An ApiError ends it in silence.
            method: the HTTP method of the request; None for any.
            after: so many matching requests pass first.
            when: before the request is handled, or after it, but before its answer leaves, which
                does not show the change.
            times: at how many matching requests in a row.
        """

        def change_as_somebody_else(sandbox: Sandbox) -> None:
            with sandbox.as_somebody_else():
                change(sandbox)

        turn = Turn(method, after, times)
        self.happenings.append(Happening(change_as_somebody_else, when, turn, left=times))

    def patch_late(
        self, segment_key: str, document: object, later: int | None, when: When = "before"
    ) -> None:
        """Apply a patch at so many requests from now; None waits for `apply_late`."""
        self.change_late(lambda one: one.patch_segment(segment_key, document), later, when)

    def change_late(
        self, change: Callable[[Sandbox], object], later: int | None, when: When = "before"
    ) -> None:
        """Make a change at so many requests from now; None waits for `apply_late`."""
        turn = None if later is None else Turn(after=later - 1)
        self.happenings.append(Happening(change, when, turn, is_late=True))

    def apply_late(self) -> int:
        """Apply the late patches that are still pending, and count those that were accepted."""
        return self.happen(*self.happenings.late())

    def happen(self, *happenings: Happening) -> int:
        """Let these happen, unless they did or were called off, and count what was accepted."""
        accepted = 0
        for one in happenings:
            if self.happenings.claim(one):
                with suppress(ApiError):
                    one.change(self)
                    accepted += 1
        return accepted

    def call_off(self) -> None:
        """Call off all faults, late patches and changes of somebody else that are to come."""
        self.faults.clear()
        self.happenings.clear()

    @contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[Self]:
        """Serve the API in a thread of its own; port 0 picks a free one.

        Raises:
            OSError: when the port is in use or the host is not this machine's.
        """
        listener = _listen(host, port)
        port = listener.getsockname()[1]
        self._url, self.files_base = _url(host, port), _url(_other_name(host), port)
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


def _other_name(host: str) -> str:
    """Give another name of this machine, where files seem to lie; its own if there is none."""
    if host == "localhost":
        return "127.0.0.1"
    return "localhost" if host in {"127.0.0.1", "::1", "0.0.0.0", "::"} else host  # noqa: S104


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
