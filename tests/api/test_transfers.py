"""Files of exports are fetched from wherever they lie, and nobody but the API sees the token."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from running import TOKEN, FakeClock

from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.api.transfers import MAX_DOWNLOADS, MAX_REDIRECTS, Transfers
from target_launchdarkly.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXPORT = "/api/v2/segments/default/test/many/exports/1"
KEYS = b"a\nb\n"


@dataclass
class Place:
    """A host that answers as it is told, and remembers who asked and with what."""

    url: str
    #: By path, the status, headers and body of an answer.
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    on_block: Callable[[], None] | None = None

    def redirect(self, path: str, location: str) -> None:
        self.answers[path] = (302, {"Location": location}, b"")

    def file(self, path: str, content: bytes = KEYS) -> str:
        self.answers[path] = (200, {"Content-Type": "text/csv"}, content)
        return self.url + path

    def link_to(self, url: str) -> None:
        links = {"file": {"href": url, "type": "text/csv"}}
        body = json.dumps({"status": "complete", "_links": links}).encode()
        self.answers[EXPORT] = (200, {}, body)

    def tokens(self, path: str) -> list[str | None]:
        """Return what was shown to whoever answers a path."""
        return [token for each, token in self.asked if each == path]


@contextmanager
def a_place() -> Iterator[Place]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked.append((self.path, self.headers.get("Authorization")))
            status, headers, body = place.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    place = Place(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def places() -> Iterator[tuple[Place, Place]]:
    """The API, and another host."""
    with ExitStack() as stack:
        yield stack.enter_context(a_place()), stack.enter_context(a_place())


@pytest.fixture
def transfers(places: tuple[Place, Place], clock: FakeClock) -> Transfers:
    connection = Connection(places[0].url, "default", "test", "tests", max_retry_seconds=0)
    return Transfers(Client(connection, TOKEN, clock=clock.system), max_import_seconds=100)


def fetched(transfers: Transfers) -> bytes:
    with transfers.download_export("many", "1") as file:
        return file.read()


def test_file_elsewhere_is_fetched_without_the_token(
    places: tuple[Place, Place], transfers: Transfers
) -> None:
    api, other = places
    api.link_to(other.file("/1.csv?signature=1"))

    assert fetched(transfers) == KEYS
    assert other.tokens("/1.csv?signature=1") == [None]
    assert api.tokens(EXPORT) == [TOKEN]


def test_file_on_the_api_s_own_host_is_fetched_with_the_token(
    places: tuple[Place, Place], transfers: Transfers
) -> None:
    api, _ = places
    api.link_to(api.file("/private/1.csv"))

    assert fetched(transfers) == KEYS
    assert api.tokens("/private/1.csv") == [TOKEN]


@pytest.mark.parametrize("first", ["api", "elsewhere"])
def test_redirect_never_takes_the_token_to_another_host(
    places: tuple[Place, Place], transfers: Transfers, first: str
) -> None:
    api, other = places
    start = api if first == "api" else other
    start.redirect("/1.csv", other.file("/2.csv"))
    api.link_to(f"{start.url}/1.csv")

    assert fetched(transfers) == KEYS
    assert other.tokens("/2.csv") == [None]
    assert {token for _, token in other.asked} == {None}


@pytest.mark.parametrize("first", ["link", "redirect"])
def test_host_that_looks_like_the_api_does_not_get_the_token(
    places: tuple[Place, Place], transfers: Transfers, first: str
) -> None:
    """To some who read URLs this one leads to the API; the request goes to the other host."""
    api, other = places
    url = f"{other.url}\\@{api.url.removeprefix('http://')}/1.csv"
    if first == "redirect":
        other.redirect("/start.csv", url)
        url = f"{other.url}/start.csv"
    api.link_to(url)

    with pytest.raises(ExportError):
        fetched(transfers)

    assert {token for _, token in other.asked} <= {None}


def test_redirects_end(places: tuple[Place, Place], transfers: Transfers) -> None:
    api, other = places
    other.redirect("/1.csv", "/1.csv")
    api.link_to(f"{other.url}/1.csv")

    with pytest.raises(ExportError, match="redirects"):
        fetched(transfers)

    assert len(other.asked) == MAX_DOWNLOADS * (MAX_REDIRECTS + 1)


@pytest.mark.parametrize(
    "location", ["http://files.example.com/1.csv", "ftp://x/1", "https://[::1"]
)
def test_redirect_to_where_others_could_listen_is_not_followed(
    places: tuple[Place, Place], transfers: Transfers, location: str
) -> None:
    api, other = places
    other.redirect("/1.csv", location)
    api.link_to(f"{other.url}/1.csv")

    with pytest.raises(ExportError, match="a redirect leads to"):
        fetched(transfers)


def test_password_of_a_netrc_file_is_shown_to_nobody(
    places: tuple[Place, Place],
    transfers: Transfers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(path))
    api, other = places
    api.link_to(other.file("/1.csv"))

    assert fetched(transfers) == KEYS
    assert other.tokens("/1.csv") == [None]
    assert api.tokens(EXPORT) == [TOKEN]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_file_that_cannot_be_had_is_asked_for_by_a_fresh_link_each_time(
    places: tuple[Place, Place], transfers: Transfers, clock: FakeClock, status: int
) -> None:
    api, other = places
    other.answers["/1.csv"] = (status, {}, b"")
    api.link_to(f"{other.url}/1.csv")

    with pytest.raises(ExportError, match=f"HTTP {status}"):
        fetched(transfers)

    assert len(other.asked) == len(api.asked) == MAX_DOWNLOADS
    assert clock.slept == [1, 2]


def test_file_that_never_ends_does_not_hold_the_run(
    places: tuple[Place, Place], transfers: Transfers
) -> None:
    """A host that sends a little from time to time keeps within every timeout."""
    api, other = places
    api.link_to(other.file("/1.csv", b"a\n" * 1_000_000))
    hurried = Transfers(transfers.client, max_import_seconds=0)

    with pytest.raises(ExportError, match="max_import_seconds"):
        fetched(hurried)


def test_link_is_in_no_error_and_in_no_log(
    places: tuple[Place, Place], transfers: Transfers, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has it may read who is a member."""
    api, other = places
    api.link_to(f"{other.url}/secret.csv")

    with pytest.raises(ExportError) as caught:
        fetched(transfers)

    told = "\n".join([str(caught.value), *(each.message for each in caplog.records)])
    assert "could not be had" in told
    assert "secret" not in told
