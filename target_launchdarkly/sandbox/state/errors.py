"""The API's errors: one exception, mapped to a status and a JSON body by the app."""

from __future__ import annotations

from http import HTTPStatus

# https://launchdarkly.com/docs/api#errors
_DOCUMENTED = {
    400: ("invalid_request", "Invalid request body"),
    401: ("unauthorized", "Invalid access token"),
    403: ("forbidden", "Access to the requested resource was denied"),
    404: ("not_found", "Invalid resource identifier"),
    405: ("method_not_allowed", "Method not allowed"),
    409: ("optimistic_locking_error", "Conflict. Optimistic lock error. Try again later."),
    429: ("rate_limited", "You've exceeded the API rate limit. Try again later."),
    500: ("internal_service_error", "Internal service error"),
    503: ("service_unavailable", "Service unavailable. Try again later."),
}


class ApiError(Exception):
    """An answer that is no success, such as `ApiError(404, "not_found", "Unknown ...")`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def document(self) -> dict[str, object]:
        """Give the JSON body, such as `{"code": "not_found", "message": "Unknown ..."}`."""
        return {"code": self.code, "message": self.message}


def documented_error(status: int) -> ApiError:
    """Give the error that LaunchDarkly documents for a status, or one made of its phrase."""
    if status in _DOCUMENTED:
        return ApiError(status, *_DOCUMENTED[status])
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = f"Status {status}"
    return ApiError(status, phrase.lower().replace(" ", "_"), phrase)


def invalid(message: str) -> ApiError:
    """Give a 400."""
    return ApiError(400, "invalid_request", message)


def forbidden(message: str = "Access to the requested resource was denied") -> ApiError:
    """Give a 403."""
    return ApiError(403, "forbidden", message)


def not_found(message: str) -> ApiError:
    """Give a 404."""
    return ApiError(404, "not_found", message)


def conflict(message: str) -> ApiError:
    """Give a 409."""
    return ApiError(409, "conflict", message)
