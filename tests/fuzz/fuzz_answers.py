"""Answers that nobody expects: every field, header, link and status of every kind."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from fuzz_stand_in import Asked, kind_of
from fuzz_values import MARK, mutated, nested, secret, text, value, without_keys
from requests.adapters import BaseAdapter, HTTPAdapter

if TYPE_CHECKING:
    import random

    from fuzz_stand_in import Reply, StandIn
    from running import FakeClock

STATUSES = (
    *(
        200,
        200,
        201,
        202,
        204,
        206,
        300,
        301,
        302,
        307,
        400,
        400,
        400,
        401,
        402,
        403,
        403,
        404,
        404,
    ),
    *(
        405,
        408,
        409,
        409,
        410,
        413,
        415,
        418,
        422,
        425,
        429,
        429,
        429,
        451,
        500,
        500,
        502,
        503,
        504,
    ),
    *(520, 599, 600, 999),
)
HEADERS = (
    *("Retry-After", "Retry-After", "X-Ratelimit-Reset", "X-Ratelimit-Global-Remaining", "Date"),
    *(
        "X-Ratelimit-Route-Remaining",
        "X-Ratelimit-Auth-Token-Remaining",
        "Location",
        "Content-Type",
    ),
    *("X-Ratelimit-Auth-Token-Reset", "X-Ratelimit-Global-Reset", "Set-Cookie", "Content-Encoding"),
)
HEADER_VALUES = (
    *(
        "",
        "0",
        "-1",
        "1",
        "7",
        "3600",
        "inf",
        "nan",
        "1e999",
        "9" * 400,
        "1.5",
        "soon",
        "0x10",
        " 5 ",
    ),
    *(
        "1800000005000",
        "1700000000000",
        "1",
        "Wed, 21 Oct 2099 07:28:00 GMT",
        "Wed, 99 Zzz 0 0 GMT",
    ),
    *(
        "Thu, 01 Jan 0001 00:00:00 +9999",
        "text/html",
        "application/json",
        "gzip",
        "http://[::1",
        "/",
    ),
    *(
        "//",
        "https://elsewhere.example.com/a?b#c",
        "a=b; Expires=x; Max-Age=y",
        "\u00fc",
        "(1)",
        "?",
    ),
)
BODIES = (
    *(
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"',
        b"\xff\xfe\x00",
        b"<html>",
        b"NaN",
        b"{}",
        b"\x00" * 50,
    ),
    *(b"[" * 20_000, b'{"a":' * 20_000, b'{"version": 1e999}', b"9" * 6_000, b'{"key": "\\ud800"}'),
)
ERRORS: tuple[type[requests.RequestException], ...] = (
    requests.ConnectTimeout,
    requests.ReadTimeout,
    requests.ConnectionError,
    requests.exceptions.SSLError,
    requests.exceptions.ProxyError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.InvalidHeader,
)
CALLED = ("tokenName", "unboundedContextKind")
#: Names of fields with which a link of an export may be told.
LINKS = ("http://127.0.0.1/a.csv", "https://x/a.csv?k=v", "ftp://x/a.csv", "//x", "http://[::1", "")


class TooManyError(BaseException):
    """Requests have no end; not an `Exception`, which the run would take for its own."""


@dataclass
class Trouble(BaseAdapter):
    """Stands for the network: answers of a stand-in, some of them changed.

    Args:
        chance: Draws what becomes of each answer.
        rate: How many of them are changed, from 0 to 1.
        stand_in: Knows the right answers.
        clock: Goes on where an answer does not come.
        max_requests: More end the run.
    """

    chance: random.Random
    rate: float
    stand_in: StandIn
    clock: FakeClock
    max_requests: int
    count: int = 0
    #: What was asked for where the answer was not right.
    changed: Counter[str] = field(default_factory=Counter)

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.count += 1
        if self.count > self.max_requests:
            raise TooManyError(f"more than {self.max_requests:,} requests")
        chance, asked = self.chance, _asked(request)
        if chance.random() < self.rate * 0.1:
            self.changed[kind_of(asked)] += 1
            self.clock.elapsed += chance.choice([0, 1, 60])
            if chance.random() < 0.5:
                self.stand_in.answer(asked)
            raise chance.choice(ERRORS)(secret(chance), request=request)
        reply = self.stand_in.answer(asked)
        if chance.random() < self.rate:
            self.changed[kind_of(asked)] += 1
            reply = changed(chance, *reply)
        return _response(request, *reply)

    def close(self) -> None:
        """Do nothing: nothing is open."""


def _asked(request: requests.PreparedRequest) -> Asked:
    body: Any = request.body or b""
    token = request.headers.get("Authorization")
    whole = body if isinstance(body, bytes) else b"".join(body)
    return Asked(request.method or "", request.url or "", token, whole)


def changed(chance: random.Random, status: int, headers: dict[str, str], body: bytes) -> Reply:
    """Return an answer that is not quite right."""
    how = chance.random()
    headers = dict(headers)
    if how < 0.35:
        body = _other_document(chance, body)
    elif how < 0.6:
        status = chance.choice(STATUSES)
        body = _error(chance)
    elif how < 0.7:
        body = chance.choice(BODIES)
    elif how < 0.75:
        body = body[: len(body) // 2]
    if how > 0.55:
        for _ in range(chance.choice([1, 1, 2, 4])):
            odd = secret(chance) if chance.random() < 0.15 else chance.choice(HEADER_VALUES)
            headers[chance.choice(HEADERS)] = odd.replace("\n", " ").replace("\r", " ")
    if chance.random() < 0.1:
        status = chance.choice(STATUSES)
    return status, headers, body


def _other_document(chance: random.Random, body: bytes) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        return chance.choice(BODIES)
    if isinstance(document, dict) and chance.random() < 0.3:
        special: dict[str, Any] = {
            "_external": text(chance),
            "_importInProgress": True,
            "unbounded": not document.get("unbounded"),
            "unboundedContextKind": text(chance),
            "version": chance.choice([0, 1, 10**30]),
            "_access": {"denied": [{"action": "updateIncluded"}], "allowed": []},
            "_links": {"file": {"href": chance.choice(LINKS), "type": "text/csv"}},
            "status": chance.choice(["stopped", "pending_approval", "failed", MARK, "x" * 300]),
            "included": [MARK] * 3,
            "errors": [{"instructionIndex": 0, "code": text(chance), "message": text(chance)}],
        }
        name = chance.choice(sorted(special))
        return _encoded(document | {name: special[name]})
    return _encoded(mutated(chance, document))


def _encoded(document: Any) -> bytes:
    if isinstance(document, dict):
        # What people call something may be told.
        document |= without_keys({name: document[name] for name in CALLED if name in document})
    return json.dumps(document).encode()


def _error(chance: random.Random) -> bytes:
    document: dict[str, Any] = {"code": "invalid_request", "message": secret(chance)}
    how = chance.random()
    if how < 0.2:
        document["code"] = secret(chance)
    elif how < 0.3:
        document["message"] = chance.choice(["approval is required", "Unknown segment key x"])
    elif how < 0.5:
        document = {"code": value(chance), "message": value(chance)}
    elif how < 0.55:
        document = {"message": nested(600, True)}
    return json.dumps(document).encode()


def _response(
    request: requests.PreparedRequest, status: int, headers: dict[str, str], body: bytes
) -> requests.Response:
    answer = urllib3.HTTPResponse(
        io.BytesIO(body), headers, status, preload_content=False, request_method=request.method
    )
    return HTTPAdapter().build_response(request, answer)
