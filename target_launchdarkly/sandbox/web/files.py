"""The place where the files of exports lie, which knows no token, as S3 answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from aiohttp import web

from target_launchdarkly.sandbox.state.exports import FILES, FileRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from target_launchdarkly.sandbox.state.exports import ExportFile

    from .server import Sandbox


class FileResponse(web.Response):
    """An answer that writes its file while it is sent.

    The length is told first, so that whoever reads can see that something is missing.
    """

    def __init__(self, file: ExportFile) -> None:
        headers = {"Content-Length": str(file.size_bytes)}
        super().__init__(body=_chunks(file), headers=headers, content_type="text/csv")
        self.file = file


class FileHandlers:
    """Files for whoever has their links, and for nobody who shows a token as well."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        return [web.get(FILES + "{export}.csv", self._read)]

    async def _read(self, request: web.Request) -> web.Response:
        try:
            file = self._file(request)
        except FileRefused as error:
            return _refusal(error)
        return FileResponse(file)

    def _file(self, request: web.Request) -> ExportFile:
        if "Authorization" in request.headers:
            raise FileRefused(400, "InvalidArgument", "Only one auth mechanism allowed")
        signature = request.query.get("X-Amz-Signature")
        return self._sandbox.export_file(request.match_info["export"], signature)


async def _chunks(file: ExportFile) -> AsyncIterator[bytes]:
    for chunk in file.chunks():
        yield chunk


def _refusal(error: FileRefused) -> web.Response:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    )
    return web.Response(text=body, status=error.status, content_type="application/xml")
