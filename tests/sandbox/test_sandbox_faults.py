"""What a rehearsal can see and break: request log, rate limit, faults, control endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from launchdarkly_api.models.rate_limited_error_rep import RateLimitedErrorRep

from target_launchdarkly.sandbox import (
    FAULT_KINDS,
    Exchange,
    Fault,
    FaultKind,
    RateLimit,
    RequestLog,
    Sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BETA_USERS = "/api/v2/segments/default/test/beta-users"
SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
EXCHANGE = Exchange("GET", BETA_USERS, {}, {"some": "body"}, 200, "beta-users", 0.0, 0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Client:
    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self._sandbox = sandbox
        self._session = session

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": "api-sandbox"} | options.pop("headers", {})
        url = self._sandbox.url + path
        return self._session.request(
            method, url, headers=headers, timeout=10, allow_redirects=False, **options
        )

    def get(self) -> requests.Response:
        return self.call("GET", BETA_USERS)

    def include(self, key: str) -> requests.Response:
        instruction = {"kind": "addIncludedTargets", "contextKind": "user", "values": [key]}
        body = {"environmentKey": "test", "instructions": [instruction]}
        return self.call("PATCH", BETA_USERS, json=body, headers={"Content-Type": SEMANTIC_PATCH})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment("beta-users")
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    with requests.Session() as session:
        yield Client(sandbox, session)


# Request log


def test_log_keeps_what_was_asked_and_answered(client: Client, sandbox: Sandbox) -> None:
    client.include("a")
    client.call("GET", BETA_USERS + "?expand=a%20b")
    client.call("GET", "/api/v2/caller-identity", headers={"Authorization": "wrong"})
    patch, get, caller = sandbox.requests
    assert (patch.method, patch.path, patch.status) == ("PATCH", BETA_USERS, 200)
    assert patch.headers["authorization"] == "api-sandbox"
    assert patch.headers["content-type"] == SEMANTIC_PATCH
    assert isinstance(patch.body, dict)
    assert patch.body["environmentKey"] == "test"
    assert patch.segment_key == "beta-users"
    assert patch.started <= patch.finished <= get.started
    assert (get.path, get.body) == (BETA_USERS + "?expand=a%20b", None)
    assert (caller.segment_key, caller.status) == (None, 401)


def test_log_forgets_when_cleared(client: Client, sandbox: Sandbox) -> None:
    client.get()
    sandbox.clear_requests()
    assert sandbox.requests == []


def test_log_keeps_so_many_bodies_only() -> None:
    log = RequestLog(keep_bodies=2)
    for _ in range(4):
        log.add(EXCHANGE)
    assert [one.body is None for one in log.exchanges()] == [True, True, False, False]


def test_log_tells_of_every_exchange() -> None:
    told: list[Exchange] = []
    log = RequestLog(on_exchange=told.append)
    log.add(EXCHANGE)
    assert told == [EXCHANGE]


def test_log_counts_a_dropped_connection_by_that_name() -> None:
    log = RequestLog()
    log.add(replace(EXCHANGE, status=None))
    assert log.counts()["by_status"] == {"dropped": 1}


# Control endpoints


def test_control_counts_requests_to_the_api_only(client: Client) -> None:
    client.get()
    client.include("a")
    client.call("GET", "/api/v2/nope")
    client.call("GET", "/nope")
    assert client.call("GET", "/sandbox/requests").json() == {
        "total": 3,
        "by_method": {"GET": 2, "PATCH": 1},
        "by_status": {"200": 2, "404": 1},
    }
    assert client.call("POST", "/sandbox/requests/clear").status_code == 204
    assert client.call("GET", "/sandbox/requests").json()["total"] == 0


def test_control_adds_and_clears_faults_without_a_token(client: Client, sandbox: Sandbox) -> None:
    faults = [{"kind": "status", "status": 500, "headers": {"Retry-After": "1"}}, {"kind": "empty"}]
    headers = {"Authorization": ""}
    answer = client.call("POST", "/sandbox/faults", json=faults, headers=headers)
    assert answer.status_code == 204
    assert client.get().status_code == 500
    assert list(sandbox.faults) == [Fault("empty")]
    assert client.call("DELETE", "/sandbox/faults").status_code == 204
    assert client.get().status_code == 200


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        pytest.param({}, "list of faults", id="no-list"),
        pytest.param(["status"], "list of faults", id="no-objects"),
        pytest.param([{}], "needs a kind", id="no-kind"),
        pytest.param([{"kind": "nope"}], "unknown fault nope", id="unknown-kind"),
        pytest.param([{"kind": "empty", "how": 1}], "unknown property how", id="unknown-property"),
        pytest.param([{"kind": "empty", "times": "2"}], "times", id="text-for-number"),
        pytest.param([{"kind": "empty", "times": 0}], "times at 1", id="no-times"),
        pytest.param([{"kind": "status", "status": 99}], "200 to 599", id="bad-status"),
        pytest.param([{"kind": "empty", "headers": {"A": 1}}], "are strings", id="bad-header"),
    ],
)
def test_control_refuses_bad_faults_whole(
    client: Client, sandbox: Sandbox, faults: object, message: str
) -> None:
    if isinstance(faults, list):
        faults = [{"kind": "empty"}, *faults]
    answer = client.call("POST", "/sandbox/faults", json=faults)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert len(sandbox.faults) == 0


# Rate limit


def test_rate_limit_is_told_in_every_answer(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    assert "X-Ratelimit-Reset" not in client.get().headers
    sandbox.rate_limit = RateLimit(requests=2, window_seconds=10)
    found = client.get()
    clock.now += 1
    missing = client.call("GET", "/api/v2/nope")
    for answer, remaining in ((found, "1"), (missing, "0")):
        assert answer.headers["X-Ratelimit-Route-Remaining"] == remaining
        assert answer.headers["X-Ratelimit-Global-Remaining"] == remaining
        assert answer.headers["X-Ratelimit-Reset"] == "1010000"
        assert "Retry-After" not in answer.headers


def test_rate_limit_refuses_until_the_window_ended(
    client: Client, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.rate_limit = RateLimit(requests=1, window_seconds=10)
    client.get()
    clock.now += 7.5
    answer = client.include("a")
    error = RateLimitedErrorRep.from_json(answer.text)
    assert error is not None
    assert (answer.status_code, error.code) == (429, "rate_limited")
    assert answer.headers["Retry-After"] == "3"
    assert sandbox.included("beta-users") == []
    clock.now = 1_010.0
    assert client.include("a").status_code == 200


def test_rate_limit_window_starts_with_the_first_request_after_the_former() -> None:
    limit = RateLimit(requests=1, window_seconds=10)
    assert [limit.admit(now).reset_epoch_ms for now in (0, 25, 30, 35)] == [
        10_000,
        35_000,
        35_000,
        45_000,
    ]


def test_rate_limit_spares_the_faults_of_refused_requests(client: Client, sandbox: Sandbox) -> None:
    sandbox.rate_limit = RateLimit(requests=1, window_seconds=10)
    client.get()
    sandbox.faults.append(Fault("empty"))
    client.get()
    assert len(sandbox.faults) == 1


# Faults


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
