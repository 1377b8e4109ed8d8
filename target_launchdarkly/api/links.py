"""Where the file of an export lies, and whom a link leads to. Pure: no I/O, no state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from target_launchdarkly.errors import ExportError

DEFAULT_PORTS = {"http": 80, "https": 443}
#: Types of links that lead to no file of keys: the API's own resources, and pages for people.
OTHER_TYPES = ("application/json", "text/html")
FILE_TYPES = ("text/csv", "application/csv", "application/octet-stream", "binary/octet-stream")


def origin(url: str) -> tuple[str, str, int | None]:
    r"""Return scheme, host and port, e.g. `("https", "app.launchdarkly.com", 443)`.

    Raises:
        ValueError: It is no URL, or one that others read otherwise: a request for `https://a\@b`
            would go to `a`.
    """
    parts = urlsplit(url)
    if "\\" in parts.netloc:
        raise ValueError("the host holds a backslash")
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nobody else can listen."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(url: str) -> bool:
    """Whether nobody can listen: https, or http to this machine."""
    try:
        scheme, host, _ = origin(url)
    except ValueError:
        return False
    return bool(host) and (scheme == "https" or (scheme == "http" and is_loopback(host)))


def file_link(links: Mapping[str, Any], api_url: str) -> str:
    """Return the URL of an export's file: the one of its links that is no API resource.

    How LaunchDarkly calls that link, and where it leads, is not documented.
    https://launchdarkly.com/docs/api/segments/get-big-segment-export

    Raises:
        ExportError: There is no such link, or more than one, or others could read along.
    """
    found = [*_others(links.values(), api_url)]
    elsewhere = [each for each in found if origin(each[0]) != origin(api_url)]
    files = [each for each in elsewhere or found if each[1] in FILE_TYPES or _is_csv(each[0])]
    urls = {url for url, _ in (elsewhere if len(elsewhere) == 1 else files)}
    if len(urls) != 1:
        told = "no link to a file" if not urls else "more than one link to a file"
        raise ExportError(f"LaunchDarkly's answer holds {told}.")
    url = urls.pop()
    if not is_safe(url):
        raise ExportError("LaunchDarkly's answer links to a file without https.")
    return url


def _others(links: Iterable[Any], api_url: str) -> Iterator[tuple[str, str]]:
    """Yield URL and type of each link that leads neither to a resource nor to a page."""
    for link in links:
        if not isinstance(link, Mapping) or not isinstance(link.get("href"), str):
            continue
        type_ = str(link.get("type") or "").partition(";")[0]
        try:
            url = urljoin(f"{api_url}/", link["href"])
            origin(url)
        except ValueError:
            continue
        if type_ not in OTHER_TYPES:
            yield url, type_


def _is_csv(url: str) -> bool:
    return urlsplit(url).path.endswith(".csv")
