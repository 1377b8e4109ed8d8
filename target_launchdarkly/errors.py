"""Errors a person can act on: each message names the cause and the remedy, never a context key."""

from __future__ import annotations


class TargetError(Exception):
    """A failure told in one line, without a traceback, that ends the run with exit code 1."""


class SettingsError(TargetError):
    """One or more settings cannot be used.

    Args:
        problems: One sentence a setting, each beginning with the setting's name.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class InputError(TargetError):
    """A line of the input is no Singer message that can be used."""


class OutputError(TargetError):
    """What belongs on stdout, as STATE does, cannot be written there."""


class StreamError(InputError):
    """A stream's SCHEMA does not fit its settings."""


class InvalidRecordError(InputError):
    """A record says no membership: its key, its flag or its shape is wrong."""


class LaunchDarklyError(TargetError):
    """LaunchDarkly refused a request, or did not answer within `max_retry_seconds`."""


class PlanRefusedError(TargetError):
    """Segments were left as they are: who leaves is not proven, or too many would leave.

    Args:
        message: The reasons, segment by segment, each with its remedy.
        segments: The keys of the segments that got nothing.
    """

    def __init__(self, message: str, segments: list[str]) -> None:
        super().__init__(message)
        self.segments = segments


class RefusedError(LaunchDarklyError):
    """LaunchDarkly understood a request and refused it (400): the same again is refused again."""


class ForbiddenError(LaunchDarklyError):
    """The token may not do what a request asks (403)."""


class ExportError(LaunchDarklyError):
    """The members of a big segment cannot be known: there is no export, or none to trust."""


class NoExportError(ExportError):
    """The members of a big segment are not exported: the token may not, or they are too many."""


class NotFoundError(LaunchDarklyError):
    """LaunchDarkly does not know something that the request names (404).

    Args:
        message: Cause and remedy.
        unknown: What it may be that is unknown: any of `project`, `environment`, `segment`.
    """

    def __init__(self, message: str, unknown: list[str]) -> None:
        super().__init__(message)
        self.unknown = unknown


class ReportError(TargetError):
    """What a run tells in a file of its own cannot be written there."""


class SegmentError(TargetError):
    """A segment cannot be synced as the settings ask."""
