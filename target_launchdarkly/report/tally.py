"""What became of one segment's records."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

from target_launchdarkly.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_launchdarkly.audience.expirations import ExpirationChange
    from target_launchdarkly.audience.plan import Change, Plan
    from target_launchdarkly.report.changes import SegmentChanges

#: Changes that are counted and told together.
COUNTED_AT_ONCE = 2_000


@dataclass(slots=True)
class Tally:
    """What became of one segment's records. The counts are of records, except where they say."""

    is_dry_run: bool = False
    #: Where it is told who changes.
    told: SegmentChanges | None = None
    is_big: bool = False
    #: Whether changes were sent without knowing who is a member: what was in place already cannot
    #: be told then.
    is_unseen: bool = False
    #: Whether one import has replaced all members.
    was_replaced: bool = False
    was_created: bool = False
    #: Whether the segment passes what LaunchDarkly supports in a standard one.
    is_over_limit: bool = False
    #: Whether its streams list its whole audience, and are proven whole.
    is_proven: bool = False
    #: Whether it is as its last plan has it.
    is_settled: bool = False
    #: Why its plan was refused, so that nothing of it was sent; each with its remedy.
    refused_because: Sequence[str] = ()
    records: int = 0
    #: Records whose key had blanks around it.
    trimmed: int = 0
    #: Context keys that a patch or an import included.
    added: int = 0
    #: Context keys that a patch took out of the included targets.
    removed: int = 0
    #: Context keys that a patch added to the excluded targets.
    excluded: int = 0
    #: Context keys that an import included.
    imported: int = 0
    #: Records whose flag means nothing in the stream's sync mode.
    not_acted_on: int = 0
    #: Expirations of included targets: set anew, moved to another moment, and taken back.
    expirations_set: int = 0
    expirations_moved: int = 0
    expirations_removed: int = 0
    invalid: int = 0
    #: Context keys that are to be included and are excluded by hand.
    excluded_by_hand: int = 0
    #: Context keys that LaunchDarkly refuses.
    refused: int = 0
    #: Changes of context keys that a record named.
    named: int = 0
    #: Changes of context keys, one a key unless a later checkpoint changes it again.
    changed: int = 0
    #: What was done last with each key, so that nothing counts twice that had to be sent again.
    _done: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _expirations: dict[tuple[str, str], ExpirationChange] = field(default_factory=dict)

    @property
    def was_refused(self) -> bool:
        """Whether its plan was refused, so that nothing of it was sent."""
        return bool(self.refused_because)

    @property
    def status(self) -> Literal["synced", "planned", "refused", "unfinished"]:
        """What has become of its last plan."""
        if self.was_refused:
            return "refused"
        if not self.is_settled:
            return "unfinished"
        return "planned" if self.is_dry_run else "synced"

    @property
    def skipped(self) -> int:
        """Records that were left out, for whatever reason."""
        return self.not_acted_on + self.invalid + self.excluded_by_hand + self.refused

    @property
    def already_in_place(self) -> int:
        """Records that needed no change, because of LaunchDarkly or of a later record."""
        # A key may be excluded by hand after it was added, and is both then.
        return max(0, self.records - self.skipped - self.named)

    @property
    def applied(self) -> str:
        """What was acknowledged so far, e.g. `3 added, 1 removed`; nothing if nothing was."""
        of_expirations = [*expirations(self)]
        if not (self.changed or of_expirations):
            return ""
        return ", ".join([f"{self.added:,} added", f"{self.removed:,} removed", *of_expirations])

    def note_plans(self, plans: Iterable[Plan]) -> None:
        """Take note of the plans of a checkpoint, one a context kind; the last ones count."""
        self.excluded_by_hand = 0
        for plan in plans:
            self.excluded_by_hand += plan.excluded_by_hand
            if self.told:
                self.told.note_excluded(plan.context_kind, plan.excluded_keys)

    def note_refused(self, change: Change) -> None:
        """Take note of a change that LaunchDarkly refuses."""
        if self.told:
            self.told.note_left_out(change)

    def note_excluded(self, change: Change) -> None:
        """Take note of a key that is refused because it is excluded by hand."""
        if self.told:
            self.told.note_excluded(change.context_kind, [change.context_key])

    def refuse(self, problems: Sequence[str]) -> None:
        """Take note that its plan is refused."""
        self.refused_because = problems
        if self.told:
            self.told.note_refused(problems)

    def count(self, changes: Iterable[Change]) -> tuple[int, int]:
        """Count changes that are acknowledged; return how many keys they added and removed."""
        added, removed = self.added, self.removed
        new = []
        for change in changes:
            key = (change.context_kind, change.context_key)
            if self._done.get(key) == change.steps:
                continue
            self._done[key] = change.steps
            self._add(change)
            new.append(change)
        if self.told:
            self.told.note(new)
        return self.added - added, self.removed - removed

    def _add(self, change: Change) -> None:
        self.changed += 1
        self.named += not change.is_unlisted
        self.added += "include" in change.steps
        self.removed += "uninclude" in change.steps
        self.excluded += "exclude" in change.steps

    def count_expirations(self, changes: Iterable[ExpirationChange]) -> None:
        """Count changes of expirations that are acknowledged."""
        new = []
        for change in changes:
            key = (change.context_kind, change.context_key)
            known = self._expirations.get(key)
            if known and (known.deed, known.ends_ms) == (change.deed, change.ends_ms):
                continue
            self._expirations[key] = change
            self.expirations_set += change.deed == "add"
            self.expirations_moved += change.deed == "update"
            self.expirations_removed += change.deed == "remove"
            new.append(change)
        if self.told:
            self.told.note_expirations(new)

    def count_once(self, changes: Iterable[Change]) -> tuple[int, int]:
        """Count changes, as above, of keys that no other count has or will have."""
        added, removed = self.added, self.removed
        todo = iter(changes)
        while some := [*islice(todo, COUNTED_AT_ONCE)]:
            for change in some:
                self._add(change)
            if self.told:
                self.told.note(some)
        return self.added - added, self.removed - removed

    def count_imported(self, keys: int, changes: Iterable[Change]) -> None:
        """Count keys that an import included, of which no other count has or will have any.

        Args:
            keys: How many.
            changes: These keys, asked for only if it is told who changes.
        """
        self.imported += keys
        self.added += keys
        self.named += keys
        self.changed += keys
        if self.told:
            self.told.note(changes)

    def count_left(self, keys: int) -> None:
        """Count members that an import has replaced."""
        self.removed += keys
        self.changed += keys
        self.was_replaced = True
        if self.told:
            self.told.note_replaced(keys)


def expirations(tally: Tally, would: str = "") -> Iterator[str]:
    """Yield what became of expirations, e.g. `3 expirations set`."""
    told = {
        "set": tally.expirations_set,
        "moved": tally.expirations_moved,
        "removed": tally.expirations_removed,
    }
    for deed, count in told.items():
        if count:
            yield f"{counted(count, 'expiration')} {would}{deed}"
