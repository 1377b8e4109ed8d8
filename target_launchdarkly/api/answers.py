"""What LaunchDarkly's answers mean: values, refusals with their remedies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

import requests

from target_launchdarkly.api import quoting
from target_launchdarkly.api.punctual import TooLongError
from target_launchdarkly.api.shapes import ShapeError, UserSegment
from target_launchdarkly.errors import (
    ForbiddenError,
    LaunchDarklyError,
    NotFoundError,
    RefusedError,
)
from target_launchdarkly.plural import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_launchdarkly.api.calls import Call, Connection

#: A JSON object as LaunchDarkly answers it.
Answer: TypeAlias = dict[str, Any]

T = TypeVar("T")

#: Stands for the 403 of an environment that requires approvals. A bare 403 says the same by its
#: status, so LaunchDarkly's message tells the two apart.
APPROVAL_REQUIRED = 403_1
#: Stands for the 403 of a request about expiring targets.
EXPIRING_REFUSED = 403_2
#: Stands for the 404 of such a request that names nothing which is unknown.
EXPIRING_UNKNOWN = 404_1
#: What the library cannot read before it connects.
CERTIFICATES = (
    "The certificates that TLS needs cannot be read. Look at the variables REQUESTS_CA_BUNDLE and "
    "CURL_CA_BUNDLE."
)
#: What to do about an answer that a retry would not change, by status or by its hundred.
REMEDIES = {
    300: "Redirects are not followed, because the token would go elsewhere. Correct api_instance "
    "or api_url; asked was {url}.",
    400: "Asked was {url}.",
    401: "The access token was not accepted. Make an API access token in LaunchDarkly under "
    "Account settings > Authorization and set access_token; check that api_instance is the "
    "instance of that account: asked was {url}.",
    403: "The token may not change segments. Give it the Writer role, or a custom role with the "
    "action updateIncluded, and updateExcluded if exclusions are changed.",
    EXPIRING_REFUSED: "The token may not say when targets expire, or the account's plan does not "
    "have that. Give the token the Writer role, or a custom role with the action "
    "updateExpiringTargets; or take expires_at_field out of the settings.",
    EXPIRING_UNKNOWN: "The segment was deleted meanwhile, or the account's plan does not have "
    "expiring targets. Look whether LaunchDarkly has the segment, or take expires_at_field out of "
    "the settings.",
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
    if any(isinstance(cause, TooLongError) for cause in _causes(error)):
        return "it took longer than max_import_seconds"
    *_, cause = _causes(error)
    # A timeout in the middle of an answer comes as an error of the connection.
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return "no answer within request_timeout"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed (certificate or proxy)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    return f"the connection failed ({type(cause).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, what really happened last.

    Of that, the class is told: texts may hold URLs and addresses.
    """
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def nothing_of(response: requests.Response, call: Call) -> None:
    """Read nothing: the status says it all."""


def object_of(response: requests.Response, call: Call) -> Answer:  # noqa: ARG001
    """Return the JSON object that a successful answer holds, or ask again: it may be cut."""
    answer = _json_of(response)
    if not isinstance(answer, dict):
        media_type = quoting.media_type(response.headers.get("Content-Type"))
        raise TransientError(
            f"HTTP {response.status_code}, but the answer is no JSON object ({media_type})"
        )
    return answer


def shaped(parse: Callable[[Answer], T]) -> Callable[[requests.Response, Call], T]:
    """Return what reads an answer by its shape, or asks again."""

    def read(response: requests.Response, call: Call) -> T:
        try:
            return parse(object_of(response, call))
        except ShapeError as error:
            raise TransientError(
                f"HTTP {response.status_code}, but in the answer {error}"
            ) from error

    return read


def segment_of(response: requests.Response, call: Call) -> UserSegment:
    """Return the segment that was asked for, or ask again: another one is foreign."""
    segment = shaped(UserSegment.parse)(response, call)
    if segment.key != call.segment_key:
        raise TransientError(f"HTTP {response.status_code}, but the answer is not the segment")
    return segment


