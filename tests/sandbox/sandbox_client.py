"""A client of the sandbox, and a clock that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from launchdarkly_api.models.invalid_request_error_rep import InvalidRequestErrorRep
from launchdarkly_api.models.model_import import ModelImport
from launchdarkly_api.models.user_segment import UserSegment

if TYPE_CHECKING:
    import requests

    from target_launchdarkly.sandbox import Sandbox

SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
SEGMENTS = "/api/v2/segments/default/test"
BETA_USERS = SEGMENTS + "/beta-users"
MANY = SEGMENTS + "/many"


class Clock:
    """Epoch seconds that pass when told."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Client:
    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self._sandbox = sandbox
        self._session = session

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": self._sandbox.token} | options.pop("headers", {})
        url = self._sandbox.url + path
        return self._session.request(
            method, url, headers=headers, timeout=30, allow_redirects=False, **options
        )

    def get(self, path: str = BETA_USERS) -> requests.Response:
        return self.call("GET", path)

    def patch(self, *instructions: object, path: str = BETA_USERS) -> requests.Response:
        body = {"environmentKey": "test", "instructions": instructions}
        return self.call("PATCH", path, json=body, headers={"Content-Type": SEMANTIC_PATCH})

    def include(self, *keys: str) -> requests.Response:
        return self.patch(targets("addIncludedTargets", *keys))

    def remove(self, *keys: str) -> requests.Response:
        return self.patch(targets("removeIncludedTargets", *keys))


class BigClient(Client):
    """A client of the big segment `many`."""

    def patch(self, *instructions: object, path: str = MANY) -> requests.Response:
        return super().patch(*instructions, path=path)

    def upload(self, content: bytes, mode: str = "replace", path: str = MANY) -> requests.Response:
        file = ("keys.csv", content, "text/csv")
        return self.call("POST", path + "/imports", files={"file": file}, data={"mode": mode})

    def poll(self, path: str) -> str:
        one = ModelImport.from_json(self.call("GET", path).text)
        assert one is not None
        return str(one.status)

    def segment(self) -> UserSegment:
        return read(self.call("GET", MANY))


def targets(kind: str, *keys: str, context_kind: str = "user") -> dict[str, object]:
    return {"kind": kind, "contextKind": context_kind, "values": list(keys)}


def read(answer: requests.Response) -> UserSegment:
    segment = UserSegment.from_json(answer.text)
    assert segment is not None
    return segment


def contexts(values: list[Any] | None) -> dict[str, list[str]]:
    return {one.context_kind: one.values for one in values or []}


def refusal(answer: requests.Response) -> str:
    """Read the message of a 400."""
    error = InvalidRequestErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (400, "invalid_request")
    return str(error.message)
