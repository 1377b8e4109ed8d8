"""A checkpoint: all plans are drawn, all are judged, and those that may be are carried out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_launchdarkly.errors import PlanRefusedError, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.audience.streams import Streams
    from target_launchdarkly.segments.segments import Segments

logger = logging.getLogger(__name__)

#: Of more refused segments than these, only the number is told.
MAX_TOLD = 10


def make_checkpoint(streams: Streams, segments: Segments, planner: Planner) -> None:
    """Bring every segment to where the streams' last words have it.

    A segment whose plan is refused gets nothing, neither additions nor removals; the others get
    theirs. Nothing is sent before all plans are judged.

    Raises:
        PlanRefusedError: Some segments were refused. All others are as the words have them.
        TargetError: A segment could not be changed. The others are as the words have them.
    """
    planner.words.settle()
    refusals = streams.gaps()
    drafts = {segment.key: segment.opened.draft(planner) for segment in segments}
    for segment_key, draft in drafts.items():
        # What an incomplete stream would take away says nothing.
        if draft.problems and segment_key not in refusals:
            refusals[segment_key] = [*draft.problems]
    fit = []
    for segment in segments:
        segment.tally.was_refused = segment.key in refusals
        if segment.tally.was_refused:
            continue
        fit.append(segment)
        if planner.is_snapshot(segment.key):
            logger.info("Segment '%s': the snapshot is proven whole.", segment.key)
    try:
        segments.each(lambda segment: drafts[segment.key].carry_out(), fit)
    except TargetError as error:
        if refusals:
            error.args = (f"{error} {_told(refusals)}",)
        raise
    if refusals:
        raise PlanRefusedError(_told(refusals), [key for key in refusals if key])


def _told(refusals: Mapping[str, Sequence[str]]) -> str:
    """Return why segments were refused, e.g. `Segment 'vips' was left as it is: …`."""
    lines = []
    for segment_key in sorted(refusals)[:MAX_TOLD]:
        problems = " ".join(dict.fromkeys(refusals[segment_key]))
        if segment_key:
            lines.append(f"Segment '{segment_key}' was left as it is: {problems}")
        else:
            lines.append(f"{problems[:1].upper()}{problems[1:]}")
    if len(refusals) > MAX_TOLD:
        lines.append(f"{len(refusals) - MAX_TOLD:,} more segments were left as they are.")
    return " ".join(lines)
