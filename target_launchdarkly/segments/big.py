"""A big segment: its members cannot be listed, so its words go blind, as few requests."""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from functools import partial
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from target_launchdarkly.audience.guard import excess, exclusion_problem
from target_launchdarkly.audience.plan import Change, Plan
from target_launchdarkly.audience.words import IN, OUT, SPARED, Audience
from target_launchdarkly.errors import LaunchDarklyError, RefusedError, SegmentError
from target_launchdarkly.segments.drafts import Draft, warn_of_excluded
from target_launchdarkly.segments.patches import chunks, semantic_patch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_launchdarkly.api.answers import Answer
    from target_launchdarkly.api.client import Client
    from target_launchdarkly.audience.plan import Policy, Step
    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.audience.words import Words
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.drafts import Requests

logger = logging.getLogger(__name__)

#: From so many patches on, additions go as one import, which takes one request to start and one
#: a look: 1, 2, 4 … seconds apart, so that 20 requests watch an import for 15 minutes.
IMPORT_INSTEAD_OF_PATCHES = 20
#: Keys that are written to a file at once.
BUFFERED_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class BigPlan:
    """What to do about a big segment, whose members cannot be listed."""

    #: Whether the listed keys take the place of all members.
    replaces: bool
    #: The words after this place are not sent yet.
    after: int
    #: The last word that the plan knows of.
    up_to: int
    adding: int
    removing: int
    #: Keys that must be neither added nor removed.
    spared: int
    #: The keys to add, where an import may take them.
    file: KeyFile | None


