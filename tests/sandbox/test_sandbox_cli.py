"""The sandbox's command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner

from target_launchdarkly.sandbox.cli import main

COMMAND = [sys.executable, "-m", "target_launchdarkly.sandbox", "--port", "0"]
OPTIONS = [
    *("--project", "p", "--environment", "e", "--token", "api-secret"),
    *("--sdk-key", "sdk-secret"),
    *("--segment", "beta-users", "--big-segment", "many:org", "--rate-limit", "10/10"),
    *("--fault", "status:status=500,method=PUT"),
]


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, id="sigterm"), pytest.param(signal.SIGINT, id="sigint")]
)
def test_command_serves_until_a_signal_and_exits_in_peace(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, *OPTIONS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        url = ready.split()[3]
        path = "/api/v2/segments/p/e"
        answer = requests.get(url + path, headers={"Authorization": "api-secret"}, timeout=10)
        headers = {"Authorization": "sdk-secret"}
        data = requests.get(url + "/sdk/latest-all", headers=headers, timeout=10)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)
    assert ready == f"Sandbox ready at {url} (project p, environment e, token api-secret)\n"
    assert [one["key"] for one in answer.json()["items"]] == ["beta-users", "many"]
    assert list(data.json()["flags"]) == ["beta-users", "many"]
    assert answer.json()["items"][1]["unboundedContextKind"] == "org"
    assert answer.headers["X-Ratelimit-Route-Remaining"] == "9"
    assert (process.returncode, rest) == (0, "")
    assert errors == f"GET {path} 200\n"


def test_command_says_that_the_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["--port", port])
    assert result.exit_code == 1
    assert f"Error: cannot listen on 127.0.0.1 port {port}" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--segment", "a b"], 'Malformed segment key "a b"', id="malformed-key"),
        pytest.param(["--segment", "a:"], 'Malformed context kind ""', id="empty-kind"),
        pytest.param(["--segment", "a", "--big-segment", "a"], "is taken", id="key-twice"),
        pytest.param(["--fault", "nope"], "unknown fault nope", id="unknown-fault"),
        pytest.param(["--rate-limit", "10"], "such as 10/10", id="rate-without-time"),
        pytest.param(["--rate-limit", "0/10"], "at least one request", id="rate-of-nothing"),
        pytest.param(["--port", "70000"], "range", id="port-out-of-range"),
    ],
)
def test_command_refuses_a_bad_option_with_a_reason(options: list[str], message: str) -> None:
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2
    assert message in result.output


def test_sandbox_says_what_to_install_without_its_packages() -> None:
    code = "import sys; sys.modules['aiohttp'] = None; import target_launchdarkly.sandbox"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "pip install 'target-launchdarkly[sandbox]'" in result.stderr
