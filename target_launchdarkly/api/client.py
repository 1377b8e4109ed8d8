"""LaunchDarkly's segments API over HTTP: auth, timeouts, retries, rate limits, error mapping."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import backoff
import requests

from target_launchdarkly.api.answers import (
    CERTIFICATES,
    TransientError,
    describe,
    nothing_of,
    refusal,
    segment_of,
    shaped,
    words_of,
)
from target_launchdarkly.api.calls import Call, Connection, Upload, quoted
from target_launchdarkly.api.clock import Clock
from target_launchdarkly.api.limits import refused_until, retry_at, server_now, used_up_until
from target_launchdarkly.api.sessions import Sessions
from target_launchdarkly.api.shapes import BigSegmentTarget, CallerIdentity, Environment
from target_launchdarkly.errors import LaunchDarklyError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator, Mapping

    from target_launchdarkly.api.shapes import UserSegment

logger = logging.getLogger(__name__)

#: https://launchdarkly.com/docs/api#updates-using-semantic-patch
SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"

#: So long after a request without an answer it may still be applied.
DOUBT_SECONDS = 900
#: The longest pause between two retries that LaunchDarkly did not ask for.
MAX_BACKOFF_SECONDS = 60
#: More than the system's calls take is as good as for ever.
MAX_SECONDS = 1_000_000
#: How much of an answer that is none stands in the log at level DEBUG.
MAX_DEBUGGED_BYTES = 10_000
#: No part of a path can be one of these, however it is quoted: it leads to another resource.
DOTS = frozenset({".", ".."})

T = TypeVar("T")

TRANSIENT_STATUSES = frozenset({408, 409, 429})


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
        self._sessions = Sessions(connection, access_token)
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        #: Epoch seconds before which no request is sent, because a limit is used up.
        self._not_before = 0.0
        #: Epoch seconds of LaunchDarkly's own clock when it answered last; 0 before that.
        self.answered_at = 0.0
        #: Requests sent, by segment key and then by method, retries included.
        self.requests: dict[str, Counter[str]] = defaultdict(Counter)
        #: The segments with a change whose answer never came, or was none, and when that was.
        self._doubtful: dict[str, float] = {}
        #: Epoch seconds until which a request waits, for whoever watches; None if none does.
        self.waiting_until: float | None = None

    @property
    def project_key(self) -> str:
        """The project of that environment."""
        return self._connection.project_key

    @property
    def environment_key(self) -> str:
        """The environment whose segments this client reads and changes."""
        return self._connection.environment_key

    @property
    def api_url(self) -> str:
        """The API's base URL."""
        return self._connection.api_url

    @property
    def request_timeout_seconds(self) -> float:
        """How long to wait for an answer; at most `MAX_SECONDS`."""
        return min(self._connection.request_timeout_seconds, MAX_SECONDS)

    def session_for(self, url: str, max_seconds: float) -> requests.Session:
        """Return a session for a URL that an answer links to; see `Sessions.of_link`."""
        return self._sessions.of_link(url, max_seconds)

    def requests_of(self, segment_key: str) -> dict[str, int]:
        """Return the requests sent for a segment by method, e.g. `{"GET": 1, "PATCH": 8}`."""
        return dict(self.requests.get(segment_key, {}))

    def has_doubts(self, segment_key: str) -> bool:
        """Whether the fate of any change of a segment is unknown: a copy may still come late."""
        since = self._doubtful.get(segment_key)
        return since is not None and self._clock.monotonic() - since < DOUBT_SECONDS

    def get_segment(self, segment_key: str) -> UserSegment:
        """Return the segment as LaunchDarkly shows it.

        https://launchdarkly.com/docs/api/segments/get-segment

        Raises:
            NotFoundError: The project, the environment or the segment is unknown.
        """
        return self.call(segment_key, "GET", read=segment_of)

    def patch_segment(self, segment_key: str, body: Mapping[str, Any]) -> UserSegment:
        """Apply a semantic patch; return the whole segment after it.

        https://launchdarkly.com/docs/api/segments/patch-segment

        Raises:
            RefusedError: LaunchDarkly refused the patch; nothing of it was applied.
            LaunchDarklyError: Any other failure; the patch may or may not have been applied.
        """
        return self.call(
            segment_key, "PATCH", read=segment_of, body=body, content_type=SEMANTIC_PATCH
        )

    def create_segment(self, segment_key: str, body: Mapping[str, Any]) -> None:
        """Create a segment; one that exists already is as good.

        https://launchdarkly.com/docs/api/segments/create-segment
        """
        # A conflict says that it is there: this request, or another's, came through before.
        self.call(segment_key, "POST", of="", read=nothing_of, body=body, accept={201, 409})

    def get_membership(self, segment_key: str, context_key: str) -> BigSegmentTarget | None:
        """Return where one key of a big segment stands; None if it cannot be asked for.

        https://launchdarkly.com/docs/api/segments/get-segment-membership-for-context
        """
        if context_key in DOTS:
            return None
        path = f"{quoted(segment_key)}/contexts/{quoted(context_key)}"
        return self.call(segment_key, "GET", of=path, read=shaped(BigSegmentTarget.parse))

    def get_caller_identity(self) -> CallerIdentity:
        """Return who the token is.

        https://launchdarkly.com/docs/api/other/get-caller-identity
        """
        read = shaped(CallerIdentity.parse)
        return self.call("", "GET", of="caller-identity", root="", read=read)

    def get_environment(self) -> Environment:
        """Return the environment.

        https://launchdarkly.com/docs/api/environments/get-environment
        """
        project, environment = self._connection.project_key, self._connection.environment_key
        path = f"projects/{quoted(project)}/environments/{quoted(environment)}"
        return self.call("", "GET", of=path, root="", read=shaped(Environment.parse))

    def looks(self, patience_seconds: float | None = None) -> Iterator[float]:
        """Yield for every look at something that takes its time, ever more rarely.

        Args:
            patience_seconds: How long to look on; `max_retry_seconds` if it is None.

        Yields:
            The seconds waited so far: 0, 1, 3, 7 … It ends before patience does.
        """
        if patience_seconds is None:
            patience_seconds = self._connection.max_retry_seconds
        waited, pause = 0.0, 1.0
        yield waited
        while waited + pause <= patience_seconds:
            self.pause(pause)
            waited += pause
            pause = min(pause * 2, MAX_BACKOFF_SECONDS)
            yield waited

    def pause(self, seconds: float) -> None:
        """Let time pass, as the client's clock counts it; at most `MAX_SECONDS`."""
        seconds = min(seconds, MAX_SECONDS)
        self.waiting_until = self._clock.now() + seconds
        self._clock.sleep(seconds)
        self.waiting_until = None

    def call(  # noqa: PLR0913
        self,
        segment_key: str,
        method: str,
        *,
        of: str | None = None,
        root: str | None = None,
        read: Callable[[requests.Response, Call], T],
        body: Mapping[str, Any] | Upload | None = None,
        content_type: str = "application/json",
        accept: Container[int] = frozenset({200, 201}),
    ) -> T:
        """Send a request until it is answered, or patience ends; return what `read` makes of it.

        Args:
            segment_key: The segment for which it is counted.
            method: The HTTP method.
            of: The path below the environment's segments; that of the segment if it is None.
            root: The path before that, below `/api/v2/`, where it is not that of the segments.
            read: Called with the answer.
            body: What is sent.
            content_type: Of the body.
            accept: The statuses of an answer.
        """
        if root is None:
            project, environment = self._connection.project_key, self._connection.environment_key
            root = f"segments/{quoted(project)}/{quoted(environment)}/"
        path = root + (quoted(segment_key) if of is None else of)
        url = f"{self._connection.api_url}/api/v2/{path.rstrip('/')}"
        call = Call(method, segment_key, url, body, content_type)
        return self._send_patiently(call, accept, read)

    def _send_patiently(
        self,
        call: Call,
        accept: Container[int],
        read: Callable[[requests.Response, Call], T],
    ) -> T:
        """Send a request until it is answered, or patience ends."""
        deadline = self._clock.monotonic() + self._connection.max_retry_seconds
        pauses = _pauses()
        while True:
            self._await_limit(call, deadline)
            try:
                response = self._send(call, accept)
                return read(response, call)
            except TransientError as failure:
                if call.is_change and not failure.is_refusal:
                    self._doubtful[call.segment_key] = self._clock.monotonic()
                pause = self._pause_after(failure, pauses)
                if self._clock.monotonic() + pause > deadline:
                    self._give_up(call, failure, pause)
                logger.warning("%s: %s. Trying again in %.1f s.", call, failure, pause)
                self.pause(pause)

    def _pause_after(self, failure: TransientError, pauses: Generator[float, Any, None]) -> float:
        """Return what LaunchDarkly asks for, or the exponential backoff if that is longer."""
        asked = 0.0 if failure.not_before is None else failure.not_before - self._clock.now()
        # Jitter is only ever added: never earlier than LaunchDarkly asked.
        return backoff.random_jitter(max(asked, next(pauses)))

    def _give_up(self, call: Call, failure: TransientError, pause: float) -> NoReturn:
        raise LaunchDarklyError(
            f"{call} failed: {failure}, and the next try in {min(pause, MAX_SECONDS):.0f} s would "
            f"pass max_retry_seconds ({self._connection.max_retry_seconds:g}). Asked was "
            f"{call.public_url}: if that is not your account's instance, set api_instance to 'us', "
            "'eu' or 'federal'. Else run again later; a rerun continues where this run ended."
        ) from failure

    def _await_limit(self, call: Call, deadline: float) -> None:
        """Wait until the rate limit's window ends, if its requests are used up."""
        pause = self._not_before - self._clock.now()
        if pause <= 0:
            return
        if self._clock.monotonic() + pause > deadline:
            self._give_up(call, TransientError("the rate limit is used up"), pause)
        logger.info("The rate limit is used up. Waiting %.1f s for its next window.", pause)
        self.pause(pause)

    def _send(self, call: Call, accept: Container[int]) -> requests.Response:
        with self._lock:
            self.requests[call.segment_key][call.method] += 1
        try:
            response = self._sessions.of_this_thread.request(
                call.method,
                call.url,
                data=call.payload(),
                headers={"Content-Type": call.content_type} if call.body is not None else None,
                timeout=self.request_timeout_seconds,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise TransientError(describe(error)) from error
        except ValueError as error:
            # The library looks where a redirect leads, also if it is not to follow it.
            raise TransientError("the answer leads to no URL") from error
        except OSError as error:
            if error.errno is not None:
                raise
            # The library's own words, before it connects.
            raise LaunchDarklyError(CERTIFICATES) from error
        logger.debug("%s answered %d", call, response.status_code)
        self._note_headers(response)
        if response.status_code in accept:
            return response
        raise self._failure(response, call)

    def _note_headers(self, response: requests.Response) -> None:
        """Remember LaunchDarkly's time, and the window's end if its requests are used up."""
        now = self._clock.now()
        self.answered_at = server_now(response.headers, now)
        ends = used_up_until(response.headers, now)
        if ends is not None:
            self._wait_for(ends)

    def _wait_for(self, moment: float) -> None:
        """Send nothing before a moment, in epoch seconds."""
        with self._lock:
            self._not_before = max(self._not_before, moment)

    def _failure(self, response: requests.Response, call: Call) -> Exception:
        status, now = response.status_code, self._clock.now()
        # In one line, whatever it holds.
        logger.debug("%s was answered %r", call, response.content[:MAX_DEBUGGED_BYTES])
        if status == requests.codes.too_many_requests:
            ends = refused_until(response.headers, now)
            # The limit is the account's, so that whoever sends next waits as well.
            self._wait_for(ends)
            told = "HTTP 429: the account's rate limit is reached"
            return TransientError(told, not_before=ends, is_refusal=True)
        words = words_of(response)
        if status < requests.codes.multiple_choices:
            return TransientError(
                f"HTTP {status}, but not the answer of this request ({words.quoted})"
            )
        if status in TRANSIENT_STATUSES or status >= requests.codes.server_error:
            return TransientError(
                f"HTTP {status}: {words.quoted}", not_before=retry_at(response.headers, now)
            )
        return refusal(status, words, call, self._connection)


def _pauses() -> Generator[float, Any, None]:
    """Yield 1, 2, 4 … seconds, at most `MAX_BACKOFF_SECONDS`."""
    pauses = backoff.expo(max_value=MAX_BACKOFF_SECONDS)
    next(pauses)  # the library's generators begin with an empty step
    return pauses
