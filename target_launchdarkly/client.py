"""LaunchDarkly's segments API over HTTP: auth, timeouts, retries, rate limits, error mapping."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlsplit

import backoff
import requests
from requests.auth import AuthBase

from target_launchdarkly.errors import LaunchDarklyError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

logger = logging.getLogger(__name__)

#: https://launchdarkly.com/docs/api#versioning
API_VERSION = "20240415"
#: https://launchdarkly.com/docs/api#updates-using-semantic-patch
SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
#: https://launchdarkly.com/docs/api#rate-limiting
RESET_HEADER = "X-Ratelimit-Reset"
REMAINING_HEADERS = ("X-Ratelimit-Route-Remaining", "X-Ratelimit-Global-Remaining")

#: The longest pause between two retries that LaunchDarkly did not ask for.
MAX_BACKOFF_SECONDS = 60
#: How much of LaunchDarkly's own message an error quotes.
MAX_QUOTED_CHARACTERS = 500

TRANSIENT_STATUSES = frozenset({408, 409, 429})

#: Stands for the 403 of an environment that requires approvals. A bare 403 says the same by its
#: status, so LaunchDarkly's message tells the two apart.
APPROVAL_REQUIRED = 403_1
#: What to do about an answer that a retry would not change, by status or by its hundred.
REMEDIES = {
    300: "Redirects are not followed, because the token would go elsewhere. Correct api_instance "
    "or api_url; asked was {url}.",
    400: "Asked was {url}.",
    401: "The access token was not accepted. Make an API access token in LaunchDarkly under "
    "Account settings > Authorization and set access_token; check that api_instance is the "
    "instance of that account: asked was {url}.",
    403: "The token may not change segments. Give it the Writer role, or a custom role with the "
    "actions updateIncluded and updateExcluded.",
    APPROVAL_REQUIRED: "The environment requires approvals. Give the token a role with the action "
    "bypassRequiredSegmentApproval, or sync into an environment without them.",
}


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the client sees it. Tests put their own in place of the system's."""

    sleep: Callable[[float], None] = time.sleep
    #: Seconds that only ever grow.
    monotonic: Callable[[], float] = time.monotonic
    #: Seconds since the epoch.
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the client sends its requests, as whom, and how patiently."""

    #: E.g. `https://app.launchdarkly.com`, without a slash at the end.
    api_url: str
    project_key: str
    environment_key: str
    user_agent: str
    request_timeout_seconds: float = 60
    max_retry_seconds: float = 600


class _AccessToken(AuthBase):
    """LaunchDarkly wants the token bare. As an auth object, no .netrc entry can replace it."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._access_token
        return request


class _TransientError(Exception):
    """A request that may succeed when it is sent again."""

    def __init__(self, cause: str, *, not_before: float | None = None) -> None:
        super().__init__(cause)
        #: Epoch seconds before which LaunchDarkly asked not to be asked again.
        self.not_before = not_before


