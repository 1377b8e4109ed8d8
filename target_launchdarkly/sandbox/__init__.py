"""A stand-in for LaunchDarkly's segments API, to rehearse and to test against."""

from __future__ import annotations

from .errors import ApiError
from .faults import FAULT_KINDS, Fault, FaultKind, FaultQueue
from .history import Change, Tally
from .limits import RateLimit
from .log import Exchange, RequestLog
from .store import Store

try:
    from .server import Sandbox
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the sandbox needs more packages: pip install 'target-launchdarkly[sandbox]'"
    ) from error

__all__ = [
    "FAULT_KINDS",
    "ApiError",
    "Change",
    "Exchange",
    "Fault",
    "FaultKind",
    "FaultQueue",
    "RateLimit",
    "RequestLog",
    "Sandbox",
    "Store",
    "Tally",
]
