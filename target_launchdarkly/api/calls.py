"""What a request to LaunchDarkly is: where it goes and what it carries."""

from __future__ import annotations

import json
from io import SEEK_END
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from target_launchdarkly.api import quoting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UPLOAD_BLOCK_BYTES = 65_536
#: What stands before a context key in a URL.
CONTEXTS = "/contexts/"
#: What stands before the ID of an export or an import in a URL.
TRANSFERS = ("/exports/", "/imports/")
#: What stands between a segment and an environment in a URL about expiring targets.
EXPIRING_TARGETS = "/expiring-targets/"


class Connection(NamedTuple):
    """Where the client sends its requests, as whom, and how patiently."""

    #: E.g. `https://app.launchdarkly.com`, without a slash at the end.
    api_url: str
    project_key: str
    environment_key: str
    user_agent: str
    request_timeout_seconds: float = 60
    max_retry_seconds: float = 600


class Upload:
    """The body of a multipart request: text fields and one file, read from disk as it is sent.

    It can be sent any number of times, and knows its length, so that it is not sent chunked.
    """

    def __init__(self, file: IO[bytes], fields: Mapping[str, str]) -> None:
        boundary = uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            'filename="keys.csv"\r\nContent-Type: text/csv\r\n\r\n'
        )
        self._head = head.encode()
        self._file = file
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self._file.seek(0, SEEK_END) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        self._file.seek(0)
        while block := self._file.read(UPLOAD_BLOCK_BYTES):
            yield block
        yield self._tail


class Call(NamedTuple):
    """One request, however often it is sent."""

    method: str
    segment_key: str
    url: str
    body: Mapping[str, Any] | Upload | None = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        if not self.segment_key:
            return self.url
        part = "the expiring targets of " if self.is_about_expiring else ""
        return f"{self.method} of {part}segment '{self.segment_key}'"

    def payload(self) -> bytes | Upload | None:
        """Return the body as it is sent."""
        if self.body is None or isinstance(self.body, Upload):
            return self.body
        return json.dumps(self.body).encode()

    @property
    def is_change(self) -> bool:
        """Whether it changes the segment. An export that is begun twice does no harm."""
        return self.method != "GET" and not self.url.endswith("/exports")

    @property
    def public_url(self) -> str:
        """The URL without a query, and without a context key or an odd ID that may end it."""
        url = self.url.partition("?")[0].partition(CONTEXTS)[0]
        for kind in TRANSFERS:
            head, found, transfer_id = url.rpartition(kind)
            if found:
                return f"{head}{found}{quoting.identifier(transfer_id)}"
        return url

    @property
    def is_about_expiring(self) -> bool:
        """Whether the request is about when targets leave by themselves."""
        return EXPIRING_TARGETS in self.url

    @property
    def keys(self) -> list[str]:
        """The context keys that the request carries, but for those of an upload."""
        if self.body is None or isinstance(self.body, Upload):
            return []
        instructions = self.body.get("instructions", ())
        return [
            key
            for instruction in instructions
            for key in instruction.get("values") or [instruction["contextKey"]]
        ]


def quoted(key: str) -> str:
    """Return a key as a part of a path."""
    return quote(key, safe="")
