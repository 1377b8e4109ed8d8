"""The sandbox's command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from target_launchdarkly.sandbox import (
    NEVER,
    ExportRules,
    ForeignChange,
    ForeignImport,
    ImportRules,
)
from target_launchdarkly.sandbox.cli import main
from target_launchdarkly.sandbox.web.meanwhile import Meanwhile
from target_launchdarkly.sandbox.web.rule_specs import parse_export_rules, parse_import_rules

COMMAND = [sys.executable, "-m", "target_launchdarkly.sandbox", "--port", "0"]
OPTIONS = [
    *("--project", "p", "--environment", "e", "--token", "api-secret"),
    *("--sdk-key", "sdk-secret"),
    *("--segment", "beta-users", "--big-segment", "many:org", "--rate-limit", "10/10"),
    *("--fault", "status:status=500,method=PUT"),
    *("--meanwhile", "PUT:segment=beta-users,add=a"),
    *("--imports", "seconds=60", "--exports", "denied", "--count-lag", "2", "--ignore-dry-run"),
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
        pytest.param(["--fault", "late-drop:later=0"], "start at 1", id="late-at-once"),
        pytest.param(["--meanwhile", "GET:segment=a"], "one thing to a", id="nothing-meanwhile"),
        pytest.param(["--imports", "outcome=lost"], "one of complete", id="unknown-outcome"),
        pytest.param(["--exports", "denied=yes"], "stands alone", id="switch-with-a-value"),
        pytest.param(["--rate-limit", "10"], "such as 10/10", id="rate-without-time"),
        pytest.param(["--rate-limit", "0/10"], "at least one request", id="rate-of-nothing"),
        pytest.param(["--port", "70000"], "range", id="port-out-of-range"),
    ],
)
def test_command_refuses_a_bad_option_with_a_reason(options: list[str], message: str) -> None:
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2
    assert message in result.output


def meanwhile(*args: Any, **options: Any) -> Meanwhile:
    return Meanwhile(ForeignChange(*args, **options))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            "PATCH:after=1,segment=beta-users,remove=user-1,remove=user-2,when=after,times=3",
            Meanwhile(
                ForeignChange("beta-users", remove=("user-1", "user-2")), "PATCH", 1, "after", 3
            ),
            id="all",
        ),
        pytest.param(
            "*:segment=a,add=b,exclude=c,unexclude=d,kind=org",
            meanwhile("a", add=("b",), exclude=("c",), unexclude=("d",), context_kind="org"),
            id="verbs",
        ),
        pytest.param("*:segment=a,delete", meanwhile("a", fate="delete"), id="delete"),
        pytest.param("*:segment=a,recreate", meanwhile("a", fate="recreate"), id="recreate"),
        pytest.param(
            "POST:segment=a,import,add=b,add=c,seconds=5,after=1",
            Meanwhile(ForeignImport("a", ("b", "c"), seconds=5), "POST", 1),
            id="import",
        ),
        pytest.param("*:segment=a,import", Meanwhile(ForeignImport("a")), id="import-of-nothing"),
    ],
)
def test_meanwhile_spec_is_read(spec: str, expected: Meanwhile) -> None:
    assert Meanwhile.parse(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("PATCH", "a segment is missing", id="method-alone"),
        pytest.param("PATCH:segment=a,destroy", "destroy is not understood", id="unknown-word"),
        pytest.param("PATCH:segment=a,how=b", "how=b is not understood", id="unknown-name"),
        pytest.param("PATCH:segment=a,delete,when=now", "before or after", id="bad-when"),
        pytest.param("PATCH:segment=a,delete,times=0", "times at 1", id="no-times"),
        pytest.param("PATCH:segment=a,delete,after=b", "invalid literal", id="no-number"),
    ],
)
def test_meanwhile_spec_is_refused_with_a_reason(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Meanwhile.parse(spec)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param("", ImportRules(), id="nothing"),
        pytest.param(
            "polls=0,seconds=1.5,outcome=stopped,max_keys=5,is_one_step",
            ImportRules(0, 1.5, "stopped", max_keys=5, is_one_step=True),
            id="all",
        ),
        pytest.param("polls=never", ImportRules(NEVER), id="never"),
    ],
)
def test_spec_of_imports_is_read(spec: str, expected: ImportRules) -> None:
    assert parse_import_rules(spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param("denied", ExportRules(denied=True), id="switch"),
        pytest.param(
            "header=key,missing=2,more_columns=1,outcome=failed",
            ExportRules(header="key", missing=2, more_columns=("1",), outcome="failed"),
            id="values",
        ),
    ],
)
def test_spec_of_exports_is_read(spec: str, expected: ExportRules) -> None:
    assert parse_export_rules(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("size=1", "size is not understood; known are polls", id="unknown-name"),
        pytest.param("missing", "missing needs a value", id="no-value"),
        pytest.param("missing=-1", "-1 is no whole number", id="below-zero"),
        pytest.param("missing=never", "never is no whole number", id="never"),
        pytest.param("seconds=-1", "-1 is no number from 0 on", id="seconds-below-zero"),
        pytest.param("seconds=nan", "nan is no number from 0 on", id="no-number"),
    ],
)
def test_spec_of_exports_is_refused_with_a_reason(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_export_rules(spec)


WITHOUT_PACKAGES = "import sys; sys.modules['aiohttp'] = None; "


@pytest.mark.parametrize(
    "code",
    [
        "import runpy; runpy.run_module('target_launchdarkly.sandbox', run_name='__main__')",
        "from target_launchdarkly.sandbox.__main__ import main; main()",
    ],
    ids=["module", "script"],
)
def test_sandbox_says_in_one_line_what_to_install(code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGES + code], capture_output=True, text=True, check=False
    )

    [line] = result.stderr.splitlines()
    assert "pip install 'target-launchdarkly[sandbox]'" in line
    assert result.returncode == 1


def test_sandbox_that_is_imported_says_what_to_install() -> None:
    code = f"{WITHOUT_PACKAGES}from target_launchdarkly.sandbox import Sandbox"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert "pip install 'target-launchdarkly[sandbox]'" in result.stderr
