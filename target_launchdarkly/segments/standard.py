"""A standard segment: its lists as LaunchDarkly last showed them, and the requests of a plan."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from target_launchdarkly.api.shapes import MAX_TARGETS
from target_launchdarkly.audience.words import Audience
from target_launchdarkly.errors import RefusedError, SegmentError
from target_launchdarkly.segments.drafts import Draft, tell_refused, warn_of_excluded
from target_launchdarkly.segments.expiring import ExpiringTargets
from target_launchdarkly.segments.lists import Lists
from target_launchdarkly.segments.patches import chunks, semantic_patch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.api.shapes import UserSegment
    from target_launchdarkly.audience.expirations import ExpirationChange
    from target_launchdarkly.audience.plan import Change, Plan
    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.drafts import Requests
    from target_launchdarkly.segments.expiring import Listed

logger = logging.getLogger(__name__)

#: Seconds before another look at a segment that is not as it was planned, one a round.
VERIFY_PAUSES = (1.0, 2.0, 4.0)
#: So far behind LaunchDarkly's clock nobody is warned of this machine's.
TOLERATED_SECONDS = 5
#: How often a refused request is planned anew.
MAX_REFUSALS = 3


class StandardSegment:
    """A segment whose individual targets LaunchDarkly lists in every answer.

    Args:
        key: The segment key.
        shown: The segment as LaunchDarkly showed it first.
        client: Asked when a plan is carried out.
        requests: How plans are sent.
        tally: Counts what is acknowledged.
    """

    def __init__(
        self, key: str, shown: UserSegment, client: Client, requests: Requests, tally: Tally
    ) -> None:
        self.key = key
        self._tally = tally
        self._client = client
        self._requests = requests
        self._first = shown
        self._last = shown
        #: Whether the last look showed what is older than another answer.
        self._is_unseen = False
        self._lists: dict[str, Lists] = {}
        self._expiring = ExpiringTargets(key, client, requests, tally)
        #: Epoch milliseconds by which memberships have ended, the same for a whole checkpoint.
        self._now_ms = 0

    def open(self, context_kind: str, planner: Planner) -> None:  # noqa: ARG002 as of big segments
        """Plan the targets of this kind from here on."""
        if context_kind not in self._lists:
            self._lists[context_kind] = Lists(
                set(self._last.included.get(context_kind, ())),
                set(self._last.excluded.get(context_kind, ())),
                frozenset(self._first.included.get(context_kind, ())),
            )

    def plan(self, planner: Planner) -> list[Plan]:
        """Return a plan for each context kind, from the segment as LaunchDarkly last showed it."""
        return [
            plan.without(self._lists[plan.context_kind].refused) for plan in self._whole(planner)
        ]

    def _whole(self, planner: Planner) -> Iterator[Plan]:
        """Yield the plans with what LaunchDarkly refuses."""
        for kind, lists in self._lists.items():
            yield planner.plan(Audience(self.key, kind), lists.sight, self._now_ms)

    def draft(self, planner: Planner) -> Draft:
        """Return the plans of all kinds, judged."""
        self._now_ms = planner.now_ms()
        plans = self.plan(planner)
        return Draft(self._judge(plans, planner), partial(self._carry_out, plans, planner))

    def _judge(self, plans: list[Plan], planner: Planner) -> list[str]:
        return [
            problem
            for plan in plans
            for problem in planner.judge(Audience(self.key, plan.context_kind), plan)
        ]

    def _carry_out(self, plans: list[Plan], planner: Planner) -> None:
        """Send what the plans hold, then what the targets' expirations need; see that all holds.

        Raises:
            LaunchDarklyError: A patch was not accepted. What was acknowledged before stays counted.
            SegmentError: The segment is not as planned after all rounds, or some keys are refused.
        """
        self._tally.note_plans(plans)
        self._warn(plans)
        if self._requests.is_dry_run:
            self._count(_changes(plans))
            self._preview_expirations(plans, planner)
            return
        self._settle(plans, planner)
        if self._has_moments(planner):
            self._settle_expirations(planner)
        self._tell_refused(planner)

    def _tell_refused(self, planner: Planner) -> None:
        """Tell of the keys that are refused and not, after all, where they are to be."""
        # Nothing is planned again where nothing was refused.
        plans = self._whole(planner) if self._tally.refused else ()
        self._tally.refused = sum(
            change == self._lists[plan.context_kind].refused.get(change.context_key)
            for plan in plans
            for change in plan.changes
        )
        if self._tally.refused:
            tell_refused(self.key, self._tally.refused, skips=self._requests.skips_refused)

    def _settle_expirations(self, planner: Planner) -> None:
        """Send what the targets' expirations need; what fails is planned anew once."""
        draw = partial(self._draw_expirations, planner)
        if self._expiring.settle(draw):
            return
        # A target may have left meanwhile, or its moment has passed.
        self._look()
        self._now_ms = self._latest_ms(planner.now_ms())
        self._settle(self._plan_anew(planner), planner)
        if not self._expiring.settle(draw):
            self._expiring.refuse()

    def _latest_ms(self, own_ms: int) -> int:
        """Return the present by this machine's clock, or by LaunchDarkly's if that is ahead.

        LaunchDarkly ends memberships by its own clock, and takes no moment that has passed by it.
        """
        now_ms = max(own_ms, int(self._client.answered_at * 1000))
        if (behind := (now_ms - own_ms) // 1000) > TOLERATED_SECONDS:
            logger.warning(
                "This machine's clock is %d s behind LaunchDarkly's, which ends memberships by its "
                "own. Set the clock; this run goes by LaunchDarkly's.",
                behind,
            )
        return now_ms

    def _settle(self, plans: list[Plan], planner: Planner) -> None:
        """Send what the plans hold, and see that it holds.

        What LaunchDarkly shows afterwards is planned anew: nothing may be left to do. If
        something is, an answer lagged, or somebody else changed the segment: look again, and send
        what is missing.
        """
        if not any(plan.changes for plan in plans):
            if not self._client.has_doubts(self.key):
                return
            self._look()
        self._send(plans, planner)
        for pause in VERIFY_PAUSES:
            if not self._left(planner):
                return
            logger.info("Segment '%s' is not as planned yet: looking again.", self.key)
            self._client.pause(pause)
            self._look()
            self._send(self._plan_anew(planner), planner)
        if left := self._left(planner):
            raise SegmentError(
                f"LaunchDarkly accepted the changes of segment '{self.key}', but {left}, looked at "
                f"{len(VERIFY_PAUSES)} times. Look at the segment's change history for somebody "
                "who changes it at the same time, then run again."
            )

    def _has_moments(self, planner: Planner) -> bool:
        return any(planner.words.has_moments(Audience(self.key, kind)) for kind in self._lists)

    def _draw_expirations(self, planner: Planner, listed: Listed) -> list[ExpirationChange]:
        """Return what the expirations of all kinds need."""
        return [
            change
            for kind, lists in self._lists.items()
            for change in planner.plan_expirations(
                Audience(self.key, kind), lists.sight, listed.get(kind, {}), self._now_ms
            )
        ]

    def _preview_expirations(self, plans: list[Plan], planner: Planner) -> None:
        """Count what expirations would need, had the plans been carried out."""
        if not self._has_moments(planner):
            return
        for plan in plans:
            included = self._lists[plan.context_kind].included
            included -= {each.context_key for each in plan.leaving}
            included |= {each.context_key for each in plan.joining}
        draw = partial(self._draw_expirations, planner)
        self._expiring.preview(draw, plans, exists=not self._tally.was_created)

    def _left(self, planner: Planner) -> str | None:
        """Return what is left to do, by what LaunchDarkly showed last; None if it is as planned."""
        if left := sum(len(plan.changes) for plan in self._plan_anew(planner)):
            return f"{left:,} of them did not hold"
        return "it shows only what is older than its answers" if self._is_unseen else None

    def _plan_anew(self, planner: Planner) -> list[Plan]:
        plans = self.plan(planner)
        if problems := self._judge(plans, planner):
            raise SegmentError(f"Segment '{self.key}' was changed meanwhile: {' '.join(problems)}")
        self._tally.note_plans(plans)
        return plans

    def _send(self, plans: Sequence[Plan], planner: Planner) -> None:
        """Send all changes of the plans; if the fate of a request is unknown, look afterwards."""
        todo = self._cut(plans)
        refusals = 0
        if not todo:
            return
        while todo:
            chunk = todo.pop(0)
            try:
                self._send_needed(chunk)
            except RefusedError as refusal:
                # Somebody may have changed the segment since the last look, so that the same is
                # not asked again; if it is, there is nothing new to see.
                refusals += 1
                self._look()
                todo = self._cut(self._plan_anew(planner))
                if refusals > MAX_REFUSALS or todo[:1] == [chunk]:
                    self._send_in_parts(chunk, refusal)
                    todo = self._cut(self._plan_anew(planner))
        if self._client.has_doubts(self.key):
            self._look()

    def _send_needed(self, chunk: Sequence[Change]) -> None:
        """Send what is still needed of some changes, and count it.

        Raises:
            RefusedError: LaunchDarkly refuses it; nothing of it was applied.
        """
        if needed := [change for change in chunk if self._is_needed(change)]:
            answer = self._patch(needed)
            # By what was known: of what the answer shows besides, somebody else may be the cause.
            self._count(needed)
            self.see(answer)

    def _send_in_parts(self, chunk: list[Change], refusal: RefusedError) -> None:
        """Send what was refused as a whole but for the keys that are refused alone.

        Raises:
            RefusedError: The cause is none of the keys, or they are too many.
        """
        if self._last.size + _growth(chunk) > MAX_TARGETS:
            # A segment that is full takes a change that changes nothing, and none of the others.
            raise refusal
        for change in self._requests.halving.search(
            chunk, refusal, send=self._send_needed, probe=self._probe
        ):
            self._lists[change.context_kind].refused[change.context_key] = change
            self._tally.note_refused(change)
        self._tally.refused = sum(len(lists.refused) for lists in self._lists.values())

    def _is_needed(self, change: Change) -> bool:
        """Whether a change is still to be made: an answer may show that somebody else made it."""
        lists = self._lists[change.context_kind]
        is_included = change.context_key in lists.included
        is_excluded = change.context_key in lists.excluded
        if change.steps == ("include",) and is_excluded:
            # Somebody excluded it since; the plan made anew says what to do about that.
            return False
        made = {
            "include": is_included,
            "uninclude": not is_included,
            "exclude": is_excluded,
            "lift": not is_excluded,
        }
        return not all(made[step] for step in change.steps)

    def _cut(self, plans: Sequence[Plan]) -> list[list[Change]]:
        return list(chunks(_changes(plans), self._requests.max_operations))

    def _patch(self, chunk: Sequence[Change]) -> UserSegment:
        body = semantic_patch(
            chunk, environment_key=self._client.environment_key, comment=self._requests.comment
        )
        return self._client.patch_segment(self.key, body)

    def _probe(self, chunk: Sequence[Change]) -> None:
        """Send what changes nothing; its answer may show more than the last look."""
        self.see(self._patch(chunk))

    def _look(self) -> None:
        self._is_unseen = not self.see(self._client.get_segment(self.key))

    def see(self, shown: UserSegment) -> bool:
        """Take LaunchDarkly's answer as the new view, unless it is older than what was seen."""
        if shown.age < self._last.age:
            return False
        self._last = shown
        for context_kind, lists in self._lists.items():
            lists.included = set(shown.included.get(context_kind, ()))
            lists.joined |= lists.included - lists.first
            lists.excluded = set(shown.excluded.get(context_kind, ()))
        return True

    def _warn(self, plans: Sequence[Plan]) -> None:
        if excluded := sum(plan.excluded_by_hand for plan in plans):
            warn_of_excluded(self.key, excluded)
        growth = _growth(_changes(plans))
        if growth > 0 and self._last.size + growth > MAX_TARGETS:
            self._tally.is_over_limit = True
            logger.warning(
                "Segment '%s' passes 15,000 individual targets, which is what LaunchDarkly "
                "supports in a standard segment. Create a big segment for this audience "
                "(create_segment: big makes missing ones so) and name it in segment_key.",
                self.key,
            )

    def _count(self, changes: Collection[Change]) -> None:
        added, removed = self._tally.count(changes)
        for change in changes:
            self._lists[change.context_kind].note_made(change)
        would = "would be " if self._requests.is_dry_run else ""
        logger.debug("Segment '%s': %d %sadded, %d removed.", self.key, added, would, removed)


def _changes(plans: Iterable[Plan]) -> list[Change]:
    """Return all changes, the removals of all kinds first."""
    leaving = [change for plan in plans for change in plan.leaving]
    return leaving + [change for plan in plans for change in plan.joining]


def _growth(changes: Iterable[Change]) -> int:
    """Return how many targets a segment gets by some changes, less those that it loses."""
    steps = [step for change in changes for step in change.steps]
    gained = steps.count("include") + steps.count("exclude")
    return gained - steps.count("uninclude") - steps.count("lift")
