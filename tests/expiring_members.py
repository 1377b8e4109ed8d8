"""Members whose membership ends, for tests: what a tap says of them, and what LaunchDarkly has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ldclient.client import LDClient
from ldclient.config import Config
from ldclient.context import Context
from messages import COLUMNS, STREAM, record, schema, state
from running import SEGMENT

if TYPE_CHECKING:
    from running import Run

    from target_launchdarkly.sandbox import Sandbox

#: The moment at which the tests' clock stands, and one that is an hour later.
NOW_MS = 1_800_000_000_000
SOON = NOW_MS + 3_600_000
FIELD = "expires_at"

SCHEMA = schema(columns=COLUMNS | {FIELD: {"type": ["string", "integer", "null"]}})
EXPIRING_PATH = f"/api/v2/segments/default/{SEGMENT}/expiring-targets/test"


def until(moment: Any, *keys: str, flag: bool = True, stream: str = STREAM) -> list[dict[str, Any]]:
    """Return records of keys whose membership ends at a moment."""
    return [record(key, flag, stream=stream, **{FIELD: moment}) for key in keys]


def expirations(sandbox: Sandbox, segment_key: str = SEGMENT, kind: str = "user") -> dict[str, int]:
    """Return when included targets of a kind leave, in epoch milliseconds by key."""
    items: Any = sandbox.get_expirations(segment_key)["items"]
    return {
        item["contextKey"]: item["expirationDate"]
        for item in items
        if (item["targetType"], item["contextKind"]) == ("included", kind)
    }


DONE = state({"done": 1})
MESSAGES = [SCHEMA, *until(SOON, "a", "b"), *until(None, "c"), DONE]


def demand_all_set(run: Run, sandbox: Sandbox) -> None:
    """Assert that all of `MESSAGES` is as it says, and that STATE claims it."""
    assert run.error is None
    assert run.states == [{"done": 1}]
    assert sorted(sandbox.included(SEGMENT)) == ["a", "b", "c"]
    assert expirations(sandbox) == {"a": SOON, "b": SOON}


def expire_by_hand(
    sandbox: Sandbox,
    moment: int,
    *keys: str,
    deed: str = "add",
    side: str = "included",
    kind: str = "user",
) -> None:
    """Let somebody else say when targets leave."""
    instructions = [
        {
            "kind": f"{deed}ExpiringTarget",
            "targetType": side,
            "contextKind": kind,
            "contextKey": key,
            "value": moment,
        }
        for key in keys
    ]
    answer = sandbox.patch_expirations(SEGMENT, {"instructions": instructions})
    assert not answer["failedInstructions"], answer


def sent(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the requests in short, e.g. `[("GET", "segment"), ("PATCH", "expiring")]`."""
    return [
        (each.method, "expiring" if "/expiring-targets/" in each.path else "segment")
        for each in sandbox.requests
    ]


def instructions(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    """Return the instructions of each PATCH about expirations."""
    found: list[Any] = [
        each.body
        for each in sandbox.requests
        if each.method == "PATCH" and "/expiring-targets/" in each.path
    ]
    return [body["instructions"] for body in found]


def flags(sandbox: Sandbox, *keys: str) -> dict[str, Any]:
    """Return the segment's flag for each user, as LaunchDarkly's own SDK evaluates it now."""
    config = Config(
        sandbox.sdk_key, base_uri=sandbox.url, stream=False, poll_interval=60, send_events=False
    )
    client = LDClient(config, start_wait=10)
    try:
        assert client.is_initialized()
        return {key: client.variation(SEGMENT, Context.create(key), None) for key in keys}
    finally:
        client.close()  # type: ignore[no-untyped-call]
