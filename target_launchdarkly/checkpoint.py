"""A checkpoint: all plans are drawn, all are judged, and those that may be are carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_launchdarkly.errors import PlanRefusedError, TargetError
from target_launchdarkly.plural import counted

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.audience.streams import Streams
    from target_launchdarkly.segments.drafts import Draft
    from target_launchdarkly.segments.segments import Segment, Segments

#: Of more refused segments, or of more reasons, than these, only the number is told.
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
    # What an incomplete stream would take away says nothing, so it is not even planned.
    drafts = {
        segment.key: segment.draft(planner) for segment in segments if segment.key not in refusals
    }
    refusals |= {key: [*draft.problems] for key, draft in drafts.items() if draft.problems}
    fit = [*_fit(segments, refusals, planner)]
    told = _told(refusals, {segment.key for segment in segments if segment.tally.applied})
    try:
        segments.each(lambda segment: _carry_out(segment, drafts[segment.key]), fit)
    except TargetError as error:
        if refusals:
            error.args = (f"{error} {told}",)
        raise
    if refusals:
        raise PlanRefusedError(told, [key for key in refusals if key])


def _fit(
    segments: Segments, refusals: Mapping[str, Sequence[str]], planner: Planner
) -> Iterator[Segment]:
    """Yield the segments whose plans may be carried out; take note of why the others may not."""
    segments.refusals = refusals
    for segment in segments:
        segment.tally.is_settled = False
        if segment.key in refusals:
            segment.tally.refuse(refusals[segment.key])
            continue
        segment.tally.is_proven = planner.is_snapshot(segment.key)
        yield segment


def _carry_out(segment: Segment, draft: Draft) -> None:
    draft.carry_out()
    segment.tally.is_settled = True


def _told(refusals: Mapping[str, Sequence[str]], changed: Container[str]) -> str:
    """Return why segments were refused, e.g. `Segment 'vips' was left as it is: …`.

    Args:
        refusals: The problems by segment key; "" stands for the run.
        changed: The segments that earlier checkpoints have changed.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for segment_key in sorted(refusals):
        problems = " ".join(dict.fromkeys(refusals[segment_key]))
        end = "got nothing more" if segment_key in changed else "was left as it is"
        alike.setdefault((end if segment_key else "", problems), []).append(segment_key)
    lines = [_told_of(keys, *told) for told, keys in list(alike.items())[:MAX_TOLD]]
    if len(alike) > MAX_TOLD:
        lines.append(f"{counted(len(alike) - MAX_TOLD, 'more reason')} for other segments.")
    return " ".join(lines)


def _told_of(segment_keys: Sequence[str], end: str, problems: str) -> str:
    if not end:
        return f"{problems[:1].upper()}{problems[1:]}"
    named = "', '".join(segment_keys[:MAX_TOLD])
    if len(segment_keys) > MAX_TOLD:
        return f"Each of '{named}' and {len(segment_keys) - MAX_TOLD:,} more {end}: {problems}"
    each = "Segment" if len(segment_keys) == 1 else "Each of"
    return f"{each} '{named}' {end}: {problems}"
