"""`Location` of an answer, which may be anything: it leads nowhere else, and quotes nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from messages import members, schema, state

from target_launchdarkly.api.answers import TransientError, export_id_of
from target_launchdarkly.api.calls import Call
from target_launchdarkly.api.quoting import LEFT_OUT, identifier
from target_launchdarkly.errors import LaunchDarklyError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

BIG = "customers"
SNAPSHOT = {
    "segment_key": BIG,
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
}
NO_URLS = ["http://[::1", "//[", "https://host:port/", "http://a b/", "https://\x85/"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", NO_URLS)
def test_redirect_to_no_url_ends_as_our_error(
    sync: Callable[..., Run], sandbox: Sandbox, status: int, location: str
) -> None:
    """The library looks where a redirect leads, also if it is not to follow it."""
    headers = {"Location": location}
    sandbox.faults.append(Fault("status", status=status, headers=headers, times=100))

    run = sync([schema(), *members("ann"), state({})])

    assert isinstance(run.error, LaunchDarklyError)
    assert run.states == []
    assert len(sandbox.requests) <= 20


@pytest.mark.parametrize("location", [*NO_URLS, "", "/", "/api/v2/segments/..", "...", "%2E%2E"])
def test_export_whose_place_is_none_is_begun_again(
    sync: Callable[..., Run], sandbox: Sandbox, location: str
) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["ann", "bob"])
    headers = {"Location": location}
    sandbox.faults.append(Fault("status", method="POST", status=200, headers=headers))

    run = sync([schema(), *members("ann", "bob", "cid"), state({})], **SNAPSHOT)

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"ann", "bob", "cid"}


@pytest.mark.parametrize("key", ["zoe.secret@example.com", "zoe", "Invalid key zoe", "%7Aoe"])
def test_key_in_the_place_of_an_id_is_in_no_log(
    sync: Callable[..., Run], sandbox: Sandbox, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    """Whatever LaunchDarkly names an export, a log shows only what looks like an ID."""
    sandbox.add_segment(BIG, unbounded=True, included=["ann", "bob"])
    fault: dict[str, Any] = {"status": 200, "headers": {"Location": f"/api/v2/exports/{key}"}}
    sandbox.faults.append(Fault("status", method="POST", times=9, **fault))

    run = sync([schema(), *members("ann"), state({})], **SNAPSHOT)

    assert run.error is not None
    for text in (str(run.error), caplog.text):
        assert "zoe" not in text


def test_key_in_the_place_of_an_id_is_in_no_url_that_an_error_tells(
    sync: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["ann", "bob"])
    headers = {"Location": "/api/v2/exports/zoe.secret"}
    sandbox.faults.append(Fault("status", method="POST", status=200, headers=headers, times=9))
    sandbox.faults.append(Fault("status", method="GET", status=401, after=1, times=9))

    run = sync([schema(), *members("ann"), state({})], **SNAPSHOT)

    assert f"asked was {sandbox.url}" in str(run.error)
    assert "zoe" not in str(run.error)


def test_id_that_is_no_unicode_is_none() -> None:
    """No URL can be made of it."""
    answer = requests.Response()
    answer.headers["Location"] = "/api/v2/exports/\ud800"

    with pytest.raises(TransientError, match="names no export"):
        export_id_of(answer, Call("POST", BIG, "https://app.launchdarkly.com"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a902ef4a-2faf-4eaf-88e1-ecc356708a29", "a902ef4a-2faf-4eaf-88e1-ecc356708a29"),
        ("5f0cd446a77cba0b4c5644a7", "5f0cd446a77cba0b4c5644a7"),
        ("zoe", LEFT_OUT),
        ("", LEFT_OUT),
        ("a" * 65, LEFT_OUT),
        ("a1\n", LEFT_OUT),
    ],
)
def test_only_what_looks_like_an_id_is_quoted(text: str, expected: str) -> None:
    assert identifier(text) == expected