def import_id_of(response: requests.Response, call: Call) -> str | None:
    """Return the ID of a new import; None if another one is going on."""
    if response.status_code == requests.codes.conflict:
        return None
    if import_id := _last_of_location(response):
        return import_id
    raise LaunchDarklyError(
        f"{call} was accepted as an import, but the answer names none (no Location header). "
        "Look at the segment in LaunchDarkly before the next run."
    )


def export_id_of(response: requests.Response, call: Call) -> str:  # noqa: ARG001
    """Return the ID of a new export, or ask again: an answer without one is foreign."""
    if export_id := _last_of_location(response):
        return export_id
    raise TransientError(
        f"HTTP {response.status_code}, but the answer names no export (no Location header)"
    )


def _last_of_location(response: requests.Response) -> str:
    """Return the last part of `Location`: what stands before it is not followed anywhere."""
    try:
        path = urlsplit(response.headers.get("Location", "")).path
        last = unquote(path.rpartition("/")[2])
        # What is no Unicode stands in no URL.
        last.encode()
    except ValueError:
        return ""
    # Dots alone would lead to another resource.
    return last if last.strip(".") else ""


class Words(NamedTuple):
    """What an answer says."""

    #: What of it an error may quote.
    quoted: str
    #: Its message as it is, in lower case, to be looked into and never to be shown.
    message: str


def words_of(response: requests.Response) -> Words:
    """Return LaunchDarkly's own words, or what came in their place."""
    body = _json_of(response)
    message = body.get("message") if isinstance(body, dict) else ""
    quoted = quoting.told_by(body, response.headers.get("Content-Type"))
    return Words(quoted, message.lower() if isinstance(message, str) else "")


def _json_of(response: requests.Response) -> Any:
    """Return the JSON that an answer holds; None if it is none."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def refusal(status: int, words: Words, call: Call, connection: Connection) -> LaunchDarklyError:
    """Return the error for an answer that will not change when the request is sent again."""
    refused = f"{call} in project '{connection.project_key}', environment "
    refused += f"'{connection.environment_key}' was refused (HTTP {status}: {words.quoted})."
    if status == requests.codes.bad_request:
        return RefusedError(
            f"{refused} The request held {counted(len(call.keys), 'operation')}; none was applied."
        )
    if status == requests.codes.not_found:
        return _not_found(refused, words, call, connection)
    if status == requests.codes.forbidden and "approval is required" in words.message:
        status = APPROVAL_REQUIRED
    elif status == requests.codes.forbidden and call.is_about_expiring:
        status = EXPIRING_REFUSED
    remedy = REMEDIES.get(status) or REMEDIES.get(status // 100 * 100) or REMEDIES[400]
    kind = (
        ForbiddenError
        if status in {403, APPROVAL_REQUIRED, EXPIRING_REFUSED}
        else LaunchDarklyError
    )
    return kind(f"{refused} {remedy.format(url=call.public_url)}")


def _not_found(refused: str, words: Words, call: Call, connection: Connection) -> NotFoundError:
    parts = {
        "project": connection.project_key,
        "environment": connection.environment_key,
        "segment": call.segment_key,
    }
    named = re.search("|".join(parts), words.message)
    if call.is_about_expiring and not named:
        # The segment was read just before.
        return NotFoundError(f"{refused} {REMEDIES[EXPIRING_UNKNOWN]}", [])
    unknown = [named.group()] if named else [part for part, key in parts.items() if key]
    names = " or ".join(f"{part} '{parts[part]}'" for part in unknown)
    return NotFoundError(
        f"LaunchDarkly at {connection.api_url} has no {names}. Correct "
        f"{' or '.join(f'{part}_key' for part in unknown)}, or create it in LaunchDarkly; with "
        f"create_segment set, missing segments are created. {refused}",
        unknown,
    )
