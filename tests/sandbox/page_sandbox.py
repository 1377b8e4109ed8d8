"""A sandbox with one segment of each type, and how tests of its page change and read it."""

from __future__ import annotations

from typing import Any

import requests
from sandbox_client import SEGMENTS, SEMANTIC_PATCH

from target_launchdarkly.sandbox import Sandbox

BETA_USERS = "/sandbox/segments/beta-users"
NOW = 1_700_000_000.0


def make_sandbox() -> Sandbox:
    sandbox = Sandbox(clock=lambda: NOW)
    keys = [f"user-{number}" for number in range(120)]
    sandbox.add_segment("beta-users", included=keys, excluded=["x"])
    sandbox.add_segment("millions", context_kind="device", included=["phone"], unbounded=True)
    sandbox.add_segment("cohort", external="amplitude", unbounded=True)
    return sandbox


def call(sandbox: Sandbox, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": sandbox.token} | options.pop("headers", {})
    return requests.request(method, sandbox.url + path, headers=headers, timeout=10, **options)


def patch(
    sandbox: Sandbox, *instructions: object, segment_key: str = "beta-users", **fields: object
) -> None:
    body = {"environmentKey": "test", "instructions": instructions} | fields
    headers = {"Content-Type": SEMANTIC_PATCH}
    path = f"{SEGMENTS}/{segment_key}"
    assert call(sandbox, "PATCH", path, json=body, headers=headers).status_code == 200


def read(sandbox: Sandbox, path: str, **query: str | int) -> dict[str, Any]:
    answer = requests.get(sandbox.url + path, params=query, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.json()
    return document


def summary(sandbox: Sandbox, segment_key: str) -> dict[str, Any]:
    segments: list[dict[str, Any]] = read(sandbox, "/sandbox/overview")["segments"]
    return next(one for one in segments if one["key"] == segment_key)
