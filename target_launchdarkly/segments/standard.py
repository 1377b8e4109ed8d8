"""A standard segment: its lists as LaunchDarkly last showed them, and the requests of a plan."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from target_launchdarkly.audience.plan import Plan, Sight
from target_launchdarkly.audience.words import Audience
from target_launchdarkly.errors import RefusedError, SegmentError
from target_launchdarkly.segments.drafts import Draft, tell_refused, warn_of_excluded
from target_launchdarkly.segments.patches import chunks, semantic_patch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from target_launchdarkly.api.answers import Answer
    from target_launchdarkly.api.client import Client
    from target_launchdarkly.audience.plan import Change
    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.drafts import Requests

logger = logging.getLogger(__name__)

#: https://launchdarkly.com/docs/home/flags/segment-types
MAX_TARGETS = 15_000
#: The context kind whose targets stand in `included` and `excluded` themselves.
USER = "user"
#: Seconds before another look at a segment that is not as it was planned, one a round.
VERIFY_PAUSES = (1.0, 2.0, 4.0)
#: How often a refused request is planned anew.
MAX_REFUSALS = 3


@dataclass(slots=True)
class _Lists:
    """The targets of one context kind."""

    included: set[str]
    excluded: set[str]
    first: frozenset[str]
    joined: set[str] = field(default_factory=set)
    lifted: set[str] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)
    uncovered: set[str] = field(default_factory=set)
    #: Keys that LaunchDarkly refuses.
    refused: set[str] = field(default_factory=set)

    @property
    def sight(self) -> Sight:
        return Sight(
            self.included,
            self.excluded,
            self.first,
            self.joined,
            self.lifted,
            self.barred | self.uncovered,
        )

    def note_made(self, change: Change) -> None:
        """Take note of a change that this run has made."""
        key = change.context_key
        if "uninclude" in change.steps and key in self.excluded:
            # It stood in both lists, of which being included counts: now it is out by this run.
            self.uncovered.add(key)
        if "lift" in change.steps:
            (self.barred.discard if key in self.barred else self.lifted.add)(key)
        if "exclude" in change.steps:
            (self.lifted.discard if key in self.lifted else self.barred.add)(key)


class StandardSegment:
    """A segment whose individual targets LaunchDarkly lists in every answer.

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
        self._client = client
        self._requests = requests
        self._first = answer
        self._last = answer
        #: Whether the last look showed what is older than another answer.
        self._is_unseen = False
        self._lists: dict[str, _Lists] = {}

    def open(self, context_kind: str, planner: Planner) -> None:  # noqa: ARG002 as of big segments
        """Plan the targets of this kind from here on."""
        if context_kind not in self._lists:
            self._lists[context_kind] = _Lists(
                set(_listed(self._last, "included", context_kind)),
                set(_listed(self._last, "excluded", context_kind)),
                frozenset(_listed(self._first, "included", context_kind)),
            )

    def plan(self, planner: Planner) -> list[Plan]:
        """Return a plan for each context kind, from the segment as LaunchDarkly last showed it."""
        return [
            planner.plan(Audience(self.key, kind), lists.sight).without(lists.refused)
            for kind, lists in self._lists.items()
        ]

    def draft(self, planner: Planner) -> Draft:
        """Return the plans of all kinds, judged."""
        plans = self.plan(planner)
        return Draft(self._problems(plans, planner), partial(self._carry_out, plans, planner))

    def _problems(self, plans: list[Plan], planner: Planner) -> list[str]:
        return [
            problem
            for plan in plans
            for problem in planner.problems(Audience(self.key, plan.context_kind), plan)
        ]

    def _carry_out(self, plans: list[Plan], planner: Planner) -> None:
        """Send what the plans hold, and see that it holds.

        What LaunchDarkly shows afterwards is planned anew: nothing may be left to do. If
        something is, an answer lagged, or somebody else changed the segment: look again, and send
        what is missing.

        Raises:
            LaunchDarklyError: A patch was not accepted. What was acknowledged before stays counted.
            SegmentError: The segment is not as planned after all rounds, or some keys are refused.
        """
        self._tally.note_plans(plans)
        self._warn(plans)
        if self._requests.is_dry_run:
            self._count(_changes(plans))
            return
        if any(plan.changes for plan in plans) or self._client.has_doubts(self.key):
            self._make_hold(plans, planner)
        if refused := sum(len(lists.refused) for lists in self._lists.values()):
            tell_refused(self.key, refused, skips=self._requests.skips_refused)

    def _make_hold(self, plans: list[Plan], planner: Planner) -> None:
        if not any(plan.changes for plan in plans):
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

    def _left(self, planner: Planner) -> str | None:
        """Return what is left to do, by what LaunchDarkly showed last; None if it is as planned."""
        if left := sum(len(plan.changes) for plan in self._plan_anew(planner)):
            return f"{left:,} of them did not hold"
        return "it shows only what is older than its answers" if self._is_unseen else None

    def _plan_anew(self, planner: Planner) -> list[Plan]:
        plans = self.plan(planner)
        if problems := self._problems(plans, planner):
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
            self.see(self._patch(needed))
            self._count(needed)

    def _send_in_parts(self, chunk: list[Change], refusal: RefusedError) -> None:
        """Send what was refused as a whole but for the keys that are refused alone.

        Raises:
            RefusedError: The cause is none of the keys, or they are too many.
        """
        if _size(self._last) + _growth(chunk) > MAX_TARGETS:
            # A segment that is full takes a change that changes nothing, and none of the others.
            raise refusal
        for change in self._requests.halving.search(
            chunk, refusal, send=self._send_needed, probe=self._patch
        ):
            self._lists[change.context_kind].refused.add(change.context_key)
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

    def _patch(self, chunk: Sequence[Change]) -> Answer:
        body = semantic_patch(
            chunk, environment_key=self._client.environment_key, comment=self._requests.comment
        )
        return self._client.patch_segment(self.key, body)

    def _look(self) -> None:
        self._is_unseen = not self.see(self._client.get_segment(self.key))

    def see(self, answer: Answer) -> bool:
        """Take LaunchDarkly's answer as the new view, unless it is older than what was seen."""
        if _age(answer) < _age(self._last):
            return False
        self._last = answer
        for context_kind, lists in self._lists.items():
            lists.included = set(_listed(answer, "included", context_kind))
            lists.joined |= lists.included - lists.first
            lists.excluded = set(_listed(answer, "excluded", context_kind))
        return True

    def _warn(self, plans: Sequence[Plan]) -> None:
        if excluded := sum(plan.excluded_by_hand for plan in plans):
            warn_of_excluded(self.key, excluded)
        growth = _growth(_changes(plans))
        if growth > 0 and _size(self._last) + growth > MAX_TARGETS:
            logger.warning(
                "Segment '%s' passes %d individual targets, which is what LaunchDarkly supports in "
                "a standard segment. Create a big segment for this audience (create_segment: big "
                "makes missing ones so) and name it in segment_key.",
                self.key,
                MAX_TARGETS,
            )

    def _count(self, changes: Collection[Change]) -> None:
        added, removed = self._tally.count(changes)
        for change in changes:
            self._lists[change.context_kind].note_made(change)
        told = (
            "would add %d, would remove %d" if self._requests.is_dry_run else "added %d, removed %d"
        )
        if added or removed:
            logger.info(f"Segment '%s': {told}.", self.key, added, removed)  # noqa: G004


