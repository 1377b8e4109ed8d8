"""What LaunchDarkly's answers mean: values, waits, refusals with their remedies."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit

import requests

from target_launchdarkly.errors import LaunchDarklyError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from target_launchdarkly.api.calls import Call, Connection

#: A JSON object as LaunchDarkly answers it.
Answer: TypeAlias = dict[str, Any]

#: https://launchdarkly.com/docs/api#rate-limiting
RESET_HEADER = "X-Ratelimit-Reset"
REMAINING_HEADERS = ("X-Ratelimit-Route-Remaining", "X-Ratelimit-Global-Remaining")
#: How much of LaunchDarkly's own message an error quotes.
MAX_QUOTED_CHARACTERS = 500
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


class TransientError(Exception):
    """A request that may succeed when it is sent again."""

    def __init__(
        self, cause: str, *, not_before: float | None = None, is_refusal: bool = False
    ) -> None:
        super().__init__(cause)
        #: Whether the request was certainly not carried out.
        self.is_refusal = is_refusal
        #: Epoch seconds before which LaunchDarkly asked not to be asked again.
        self.not_before = not_before


def describe(error: requests.RequestException) -> str:
    """Return why a request got no answer."""
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


def nothing_of(response: requests.Response, call: Call) -> None:
    """Read nothing: the status says it all."""


def object_of(response: requests.Response, call: Call) -> Answer:  # noqa: ARG001
    """Return the JSON object that a successful answer holds, or ask again: it may be cut."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        media_type = response.headers.get("Content-Type", "no content type")
        raise TransientError(
            f"HTTP {response.status_code}, but the answer is no JSON object ({media_type})"
        )
    return answer


def segment_of(response: requests.Response, call: Call) -> Answer:
    """Return the segment that was asked for, or ask again: an answer without it is foreign."""
    answer = object_of(response, call)
    if answer.get("key") != call.segment_key:
        raise TransientError(f"HTTP {response.status_code}, but the answer is not the segment")
    return answer


def import_id_of(response: requests.Response, call: Call) -> str:
    """Return the last part of `Location`: what stands before it is not followed anywhere."""
    import_id = urlsplit(response.headers.get("Location", "")).path.rpartition("/")[2]
    if not import_id:
        raise LaunchDarklyError(
            f"{call} was accepted as an import, but the answer names none (no Location header). "
            "Look at the segment in LaunchDarkly before the next run."
        )
    return unquote(import_id)


def message_of(response: requests.Response) -> str:
    """Return LaunchDarkly's own words, or what came in their place."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])[:MAX_QUOTED_CHARACTERS]
    return f"no JSON error but {response.headers.get('Content-Type', 'nothing')}"


def retry_at(response: requests.Response, now: float) -> float | None:
    """Return the epoch seconds that `Retry-After` (seconds or a date) asks for."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        moment = _epoch_seconds(value)
        return None if moment is None else now + moment - _server_now(response, now)
    return now + max(0.0, seconds) if isfinite(seconds) else None


def reset_at(response: requests.Response, now: float) -> float | None:
    """Return the epoch seconds at which the rate limit's window ends; may lie in the past.

    The header is in epoch milliseconds of LaunchDarkly's clock. Counted from the answer's own
    `Date`, the wait is right even where this machine's clock is wrong.
    """
    try:
        reset = int(response.headers.get(RESET_HEADER, "")) / 1000
    except (OverflowError, ValueError):
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


def refusal(status: int, message: str, call: Call, connection: Connection) -> LaunchDarklyError:
    """Return the error for an answer that will not change when the request is sent again."""
    refused = f"{call} in project '{connection.project_key}', environment "
    refused += f"'{connection.environment_key}' was refused (HTTP {status}: {message})."
    if status == requests.codes.bad_request:
        return RefusedError(
            f"{refused} The request held {len(call.keys)} operations; none was applied."
        )
    if status == requests.codes.not_found:
        return _not_found(refused, message, call, connection)
    if status == requests.codes.forbidden and "approval is required" in message.lower():
        status = APPROVAL_REQUIRED
    remedy = REMEDIES.get(status) or REMEDIES.get(status // 100 * 100) or REMEDIES[400]
    return LaunchDarklyError(f"{refused} {remedy.format(url=call.public_url)}")


def _not_found(refused: str, message: str, call: Call, connection: Connection) -> NotFoundError:
    parts = {
        "project": connection.project_key,
        "environment": connection.environment_key,
        "segment": call.segment_key,
    }
    named = re.search("|".join(parts), message.lower())
    unknown = [named.group()] if named else [part for part, key in parts.items() if key]
    names = " or ".join(f"{part} '{parts[part]}'" for part in unknown)
    return NotFoundError(
        f"LaunchDarkly at {connection.api_url} has no {names}. Correct "
        f"{' or '.join(f'{part}_key' for part in unknown)}, or create it in LaunchDarkly; with "
        f"create_segment set, missing segments are created. {refused}",
        unknown,
    )
