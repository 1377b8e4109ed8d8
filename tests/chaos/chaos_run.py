"""Runs the target once, and keeps all that the judges want to know of it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

from chaos_cases import TOKEN
from chaos_tap import Feed
from chaos_words import Checkpoint, Said

from target_launchdarkly.audience import words as words_room
from target_launchdarkly.errors import TargetError
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_cases import Attempt, Case, Endings, Item, Place, Standing
    from chaos_stage import Happened, Stage
    from chaos_transfers import Exported
    from chaos_views import Asked


@dataclass(frozen=True)
class Written:
    """A STATE line."""

    value: dict[str, Any]
    #: Epoch seconds.
    at: float
    #: So many requests were seen before.
    moment: int
    #: The messages up to the line in work.
    in_work: int
    #: What was going on; None if nothing was that may end in STATE.
    checkpoint: Checkpoint | None
    standing: Standing
    endings: Endings
    incomplete_imports: set[str]


@dataclass
class Run:
    """What came of one run."""

    case: Case
    attempt: Attempt
    feed: Feed
    started: float
    start: Standing
    said: Said
    error: TargetError | None = None
    end: Standing = field(default_factory=dict)
    start_endings: Endings = field(default_factory=dict)
    end_endings: Endings = field(default_factory=dict)
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    #: The files of exports that it got.
    exported: list[Exported] = field(default_factory=list)
    incomplete_imports: set[str] = field(default_factory=set)
    #: How many requests showed the token to another host.
    leaks: int = 0
    summary: list[str] = field(default_factory=list)
    #: The keys that moved after the run before.
    moved_between: set[tuple[Place, str]] = field(default_factory=set)
    #: How many requests were seen when the input ended; None if it did not.
    ended: int | None = None

    @property
    def items(self) -> list[Item]:
        return self.feed.items

    def of_segment(self, segment: str, before: int | None = None) -> list[Asked]:
        """Return the exchanges about a segment, the first so many of all alone."""
        return [each for each in self.asked[:before] if each.segment == segment]

    @property
    def meddled(self) -> set[tuple[Place, str]]:
        """The keys that changed beside the requests."""
        return {key for each in self.happened for key in each.keys}

    @property
    def swept(self) -> set[Place]:
        """Where an import of somebody else takes out all members while it runs."""
        return {place for each in self.happened if each.sweeps for place, _ in each.keys}

    def disturbances(self, segment: str) -> int:
        """Count what may have kept a word of a segment from showing: once each."""
        stale = sum(
            bool(each.fault and each.fault.kind == "stale") for each in self.of_segment(segment)
        )
        return stale + sum(segment in each.segments for each in self.happened)

    def hides_endings(self, segment: str) -> bool:
        """Whether what the target was shown last of expiring targets is old."""
        shown = [each for each in self.of_segment(segment) if each.listing is not None]
        return bool(shown) and shown[-1].fault is not None and shown[-1].fault.kind == "stale"


class _Out:
    """Standard output, which keeps every STATE line."""

    def __init__(self, run: Run, stage: Stage) -> None:
        self._run = run
        self._stage = stage

    def write(self, text: str) -> int:
        run = self._run
        value: Any = json.loads(text)
        run.written.append(
            Written(
                value,
                self._stage.clock.now(),
                len(self._stage.asked),
                run.feed.in_work,
                next((each for each in run.checkpoints[-1:] if each.over is None), None),
                self._stage.standing(),
                self._stage.endings(),
                self._stage.transfers.incomplete(self._stage.asked),
            )
        )
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written."""


def run(stage: Stage, case: Case, attempt: Attempt, items: list[Item]) -> Run:
    """Run the target on what the tap sends."""
    stage.begin(attempt, may_export=case.may_export)
    started = stage.clock.started
    feed = Feed(items, attempt, started, stage.files)
    one = Run(case, attempt, feed, started, stage.standing(), Said(feed.items, started))
    one.start_endings = stage.endings()
    one.moved_between = stage.moved_between
    target = _target(stage, one)
    feed.line_number = lambda: target.message_reader.line_number
    feed.on_exhausted = lambda: _note_end(one, stage)
    with contextlib.redirect_stdout(_Out(one, stage)), _words_on_disk(attempt):
        try:
            target.listen(feed.source)
        except TargetError as failure:
            one.error = failure
    one.end, one.end_endings, one.stamps = stage.standing(), stage.endings(), stage.stamps()
    one.asked, one.happened = stage.asked, stage.happened
    one.left_behind = stage.left_behind
    one.exported = stage.transfers.exported
    one.incomplete_imports = stage.transfers.incomplete(stage.asked)
    one.leaks = len(stage.sandbox.leaks)
    one.summary = target.summary()
    return one


@contextlib.contextmanager
def _words_on_disk(attempt: Attempt) -> Iterator[None]:
    """Let the target look after every word whether there are too many in memory."""
    if attempt.words_in_memory is None:
        yield
        return
    with mock.patch.object(words_room, "_LOOK_EVERY", 1):
        yield


def _note_end(one: Run, stage: Stage) -> None:
    one.ended = len(stage.asked)
    one.checkpoints.append(Checkpoint(*one.feed.bounds, one.ended, is_end=True))


def _target(stage: Stage, one: Run) -> TargetLaunchDarkly:
    case, attempt, feed = one.case, one.attempt, one.feed
    is_timed = not case.has_snapshot and not attempt.is_dry
    bound = attempt.words_in_memory

    class Target(TargetLaunchDarkly):
        clock = stage.clock.system
        words = words_room.Words(*([bound] if bound else []))

        @property
        def _max_record_age_in_minutes(self) -> float:
            if feed.line_number() not in attempt.drains:
                for before in one.checkpoints[-1:]:
                    before.over = len(stage.asked) if before.over is None else before.over
                return 0.0
            if is_timed and not feed.is_exhausted:
                one.checkpoints.append(Checkpoint(*feed.bounds, len(stage.asked)))
            return 6.0

    config = case.settings | {
        "access_token": TOKEN,
        "api_url": stage.sandbox.url,
        "project_key": "default",
        "environment_key": "test",
        "dry_run": attempt.is_dry,
    }
    target = Target(config=config)
    if not attempt.is_parallel:
        # So that faults meet the same requests each time.
        target.segments._parallelism = 1
    return target
