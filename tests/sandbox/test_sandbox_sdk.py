"""The sandbox as an application's SDK sees it: LaunchDarkly's own SDK evaluates the flags."""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
import requests
from ldclient.client import LDClient
from ldclient.config import BigSegmentsConfig, Config
from ldclient.context import Context
from ldclient.interfaces import BigSegmentStore, BigSegmentStoreMetadata

from target_launchdarkly.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

SDK_KEY = "sdk-of-the-test"
SEGMENTS = "/api/v2/segments/default/test"
SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
LATEST = "/sdk/latest-all"


class SandboxBigSegmentStore(BigSegmentStore):
    """What the Relay Proxy would keep in a database, straight from a sandbox of this process.

    The SDK asks with the hash of a key and looks for segments as `KEY.gGENERATION`.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def get_metadata(self) -> BigSegmentStoreMetadata:
        return BigSegmentStoreMetadata(int(self._sandbox.clock() * 1_000))

    def get_membership(self, context_hash: str) -> dict[str, bool] | None:
        membership: dict[str, bool] = {}
        with self._sandbox.read() as segments:
            for segment in segments.values():
                for kind in segment.targets if segment.unbounded else ():
                    for included in (False, True):
                        keys = segment.keys("included" if included else "excluded", kind)
                        if context_hash in map(hash_of, keys):
                            membership[f"{segment.key}.g1"] = included
        return membership or None

    def stop(self) -> None:
        """Hold nothing that would have to be let go."""


def hash_of(key: str) -> str:
    return base64.b64encode(hashlib.sha256(key.encode()).digest()).decode()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(sdk_key=SDK_KEY)
    sandbox.add_segment("beta-users", included=["ann"], excluded=["eve"])
    sandbox.add_segment("beta-orgs", context_kind="organization", included=["acme"])
    sandbox.add_segment(
        "millions", context_kind="device", included=["phone"], excluded=["watch"], unbounded=True
    )
    with sandbox.serve():
        yield sandbox


def application(sandbox: Sandbox, **options: Any) -> LDClient:
    """Start an SDK that takes everything from the sandbox; it has read it once when this ends."""
    config = Config(
        SDK_KEY,
        base_uri=sandbox.url,
        events_uri=sandbox.url,
        stream=False,
        poll_interval=1,
        **{"send_events": False} | options,
    )
    return LDClient(config, start_wait=10)


def members(sandbox: Sandbox, segment_key: str, kind: str, *keys: str, **options: Any) -> list[str]:
    """List those of the keys for which the segment's flag is true."""
    client = application(sandbox, **options)
    try:
        assert client.is_initialized()
        default = "not evaluated"
        values = {
            key: client.variation(segment_key, Context.create(key, kind), default) for key in keys
        }
    finally:
        client.close()  # type: ignore[no-untyped-call]
    assert default not in values.values()
    return [key for key, value in values.items() if value]


def patch(sandbox: Sandbox, segment_key: str, *instructions: object) -> None:
    answer = requests.patch(
        f"{sandbox.url}{SEGMENTS}/{segment_key}",
        json={"environmentKey": "test", "instructions": instructions},
        headers={"Authorization": sandbox.token, "Content-Type": SEMANTIC_PATCH},
        timeout=10,
    )
    assert answer.status_code == 200


def read(sandbox: Sandbox, **headers: str) -> requests.Response:
    headers = {"Authorization": SDK_KEY} | headers
    return requests.get(sandbox.url + LATEST, headers=headers, timeout=10)


def test_flag_follows_the_members_of_a_segment(sandbox: Sandbox) -> None:
    people = ("ann", "bob", "eve")
    assert members(sandbox, "beta-users", "user", *people) == ["ann"]
    patch(
        sandbox,
        "beta-users",
        {"kind": "removeIncludedTargets", "contextKind": "user", "values": ["ann"]},
        {"kind": "addIncludedTargets", "contextKind": "user", "values": ["bob"]},
    )
    assert members(sandbox, "beta-users", "user", *people) == ["bob"]


