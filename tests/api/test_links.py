"""Where an export's file lies: the one link that is no API resource, and only where it is safe."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from target_launchdarkly.api.links import file_link, is_safe, origin
from target_launchdarkly.errors import ExportError

API = "https://app.launchdarkly.com"
SELF = {"href": "/api/v2/segments/p/e/s/exports/1", "type": "application/json"}
PARENT = {"href": "/api/v2/segments/p/e/s", "type": "application/json"}
SITE = {"href": "/p/e/segments/s", "type": "text/html"}
FILE = {"href": "https://bucket.s3.amazonaws.com/1.csv?X-Amz-Signature=1", "type": "text/csv"}


@pytest.mark.parametrize(
    ("file", "url"),
    [
        pytest.param(FILE, FILE["href"], id="elsewhere"),
        pytest.param({"href": FILE["href"]}, FILE["href"], id="without-a-type"),
        pytest.param(
            {"href": "https://files.example.com/1", "type": "application/octet-stream"},
            "https://files.example.com/1",
            id="without-an-ending",
        ),
        pytest.param(
            {"href": "https://files.example.com/1"}, "https://files.example.com/1", id="bare"
        ),
        pytest.param(
            {"href": "/api/v2/segments/p/e/s/exports/1/file", "type": "text/csv"},
            f"{API}/api/v2/segments/p/e/s/exports/1/file",
            id="on-the-api-by-its-type",
        ),
        pytest.param(
            {"href": "/private/export/1.csv"}, f"{API}/private/export/1.csv", id="by-its-ending"
        ),
        pytest.param(
            {"href": "https://app.launchdarkly.com:8443/1", "type": "text/csv; charset=utf-8"},
            "https://app.launchdarkly.com:8443/1",
            id="another-port",
        ),
    ],
)
@pytest.mark.parametrize("name", ["file", "download", "csv", "a name of its own"])
def test_file_s_link_is_found_whatever_its_name(file: dict[str, Any], url: str, name: str) -> None:
    links = {"parent": PARENT, name: file, "self": SELF, "site": SITE}

    assert file_link(links, API) == url


@pytest.mark.parametrize(
    ("links", "told"),
    [
        pytest.param({"self": SELF, "parent": PARENT}, "no link", id="none"),
        pytest.param({"self": SELF, "site": SITE}, "no link", id="a-page"),
        pytest.param({}, "no link", id="empty"),
        pytest.param({"file": "https://files.example.com/1.csv"}, "no link", id="text"),
        pytest.param({"file": {"href": 7}}, "no link", id="number"),
        pytest.param({"file": {"href": "https://[::1"}}, "no link", id="malformed"),
        pytest.param(
            {"file": {"href": "https://x\\@app.launchdarkly.com/1.csv"}}, "no link", id="ambiguous"
        ),
        pytest.param(
            {"one": FILE, "two": FILE | {"href": "https://files.example.com/2.csv"}},
            "more than one",
            id="two-files",
        ),
        pytest.param(
            {"file": FILE | {"href": "http://files.example.com/1.csv"}}, "https", id="plain-http"
        ),
        pytest.param({"file": FILE | {"href": "ftp://files.example.com/1.csv"}}, "https", id="ftp"),
        pytest.param({"file": FILE | {"href": "file:///etc/passwd.csv"}}, "https", id="file"),
    ],
)
def test_answer_without_a_file_to_trust_is_refused(links: dict[str, Any], told: str) -> None:
    with pytest.raises(ExportError, match=told) as caught:
        file_link(links, API)

    # Whoever has a link may read the file.
    assert "files.example.com" not in str(caught.value)


def test_file_is_told_from_another_link_elsewhere_by_its_type() -> None:
    docs = {"href": "https://docs.launchdarkly.com/exports"}

    assert file_link({"docs": docs, "file": FILE}, API) == FILE["href"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://app.launchdarkly.com", "https://app.launchdarkly.com:443/api/v2"),
        ("https://APP.launchdarkly.com/x", "https://app.launchdarkly.com/y"),
        ("http://127.0.0.1", "http://127.0.0.1:80/"),
    ],
)
def test_origin_is_the_same(one: str, other: str) -> None:
    assert origin(one) == origin(other)


@pytest.mark.parametrize(
    "other",
    [
        "http://app.launchdarkly.com",
        "https://app.launchdarkly.com:444",
        "https://app.launchdarkly.com.example.com",
        "https://app.launchdarkly.com@example.com",
        "https://launchdarkly.com",
    ],
)
def test_origin_is_another(other: str) -> None:
    """The token must not go there."""
    assert origin(other) != origin(API)


@given(*[st.text("\\/@:#?%.;[]&ax\t\n \r", max_size=6)] * 2)
@example("a\\@", "")
def test_request_goes_to_the_host_that_was_judged(before: str, after: str) -> None:
    """By that host the token is shown or not."""
    url = f"https://{before}app.launchdarkly.com{after}"
    if not is_safe(url):
        return
    try:
        asked = requests.Request("GET", url).prepare().url
    except requests.RequestException:
        return

    assert urlsplit(asked).hostname == origin(url)[1]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://files.example.com/1", True),
        ("http://127.0.0.1:8765/1", True),
        ("http://localhost/1", True),
        ("http://[::1]/1", True),
        ("http://files.example.com/1", False),
        ("http://127.0.0.1.example.com/1", False),
        ("http://example.com\\@127.0.0.1/1", False),
        # By some parsers a backslash ends the host, by others it does not.
        ("https://example.com\\@app.launchdarkly.com/1.csv", False),
        ("https://example.com:443\\@app.launchdarkly.com:443/1.csv", False),
        ("https:///1", False),
        ("/1", False),
        ("https://[::1", False),
    ],
)
def test_nobody_else_can_listen(url: str, expected: bool) -> None:
    assert is_safe(url) == expected
