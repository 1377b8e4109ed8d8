"""Draws the plans of a checkpoint from what the streams said, and judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.audience.expirations import plan_expirations
from target_launchdarkly.audience.guard import excess, exclusion_problem
from target_launchdarkly.audience.plan import Plan, Policy, Sight, plan_changes, plan_snapshot
from target_launchdarkly.audience.words import ENDED, IN, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_launchdarkly.audience.expirations import Expiration, ExpirationChange
    from target_launchdarkly.audience.streams import Streams
    from target_launchdarkly.audience.words import Audience, Words


class Judgement(NamedTuple):
    """What the guard has counted."""

    context_kind: str
    #: When the run began, and how many of them leave.
    members: int
    members_leaving: int
    #: None where there is no guard.
    max_removal_percent: float | None


class Planner:
    """What a segment asks for its plans.

    Args:
        words: What the streams said.
        streams: Who said it.
        policy: How words become changes.
        now: Epoch seconds.
    """

    def __init__(
        self, words: Words, streams: Streams, policy: Policy, now: Callable[[], float]
    ) -> None:
        self.words = words
        self.policy = policy
        self._streams = streams
        self._now = now
        #: What the guard has counted last, by audience.
        self.judgements: dict[Audience, Judgement] = {}

    def now_ms(self) -> int:
        """Return the epoch milliseconds by which a checkpoint says what has ended."""
        return int(self._now() * 1000)

    def is_snapshot(self, segment_key: str) -> bool:
        """Whether the streams of a segment list its whole audience."""
        return self._streams.is_snapshot(segment_key)

    def max_removal_percent(self, audience: Audience) -> float | None:
        """Return the least percentage of members that may leave; None where there is no guard."""
        return self._streams.max_removal_percent(audience)

    def plan(self, audience: Audience, sight: Sight, now_ms: int) -> Plan:
        """Return what follows from all words for an audience as LaunchDarkly shows it.

        Args:
            audience: Whose plan.
            sight: What LaunchDarkly has.
            now_ms: What is believed to be now: the same for all plans of a checkpoint, so that the
                first can be compared with the last.
        """
        draw = plan_snapshot if self.is_snapshot(audience.segment_key) else plan_changes
        words = self.words.placed(audience)
        if self.words.has_moments(audience):
            words = ((key, word) for key, word, _ in self.with_moments(audience, now_ms))
        return draw(audience.context_kind, words, sight, self.policy)

    def plan_expirations(
        self, audience: Audience, sight: Sight, listed: Mapping[str, Expiration], now_ms: int
    ) -> list[ExpirationChange]:
        """Return what the expirations of an audience need, once its plan is carried out.

        Args:
            audience: Whose expirations.
            sight: What LaunchDarkly has.
            listed: The expirations of its included targets, by context key.
            now_ms: As of its plan.
        """
        if not self.words.has_moments(audience):
            return []
        is_snapshot = self.is_snapshot(audience.segment_key)
        return plan_expirations(
            audience.context_kind,
            self.with_moments(audience, now_ms),
            sight.included,
            listed,
            sight.first - sight.included if is_snapshot else frozenset(),
        )

    def with_moments(self, audience: Audience, now_ms: int) -> Iterator[tuple[str, int, int]]:
        """Yield all words with their moments; a membership that has ended is `ENDED`."""
        for key, word, moment in self.words.with_moments(audience):
            yield key, ENDED if word == IN and NEVER < moment <= now_ms else word, moment

    def judge(self, audience: Audience, plan: Plan) -> Iterator[str]:
        """Yield why a plan may not be carried out, each with its remedy."""
        if problem := exclusion_problem(audience.segment_key, plan, self.policy):
            yield problem
        percent = self.max_removal_percent(audience)
        self.judgements[audience] = Judgement(
            plan.context_kind, plan.members, plan.members_leaving, percent
        )
        is_snapshot = self.is_snapshot(audience.segment_key)
        if percent is not None and (problem := excess(plan, percent, is_snapshot=is_snapshot)):
            yield problem