def test_flag_turns_off_when_a_target_leaves_by_itself() -> None:
    now = [1_700_000_000.0]
    sandbox = Sandbox(clock=lambda: now[0], sdk_key=SDK_KEY)
    sandbox.add_segment("trials", included=["ann", "bob"])
    leaves = {
        "kind": "addExpiringTarget",
        "targetType": "included",
        "contextKind": "user",
        "contextKey": "ann",
        "value": 1_700_000_060_000,
    }
    sandbox.patch_expirations("trials", {"instructions": [leaves]})
    with sandbox.serve():
        assert members(sandbox, "trials", "user", "ann", "bob") == ["ann", "bob"]
        now[0] += 60
        assert members(sandbox, "trials", "user", "ann", "bob") == ["bob"]


def test_flag_is_false_for_an_excluded_key_until_it_is_included(sandbox: Sandbox) -> None:
    assert members(sandbox, "beta-users", "user", "eve") == []
    patch(
        sandbox,
        "beta-users",
        {"kind": "removeExcludedTargets", "contextKind": "user", "values": ["eve"]},
        {"kind": "addIncludedTargets", "contextKind": "user", "values": ["eve"]},
    )
    assert members(sandbox, "beta-users", "user", "eve") == ["eve"]


def test_flag_follows_another_context_kind_and_no_user_of_the_same_key(sandbox: Sandbox) -> None:
    patch(
        sandbox,
        "beta-orgs",
        {"kind": "addIncludedTargets", "contextKind": "organization", "values": ["bolt"]},
        {"kind": "addExcludedTargets", "contextKind": "organization", "values": ["evil"]},
    )
    organizations = ("acme", "bolt", "evil", "other")
    assert members(sandbox, "beta-orgs", "organization", *organizations) == ["acme", "bolt"]
    assert members(sandbox, "beta-orgs", "user", *organizations) == []


def test_flag_of_a_big_segment_asks_the_applications_store(sandbox: Sandbox) -> None:
    devices = ("phone", "watch", "tablet")
    store = {"big_segments": BigSegmentsConfig(store=SandboxBigSegmentStore(sandbox))}
    assert members(sandbox, "millions", "device", *devices, **store) == ["phone"]
    patch(sandbox, "millions", {"kind": "addBigSegmentIncludedTargets", "values": ["tablet"]})
    assert members(sandbox, "millions", "device", *devices, **store) == ["phone", "tablet"]


def test_flag_of_a_big_segment_is_false_for_all_without_a_store(sandbox: Sandbox) -> None:
    assert members(sandbox, "millions", "device", "phone") == []


def test_sdk_may_send_its_events(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    assert members(sandbox, "beta-users", "user", "ann", send_events=True) == ["ann"]
    complaints = [
        one
        for one in caplog.records
        if one.name.startswith("ldclient") and one.levelno >= logging.WARNING
    ]
    assert complaints == []


def test_sdk_does_nothing_that_counts_as_an_api_request(sandbox: Sandbox) -> None:
    assert members(sandbox, "beta-users", "user", "ann", send_events=True) == ["ann"]
    assert sandbox.requests == []


def test_latest_data_does_not_name_the_keys_of_a_big_segment(sandbox: Sandbox) -> None:
    segment = read(sandbox).json()["segments"]["millions"]
    assert (segment["unbounded"], segment["unboundedContextKind"]) == (True, "device")
    assert (segment["generation"], segment["included"], segment["includedContexts"]) == (1, [], [])


def test_latest_data_is_sent_again_only_when_it_changed(sandbox: Sandbox) -> None:
    first = read(sandbox)
    etag = first.headers["ETag"]
    same = read(sandbox, **{"If-None-Match": etag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    sandbox.add_segment("new")
    changed = read(sandbox, **{"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert set(changed.json()["flags"]) == {"beta-users", "beta-orgs", "millions", "new"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", LATEST, id="data"),
        pytest.param("POST", "/bulk", id="events"),
        pytest.param("POST", "/diagnostic", id="diagnostic"),
    ],
)
def test_sdk_needs_the_sdk_key(sandbox: Sandbox, method: str, path: str) -> None:
    headers = {"Authorization": sandbox.token}
    refused = requests.request(method, sandbox.url + path, headers=headers, timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    headers = {"Authorization": SDK_KEY}
    taken = requests.request(method, sandbox.url + path, json=[], headers=headers, timeout=10)
    assert taken.status_code == (200 if method == "GET" else 202)


def test_environment_names_the_sdk_key(sandbox: Sandbox) -> None:
    path = "/api/v2/projects/default/environments/test"
    headers = {"Authorization": sandbox.token}
    environment = requests.get(sandbox.url + path, headers=headers, timeout=10).json()
    assert environment["apiKey"] == SDK_KEY
