"""What the sandbox received, in short."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_launchdarkly.sandbox import Sandbox


def methods(sandbox: Sandbox) -> dict[str, int]:
    """Return the requests by method, e.g. `{"GET": 1, "PATCH": 8}`."""
    return dict(Counter(exchange.method for exchange in sandbox.requests))


def bodies(sandbox: Sandbox) -> list[Any]:
    return [exchange.body for exchange in sandbox.requests if exchange.method == "PATCH"]


def operations(sandbox: Sandbox) -> list[int]:
    """Return the operations of each PATCH, e.g. `[1500, 1]`."""
    return [
        sum(len(instruction["values"]) for instruction in body["instructions"])
        for body in bodies(sandbox)
    ]
