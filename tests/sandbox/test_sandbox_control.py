"""What a rehearsal can see and steer: request log, control endpoints, rate limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from launchdarkly_api.models.rate_limited_error_rep import RateLimitedErrorRep
from sandbox_client import BETA_USERS, SEMANTIC_PATCH, Clock

from target_launchdarkly.sandbox import Exchange, Fault, RateLimit, RequestLog

if TYPE_CHECKING:
    from sandbox_client import Client

    from target_launchdarkly.sandbox import Sandbox

EXCHANGE = Exchange("GET", BETA_USERS, {}, {"some": "body"}, 200, "beta-users", 0.0, 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000.0)


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
        pytest.param([{"kind": "late-drop", "later": 0}], "start at 1", id="no-requests-later"),
        pytest.param([{"kind": "late-drop", "when": "now"}], "before or after", id="bad-when"),
        pytest.param([{"kind": "stale", "behind": 0}], "start at 1", id="not-behind"),
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


def test_control_takes_the_faults_of_late_patches_and_applies_them(
    client: Client, sandbox: Sandbox
) -> None:
    faults = [{"kind": "late-status", "method": "PATCH", "later": None, "when": "after"}]
    assert client.call("POST", "/sandbox/faults", json=faults).status_code == 204
    assert client.include("a").status_code == 504
    assert client.call("GET", "/sandbox/late").json() == {"pending": 1}
    assert client.call("POST", "/sandbox/late").json() == {"accepted": 1}
    assert client.call("GET", "/sandbox/late").json() == {"pending": 0}
    assert sandbox.included("beta-users") == ["a"]


def test_control_adds_and_calls_off_somebody_elses_changes(
    client: Client, sandbox: Sandbox
) -> None:
    specs = ["GET:segment=beta-users,add=a", "*:after=1,segment=beta-users,delete"]
    assert client.call("POST", "/sandbox/meanwhile", json=specs).status_code == 204
    assert client.get().json()["included"] == ["a"]
    assert client.call("DELETE", "/sandbox/faults").status_code == 204
    assert client.get().status_code == 200
    assert len(sandbox.happenings) == 0


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        pytest.param("GET:segment=a,delete", "list of texts", id="no-list"),
        pytest.param([1], "list of texts", id="no-texts"),
        pytest.param(["GET:delete"], "a segment is missing", id="no-segment"),
    ],
)
def test_control_refuses_bad_changes_whole(
    client: Client, sandbox: Sandbox, specs: object, message: str
) -> None:
    if isinstance(specs, list):
        specs = ["GET:segment=beta-users,delete", *specs]
    answer = client.call("POST", "/sandbox/meanwhile", json=specs)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert len(sandbox.happenings) == 0


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
