"""Plans of a big segment: exact where its members are exported, else as its words say."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from target_launchdarkly.audience.difference import from_changes, from_snapshot, from_words
from target_launchdarkly.audience.guard import is_safe_unseen
from target_launchdarkly.audience.plan import Plan
from target_launchdarkly.audience.words import OUT, SPARED, WORD
from target_launchdarkly.errors import ExportError, NoExportError
from target_launchdarkly.segments.costs import files_for, is_export_worth_it
from target_launchdarkly.segments.members import KeyList, KeySet

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from target_launchdarkly.audience.difference import Difference
    from target_launchdarkly.audience.plan import Policy
    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.audience.words import Audience
    from target_launchdarkly.segments.drafts import Requests
    from target_launchdarkly.segments.exports import Exports
    from target_launchdarkly.segments.sending import LeftOut

logger = logging.getLogger(__name__)

#: Seen: from an export. Unseen: every word is sent. Replacing: by one import of all keys.
Way = Literal["seen", "unseen", "replacing"]


@dataclass(slots=True)
class BigPlan:
    """What to do about a big segment."""

    way: Way
    #: The last word that the plan knows of.
    up_to: int
    #: How many members there are before, or None where nobody knows; of an import that replaces
    #: them, nobody.
    members: int | None = None
    joining: KeyList = field(default_factory=KeyList)
    leaving: KeyList = field(default_factory=KeyList)
    #: Who leaves because no word names them.
    unlisted: KeyList = field(default_factory=KeyList)
    #: Who is out, by a word, and is to be excluded as well.
    outside: KeyList = field(default_factory=KeyList)
    #: Keys that are neither added nor removed, where that cannot be kept.
    spared: int = 0
    #: What the guard counts.
    numbers: Plan | None = None

    def add(self, difference: Difference, policy: Policy) -> None:
        """Take what follows for one part of the keys."""
        self.joining.add(difference.joining)
        self.leaving.add(difference.leaving)
        self.unlisted.add(difference.unlisted)
        if policy.removal_action == "exclude":
            self.outside.add(difference.outside)

    @property
    def leaving_count(self) -> int:
        """How many leave, with a word or without."""
        return self.leaving.count + self.unlisted.count

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.joining.count or self.leaving_count or self.outside.count)

    def operations(self, policy: Policy) -> int:
        """Return how many operations it takes if all goes as patches."""
        return (
            self.joining.count * (2 if policy.excluded_key_action == "include" else 1)
            + self.leaving_count * (2 if policy.removal_action == "exclude" else 1)
            + self.outside.count
        )


class Unseen(NamedTuple):
    """How many joined and left by plans that were drawn unseen; of members it may be less."""

    joined: int = 0
    left: int = 0


class BigPlans:
    """Draws the plans of one big segment.

    Args:
        audience: The segment and its context kind.
        exports: Its exports.
        requests: How plans are sent.
        left_out: Keys that LaunchDarkly refuses.
    """

    def __init__(
        self, audience: Audience, exports: Exports, requests: Requests, left_out: LeftOut
    ) -> None:
        self._audience = audience
        self._exports = exports
        self._requests = requests
        self._left_out = left_out
        #: Who was a member when that was first seen.
        self._first: KeySet | None = None
        #: How many had joined and left unseen by then.
        self._before_first = Unseen()
        #: The words up to here are sent.
        self._sent_up_to = 0
        self._sent_unseen = Unseen()
        #: At most so many have left, by all plans so far.
        self._left = 0
        self._members_at_start: int | None = None
        self._is_warned = False

    def draw(self, planner: Planner, members: int | None, *, is_there: bool) -> BigPlan:
        """Return what follows from the words.

        Args:
            planner: Has the words.
            members: How many there are, as LaunchDarkly shows it.
            is_there: Whether the segment is more than planned.

        Raises:
            ExportError: Who is a member has to be known, and cannot be found out.
        """
        if self._members_at_start is None:
            self._members_at_start = members
        if not is_there:
            return self._seen(planner, KeySet())
        if planner.is_snapshot(self._audience.segment_key):
            return self._snapshot(planner, members)
        return self._changes(planner, members)

    def draw_anew(self, planner: Planner, members: int | None) -> BigPlan:
        """Return what is still to do, by another look at the members.

        Raises:
            ExportError: They cannot be seen, or were not seen at the first look.
        """
        seen = self._exports.fetch(members)
        self._exports.demand_alike(seen, self._first)
        return self._seen(planner, seen)

    def note_sending(self, plan: BigPlan) -> None:
        """Take note of a plan that is about to be sent."""
        self._sent_up_to = plan.up_to
        if plan.way == "unseen":
            sent = self._sent_unseen
            joined, left = sent.joined + plan.joining.count, sent.left + plan.leaving.count
            self._sent_unseen = Unseen(joined, left)
            self._left += plan.leaving.count

    def close(self) -> None:
        """Give the disk back: no more plans will be drawn."""
        if self._first is not None:
            self._first.close()

    def _snapshot(self, planner: Planner, members: int | None) -> BigPlan:
        if members == 0:
            return self._seen(planner, KeySet())
        try:
            return self._seen(planner, self._exports.fetch(members))
        except NoExportError as error:
            if self._requests.may_replace:
                return self._replacing(planner, members)
            raise ExportError(
                f"{error} Or accept one import that replaces all members, while which whoever "
                "stays may be out for a time: set big_segment_removals to 'replace'."
            ) from error

    def _changes(self, planner: Planner, members: int | None) -> BigPlan:
        unseen = self._unseen(planner)
        is_worth_it = is_export_worth_it(
            unseen.operations(planner.policy),
            self._requests.max_operations,
            is_guard_safe=self._is_guard_safe(planner, unseen),
        )
        if not is_worth_it:
            return unseen
        try:
            return self._seen(planner, self._exports.fetch(members))
        except NoExportError as error:
            if not self._is_warned:
                logger.warning(
                    "Segment '%s': %s Every change is sent without knowing who is a member, and "
                    "max_removal_percent cannot be checked.",
                    self._audience.segment_key,
                    error,
                )
                self._is_warned = True
            return unseen

    def _is_guard_safe(self, planner: Planner, unseen: BigPlan) -> bool:
        """Whether the guard passes however many of those who leave are members."""
        percent = planner.max_removal_percent(self._audience)
        members = self._members_at_start
        if percent is None or (members == 0 and not self._sent_unseen.joined):
            return True
        return is_safe_unseen(self._left + unseen.leaving.count, members or 0, percent)

    def _seen(self, planner: Planner, members: KeySet) -> BigPlan:
        first = self._first_sight(members)
        plan = BigPlan("seen", planner.words.place, members.count)
        is_snapshot = planner.is_snapshot(self._audience.segment_key)
        compare = from_snapshot if is_snapshot else from_changes
        leaving = joined = joined_leaving = found = out = 0
        # In the first plan of a snapshot a header would leave, which shows in what is counted then.
        is_first_known = is_snapshot and members is first
        left_out = self._left_out
        for words, now, before in self._side_by_side(planner, members, first):
            difference = compare(words, now, before).without(
                left_out.refused, joining=left_out.excluded
            )
            plan.add(difference, planner.policy)
            found += len(now)
            is_first_known = is_first_known or members.first_row in words
            leaving += difference.members_leaving
            if self._before_first.left:
                out += _outsiders(words, before)
            joined_leaving += difference.joined_leaving
            joined += 0 if now is before else len(now.keys() - before.keys())
        self._exports.demand_whole(members, found, is_first_known=is_first_known)
        plan.numbers = Plan(
            self._audience.context_kind,
            members=max(first.count, self._members_at_start or 0),
            members_leaving=leaving + self._gone_unseen(first, out),
            joined=joined,
            joined_leaving=joined_leaving,
        )
        self._left = plan.numbers.members_leaving + joined_leaving
        if members is not first:
            members.close()
        return plan

    def _first_sight(self, members: KeySet) -> KeySet:
        if self._first is None:
            self._first, self._before_first = members, self._sent_unseen
        return self._first

    def _gone_unseen(self, first: KeySet, out: int) -> int:
        """Return at most how many members had left unseen when members were first seen.

        Args:
            first: Who they were.
            out: How many others are out by their last word; many may never have been members.
        """
        most = (self._members_at_start or 0) + self._before_first.joined
        return min(self._before_first.left, out, max(0, most - first.count))

    def _side_by_side(
        self, planner: Planner, members: KeySet, first: KeySet
    ) -> Iterator[tuple[dict[str, int], dict[str, None], dict[str, None]]]:
        """Yield words, members and first members of the same keys, some keys at a time."""
        words = planner.words
        is_divided = words.is_on_disk or members.is_on_disk or first.is_on_disk
        said = words.parts(self._audience, is_divided=is_divided)
        if members is first:
            for part, now in zip(said, members.parts(is_divided=is_divided), strict=True):
                yield part, now, now
            return
        looks = (members.parts(is_divided=is_divided), first.parts(is_divided=is_divided))
        yield from zip(said, *looks, strict=True)

    def _unseen(self, planner: Planner) -> BigPlan:
        plan = BigPlan("unseen", planner.words.place)
        left_out = self._left_out
        for words in planner.words.parts(self._audience, after=self._sent_up_to):
            plan.add(
                from_words(words).without(left_out.refused, joining=left_out.excluded),
                planner.policy,
            )
        return plan

    def _replacing(self, planner: Planner, members: int | None) -> BigPlan:
        plan = BigPlan("replacing", planner.words.place, 0)
        for words in planner.words.parts(self._audience):
            plan.joining.add(from_words(words).joining)
            plan.spared += sum(place & WORD == SPARED for place in words.values())
        left = max(0, (members or 0) - plan.joining.count)
        kind = self._audience.context_kind
        plan.numbers = Plan(kind, members=members or 0, members_leaving=left)
        return plan


def _outsiders(words: Mapping[str, int], members: Container[str]) -> int:
    """Return how many keys are out by their last word, and are not among some members."""
    return sum(place & WORD == OUT and key not in members for key, place in words.items())


def replacing_problems(plan: BigPlan, policy: Policy, members: int | None) -> Iterator[str]:
    """Yield why one import may not replace all members, each with its remedy."""
    remedy = "Let the token export who is a member: it needs the role action createSegmentExport."
    if policy.removal_action == "exclude":
        yield f"an import that replaces all members cannot exclude who leaves. {remedy}"
    if plan.spared:
        yield (
            f"invalid records were skipped ({plan.spared:,}) whose keys may be members, which an "
            f"import that replaces all members would remove. Correct these rows. {remedy}"
        )
    if members is None:
        yield (
            "LaunchDarkly does not say how many members this big segment has, so "
            "max_removal_percent cannot be checked. Run again later."
        )
    if not plan.joining.count:
        yield f"nobody is listed, and an import needs a file with keys. {remedy}"
    elif files_for(plan.joining.count, plan.joining.size_bytes) != 1:
        yield (
            f"{plan.joining.count:,} keys are not what one file takes, and only one file can "
            f"replace all members. {remedy}"
        )