class BigSegment:
    """A segment with `unbounded: true`.

    Args:
        key: The segment key.
        answer: The segment as LaunchDarkly showed it first.
        client: Asked when a plan is carried out.
        requests: How plans are sent.
        tally: Counts what is acknowledged.
    """

    def __init__(
        self, key: str, answer: Answer, client: Client, requests: Requests, tally: Tally
    ) -> None:
        self.key = key
        self._tally = tally
        self._tally.is_big = True
        self._client = client
        self._requests = requests
        self._audience = Audience(key, answer.get("unboundedContextKind") or "user")
        self._sent_up_to = 0
        self.see(answer)

    def see(self, answer: Answer) -> None:
        """Take how many targets LaunchDarkly shows."""
        counts = answer.get("_unboundedMetadata") or {}
        self._members_at_start = counts.get("includedCount")
        self._excludes_by_hand = counts.get("excludedCount") != 0

    def open(self, context_kind: str, planner: Planner) -> None:
        """Look whether the targets of this kind can be synced as the settings ask.

        Raises:
            SegmentError: They cannot.
        """
        self._demand_kind(context_kind)
        if planner.is_snapshot(self.key) and planner.policy.removal_action == "exclude":
            raise SegmentError(
                f"Segment '{self.key}' is a big segment, whose members cannot be listed, so a "
                "snapshot cannot exclude who leaves. Set removal_action to 'remove', or mirror by "
                "changes."
            )

    def plan(self, planner: Planner) -> BigPlan:
        """Return what follows from the words that are not sent yet.

        To sort a million words takes longest of all, so that the file of an import, if there may be
        one, is written as they are counted.
        """
        words, replaces = planner.words, planner.is_snapshot(self.key)
        may_be_much = words.place - self._sent_up_to > IMPORT_INSTEAD_OF_PATCHES
        file = KeyFile() if replaces or may_be_much else None
        count = [0, 0, 0]
        for context_key, word in words.once(self._audience, after=self._sent_up_to):
            count[word] += 1
            if file is not None and word == IN:
                file.add(context_key)
        return BigPlan(
            replaces, self._sent_up_to, words.place, count[IN], count[OUT], count[SPARED], file
        )

    def draft(self, planner: Planner) -> Draft:
        """Return the plan, judged."""
        plan = self.plan(planner)
        return Draft(self._problems(plan, planner), partial(self._carry_out, plan, planner))

    def _problems(self, plan: BigPlan, planner: Planner) -> list[str]:
        if not plan.replaces:
            return []
        if plan.spared:
            return [
                (
                    f"{plan.spared:,} invalid records were skipped whose keys may be members; of a "
                    "big segment, that cannot be looked up. Correct these rows in the model."
                )
            ]
        if self._members_at_start is None:
            return [
                (
                    "LaunchDarkly does not say how many members this big segment has, so "
                    "max_removal_percent cannot be checked. Run again later."
                )
            ]
        percent = planner.max_removal_percent(self._audience)
        numbers = Plan(
            self._audience.context_kind,
            members=self._members_at_start,
            members_leaving=self._unlisted(plan),
        )
        problem = None if percent is None else excess(numbers, percent, is_snapshot=True)
        return [problem] if problem else []

    def _unlisted(self, plan: BigPlan) -> int:
        """Return at least how many members a snapshot does not list."""
        return max(0, (self._members_at_start or 0) - plan.adding)

    def _carry_out(self, plan: BigPlan, planner: Planner) -> None:
        """Send what the plan holds.

        Raises:
            LaunchDarklyError: A patch or an import was not accepted, or did not complete.
        """
        if plan.replaces:
            self._warn_of_excluded(planner.policy)
            self._import("replace", plan)
            leaving = self._unlisted(plan)
            self._tally.removed += leaving
            self._tally.changed += leaving
        else:
            self._send(plan, planner)
        self._sent_up_to = plan.up_to

    def _warn_of_excluded(self, policy: Policy) -> None:
        if self._excludes_by_hand and policy.excluded_key_action != "include":
            logger.warning(
                "Segment '%s' has excluded targets, and an import does not look at them: who is "
                "listed becomes a member even if excluded by hand.",
                self.key,
            )

    def _send(self, plan: BigPlan, planner: Planner) -> None:
        """Send the words as patches, but many additions as one import."""
        policy = planner.policy
        lift: tuple[Step, ...] = ("lift",) if policy.excluded_key_action == "include" else ()
        exclude: tuple[Step, ...] = ("exclude",) if policy.removal_action == "exclude" else ()
        additions = self._changes(plan, planner.words, IN, (*lift, "include"))
        # An import does not look at the excluded targets, so patches go where there are any.
        is_much = plan.adding > IMPORT_INSTEAD_OF_PATCHES * self._requests.max_operations
        if is_much and not self._excludes_by_hand:
            self._import("merge", plan)
            additions = iter(())
        removals: Iterator[Change] = iter(())
        if plan.removing:
            removals = self._changes(plan, planner.words, OUT, ("uninclude", *exclude))
        for chunk in chunks(chain(removals, additions), self._requests.max_operations):
            self._patch(chunk, policy)

    def _changes(
        self, plan: BigPlan, words: Words, wanted: int, steps: tuple[Step, ...]
    ) -> Iterator[Change]:
        for key in self._keys(plan, words, wanted):
            yield Change(self._audience.context_kind, key, steps)

    def _keys(self, plan: BigPlan, words: Words, wanted: int) -> Iterator[str]:
        for key, word in words.once(self._audience, after=plan.after):
            if word == wanted:
                yield key

    def _patch(self, chunk: list[Change], policy: Policy) -> None:
        if not self._requests.is_dry_run:
            body = semantic_patch(
                chunk,
                environment_key=self._client.environment_key,
                comment=self._requests.comment,
                is_big=True,
            )
            try:
                self._client.patch_segment(self.key, body)
            except RefusedError as error:
                self._patch_around_excluded(chunk, policy, error)
                return
        self._count(chunk)

    def _patch_around_excluded(
        self, chunk: list[Change], policy: Policy, error: RefusedError
    ) -> None:
        """Halve a refused patch until the keys stand alone that are excluded by hand."""
        if policy.excluded_key_action == "include":
            raise error
        if len(chunk) > 1:
            middle = len(chunk) // 2
            self._patch(chunk[:middle], policy)
            self._patch(chunk[middle:], policy)
            return
        (change,) = chunk
        if not self._client.get_membership(self.key, change.context_key).get("excluded"):
            raise error
        self._leave_excluded(policy)

    def _leave_excluded(self, policy: Policy) -> None:
        left_out = Plan(self._audience.context_kind, excluded_by_hand=1)
        if problem := exclusion_problem(self.key, left_out, policy):
            raise SegmentError(f"Segment '{self.key}': {problem}")
        if not self._tally.excluded_by_hand:
            warn_of_excluded(self.key, 1)
        self._tally.excluded_by_hand += 1

    def _count(self, chunk: list[Change]) -> None:
        added, removed = self._tally.count(chunk)
        logger.info(
            "Segment '%s': %sincluded %d, un-included %d.",
            self.key,
            "would have " if self._requests.is_dry_run else "",
            added,
            removed,
        )

    def _import(self, mode: str, plan: BigPlan) -> None:
        assert plan.file is not None  # noqa: S101
        if not self._requests.is_dry_run:
            with plan.file.at_end() as file:
                import_id = self._client.create_import(self.key, file, mode)
            logger.info(
                "Segment '%s': import %s of %d keys (%s) begun.",
                self.key,
                import_id,
                plan.adding,
                mode,
            )
            self._await_import(import_id)
        self._tally.named += plan.adding
        self._tally.changed += plan.adding
        self._tally.added += plan.adding

    def _await_import(self, import_id: str) -> None:
        """Look at the import, ever more rarely, until it is complete.

        Raises:
            LaunchDarklyError: It was stopped, waits for an approval, or takes too long.
        """
        for waited in self._client.looks():  # noqa: B007 told when it ends
            status = str(self._client.get_import(self.key, import_id).get("status"))
            if status == "complete":
                return
            if status in IMPORT_ENDS:
                raise LaunchDarklyError(
                    f"Import {import_id} of segment '{self.key}' {IMPORT_ENDS[status]}"
                )
        raise LaunchDarklyError(
            f"Import {import_id} of segment '{self.key}' is not complete after {waited:.0f} s "
            f"(status '{status}'), and waiting on would pass max_retry_seconds. LaunchDarkly goes "
            "on with it; raise max_retry_seconds, or run again when it has ended."
        )

    def _demand_kind(self, context_kind: str) -> None:
        own_kind = self._audience.context_kind
        if context_kind != own_kind:
            raise SegmentError(
                f"Segment '{self.key}' is a big segment of context kind '{own_kind}', but "
                f"context_kind is '{context_kind}'. Set context_kind to '{own_kind}', or name "
                "another segment."
            )


IMPORT_ENDS: Mapping[str, str] = {
    "stopped": "was stopped by LaunchDarkly or by somebody there; the members are as they were. "
    "Look at the segment's imports in LaunchDarkly, then run again.",
    "pending_approval": "waits for an approval in LaunchDarkly; nothing has changed yet. Have it "
    "approved, or give the token a role with the action bypassRequiredSegmentApproval.",
}


class KeyFile:
    """A temporary file with one key a line, which is deleted however the process ends."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 closed below
        # Also where the plan is refused, or its keys go as patches.
        weakref.finalize(self, self._file.close)
        self._keys: list[str] = []

    def add(self, context_key: str) -> None:
        """Write a key, all quoted: none can look like a byte order mark or lose a blank."""
        self._keys.append(context_key.replace('"', '""'))
        if len(self._keys) >= BUFFERED_KEYS:
            self._write()

    def at_end(self) -> IO[bytes]:
        """Return the file, written to its end. Closing it deletes it."""
        self._write()
        self._file.flush()
        return self._file

    def _write(self) -> None:
        if self._keys:
            lines = '"\n"'.join(self._keys)
            self._file.write(f'"{lines}"\n'.encode())
            self._keys.clear()
