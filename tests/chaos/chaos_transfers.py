"""Watches the imports and exports of the sandbox, whoever begins them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chaos_cases import ALL_KEYS, Place
from chaos_moves import BESIDE
from chaos_views import Begun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from chaos_cases import Case
    from chaos_moves import Moves
    from chaos_views import Asked

    from target_launchdarkly.sandbox import ForeignImport, Sandbox
    from target_launchdarkly.sandbox.state.imports import Import


@dataclass(frozen=True)
class Exported:
    """The file of an export, as the target got it to its end."""

    segment: str
    #: So many requests to the API were seen before.
    moment: int
    #: How many lines there are.
    lines: int
    #: Who was a member, in truth.
    members: frozenset[str]
    #: Whether its lines are the members, but for a header.
    is_faithful: bool


@dataclass(frozen=True)
class Strange:
    """An import that no request of the run has begun, or that was begun late."""

    place: Place
    #: The keys that may move by it, at any moment from now on.
    keys: frozenset[str]
    #: Whether it takes everybody out meanwhile.
    sweeps: bool


class TransferWatch:
    """Knows which imports and exports there are.

    Args:
        sandbox: Has them.
        moment: Says how many requests to the API there were.
    """

    def __init__(self, sandbox: Sandbox, moment: Callable[[], int]) -> None:
        self._sandbox = sandbox
        self._moment = moment
        #: The files of exports that the target got in the run.
        self.exported: list[Exported] = []
        self._bigs: dict[str, str] = {}
        #: The imports of which is known that they were begun.
        self._known: set[str] = set()

    def set_up(self, case: Case) -> None:
        """Begin with another case."""
        self._bigs = dict(case.bigs)
        self._known.clear()
        if self._bigs:
            self._sandbox.add_segment(BESIDE, unbounded=True)

    def begin(self, moves: Moves, *, may_export: bool) -> None:
        """Let transfers go as a run has them."""
        denied = moves.exports.denied or not may_export
        self._sandbox.import_rules = moves.imports
        self._sandbox.export_rules = replace(moves.exports, denied=denied)
        self._sandbox.count_lag_reads = moves.count_lag
        with self._sandbox.read() as segments:
            for segment in segments.values():
                segment.hold_counts((0, 0), 0)
        self.exported = []

    def arrange(
        self, moves: Moves, is_still: Callable[[], bool], met: Callable[[str], None]
    ) -> None:
        """Let imports of somebody else begin at their requests, if it is still that run then."""
        for move in moves.foreign:
            change = move.change

            def begin(sandbox: Sandbox, change: ForeignImport = change) -> None:
                if is_still():
                    change(sandbox)
                    met(f"foreign import {change.mode}")

            self._sandbox.meanwhile(begin, method=move.method, after=move.after, when=move.when)

    def end_all(self) -> None:
        """Let all imports come to their end, those that wait for an approval as well."""
        with self._sandbox.read() as segments:
            for segment in segments.values():
                for each in segment.imports.values():
                    if each.status == "pending_approval":
                        each.approve()
                    each.polls_left, each.rules.seconds = 0, 0
            # They end by being looked at.
        with self._sandbox.read():
            pass

    def going(self) -> list[Strange]:
        """List the imports that go on, as whoever knows nothing of them meets them."""
        with self._sandbox.read() as segments:
            return [
                self._strange(key, each)
                for key in self._bigs
                if key in segments
                for each in segments[key].imports.values()
                if each.is_in_progress
            ]

    def appeared(self) -> list[Strange]:
        """List the imports that have begun without a request, each once."""
        return [self._strange(key, each) for key, each in self._new()]

    def begun(self) -> Iterator[Begun]:
        """Yield the imports that a request has begun, each once."""
        for key, each in self._new():
            keys = frozenset(each.keys) if each.is_in_progress else None
            yield Begun(each.id, key, each.mode, keys)

    def _new(self) -> Iterator[tuple[str, Import]]:
        with self._sandbox.read() as segments:
            for key in self._bigs:
                for each in segments[key].imports.values() if key in segments else ():
                    if each.id not in self._known:
                        self._known.add(each.id)
                        yield key, each

    def _strange(self, segment: str, each: Import) -> Strange:
        sweeps = each.mode == "replace"
        keys = frozenset(ALL_KEYS if sweeps else each.keys)
        return Strange(Place(segment, self._bigs[segment]), keys, sweeps)

    def going_ids(self) -> frozenset[str]:
        """Return the IDs of the imports that go on."""
        with self._sandbox.read() as segments:
            return frozenset(
                each.id
                for segment in segments.values()
                for each in segment.imports.values()
                if each.is_in_progress
            )

    def incomplete(self, asked: Iterable[Asked]) -> set[str]:
        """Return the segments whose last import of a run is not complete."""
        last = {begun.segment: begun.id for each in asked for begun in each.begun}
        with self._sandbox.read() as segments:
            return {
                key
                for key, import_id in last.items()
                if key in segments
                and import_id in segments[key].imports
                and segments[key].imports[import_id].status != "complete"
            }

    def take_file(self, export_id: str, lines: list[str]) -> None:
        """Take note of a file that the target got, in its own thread."""
        with self._sandbox.read() as segments:
            for key in self._bigs:
                one = segments[key].exports.get(export_id) if key in segments else None
                if one and one.file:
                    members = one.file._keys
                    is_faithful = members in (lines, lines[1:])
                    moment = self._moment()
                    file = Exported(key, moment, len(lines), frozenset(members), is_faithful)
                    self.exported.append(file)
