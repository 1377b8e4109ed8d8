"""What an application's SDK reads in polling mode, and the events that it sends.

Every segment comes with a flag of the same key, which is true for the segment's members and
false for all others. Of a big segment an SDK gets only that there is one: it looks the members
up in a big segment store, which the application gives it, or takes nobody for a member.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aiohttp import web

from target_launchdarkly.sandbox.state.segment import GENERATION

if TYPE_CHECKING:
    from target_launchdarkly.sandbox.state.segment import Segment

    from .server import Sandbox

_TRUE, _FALSE = 0, 1
_FLAG_VERSION = 1


class SdkHandlers:
    """The service side of an SDK; none of it is an API request."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        return [
            web.get("/sdk/latest-all", self._latest_all),
            web.post("/bulk", self._take_events),
            web.post("/diagnostic", self._take_events),
        ]

    async def _latest_all(self, request: web.Request) -> web.Response:
        self._sandbox.authorize_sdk(request.headers.get("Authorization"))
        body = json.dumps(all_data(self._sandbox)).encode()
        etag = hashlib.sha256(body).hexdigest()
        known = {one.value for one in request.if_none_match or ()}
        if etag in known:
            response = web.Response(status=304)
        else:
            response = web.Response(body=body, content_type="application/json")
        response.etag = etag
        return response

    async def _take_events(self, request: web.Request) -> web.Response:
        self._sandbox.authorize_sdk(request.headers.get("Authorization"))
        await request.release()
        return web.Response(status=202)


def all_data(sandbox: Sandbox) -> dict[str, dict[str, object]]:
    """Give all flags and segments in the SDK's model."""
    with sandbox.read() as segments:
        return {
            "flags": {key: _flag(key) for key in segments},
            "segments": {key: _segment(segment) for key, segment in segments.items()},
        }


def _flag(segment_key: str) -> dict[str, object]:
    clause = {"attribute": "", "op": "segmentMatch", "values": [segment_key], "negate": False}
    return {
        "key": segment_key,
        "version": _FLAG_VERSION,
        "on": True,
        "variations": [True, False],
        "rules": [{"id": "in-segment", "variation": _TRUE, "clauses": [clause]}],
        "fallthrough": {"variation": _FALSE},
        "offVariation": _FALSE,
        "targets": [],
        "contextTargets": [],
        "prerequisites": [],
        "salt": segment_key,
        "deleted": False,
    }


def _segment(segment: Segment) -> dict[str, object]:
    document: dict[str, object] = {
        "key": segment.key,
        "version": segment.version,
        "rules": [],
        "salt": segment.key,
        "deleted": False,
        "unbounded": segment.unbounded,
    }
    if segment.unbounded:
        return document | {
            "included": [],
            "excluded": [],
            "includedContexts": [],
            "excludedContexts": [],
            "unboundedContextKind": segment.context_kind,
            "generation": GENERATION,
        }
    return document | segment.target_fields()
