"""What stands around the handlers: token, errors, request log, rate limit, faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

from aiohttp import web

from target_launchdarkly.sandbox.state.errors import ApiError, documented_error
from target_launchdarkly.sandbox.state.exports import FILES

from .files import FileHandlers, FileResponse
from .handlers import FAULT_MET, JSON_TYPE, ApiHandlers, ControlHandlers, error_answer
from .log import Exchange
from .page import PageHandlers
from .sdk import SdkHandlers
from .turns import FILE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Handler

    from .faults import Fault, FaultKind
    from .server import Sandbox

_HTML = "<!DOCTYPE html><html><body><h1>Not the page you asked for</h1></body></html>"
# Status, content type and body of an answer that a fault makes up; no body: the documented error.
_MADE_UP: dict[FaultKind, tuple[int, str, str | None]] = {
    "status": (503, JSON_TYPE, None),
    "status-after": (503, JSON_TYPE, None),
    "html": (502, "text/html", _HTML),
    "html-ok": (200, "text/html", _HTML),
    "garbage": (200, JSON_TYPE, '{"key": "beta-users", "incl'),
    "empty": (200, JSON_TYPE, ""),
    "redirect": (307, JSON_TYPE, "{}"),
    "late-status": (504, JSON_TYPE, None),
}


def build_app(sandbox: Sandbox) -> web.Application:
    """Make the application that serves a sandbox."""
    handlers = (
        ApiHandlers(sandbox),
        ControlHandlers(sandbox),
        PageHandlers(sandbox),
        SdkHandlers(sandbox),
        FileHandlers(sandbox),
    )
    # Imports may be of any size; 0 lifts the limit.
    app = web.Application(client_max_size=0, middlewares=[_Pipeline(sandbox).handle])
    for one in handlers:
        app.add_routes(one.routes())
    return app


class _Pipeline:
    """What happens to every request around its handler."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @web.middleware
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_file = request.path.startswith(FILES)
        if not is_file and not request.path.startswith("/api/"):
            return await _run(request, handler)
        started = time.monotonic()
        try:
            body = await _loggable_body(request)
        except ConnectionError:
            # Whoever asked was killed meanwhile; nobody reads this.
            return web.Response(status=400)
        happenings = self._sandbox.happenings.at_request(FILE if is_file else request.method)
        self._sandbox.happen(*(one for one in happenings if one.when == "before"))
        respond = self._respond_with_file if is_file else self._respond
        response, fault = await respond(request, handler)
        self._sandbox.happen(*(one for one in happenings if one.when == "after"))
        # By the sandbox's clock, so that waits counted from this header hold in tests too.
        response.headers.setdefault("Date", formatdate(self._sandbox.clock(), usegmt=True))
        # Whatever was not read yet would stand in the way of the connection's next request.
        await request.release()
        status = None if fault and fault.is_dropping else response.status
        log = self._sandbox.downloads if is_file else self._sandbox.log
        log.add(_exchange(request, body, status, started))
        return await _send(request, response, fault)

    async def _respond(
        self, request: web.Request, handler: Handler
    ) -> tuple[web.Response, Fault | None]:
        quota = self._sandbox.rate_limit and self._sandbox.rate_limit.admit(self._sandbox.clock())
        fault = None
        if quota and quota.retry_after_seconds is not None:
            response = error_answer(documented_error(429))
        else:
            fault = self._sandbox.faults.take(request.method)
            response = await _respond_with_fault(
                request, lambda one: self._apply(one, handler), fault
            )
        if quota:
            for name, value in quota.headers().items():
                response.headers.setdefault(name, value)
        return response, fault

    async def _respond_with_file(
        self, request: web.Request, handler: Handler
    ) -> tuple[web.Response, Fault | None]:
        """Respond in place of another service, which knows neither tokens nor limits."""
        fault = self._sandbox.faults.take(FILE)
        return await _respond_with_fault(request, lambda one: _run(one, handler), fault), fault

    async def _apply(self, request: web.Request, handler: Handler) -> web.Response:
        try:
            self._sandbox.authorize(request.headers.get("Authorization"))
        except ApiError as error:
            return error_answer(error)
        return await _run(request, handler)


async def _respond_with_fault(
    request: web.Request,
    apply: Callable[[web.Request], Awaitable[web.Response]],
    fault: Fault | None,
) -> web.Response:
    FAULT_MET.set(fault)
    if fault is None:
        return await apply(request)
    await asyncio.sleep(fault.seconds)
    is_late = fault.is_late and (request.method == "PATCH" or request.path.endswith("/imports"))
    if fault.is_before and not is_late:
        return web.Response() if fault.is_dropping else _made_up(fault, request)
    response = await apply(request)
    if fault.kind in _MADE_UP:
        return _made_up(fault, request)
    response.headers.update(fault.headers or {})
    return response


def _exchange(request: web.Request, body: object, status: int | None, started: float) -> Exchange:
    return Exchange(
        method=request.method,
        path=request.raw_path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        status=status,
        segment_key=request.match_info.get("segment"),
        started=started,
        finished=time.monotonic(),
    )


async def _run(request: web.Request, handler: Handler) -> web.Response:
    """Run a handler, or what aiohttp runs for an unknown path; errors become answers."""
    try:
        return cast("web.Response", await handler(request))
    except ApiError as error:
        return error_answer(error)
    except web.HTTPException as error:
        response = error_answer(documented_error(error.status))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


async def _loggable_body(request: web.Request) -> object:
    """Read the body, unless it is an upload; None when it is no JSON."""
    if request.content_type.startswith("multipart/"):
        return None
    try:
        return json.loads(await request.read())
    except ValueError:
        return None


def _made_up(fault: Fault, request: web.Request) -> web.Response:
    status, content_type, body = _MADE_UP[fault.kind]
    status = fault.status or status
    body = body if fault.body is None else fault.body
    if body is None:
        body = json.dumps(documented_error(status).document())
    response = web.Response(body=body.encode(), status=status, content_type=content_type)
    if fault.kind == "redirect":
        response.headers["Location"] = f"https://elsewhere.invalid{request.raw_path}"
    response.headers.update(fault.headers or {})
    return response


async def _send(
    request: web.Request, response: web.Response, fault: Fault | None
) -> web.StreamResponse:
    """Give what aiohttp is to send, unless a fault breaks the connection off."""
    transport = request.transport
    if fault is None or transport is None:
        return response
    if fault.kind == "truncate":
        half = await _send_half(request, response)
        transport.close()
        return half
    if not fault.is_dropping:
        return response
    if fault.kind.startswith("reset-"):
        # Lingering for zero seconds turns the close into a TCP reset.
        linger = struct.pack("ii", 1, 0)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    return response


async def _send_half(request: web.Request, response: web.Response) -> web.StreamResponse:
    half = web.StreamResponse(status=response.status, headers=response.headers)
    file = response.file if isinstance(response, FileResponse) else None
    body = response.body if isinstance(response.body, bytes) else b""
    half.content_length = file.size_bytes if file else len(body)
    await half.prepare(request)
    left = half.content_length // 2
    for chunk in file.chunks() if file else (body,):
        await half.write(chunk[:left])
        left = max(0, left - len(chunk))
    return half
