"""A LaunchDarkly within the process, which answers at once: a sandbox's store behind requests."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from fuzz_values import MARK, TOKEN

from target_launchdarkly.sandbox import ApiError, ExportRules, Store
from target_launchdarkly.sandbox.state.exports import FILES, FileRefused
from target_launchdarkly.sandbox.state.imports import read_upload

if TYPE_CHECKING:
    from collections.abc import Callable

#: By a part of their paths.
NAMES = {
    "caller-identity": "caller identity",
    "projects": "environment",
    "expiring-targets": "expiring targets",
    "contexts": "membership",
    "imports": "import",
    "exports": "export",
}
#: Status, headers, body.
Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, however it came."""

    method: str
    url: str
    token: str | None
    body: bytes


class StandIn:
    """Answers requests of the API, and those for the files of exports.

    Args:
        now: Epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.store = Store(token=TOKEN, clock=now)
        self.store.export_rules = ExportRules(polls=1)
        self.store.files_base = "https://files.example.com"
        there = [f"{MARK}{number}" for number in range(6)]
        self.store.add_segment("standard", included=there[:4], excluded=there[4:5])
        self.store.add_segment("big", unbounded=True, included=there[:4], excluded=there[4:5])
        self.store.add_segment("large", unbounded=True, included=there[:4])

    def answer(self, request: Asked) -> Reply:
        """Answer as LaunchDarkly would."""
        url = urlsplit(request.url)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        try:
            if url.path.startswith(FILES):
                signature = parse_qs(url.query).get("X-Amz-Signature", [""])[0]
                file = self.store.export_file(parts[-1].removesuffix(".csv"), signature)
                return 200, {"Content-Type": "text/csv"}, b"".join(file.chunks())
            self.store.authorize(request.token)
            return self._of_api(parts[2:], request)
        except ApiError as error:
            return _json(error.document(), error.status)
        except FileRefused as error:
            return error.status, {}, b""

    def _of_api(  # noqa: C901, PLR0911 a route each
        self, parts: list[str], request: Asked
    ) -> Reply:
        match request.method, parts:
            case "GET", ["caller-identity"]:
                return _json(self.store.caller_identity())
            case "GET", ["projects", *_]:
                return _json(self.store.get_environment())
            case "POST", ["segments", _, _]:
                return _json(self.store.create_segment(_document(request)), 201)
            case "GET", ["segments", _, _, key]:
                return _json(self.store.get_segment(key))
            case "PATCH", ["segments", _, _, key]:
                return _json(self.store.patch_segment(key, _document(request)))
            case "GET", ["segments", _, key, "expiring-targets", _]:
                return _json(self.store.get_expirations(key))
            case "PATCH", ["segments", _, key, "expiring-targets", _]:
                return _json(self.store.patch_expirations(key, _document(request)))
            case "GET", ["segments", _, _, key, "contexts", context_key]:
                return _json(self.store.target_state(key, context_key))
            case "GET", ["segments", _, _, key, "imports", number]:
                return _json(self.store.poll_import(key, number))
            case "GET", ["segments", _, _, key, "exports", number]:
                return _json(self.store.poll_export(key, number))
            case "POST", ["segments", _, _, key, "exports"]:
                return 200, {"Location": self.store.start_export(key)}, b""
            case "POST", ["segments", _, _, key, "imports"]:
                return 204, {"Location": self._import(key, request.body)}, b""
        raise ApiError(404, "not_found", "Invalid resource identifier")

    def _import(self, key: str, text: bytes) -> str:
        mode = "replace" if b'name="mode"\r\n\r\nreplace' in text else "merge"
        content = re.split(rb"text/csv\r\n\r\n", text)[-1].rpartition(b"\r\n--")[0]
        return self.store.start_import(
            key, read_upload(io.BytesIO(content), "keys.csv", mode, waits=False)
        )


def _json(document: object, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _document(request: Asked) -> Any:
    return json.loads(request.body)


def kind_of(request: Asked) -> str:
    """Return what a request asks for, e.g. `PATCH segment` or `GET export`."""
    path = urlsplit(request.url).path
    if path.startswith(FILES):
        return "GET file"
    parts = path.strip("/").split("/")
    named = [name for name in NAMES if name in parts]
    return f"{request.method} {NAMES[named[0]] if named else 'segment'}"
