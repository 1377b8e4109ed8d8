"""What runs of big segments have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_launchdarkly.sandbox import Sandbox

BIG = "customers"
MIRROR = {"segment_key": BIG, "audience_sync_mode": "mirror"}
SNAPSHOT = MIRROR | {"mirror_source": "snapshot", "trust_end_of_input": True}


def requests_of(sandbox: Sandbox) -> list[str]:
    """Return the requests in short.

    E.g. `["GET", "POST exports", "GET exports", "PATCH", "GET contexts"]`.
    """
    told = []
    for each in sandbox.requests:
        parts = each.path.partition("?")[0].split("/segments/")[-1].split("/")
        told.append(" ".join([each.method, *parts[3:4]]))
    return told


def looks_at_members(sandbox: Sandbox) -> int:
    """Return how often the members were exported."""
    return requests_of(sandbox).count("POST exports")


def instructions_of(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    bodies: list[Any] = [each.body for each in sandbox.requests if each.method == "PATCH"]
    return [body["instructions"] for body in bodies]
