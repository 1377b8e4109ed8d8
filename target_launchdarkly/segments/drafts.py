"""A plan of one segment as a checkpoint handles it, whatever the segment's type."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.errors import SegmentError
from target_launchdarkly.plural import counted
from target_launchdarkly.segments.halving import Halving
from target_launchdarkly.segments.patches import MAX_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Requests:
    """How plans go to LaunchDarkly, the same for every segment of a run."""

    #: Target operations a request.
    max_operations: int = MAX_OPERATIONS
    #: Comment of every patch.
    comment: str | None = None
    is_dry_run: bool = False
    #: Whether a key that LaunchDarkly refuses is left out and counted, instead of ending the run.
    skips_refused: bool = False
    #: Finds such keys.
    halving: Halving = field(default_factory=Halving)
    #: Whether one import may replace all members of a big segment that cannot be exported.
    may_replace: bool = False


class Draft(NamedTuple):
    """What a segment's plan comes to; nothing is sent yet."""

    #: Why it may not be carried out, each with its remedy.
    problems: Sequence[str]
    #: Sends what the plan holds, and sees that it holds.
    carry_out: Callable[[], None]


def warn_of_excluded(segment_key: str, count: int) -> None:
    """Warn of keys that a stream includes and that stay excluded."""
    contexts = counted(count, "context")
    logger.warning(
        "Segment '%s' excludes %s that the stream includes. Whoever is excluded by hand stays "
        "excluded; set excluded_key_action to 'include' to lift such exclusions.",
        segment_key,
        contexts,
    )


def tell_refused(segment_key: str, count: int, *, skips: bool) -> None:
    """Tell of keys that LaunchDarkly refuses, after all others are in place.

    Raises:
        SegmentError: They may not be skipped.
    """
    keys = counted(count, "context key")
    told = f"Segment '{segment_key}': LaunchDarkly refuses {keys}; the others are in place."
    if not skips:
        raise SegmentError(
            f"{told} Set changes_file, or run with TARGET_LAUNCHDARKLY_LOGLEVEL=DEBUG, to see "
            "which, and correct them in the model, or set invalid_record_action to 'skip' to leave "
            "them out."
        )
    logger.warning(
        "%s They are left out and counted; changes_file, or log level DEBUG, tells which.",
        told,
    )
