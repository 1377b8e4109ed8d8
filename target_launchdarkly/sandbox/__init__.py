"""A stand-in for LaunchDarkly's segments API, to rehearse and to test against."""

from __future__ import annotations

from .state.errors import ApiError
from .state.foreign import ForeignChange, ForeignImport
from .state.history import Change, Tally
from .state.rules import NEVER, ExportRules, ImportRules
from .state.store import Store
from .web.faults import FAULT_KINDS, Fault, FaultKind, FaultQueue
from .web.limits import RateLimit
from .web.log import Exchange, RequestLog

try:
    from .web.server import Sandbox
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the sandbox needs more packages: pip install 'target-launchdarkly[sandbox]'"
    ) from error

__all__ = [
    "FAULT_KINDS",
    "NEVER",
    "ApiError",
    "Change",
    "Exchange",
    "ExportRules",
    "Fault",
    "FaultKind",
    "FaultQueue",
    "ForeignChange",
    "ForeignImport",
    "ImportRules",
    "RateLimit",
    "RequestLog",
    "Sandbox",
    "Store",
    "Tally",
]
