"""What holds for segments of both types: exclusions by hand, and the guard of a snapshot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_launchdarkly.errors import SegmentError

if TYPE_CHECKING:
    from target_launchdarkly.audience.audiences import ChangePolicy
    from target_launchdarkly.report.tally import Tally

logger = logging.getLogger(__name__)


def leave_excluded(segment_key: str, count: int, policy: ChangePolicy, tally: Tally) -> None:
    """Count keys to include that are excluded by hand; warn of the first.

    Raises:
        SegmentError: The settings say to fail.
    """
    if policy.excluded_key_action == "fail":
        raise SegmentError(
            f"Segment '{segment_key}' excludes a context that the stream includes, and "
            "excluded_key_action is 'fail'. Take the context off the segment's excluded targets, "
            "or set excluded_key_action to 'skip' or 'include'."
        )
    if not tally.excluded_by_hand:
        logger.warning(
            "Segment '%s' excludes a context that the stream includes. It stays excluded; set "
            "excluded_key_action to 'include' to lift such exclusions.",
            segment_key,
        )
    tally.excluded_by_hand += count


def excess(segment_key: str, leaving: int, members: int, policy: ChangePolicy) -> str | None:
    """Return why a snapshot's removals are too many to be meant, or None.

    Args:
        segment_key: The segment.
        leaving: How many of its members would be removed; of a big segment, at least how many.
        members: How many it had when the run began.
        policy: Says how many may leave.
    """
    if leaving * 100 <= members * policy.max_removal_percent:
        return None
    return (
        f"the snapshot would remove {leaving:,} of the {members:,} members that segment "
        f"'{segment_key}' had when the run began ({leaving * 100 / members:.1f} %), and "
        f"max_removal_percent is {policy.max_removal_percent:g}"
    )
