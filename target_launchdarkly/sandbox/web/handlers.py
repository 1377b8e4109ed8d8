"""The handlers of the routes: HTTP in, one call of the sandbox, HTTP out."""

from __future__ import annotations

import asyncio
import json
from contextvars import ContextVar
from email.message import Message
from typing import TYPE_CHECKING

from aiohttp import web

from target_launchdarkly.sandbox.state.errors import ApiError, documented_error, invalid
from target_launchdarkly.sandbox.state.imports import Upload, read_upload

from .faults import Fault
from .meanwhile import Meanwhile

if TYPE_CHECKING:
    from .server import Sandbox

JSON_TYPE = "application/json"
# The fault that the request in hand met, which takes part in how some requests are handled.
FAULT_MET: ContextVar[Fault | None] = ContextVar("fault_met", default=None)
_SEGMENTS = "/api/v2/segments/{project}/{environment}"
_SEGMENT = _SEGMENTS + "/{segment}"
# Here the environment comes last.
_EXPIRING = "/api/v2/segments/{project}/{segment}/expiring-targets/{environment}"
_PAGE_LIMIT = 20


class ApiHandlers:
    """The API."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        return [
            web.get("/api/v2/caller-identity", self._caller_identity),
            web.get("/api/v2/projects/{project}", self._project),
            web.get("/api/v2/projects/{project}/environments/{environment}", self._environment),
            web.get(_SEGMENTS, self._list_segments),
            web.post(_SEGMENTS, self._create_segment),
            web.get(_SEGMENT, self._get_segment),
            web.patch(_SEGMENT, self._patch_segment),
            web.delete(_SEGMENT, self._delete_segment),
            web.post(_SEGMENT + "/contexts", self._change_targets),
            web.get(_SEGMENT + "/contexts/{context}", self._target_state),
            web.post(_SEGMENT + "/imports", self._start_import),
            web.get(_SEGMENT + "/imports/{import}", self._poll_import),
            web.post(_SEGMENT + "/exports", self._start_export),
            web.get(_SEGMENT + "/exports/{export}", self._poll_export),
            web.get(_EXPIRING, self._get_expirations),
            web.patch(_EXPIRING, self._patch_expirations),
        ]

    def _segment_key(self, request: web.Request) -> str:
        """Give the segment key of the path, or an empty one, after a look at the rest of it."""
        place = request.match_info
        self._sandbox.check_place(place["project"], place["environment"])
        return place.get("segment", "")

    async def _caller_identity(self, _request: web.Request) -> web.Response:
        return json_answer(self._sandbox.caller_identity())

    async def _project(self, request: web.Request) -> web.Response:
        return json_answer(self._sandbox.get_project(request.match_info["project"]))

    async def _environment(self, request: web.Request) -> web.Response:
        self._segment_key(request)
        return json_answer(self._sandbox.get_environment())

    async def _list_segments(self, request: web.Request) -> web.Response:
        self._segment_key(request)
        limit = whole_number(request, "limit", _PAGE_LIMIT)
        return json_answer(self._sandbox.list_segments(limit, whole_number(request, "offset", 0)))

    async def _create_segment(self, request: web.Request) -> web.Response:
        self._segment_key(request)
        return json_answer(self._sandbox.create_segment(await _document(request)), 201)

    async def _get_segment(self, request: web.Request) -> web.Response:
        segment_key = self._segment_key(request)
        return json_answer(self._sandbox.get_segment(segment_key, behind=_behind()))

    async def _patch_segment(self, request: web.Request) -> web.Response:
        segment_key = self._segment_key(request)
        _check_semantic_patch(request.headers.get("Content-Type", ""))
        document = await _document(request)
        is_dry_run = not self._sandbox.ignores_dry_run and _is_dry_run(request)
        fault = FAULT_MET.get()
        if fault and fault.is_late and is_dry_run:
            return web.Response(status=202)
        if fault and fault.is_late:
            self._sandbox.patch_late(segment_key, document, fault.later, fault.when)
            return web.Response(status=202)
        patched = self._sandbox.patch_segment(
            segment_key, document, behind=_behind(), is_dry_run=is_dry_run
        )
        return json_answer(patched)

    async def _delete_segment(self, request: web.Request) -> web.Response:
        self._sandbox.delete_segment(self._segment_key(request))
        return web.Response(status=204)

    async def _get_expirations(self, request: web.Request) -> web.Response:
        segment_key = self._segment_key(request)
        return json_answer(self._sandbox.get_expirations(segment_key, behind=_behind()))

    async def _patch_expirations(self, request: web.Request) -> web.Response:
        segment_key = self._segment_key(request)
        _check_semantic_patch(request.headers.get("Content-Type", ""))
        document = await _document(request)
        fault = FAULT_MET.get()
        if fault and fault.is_late:
            self._sandbox.change_late(
                lambda sandbox: sandbox.patch_expirations(segment_key, document),
                fault.later,
                fault.when,
            )
            return web.Response(status=202)
        return json_answer(self._sandbox.patch_expirations(segment_key, document, behind=_behind()))

    async def _change_targets(self, request: web.Request) -> web.Response:
        self._sandbox.change_targets(self._segment_key(request), await _document(request))
        return web.Response(status=204)

    async def _target_state(self, request: web.Request) -> web.Response:
        segment_key = self._segment_key(request)
        return json_answer(self._sandbox.target_state(segment_key, request.match_info["context"]))

    async def _start_import(self, request: web.Request) -> web.Response:
        segment_key, upload = self._segment_key(request), await _upload(request)
        fault = FAULT_MET.get()
        if fault and fault.is_late:
            self._sandbox.change_late(
                lambda sandbox: sandbox.start_import(segment_key, upload), fault.later, fault.when
            )
            return web.Response(status=202)
        location = self._sandbox.start_import(segment_key, upload)
        return web.Response(status=204, headers={"Location": location})

    async def _poll_import(self, request: web.Request) -> web.Response:
        segment_key = self._segment_key(request)
        return json_answer(self._sandbox.poll_import(segment_key, request.match_info["import"]))

    async def _start_export(self, request: web.Request) -> web.Response:
        location = self._sandbox.start_export(self._segment_key(request))
        return web.Response(headers={"Location": location})

    async def _poll_export(self, request: web.Request) -> web.Response:
        segment_key, export_id = self._segment_key(request), request.match_info["export"]
        return json_answer(
            await asyncio.to_thread(self._sandbox.poll_export, segment_key, export_id)
        )


class ControlHandlers:
    """What a rehearsal asks of the sandbox itself, outside the API and without a token."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        return [
            web.get("/sandbox/requests", self._count_requests),
            web.post("/sandbox/requests/clear", self._clear_requests),
            web.post("/sandbox/faults", self._add_faults),
            web.delete("/sandbox/faults", self._clear_faults),
            web.post("/sandbox/meanwhile", self._add_meanwhile),
            web.get("/sandbox/late", self._count_late),
            web.post("/sandbox/late", self._apply_late),
        ]

    async def _count_requests(self, _request: web.Request) -> web.Response:
        return json_answer(self._sandbox.log.counts())

    async def _clear_requests(self, _request: web.Request) -> web.Response:
        self._sandbox.clear_requests()
        return web.Response(status=204)

    async def _add_faults(self, request: web.Request) -> web.Response:
        document = await _document(request)
        if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
            raise invalid("The body must be a list of faults")
        try:
            faults = [Fault.from_mapping(one) for one in document]
        except ValueError as error:
            raise invalid(str(error)) from error
        self._sandbox.faults.extend(faults)
        return web.Response(status=204)

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._sandbox.call_off()
        return web.Response(status=204)

    async def _add_meanwhile(self, request: web.Request) -> web.Response:
        document = await _document(request)
        if not isinstance(document, list) or not all(isinstance(one, str) for one in document):
            raise invalid("The body must be a list of texts, as the option --meanwhile takes them")
        try:
            changes = [Meanwhile.parse(one) for one in document]
        except ValueError as error:
            raise invalid(str(error)) from error
        for one in changes:
            one.arrange(self._sandbox)
        return web.Response(status=204)

    async def _count_late(self, _request: web.Request) -> web.Response:
        return json_answer({"pending": self._sandbox.late})

    async def _apply_late(self, _request: web.Request) -> web.Response:
        return json_answer({"accepted": self._sandbox.apply_late()})


