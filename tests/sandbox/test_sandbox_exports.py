"""Exports of the sandbox's big segments, and their files, which lie elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from launchdarkly_api.models.export import Export
from sandbox_client import BETA_USERS, MANY, BigClient, refusal

from target_launchdarkly.sandbox import NEVER, ExportRules, Fault, ForeignChange, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox_client import Clock


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    sandbox.add_segment(
        "many", context_kind="org", included=["a", "b,1", "ü"], excluded=["x"], unbounded=True
    )
    sandbox.add_segment("beta-users")
    sandbox.export_rules.polls = 1
    with sandbox.serve():
        yield sandbox


@dataclass
class ExportClient:
    """Who has a big segment exported, and reads the file."""

    client: BigClient

    def start(self) -> str:
        answer = self.client.call("POST", MANY + "/exports")
        assert answer.status_code == 200
        return answer.headers["Location"]

    def look(self, path: str) -> dict[str, Any]:
        answer = self.client.call("GET", path)
        assert answer.status_code == 200
        assert Export.from_json(answer.text) is not None
        document: dict[str, Any] = answer.json()
        return document

    def link(self, name: str = "file") -> str:
        return str(self.look(self.start())["_links"][name]["href"])

    def read(self) -> bytes:
        answer = requests.get(self.link(), timeout=10)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/csv"
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        return answer.content


@pytest.fixture
def exports(sandbox: Sandbox) -> Iterator[ExportClient]:
    with requests.Session() as session:
        yield ExportClient(BigClient(sandbox, session))


def test_export_ends_after_some_looks_and_shows_its_file(
    exports: ExportClient, sandbox: Sandbox
) -> None:
    sandbox.export_rules.polls = 2
    path = exports.start()
    assert path.startswith(MANY + "/exports/")
    first, second = exports.look(path), exports.look(path)
    assert (first["status"], first["sizeBytes"], set(first["_links"])) == (
        "in_progress",
        0,
        {"parent", "self"},
    )
    assert (second["status"], second["sizeBytes"], second["size"]) == ("complete", 11, "11 B")
    assert second["_links"]["self"]["href"] == path
    assert (second["segmentKey"], second["id"]) == ("many", path.rpartition("/")[2])
    assert exports.look(path) == second


def test_file_holds_the_included_keys_as_csv(exports: ExportClient) -> None:
    assert exports.read() == 'a\n"b,1"\nü\n'.encode()


def test_file_lies_on_another_host_and_needs_no_token(
    exports: ExportClient, sandbox: Sandbox
) -> None:
    link = urlsplit(exports.link())
    assert link.hostname == "localhost" != urlsplit(sandbox.url).hostname
    assert not link.path.startswith("/api/")
    assert "X-Amz-Signature=" in link.query
    assert requests.get(link.geturl(), timeout=10).status_code == 200
    assert sandbox.leaks == []


def test_token_shown_to_the_other_host_is_a_leak_and_refused(
    exports: ExportClient, sandbox: Sandbox
) -> None:
    headers = {"Authorization": sandbox.token}
    answer = requests.get(exports.link(), headers=headers, timeout=10)
    assert (answer.status_code, "InvalidArgument" in answer.text) == (400, True)
    assert requests.get(f"{exports.link()}&t={sandbox.token}", timeout=10).status_code == 200
    assert [one.status for one in sandbox.leaks] == [400, 200]


def test_requests_for_files_are_none_to_the_api(exports: ExportClient, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("status"))
    assert exports.client.call("GET", MANY).status_code == 503
    link = exports.link()
    sandbox.clear_requests()
    sandbox.faults.append(Fault("status"))
    assert requests.get(link, timeout=10).status_code == 200
    assert sandbox.requests == []
    assert [one.status for one in sandbox.downloads.exchanges()] == [200]
    assert len(sandbox.faults) == 1


@pytest.mark.parametrize(
    ("rules", "content"),
    [
        pytest.param({"header": "key"}, 'key\na\n"b,1"\nü\n', id="header"),
        pytest.param({"is_quoted": True}, '"a"\n"b,1"\n"ü"\n', id="quoted"),
        pytest.param({"line_end": "\r\n"}, 'a\r\n"b,1"\r\nü\r\n', id="line-end"),
        pytest.param({"more_columns": ("1",)}, 'a,1\n"b,1",1\nü,1\n', id="more-columns"),
        pytest.param({"missing": 2}, "a\n", id="lines-missing"),
        pytest.param({"missing": 4, "header": "key"}, "key\n", id="all-lines-missing"),
        pytest.param({"cut_bytes": 6}, 'a\n"b,', id="bytes-missing"),
    ],
)
def test_file_is_written_as_told(
    exports: ExportClient, sandbox: Sandbox, rules: dict[str, Any], content: str
) -> None:
    sandbox.export_rules = ExportRules(polls=1, **rules)
    assert exports.read().decode() == content


def test_file_of_many_members_has_them_all(exports: ExportClient, sandbox: Sandbox) -> None:
    keys = [f"context-key-{number:08d}" for number in range(25_001)]
    sandbox.meanwhile(ForeignChange("many", remove=("a", "b,1", "ü")))
    sandbox.meanwhile(lambda one: one.change_targets("many", {"included": {"add": keys}}))
    assert exports.read().decode().split() == keys


def test_file_that_breaks_off_shows_that_something_is_missing(
    exports: ExportClient, sandbox: Sandbox
) -> None:
    link = exports.link()
    sandbox.faults.append(Fault("truncate", method="FILE"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="5 bytes read, 6 more"):
        requests.get(link, timeout=10)
    assert requests.get(link, timeout=10).status_code == 200


def test_file_may_not_be_had_for_a_while(exports: ExportClient, sandbox: Sandbox) -> None:
    link = exports.link()
    sandbox.faults.append(Fault("status", method="FILE", status=503, after=1))
    assert [requests.get(link, timeout=10).status_code for _ in range(3)] == [200, 503, 200]


def test_link_expires(exports: ExportClient, sandbox: Sandbox, clock: Clock) -> None:
    link = exports.link()
    clock.now += sandbox.export_rules.link_seconds
    answer = requests.get(link, timeout=10)
    assert (answer.status_code, "Request has expired" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param(("X-Amz-Signature=", "X-Amz-Signature=0"), 403, id="signature"),
        pytest.param(("X-Amz-Signature=", "Signature="), 403, id="no-signature"),
        pytest.param((".csv", "0.csv"), 404, id="another-file"),
    ],
)
def test_link_is_good_only_as_it_was_given(
    exports: ExportClient, change: tuple[str, str], status: int
) -> None:
    assert requests.get(exports.link().replace(*change), timeout=10).status_code == status


def test_link_may_have_another_name_and_base(exports: ExportClient, sandbox: Sandbox) -> None:
    sandbox.export_rules.link_name = "csv"
    sandbox.export_rules.link_base = "https://files.example.com"
    assert exports.link("csv").startswith("https://files.example.com/exports/")


def test_export_takes_its_time(exports: ExportClient, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.export_rules.seconds = 60
    path = exports.start()
    assert exports.look(path)["status"] == "in_progress"
    clock.now += 60
    assert exports.look(path)["status"] == "complete"


def test_export_may_never_end(exports: ExportClient, sandbox: Sandbox) -> None:
    sandbox.export_rules.polls = NEVER
    path = exports.start()
    assert {exports.look(path)["status"] for _ in range(10)} == {"in_progress"}


def test_export_that_fails_has_no_file(exports: ExportClient, sandbox: Sandbox) -> None:
    sandbox.export_rules.outcome = "failed"
    document = exports.look(exports.start())
    assert (document["status"], set(document["_links"])) == ("failed", {"parent", "self"})


@pytest.mark.parametrize(
    ("is_taken_at_start", "expected"),
    [pytest.param(True, b"a\n", id="start"), pytest.param(False, b"b\n", id="end")],
)
def test_export_is_of_one_moment(
    exports: ExportClient, sandbox: Sandbox, *, is_taken_at_start: bool, expected: bytes
) -> None:
    sandbox.export_rules.is_taken_at_start = is_taken_at_start
    sandbox.meanwhile(ForeignChange("many", remove=("b,1", "ü")), method="POST")
    sandbox.meanwhile(ForeignChange("many", remove=("a",), add=("b",)), method="GET")
    sandbox.meanwhile(ForeignChange("many", remove=("b",), add=("c",)), method="FILE")
    assert exports.read() == expected
    assert sandbox.included("many", "org") == ["c"]


@pytest.mark.parametrize("name", ["denied", "read_only"])
def test_export_is_forbidden_where_the_token_may_not(
    exports: ExportClient, sandbox: Sandbox, name: str
) -> None:
    setattr(sandbox.export_rules if name == "denied" else sandbox, name, True)
    answer = exports.client.call("POST", MANY + "/exports")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_export_is_refused_of_too_many_members(exports: ExportClient, sandbox: Sandbox) -> None:
    assert sandbox.export_rules.max_members == 10_000_000
    sandbox.export_rules.max_members = 2
    assert "more than 2" in refusal(exports.client.call("POST", MANY + "/exports"))


def test_export_is_refused_of_a_standard_segment(exports: ExportClient) -> None:
    assert "standard segment" in refusal(exports.client.call("POST", BETA_USERS + "/exports"))


def test_export_that_nobody_started_is_not_found(exports: ExportClient) -> None:
    assert exports.client.call("GET", MANY + "/exports/nope").status_code == 404


def test_export_whose_link_has_expired_is_forgotten_at_the_next(
    exports: ExportClient, sandbox: Sandbox, clock: Clock
) -> None:
    path = exports.start()
    exports.look(path)
    clock.now += sandbox.export_rules.link_seconds
    exports.start()
    assert exports.client.call("GET", path).status_code == 404