def _changes(plans: Iterable[Plan]) -> list[Change]:
    """Return all changes, the removals of all kinds first."""
    leaving = [change for plan in plans for change in plan.leaving]
    return leaving + [change for plan in plans for change in plan.joining]


def _growth(changes: Iterable[Change]) -> int:
    """Return how many targets a segment gets by some changes, less those that it loses."""
    steps = [step for change in changes for step in change.steps]
    gained = steps.count("include") + steps.count("exclude")
    return gained - steps.count("uninclude") - steps.count("lift")


def _listed(answer: Mapping[str, Any], name: str, context_kind: str) -> Iterator[str]:
    if context_kind == USER:
        yield from answer.get(name) or ()
    # Users stand in the plain list; a list of their own kind is read as well, should one appear.
    for targets in answer.get(f"{name}Contexts") or ():
        if targets.get("contextKind") == context_kind:
            yield from targets.get("values") or ()


def _age(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Return what grows with every change of a segment, also when it is deleted and made anew."""
    created, version = answer.get("creationDate"), answer.get("version")
    return (
        created if isinstance(created, int) else 0,
        version if isinstance(version, int) else 0,
    )


def _size(answer: Mapping[str, Any]) -> int:
    """Return how many individual targets a segment has, of all kinds."""
    lists = [answer.get(name) for name in ("included", "excluded")]
    for name in ("includedContexts", "excludedContexts"):
        lists += [targets.get("values") for targets in answer.get(name) or ()]
    return sum(len(each or ()) for each in lists)
