"""What the shows share: a sandbox that runs as its command does, and what an application sees."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldclient
from ldclient.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parent.parent
TOKEN = "api-sandbox"  # noqa: S105 the sandbox's own
SDK_KEY = "sdk-sandbox"


@contextmanager
def sandbox(*segment_keys: str) -> Iterator[str]:
    """Run the sandbox with some empty segments; yield its URL."""
    command = [sys.executable, "-m", "target_launchdarkly.sandbox", "--port", "0"]
    for key in segment_keys:
        command += ["--segment", key]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101
        ready = process.stdout.readline()
        yield next(word for word in ready.split() if word.startswith("http"))
    finally:
        process.terminate()
        process.communicate()


def seed(url: str, segment_key: str, context_keys: list[str]) -> None:
    """Include keys by hand, as somebody in LaunchDarkly would."""
    instruction = {"kind": "addIncludedTargets", "contextKind": "user", "values": context_keys}
    call(
        f"{url}/api/v2/segments/default/test/{segment_key}",
        method="PATCH",
        body={"environmentKey": "test", "instructions": [instruction]},
    )


def included(url: str, segment_key: str) -> list[str]:
    """Return the members of a segment."""
    keys: list[str] = call(f"{url}/api/v2/segments/default/test/{segment_key}")["included"]
    return keys


def flags(url: str, segment_key: str, context_keys: Iterable[str]) -> dict[str, bool | None]:
    """Return what an application sees: LaunchDarkly's own SDK evaluates a segment's flag."""
    client = ldclient.LDClient(
        Config(SDK_KEY, base_uri=url, events_uri=url, stream=False, send_events=False)
    )
    try:
        return {
            key: client.variation(segment_key, ldclient.Context.create(key), None)
            for key in context_keys
        }
    finally:
        client.close()  # type: ignore[no-untyped-call]


def call(url: str, *, method: str = "GET", body: dict[str, Any] | None = None) -> Any:
    """Send a request to the sandbox; return the JSON answer, or None where there is none."""
    headers = {
        "Authorization": TOKEN,
        "Content-Type": "application/json; domain-model=launchdarkly.semanticpatch",
    }
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 loopback
        text = answer.read()
    return json.loads(text) if text else None


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}", flush=True)