class Client:
    """One method an endpoint; plain values in and out. Safe for threads.

    Every request is idempotent (a patch states where keys shall stand), so each may be sent again
    when its answer was lost.

    Args:
        connection: Where to.
        access_token: The API access token.
        clock: Replaced in tests.
    """

    def __init__(
        self, connection: Connection, access_token: str, *, clock: Clock | None = None
    ) -> None:
        self._connection = connection
        self._access_token = access_token
        self._clock = clock or Clock()
        self._local = threading.local()
        self._lock = threading.Lock()
        #: Epoch seconds before which no request is sent, because a limit is used up.
        self._not_before = 0.0
        #: Requests sent, by segment key and method, retries included.
        self.requests: Counter[tuple[str, str]] = Counter()

    @property
    def environment_key(self) -> str:
        """The environment whose segments this client reads and changes."""
        return self._connection.environment_key

    def requests_of(self, segment_key: str) -> dict[str, int]:
        """Return the requests sent for a segment by method, e.g. `{"GET": 1, "PATCH": 8}`."""
        return {
            method: count for (key, method), count in self.requests.items() if key == segment_key
        }

    def get_segment(self, segment_key: str) -> dict[str, Any]:
        """Return the segment as LaunchDarkly describes it (`UserSegment`).

        https://launchdarkly.com/docs/api/segments/get-segment
        """
        return self._segment_call("GET", segment_key)

    def patch_segment(self, segment_key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a semantic patch; return the whole segment after it (`UserSegment`).

        https://launchdarkly.com/docs/api/segments/patch-segment

        Raises:
            RefusedError: LaunchDarkly refused the patch; nothing of it was applied.
            LaunchDarklyError: Any other failure; the patch may or may not have been applied.
        """
        return self._segment_call("PATCH", segment_key, body)

    def _segment_call(
        self, method: str, segment_key: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return self._send_patiently(
            _Call(method, segment_key, self._segment_url(segment_key), body)
        )

    def _segment_url(self, segment_key: str) -> str:
        parts = (self._connection.project_key, self._connection.environment_key, segment_key)
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self._connection.api_url}/api/v2/segments/{path}"

    def _send_patiently(self, call: _Call) -> dict[str, Any]:
        """Send a request until it is answered, or patience ends."""
        deadline = self._clock.monotonic() + self._connection.max_retry_seconds
        pauses = _pauses()
        while True:
            self._await_limit(call, deadline)
            try:
                return self._send(call)
            except _TransientError as failure:
                pause = self._pause_after(failure, pauses)
                if self._clock.monotonic() + pause > deadline:
                    self._give_up(call, failure, pause)
                logger.warning("%s: %s. Trying again in %.1f s.", call, failure, pause)
                self._clock.sleep(pause)

    def _pause_after(self, failure: _TransientError, pauses: Generator[float, Any, None]) -> float:
        if failure.not_before is not None:
            # Jitter is only ever added: never earlier than LaunchDarkly asked.
            return backoff.random_jitter(max(0.0, failure.not_before - self._clock.now()))
        return backoff.full_jitter(next(pauses))

    def _give_up(self, call: _Call, failure: _TransientError, pause: float) -> NoReturn:
        raise LaunchDarklyError(
            f"{call} failed: {failure}, and the next try in {pause:.0f} s would pass "
            f"max_retry_seconds ({self._connection.max_retry_seconds:g}). Asked was {call.url}: if "
            "that is not your account's instance, set api_instance to 'us', 'eu' or 'federal'. "
            "Else run again later; a rerun continues where this run ended."
        ) from failure

    def _await_limit(self, call: _Call, deadline: float) -> None:
        """Wait until the rate limit's window ends, if its requests are used up."""
        pause = self._not_before - self._clock.now()
        if pause <= 0:
            return
        if self._clock.monotonic() + pause > deadline:
            self._give_up(call, _TransientError("the rate limit is used up"), pause)
        logger.info("The rate limit is used up. Waiting %.1f s for its next window.", pause)
        self._clock.sleep(pause)

    def _send(self, call: _Call) -> dict[str, Any]:
        with self._lock:
            self.requests[call.segment_key, call.method] += 1
        try:
            response = self._session.request(
                call.method,
                call.url,
                json=call.body,
                headers={"Content-Type": SEMANTIC_PATCH} if call.body is not None else None,
                timeout=self._connection.request_timeout_seconds,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise _TransientError(_describe(error)) from error
        logger.debug("%s answered %d", call, response.status_code)
        self._note_limit(response)
        if response.status_code in {200, 201}:
            return _segment_of(response, call)
        raise self._failure(response, call)

    @property
    def _session(self) -> requests.Session:
        """One session a thread: sessions may not be shared."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.auth = _AccessToken(self._access_token)
            session.headers.update(
                {"LD-API-Version": API_VERSION, "User-Agent": self._connection.user_agent}
            )
            # Plain http goes to this machine only; a proxy would see the token.
            session.trust_env = urlsplit(self._connection.api_url).scheme == "https"
            self._local.session = session
        session_of_thread: requests.Session = self._local.session
        return session_of_thread

    def _note_limit(self, response: requests.Response) -> None:
        """Remember the window's end if this answer says that its requests are used up."""
        used_up = any(response.headers.get(name) == "0" for name in REMAINING_HEADERS)
        reset = _reset_at(response, self._clock.now())
        if used_up and reset is not None:
            with self._lock:
                self._not_before = max(self._not_before, reset)

    def _failure(self, response: requests.Response, call: _Call) -> Exception:
        status = response.status_code
        message = call.without_keys(_message_of(response))
        if status == requests.codes.too_many_requests:
            return _TransientError(
                "HTTP 429: the account's rate limit is reached",
                not_before=self._asked_not_before(response),
            )
        if status in TRANSIENT_STATUSES or status >= requests.codes.server_error:
            return _TransientError(f"HTTP {status}: {message}")
        return _refusal(status, message, call, self._connection)

    def _asked_not_before(self, response: requests.Response) -> float | None:
        """Return the later of what the two headers ask, in epoch seconds."""
        asked = [
            moment
            for header in (_retry_at, _reset_at)
            if (moment := header(response, self._clock.now())) is not None
        ]
        return max(asked, default=None)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, however often it is sent."""

    method: str
    segment_key: str
    url: str
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} of segment '{self.segment_key}'"

    @property
    def keys(self) -> list[str]:
        """The context keys that the request carries."""
        instructions = (self.body or {}).get("instructions", ())
        return [key for instruction in instructions for key in instruction["values"]]

    def without_keys(self, message: str) -> str:
        """Return the message without any context key: they may be personal data."""
        for key in sorted((key for key in self.keys if key in message), key=len, reverse=True):
            message = re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "[context key]", message)
        return message


def _pauses() -> Generator[float, Any, None]:
    """Yield 1, 2, 4 … seconds, at most `MAX_BACKOFF_SECONDS`."""
    pauses = backoff.expo(max_value=MAX_BACKOFF_SECONDS)
    next(pauses)  # the library's generators begin with an empty step
    return pauses


def _describe(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer within request_timeout"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed (certificate or proxy)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    return f"the connection failed ({_innermost(error)})"


def _innermost(error: BaseException) -> str:
    """Return the class name of what really happened; texts may hold URLs and addresses."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return type(cause).__name__


def _segment_of(response: requests.Response, call: _Call) -> dict[str, Any]:
    """Return the segment that a successful answer holds, or ask again: it may be cut or foreign."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("key") != call.segment_key:
        media_type = response.headers.get("Content-Type", "no content type")
        raise _TransientError(
            f"HTTP {response.status_code}, but the answer is not the segment ({media_type})"
        )
    return answer


def _message_of(response: requests.Response) -> str:
    """Return LaunchDarkly's own words, or what came in their place."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])[:MAX_QUOTED_CHARACTERS]
    return f"no JSON error but {response.headers.get('Content-Type', 'nothing')}"


def _retry_at(response: requests.Response, now: float) -> float | None:
    """Return the epoch seconds that `Retry-After` (seconds or a date) asks for."""
    value = response.headers.get("Retry-After", "")
    try:
        return now + max(0.0, float(value))
    except ValueError:
        moment = _epoch_seconds(value)
    return None if moment is None else now + moment - _server_now(response, now)


def _reset_at(response: requests.Response, now: float) -> float | None:
    """Return the epoch seconds at which the rate limit's window ends; may lie in the past.

    The header is in epoch milliseconds of LaunchDarkly's clock. Counted from the answer's own
    `Date`, the wait is right even where this machine's clock is wrong.
    """
    try:
        reset = int(response.headers.get(RESET_HEADER, "")) / 1000
    except ValueError:
        return None
    return now + reset - _server_now(response, now)


def _server_now(response: requests.Response, now: float) -> float:
    moment = _epoch_seconds(response.headers.get("Date", ""))
    return now if moment is None else moment


def _epoch_seconds(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError):
        return None


def _refusal(status: int, message: str, call: _Call, connection: Connection) -> LaunchDarklyError:
    """Return the error for an answer that will not change when the request is sent again."""
    refused = f"{call} in project '{connection.project_key}', environment "
    refused += f"'{connection.environment_key}' was refused (HTTP {status}: {message})."
    if status == requests.codes.bad_request:
        return RefusedError(
            f"{refused} The request held {len(call.keys)} operations; none was applied."
        )
    if status == requests.codes.not_found:
        return LaunchDarklyError(f"{_unknown(message, call, connection)} {refused}")
    if status == requests.codes.forbidden and "approval is required" in message.lower():
        status = APPROVAL_REQUIRED
    remedy = REMEDIES.get(status, REMEDIES[status // 100 * 100]).format(url=call.url)
    return LaunchDarklyError(f"{refused} {remedy}")


def _unknown(message: str, call: _Call, connection: Connection) -> str:
    parts = {
        "project": connection.project_key,
        "environment": connection.environment_key,
        "segment": call.segment_key,
    }
    named = re.search("|".join(parts), message.lower())
    unknown = [named.group()] if named else list(parts)
    names = " or ".join(f"{part} '{parts[part]}'" for part in unknown)
    return (
        f"LaunchDarkly at {connection.api_url} has no {names}. Correct "
        f"{' or '.join(f'{part}_key' for part in unknown)}; this target creates none of them."
    )
