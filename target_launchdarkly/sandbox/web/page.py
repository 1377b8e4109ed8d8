"""The sandbox's page and the JSON that it shows."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING

from aiohttp import web

from target_launchdarkly.sandbox.state.errors import invalid

from . import views
from .handlers import json_answer, whole_number

if TYPE_CHECKING:
    from target_launchdarkly.sandbox.state.segment import Side

    from .server import Sandbox

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_MAX_SEARCH = 1_000


class PageHandlers:
    """The page; it is served to whoever asks, as the sandbox holds nothing of worth."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._page = _read_page()
        self._headers = {
            "Content-Security-Policy": _content_security_policy(self._page),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        }

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        segment = "/sandbox/segments/{segment}"
        return [
            web.get("/", self._show),
            web.get("/sandbox/overview", self._overview),
            web.get(segment + "/members", self._members),
            web.get(segment + "/patches", self._patches),
        ]

    async def _show(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html", headers=self._headers)

    async def _overview(self, _request: web.Request) -> web.Response:
        return _fresh(views.overview(self._sandbox))

    async def _members(self, request: web.Request) -> web.Response:
        query = _members_query(request)
        segment_key = request.match_info["segment"]
        context_kind, keys = views.snapshot_of_keys(self._sandbox, segment_key, query)
        # A search in a million keys takes a moment, in which others want to be served.
        found = await asyncio.to_thread(views.members, keys, query)
        leaves_at = views.leaving(self._sandbox, segment_key, query.side, context_kind)
        return _fresh(
            {
                "segment_key": segment_key,
                "context_kind": context_kind,
                **found,
                "leaving": {key: leaves_at[key] for key in found["keys"] if key in leaves_at},
            }
        )

    async def _patches(self, request: web.Request) -> web.Response:
        return _fresh(views.changes(self._sandbox, request.match_info["segment"]))


def _fresh(document: object) -> web.Response:
    response = json_answer(document)
    response.headers["Cache-Control"] = "no-store"
    return response


def _members_query(request: web.Request) -> views.MembersQuery:
    page = whole_number(request, "page", 1)
    if page < 1:
        raise invalid("page starts at 1")
    search = request.query.get("search", "")
    if len(search) > _MAX_SEARCH:
        raise invalid(f"search takes at most {_MAX_SEARCH} characters")
    return views.MembersQuery(
        side=_side(request.query.get("list", "included")),
        context_kind=request.query.get("kind") or None,
        search=search,
        page=page,
    )


def _side(text: str) -> Side:
    if text == "included":
        return "included"
    if text == "excluded":
        return "excluded"
    raise invalid("list must be included or excluded")


def _read_page() -> str:
    return (
        resources.files("target_launchdarkly.sandbox.web").joinpath("page.html").read_text("utf-8")
    )


def _content_security_policy(page: str) -> str:
    """Allow the page's own script and style by their hashes, and requests to the sandbox."""
    hashes = {
        tag: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for tag, text in _INLINE.findall(page)
    }
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes['script']}",
            f"style-src {hashes['style']}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
