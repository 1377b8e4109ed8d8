"""What a rehearsal can break: faults, and how they are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from sandbox_client import BETA_USERS

from target_launchdarkly.sandbox import FAULT_KINDS, Fault, FaultKind

if TYPE_CHECKING:
    from sandbox_client import Client

    from target_launchdarkly.sandbox import Sandbox


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "applied"),
    [
        pytest.param("status", 503, "application/json", False, id="status"),
        pytest.param("status-after", 503, "application/json", True, id="status-after"),
        pytest.param("html", 502, "text/html", False, id="html"),
        pytest.param("html-ok", 200, "text/html", True, id="html-ok"),
        pytest.param("garbage", 200, "application/json", True, id="garbage"),
        pytest.param("empty", 200, "application/json", True, id="empty"),
        pytest.param("redirect", 307, "application/json", False, id="redirect"),
        pytest.param("delay", 200, "application/json", True, id="delay"),
    ],
)
def test_fault_answers_in_its_own_way_once(  # noqa: PLR0917 - a table
    client: Client,
    sandbox: Sandbox,
    kind: FaultKind,
    status: int,
    content_type: str,
    applied: bool,
) -> None:
    sandbox.faults.append(Fault(kind))
    answer = client.include("a")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    assert sandbox.included("beta-users") == (["a"] if applied else [])
    assert sandbox.requests[-1].status == status
    assert client.include("b").json()["included"][-1] == "b"


@pytest.mark.parametrize(
    ("kind", "applied"),
    [
        pytest.param("drop-before", False, id="drop-before"),
        pytest.param("drop-after", True, id="drop-after"),
        pytest.param("reset-before", False, id="reset-before"),
        pytest.param("reset-after", True, id="reset-after"),
    ],
)
def test_fault_drops_the_connection_without_an_answer(
    client: Client,
    sandbox: Sandbox,
    kind: FaultKind,
    applied: bool,
) -> None:
    sandbox.faults.append(Fault(kind))
    words = "reset by peer" if kind.startswith("reset") else "closed connection without response"
    with pytest.raises(requests.ConnectionError, match=words):
        client.include("a")
    assert sandbox.included("beta-users") == (["a"] if applied else [])
    (exchange,) = sandbox.requests
    assert exchange.status is None
    assert exchange.body is not None


def test_fault_truncates_the_answer_after_applying(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("truncate"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="Connection broken"):
        client.include("a")
    assert sandbox.included("beta-users") == ["a"]
    assert client.get().status_code == 200


def test_fault_truncates_an_answer_without_a_body_to_nothing(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.append(Fault("truncate"))
    assert client.call("DELETE", BETA_USERS).status_code == 204


def test_garbage_and_empty_answers_are_no_json(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.extend([Fault("garbage"), Fault("empty")])
    for _ in range(2):
        with pytest.raises(requests.exceptions.JSONDecodeError):
            client.get().json()


def test_redirect_points_elsewhere(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("redirect"))
    assert client.get().headers["Location"] == f"https://elsewhere.invalid{BETA_USERS}"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(400, "invalid_request", id="400"),
        pytest.param(409, "optimistic_locking_error", id="409"),
        pytest.param(429, "rate_limited", id="429"),
        pytest.param(504, "gateway_timeout", id="not-documented"),
        pytest.param(599, "status_599", id="without-a-phrase"),
    ],
)
def test_fault_status_comes_with_its_error_body(
    client: Client, sandbox: Sandbox, status: int, code: str
) -> None:
    sandbox.faults.append(Fault("status", status=status, headers={"Retry-After": "3"}))
    answer = client.get()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Retry-After"] == "3"


def test_fault_answers_with_the_body_it_was_given(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("status", status=500, body="out of order"))
    assert client.get().text == "out of order"


def test_fault_strikes_its_method_only_as_often_as_told(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("status", method="patch", after=1, times=2))
    answers = [client.get(), *(client.include("a") for _ in range(4))]
    assert [answer.status_code for answer in answers] == [200, 200, 503, 503, 200]
    assert len(sandbox.faults) == 0


def test_request_meets_one_fault_at_most(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.extend([Fault("status", status=500), Fault("status", status=502)])
    assert [client.get().status_code for _ in range(3)] == [500, 502, 200]


def test_fault_before_an_upload_leaves_the_connection_in_order(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.append(Fault("status"))
    answer = client.call("POST", BETA_USERS + "/imports", files={"file": ("keys.csv", "a\n" * 99)})
    assert answer.status_code == 503
    assert client.get().status_code == 200


def test_sandbox_stops_at_once_during_a_delay(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("delay", seconds=600))
    with pytest.raises(requests.ReadTimeout):
        requests.get(
            sandbox.url + BETA_USERS, headers={"Authorization": "api-sandbox"}, timeout=(10, 0.01)
        )
    assert sandbox.requests == []


# Specs of the command line


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        pytest.param("drop-after", Fault("drop-after"), id="kind-alone"),
        pytest.param(
            "status:status=503,times=2,method=PATCH",
            Fault("status", status=503, times=2, method="PATCH"),
            id="values",
        ),
        pytest.param("delay:seconds=0.5,after=3", Fault("delay", seconds=0.5, after=3), id="wait"),
        pytest.param(
            "status:status=429,headers.Retry-After=3",
            Fault("status", status=429, headers={"Retry-After": "3"}),
            id="header",
        ),
        pytest.param(
            "late-drop:method=PATCH,later=2,when=after",
            Fault("late-drop", method="PATCH", later=2, when="after"),
            id="late",
        ),
        pytest.param("stale:behind=3", Fault("stale", behind=3), id="stale"),
    ],
)
def test_fault_spec_is_read(spec: str, fault: Fault) -> None:
    assert Fault.parse(spec) == fault


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("nope", "known are status", id="unknown-kind"),
        pytest.param("status:503", "key=value", id="no-key"),
        pytest.param("status:code=503", "unknown property code", id="unknown-key"),
        pytest.param("status:status=high", "invalid literal", id="no-number"),
    ],
)
def test_fault_spec_is_refused_with_a_reason(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.parse(spec)


def test_every_fault_kind_is_rehearsed_without_a_server_error(
    client: Client, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in FAULT_KINDS:
        sandbox.faults.append(Fault(kind, method="GET"))
        try:
            client.get()
        except requests.RequestException:
            continue
    assert len(sandbox.requests) == len(FAULT_KINDS)
    assert caplog.records == []
