"""Draws the plans of a checkpoint from what the streams said, and judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_launchdarkly.audience.guard import excess, exclusion_problem
from target_launchdarkly.audience.plan import Plan, Policy, Sight, plan_changes, plan_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.audience.streams import Streams
    from target_launchdarkly.audience.words import Audience, Words


class Planner:
    """What a segment asks for its plans.

    Args:
        words: What the streams said.
        streams: Who said it.
        policy: How words become changes.
    """

    def __init__(self, words: Words, streams: Streams, policy: Policy) -> None:
        self.words = words
        self.policy = policy
        self._streams = streams

    def is_snapshot(self, segment_key: str) -> bool:
        """Whether the streams of a segment list its whole audience."""
        return self._streams.is_snapshot(segment_key)

    def max_removal_percent(self, audience: Audience) -> float | None:
        """Return the least percentage of members that may leave; None where there is no guard."""
        return self._streams.max_removal_percent(audience)

    def plan(self, audience: Audience, sight: Sight) -> Plan:
        """Return what follows from all words for an audience as LaunchDarkly shows it."""
        draw = plan_snapshot if self.is_snapshot(audience.segment_key) else plan_changes
        return draw(audience.context_kind, self.words.of(audience), sight, self.policy)

    def problems(self, audience: Audience, plan: Plan) -> Iterator[str]:
        """Yield why a plan may not be carried out, each with its remedy."""
        if problem := exclusion_problem(audience.segment_key, plan, self.policy):
            yield problem
        percent = self.max_removal_percent(audience)
        is_snapshot = self.is_snapshot(audience.segment_key)
        if percent is not None and (problem := excess(plan, percent, is_snapshot=is_snapshot)):
            yield problem
