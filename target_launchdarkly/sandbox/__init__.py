"""A stand-in for LaunchDarkly's segments API, to rehearse and to test against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .state.errors import ApiError
from .state.foreign import ForeignChange, ForeignImport
from .state.history import Change, Tally
from .state.rules import NEVER, ExportRules, ImportRules
from .state.store import Store
from .web.faults import FAULT_KINDS, Fault, FaultKind, FaultQueue
from .web.limits import RateLimit
from .web.log import Exchange, RequestLog

if TYPE_CHECKING:
    from .web.server import Sandbox

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

MISSING = "the sandbox needs more packages: pip install 'target-launchdarkly[sandbox]'"


def __getattr__(name: str) -> object:
    """Give what needs more packages than a target has, when it is first asked for."""
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .web.server import Sandbox  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING) from error
    globals()["Sandbox"] = Sandbox
    return Sandbox