def json_answer(document: object, status: int = 200) -> web.Response:
    """Answer with a document."""
    return web.Response(body=json.dumps(document).encode(), status=status, content_type=JSON_TYPE)


def error_answer(error: ApiError) -> web.Response:
    """Answer with an error."""
    return json_answer(error.document(), error.status)


def whole_number(request: web.Request, name: str, default: int) -> int:
    """Read a whole number of the query."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise invalid(f"{name} must be a whole number")
    return int(text)


def _behind() -> int:
    """Say how many changes the answer lags behind."""
    fault = FAULT_MET.get()
    return fault.behind if fault and fault.kind == "stale" else 0


def _is_dry_run(request: web.Request) -> bool:
    text = request.query.get("dryRun", "false")
    if text not in ("true", "false"):
        raise invalid("dryRun must be true or false")
    return text == "true"


async def _document(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise documented_error(400) from error


async def _upload(request: web.Request) -> Upload:
    if request.content_type != "multipart/form-data":
        raise invalid("An import takes multipart/form-data")
    try:
        form = await request.post()
    except ValueError as error:
        raise invalid(f"Malformed multipart/form-data: {error}") from error
    file = form.get("file")
    if not isinstance(file, web.FileField):
        raise invalid("file is required")
    with file.file as lines:
        # A million keys take a second, in which others want to be served.
        waits = form.get("waitOnApprovals") == "true"
        return await asyncio.to_thread(
            read_upload, lines, file.filename, form.get("mode"), waits=waits
        )


def _check_semantic_patch(content_type: str) -> None:
    message = Message()
    message["Content-Type"] = content_type
    is_semantic = message.get_param("domain-model") == "launchdarkly.semanticpatch"
    if message.get_content_type() != JSON_TYPE or not is_semantic:
        raise invalid(
            "This sandbox takes semantic patches only: "
            "Content-Type: application/json; domain-model=launchdarkly.semanticpatch"
        )
