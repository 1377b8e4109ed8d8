"""A big segment: its members are seen by an export, and its changes are seen to hold."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from target_launchdarkly.audience.words import Audience
from target_launchdarkly.errors import ExportError, LaunchDarklyError, NoExportError, SegmentError
from target_launchdarkly.segments.bigplans import BigPlans, replacing_problems
from target_launchdarkly.segments.drafts import Draft, tell_refused
from target_launchdarkly.segments.exports import Exports
from target_launchdarkly.segments.sending import LeftOut, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.api.shapes import UserSegment
    from target_launchdarkly.api.transfers import Transfers
    from target_launchdarkly.audience.plan import Policy
    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.bigplans import BigPlan
    from target_launchdarkly.segments.drafts import Requests
    from target_launchdarkly.segments.sending import Sent

logger = logging.getLogger(__name__)

#: Seconds before another look at what does not show yet: counts may lag.
VERIFY_PAUSES = (1.0, 2.0, 4.0)
#: How often the members are exported again, to send what did not hold.
MAX_MENDINGS = 2


class BigSegment:
    """A segment with `unbounded: true`.

    Args:
        key: The segment key.
        shown: The segment as LaunchDarkly showed it first.
        transfers: Exports the members, and imports many; its client is asked for all else.
        requests: How plans are sent.
        tally: Counts what is acknowledged.
    """

    def __init__(
        self, key: str, shown: UserSegment, transfers: Transfers, requests: Requests, tally: Tally
    ) -> None:
        self.key = key
        self._tally = tally
        self._tally.is_big = True
        self._client = transfers.client
        self._requests = requests
        self._audience = Audience(key, shown.context_kind)
        self._exports = Exports(key, transfers, self._look)
        self._left_out = left_out = LeftOut()
        self._plans = BigPlans(self._audience, self._exports, requests, left_out)
        self._sender = Sender(self._audience, transfers, requests, tally, left_out)
        self._is_open = False
        self.see(shown)

    def see(self, shown: UserSegment) -> None:
        """Take how many targets LaunchDarkly shows."""
        self._members = shown.included_count
        self._has_excluded = shown.excluded_count != 0
        #: Nobody is a member of what is still to be created, and it cannot be looked at.
        self._is_there = shown.version != 0

    def _look(self) -> int | None:
        self.see(self._client.get_segment(self.key))
        return self._members

    def open(self, context_kind: str, planner: Planner) -> None:
        """Begin to look at the members, if the whole audience will be listed.

        Raises:
            SegmentError: Targets of this kind cannot be synced.
        """
        self._demand_kind(context_kind)
        if self._is_open:
            return
        self._is_open = True
        # Whoever comes while the records do is nobody's whom they do not list.
        if planner.is_snapshot(self.key) and self._members != 0:
            self._exports.begin(self._members)

    def draft(self, planner: Planner) -> Draft:
        """Return the plan, judged. What fails on the way holds up no other segment."""
        try:
            plan = self._plans.draw(planner, self._members, is_there=self._is_there)
        except ExportError as error:
            return Draft([str(error)], _nothing)
        except LaunchDarklyError as error:
            return Draft([], partial(_fail, error))
        return Draft([*self._judge(plan, planner)], partial(self._carry_out, plan, planner))

    def _judge(self, plan: BigPlan, planner: Planner) -> Iterator[str]:
        if plan.way == "replacing":
            yield from replacing_problems(plan, planner.policy, self._members)
        if plan.numbers is not None:
            yield from planner.judge(self._audience, plan.numbers)

    def _carry_out(self, plan: BigPlan, planner: Planner) -> None:
        """Send what the plan holds, and see that it holds.

        Raises:
            LaunchDarklyError: A patch or an import was not accepted, or did not complete.
            SegmentError: The segment is not as planned after all.
        """
        self._tally.is_unseen |= plan.way != "seen"
        self._warn(plan, planner)
        if self._requests.is_dry_run:
            self._count_unsent(plan, planner.policy)
            self._count_replaced(plan)
            return
        self._plans.note_sending(plan)
        if not plan.is_empty or self._client.has_doubts(self.key):
            self._make_hold(plan, planner)
        if planner.is_snapshot(self.key):
            # A snapshot has one checkpoint only.
            self._plans.close()
        self._count_replaced(plan)
        if refused := len(self._left_out.refused):
            tell_refused(self.key, refused, skips=self._requests.skips_refused)

    def _count_replaced(self, plan: BigPlan) -> None:
        if plan.way == "replacing" and plan.numbers:
            self._tally.count_left(plan.numbers.members_leaving)

    def _warn(self, plan: BigPlan, planner: Planner) -> None:
        is_replacing = plan.way == "replacing"
        if is_replacing and self._has_excluded and planner.policy.excluded_key_action != "include":
            logger.warning(
                "Segment '%s' has excluded targets, and an import does not look at them: who is "
                "listed becomes a member even if excluded by hand.",
                self.key,
            )

    def _count_unsent(self, plan: BigPlan, policy: Policy) -> None:
        """Count what would be sent."""
        self._tally.count_once(self._sender.removals(plan, policy))
        if self._sender.is_merged(plan, policy, has_excluded=self._has_excluded):
            included = self._sender.included(plan.joining)
            self._tally.count_imported(plan.joining.count, included)
        else:
            self._tally.count_once(self._sender.additions(plan, policy))

    def _make_hold(self, plan: BigPlan, planner: Planner) -> None:
        """Send a plan, and then what it takes to make it hold."""
        sent = self._send(plan, planner)
        # Where nobody knows whether a request was carried out, two samples tell too little.
        is_doubtful = self._client.has_doubts(self.key) or sent.is_doubtful
        for _ in range(MAX_MENDINGS):
            if not is_doubtful and self._is_seen(plan, sent):
                return
            anew = self._plan_anew(planner)
            if anew is None:
                break
            if anew.is_empty:
                return
            logger.info("Segment '%s' is not as planned yet: sending what is missing.", self.key)
            plan, sent = anew, self._send(anew, planner, is_mending=True)
            is_doubtful = sent.is_doubtful
        if not self._is_seen(plan, sent):
            raise SegmentError(
                f"LaunchDarkly accepted the changes of segment '{self.key}', but they do not show. "
                "Look at the segment's change history for somebody who changes it at the same "
                "time, then run again."
            )

    def _send(self, plan: BigPlan, planner: Planner, *, is_mending: bool = False) -> Sent:
        return self._sender.send(
            plan, planner.policy, has_excluded=self._has_excluded, is_mending=is_mending
        )

    def _plan_anew(self, planner: Planner) -> BigPlan | None:
        """Return what is left to do by another look at the members; None if there are no exports.

        Raises:
            ExportError: Who is a member could not be found out.
            SegmentError: The plan may not be carried out.
        """
        try:
            plan = self._plans.draw_anew(planner, self._look())
        except NoExportError:
            return None
        if problems := [*self._judge(plan, planner)]:
            raise SegmentError(f"Segment '{self.key}' was changed meanwhile: {' '.join(problems)}")
        return plan

    def _is_seen(self, plan: BigPlan, sent: Sent) -> bool:
        """Whether LaunchDarkly shows the segment as planned, perhaps after some time.

        The number of members must be right, and two of the keys that were sent must stand where
        they should.
        """
        if sent.answer is None:
            self._look()
        else:
            self.see(sent.answer)
        for pause in VERIFY_PAUSES:
            if self._shows(plan, sent):
                return True
            self._client.pause(pause)
            self._look()
        return self._shows(plan, sent)

    def _shows(self, plan: BigPlan, sent: Sent) -> bool:
        expected = None if plan.members is None else plan.members + sent.growth
        if expected is not None and self._members not in {None, expected}:
            return False
        return self._includes(sent.joined, True) and self._includes(sent.left, False)

    def _includes(self, context_key: str | None, expected: bool) -> bool:  # noqa: FBT001
        if context_key is None:
            return True
        found = self._client.get_membership(self.key, context_key)
        return found is None or found.is_included == expected

    def _demand_kind(self, context_kind: str) -> None:
        own_kind = self._audience.context_kind
        if context_kind != own_kind:
            raise SegmentError(
                f"Segment '{self.key}' is a big segment of context kind '{own_kind}', but "
                f"context_kind is '{context_kind}'. Set context_kind to '{own_kind}', or name "
                "another segment."
            )


def _fail(error: LaunchDarklyError) -> None:
    raise error


def _nothing() -> None:
    """Do nothing: there is no plan."""
