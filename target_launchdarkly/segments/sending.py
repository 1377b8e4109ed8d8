"""A plan of a big segment becomes patches and imports."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from target_launchdarkly.audience.guard import exclusion_problem
from target_launchdarkly.audience.plan import Change, Plan
from target_launchdarkly.errors import RefusedError, SegmentError
from target_launchdarkly.segments.costs import are_merged
from target_launchdarkly.segments.drafts import warn_of_excluded
from target_launchdarkly.segments.keyfiles import key_files
from target_launchdarkly.segments.members import read_keys
from target_launchdarkly.segments.patches import chunks, semantic_patch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_launchdarkly.api.shapes import UserSegment
    from target_launchdarkly.api.transfers import Transfers
    from target_launchdarkly.audience.plan import Policy, Step
    from target_launchdarkly.audience.words import Audience
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.bigplans import BigPlan
    from target_launchdarkly.segments.drafts import Requests
    from target_launchdarkly.segments.keyfiles import KeyFile

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LeftOut:
    """Keys of which LaunchDarkly refuses a change, found by trial."""

    #: Keys that are to be included, and are excluded by hand.
    excluded: set[str] = field(default_factory=set)
    #: Keys that are refused for another reason.
    refused: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Sent:
    """What LaunchDarkly accepted of a plan."""

    #: Whether it was sent because it did not hold, and is counted already.
    is_mending: bool = False
    #: How it showed the segment last; None if it was changed since.
    answer: UserSegment | None = None
    #: How many more members there must be than before, if the plan was drawn by a look at them.
    growth: int = 0
    #: Whether somebody else's import went on meanwhile, so that numbers alone tell too little.
    is_doubtful: bool = False
    #: The last key of each kind: where these are, the others before them are.
    joined: str | None = None
    left: str | None = None

    def note(self, changes: list[Change], answer: UserSegment | None) -> None:
        """Take note of changes that were accepted together."""
        self.answer = answer
        for change in changes:
            if "include" in change.steps:
                self.growth += 1
                self.joined = change.context_key
            elif "uninclude" in change.steps:
                self.growth -= 1
                self.left = change.context_key


class Sender:
    """Sends the plans of one big segment.

    Args:
        audience: The segment and its context kind.
        transfers: Sends imports, and its client patches.
        requests: How plans are sent.
        tally: Counts what is accepted.
        left_out: Keys that LaunchDarkly refuses; more of them are found.
    """

    def __init__(
        self,
        audience: Audience,
        transfers: Transfers,
        requests: Requests,
        tally: Tally,
        left_out: LeftOut,
    ) -> None:
        self._audience = audience
        self._client = transfers.client
        self._transfers = transfers
        self._requests = requests
        self._tally = tally
        self._left_out = left_out

    def send(
        self, plan: BigPlan, policy: Policy, *, has_excluded: bool, is_mending: bool = False
    ) -> Sent:
        """Send a plan: removals, and then additions, as patches or as imports.

        Args:
            plan: What to do.
            policy: How words become changes.
            has_excluded: Whether the segment has excluded targets.
            is_mending: Whether it is sent because it did not hold, and is counted already.

        Raises:
            LaunchDarklyError: A patch or an import was not accepted, or did not complete.
            SegmentError: It includes keys that are excluded by hand, and must not.
        """
        sent = Sent(is_mending=is_mending)
        if plan.way == "replacing":
            self._import(plan, "replace", sent)
            return sent
        is_merged = self.is_merged(plan, policy, has_excluded=has_excluded)
        additions = iter(()) if is_merged else self.additions(plan, policy)
        changes = chain(self.removals(plan, policy), additions)
        for chunk in chunks(changes, self._requests.max_operations):
            try:
                self._patch(chunk, sent)
            except RefusedError as refusal:
                self._patch_around(chunk, policy, sent, refusal)
        if is_merged:
            self._import(plan, "merge", sent)
        return sent

    def is_merged(self, plan: BigPlan, policy: Policy, *, has_excluded: bool) -> bool:
        """Whether the additions go as imports."""
        return plan.way == "replacing" or are_merged(
            plan.joining.count,
            plan.joining.size_bytes,
            self._requests.max_operations,
            steps=len(_steps_in(policy)),
            has_excluded=has_excluded,
        )

    def removals(self, plan: BigPlan, policy: Policy) -> Iterator[Change]:
        """Yield the changes of all who are to be out."""
        kind = self._audience.context_kind
        exclude: tuple[Step, ...] = ("exclude",) if policy.removal_action == "exclude" else ()
        for key in plan.leaving:
            yield Change(kind, key, ("uninclude", *exclude))
        for key in plan.unlisted:
            yield Change(kind, key, ("uninclude", *exclude), is_unlisted=True)
        for key in plan.outside:
            yield Change(kind, key, exclude)

    def additions(self, plan: BigPlan, policy: Policy) -> Iterator[Change]:
        """Yield the changes of all who are to be included, as patches make them."""
        for key in plan.joining:
            yield Change(self._audience.context_kind, key, _steps_in(policy))

    def included(self, context_keys: Iterable[str]) -> Iterator[Change]:
        """Yield the changes of keys as an import makes them."""
        for key in context_keys:
            yield Change(self._audience.context_kind, key, ("include",))

    def _patch(self, changes: list[Change], sent: Sent) -> None:
        """Send some changes in one request, and count them.

        Raises:
            RefusedError: LaunchDarkly refuses it; nothing of it was applied.
        """
        sent.note(changes, self._send_patch(changes))
        if not sent.is_mending:
            added, removed = self._tally.count_once(changes)
            logger.debug(
                "Segment '%s': %d included, %d un-included.",
                self._audience.segment_key,
                added,
                removed,
            )

    def _send_patch(self, changes: list[Change]) -> UserSegment:
        body = semantic_patch(
            changes,
            environment_key=self._client.environment_key,
            comment=self._requests.comment,
            is_big=True,
        )
        return self._client.patch_segment(self._audience.segment_key, body)

    def _patch_around(
        self, chunk: list[Change], policy: Policy, sent: Sent, refusal: RefusedError
    ) -> None:
        """Send what was refused as a whole but for the keys that are refused alone.

        Raises:
            RefusedError: The cause is none of the keys, or they are too many.
            SegmentError: A key is excluded by hand, and must not be.
        """
        search = self._requests.halving.search(
            chunk, refusal, send=partial(self._patch, sent=sent), probe=self._send_patch
        )
        try:
            for change in search:
                self._leave_out(change, policy, refusal)
        except RefusedError as error:
            if not self._left_out.excluded:
                raise
            raise RefusedError(
                f"{error} Some are excluded by hand: take the members of the audience off the "
                f"excluded targets of segment '{self._audience.segment_key}', or set "
                "excluded_key_action to 'include'."
            ) from error

    def _leave_out(self, change: Change, policy: Policy, refusal: RefusedError) -> None:
        """Take note of a key that is refused alone, and of why."""
        segment_key, left_out = self._audience.segment_key, self._left_out
        if not self._is_excluded_by_hand(change, refusal):
            left_out.refused.add(change.context_key)
            self._tally.refused = len(left_out.refused)
            self._tally.note_refused(change)
            return
        excluded = Plan(self._audience.context_kind, excluded_by_hand=1)
        if problem := exclusion_problem(segment_key, excluded, policy):
            raise SegmentError(f"Segment '{segment_key}': {problem}")
        if not left_out.excluded:
            warn_of_excluded(segment_key, 1)
        left_out.excluded.add(change.context_key)
        self._tally.excluded_by_hand = len(left_out.excluded)
        self._tally.note_excluded(change)

    def _is_excluded_by_hand(self, change: Change, refusal: RefusedError) -> bool:
        """Whether a key is refused because it is excluded, which no list shows."""
        if "include" not in change.steps or "lift" in change.steps:
            return False
        self._requests.halving.spend(refusal)
        found = self._client.get_membership(self._audience.segment_key, change.context_key)
        return found is not None and found.is_excluded

    def _import(self, plan: BigPlan, mode: str, sent: Sent) -> None:
        for file in key_files(plan.joining.batches()):
            has_waited = self._transfers.import_keys(self._audience.segment_key, file.file, mode)
            sent.is_doubtful |= has_waited
            sent.growth += file.keys
            sent.joined, sent.answer = file.last, None
            if not sent.is_mending:
                self._tally.count_imported(file.keys, self.included(_keys_in(file)))


def _keys_in(file: KeyFile) -> Iterator[str]:
    file.file.seek(0)
    yield from chain.from_iterable(read_keys(file.file))


def _steps_in(policy: Policy) -> tuple[Step, ...]:
    return ("lift", "include") if policy.excluded_key_action == "include" else ("include",)
