"""What goes wrong with imports and exports of big segments, and how it is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_launchdarkly.sandbox import NEVER, ExportRules, Fault, ForeignImport, ImportRules

if TYPE_CHECKING:
    from chaos_choices import Choices

#: A big segment of which no tap speaks, so that only its imports are in the way.
BESIDE = "omega"
#: What may stand in the first line of a file; no key begins so.
HEADERS = ("key", "context key", '"key"')


@dataclass(frozen=True)
class ForeignMove:
    """An import that somebody else begins at a request."""

    change: ForeignImport
    after: int = 0
    method: str | None = None
    when: Any = "before"


@dataclass
class Moves:
    """How imports and exports go in one run."""

    #: With the clock, however often they are looked at.
    imports: ImportRules = field(default_factory=lambda: ImportRules(polls=0))
    exports: ExportRules = field(default_factory=lambda: ExportRules(polls=1))
    #: So many reads show the counts from before a change.
    count_lag: int = 0
    foreign: list[ForeignMove] = field(default_factory=list)

    @property
    def is_calm(self) -> bool:
        imports_fail = self.imports.outcome != "complete"
        return not (self.foreign or self.count_lag or imports_fail or self.has_no_file)

    @property
    def has_no_file(self) -> bool:
        """Whether no export gives a file that can be trusted."""
        rules = self.exports
        is_lost = rules.outcome != "complete" or not rules.link_seconds or rules.polls == NEVER
        return bool(is_lost or rules.missing or rules.cut_bytes)


class MoveMaker:
    """Makes the moves of an attempt.

    Args:
        choices: Makes all the choices.
        segments: The big segments that a tap speaks of.
        keys: What an import of somebody else may hold.
    """

    def __init__(self, choices: Choices, segments: list[str], keys: list[str]) -> None:
        self._choices = choices
        self._segments = segments
        self._keys = keys

    def moves(self) -> Moves:
        choices = self._choices
        moves = Moves(self._imports(), self._exports())
        if choices.chance(15):
            moves.count_lag = choices.of([1, 1, 2, 3, 6])
        if choices.chance(20):
            moves.foreign = [self._foreign() for _ in range(choices.of([1, 1, 2]))]
        return moves

    def faults(self) -> list[Fault]:
        """Return what goes wrong with requests that only big segments need."""
        choices = self._choices
        return [self._fault() for _ in range(choices.of([0, 0, 0, 1, 1, 2]))]

    def _fault(self) -> Fault:
        choices = self._choices
        if choices.chance(50):
            kinds = ["status", "status", "truncate", "drop-after", "reset-before", "html-ok"]
            kind: Any = choices.of([*kinds, "empty"])
            status = choices.of([403, 404, 503]) if kind == "status" else None
            return Fault(kind, "FILE", times=choices.of([1, 1, 2, 3, 99]), status=status)
        if choices.chance(40):
            late: Any = choices.of(["late-drop", "late-status"])
            later = choices.of([1, 2, 3, 5, None])
            return Fault(late, "POST", after=choices.of([0, 0, 1]), later=later)
        kind = choices.of(["drop-before", "drop-after", "status", "status-after", "garbage"])
        status = choices.of([429, 500, 503]) if kind.startswith("status") else None
        after, times = choices.of([0, 0, 1, 2]), choices.of([1, 1, 2])
        return Fault(kind, "POST", after=after, times=times, status=status)

    def _imports(self) -> ImportRules:
        choices = self._choices
        outcomes: Any = [*["complete"] * 8, "stopped", "pending_approval"]
        return ImportRules(
            polls=choices.of([0, 0, 0, 2]),
            seconds=choices.of([0, 0, 2, 20, 200, 10_000]),
            outcome=choices.of(outcomes),
            is_one_step=choices.chance(20),
        )

    def _exports(self) -> ExportRules:
        choices = self._choices
        rules = ExportRules(
            polls=choices.of([1, 1, 0, 2, 3]),
            seconds=choices.of([0, 0, 0, 5, 100]),
            is_taken_at_start=choices.chance(40),
        )
        if choices.chance(30):
            self._form(rules)
        if choices.chance(25):
            self._spoil(rules)
        return rules

    def _form(self, rules: ExportRules) -> None:
        """Write the file in another way that the documentation leaves open."""
        choices = self._choices
        rules.header = choices.of([None, *HEADERS])
        rules.is_quoted = choices.chance(30)
        rules.line_end = choices.of(["\n", "\r\n"])
        rules.more_columns = choices.of([(), (), ("1",), ("", "x,y")])
        rules.link_name = choices.of(["file", "csv", "download"])

    def _spoil(self, rules: ExportRules) -> None:
        """Let there be no file, or one that cannot be trusted."""
        choices = self._choices
        way = choices.of(["denied", "denied", "many", "missing", "missing", "cut", "cut", "end"])
        if way == "denied":
            rules.denied = True
        elif way == "many":
            rules.max_members = 2
        elif way == "end":
            rules.outcome = choices.of(["failed", "stopped", "archived"])
            rules.link_seconds = choices.of([3_600.0, 0.0])
        else:
            # With a line too many and one too few, nobody could tell.
            rules.header = None
            rules.missing = choices.of([1, 1, 2, 5]) if way == "missing" else 0
            rules.cut_bytes = choices.of([2, 5, 16, 60, 200]) if way == "cut" else 0

    def _foreign(self) -> ForeignMove:
        choices = self._choices
        segment = choices.of([BESIDE, BESIDE, *self._segments])
        keys = tuple(dict.fromkeys(choices.of(self._keys) for _ in range(choices.of([0, 1, 4]))))
        mode: Any = choices.of(["merge", "merge", "merge", "replace"])
        seconds = choices.of([0, 3, 30, 300, 20_000])
        outcome: Any = choices.of(["complete", "complete", "stopped"])
        return ForeignMove(
            ForeignImport(segment, keys, mode, seconds, outcome),
            after=choices.of([0, 1, 2, 3, 5]),
            method=choices.of([None, "POST", "GET", "PATCH", "FILE"]),
            when=choices.of(["before", "after"]),
        )
