"""What `--check --input` tells of the streams that it has read. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.api.shapes import MAX_TARGETS
from target_launchdarkly.audience.words import IN, OUT
from target_launchdarkly.plural import counted
from target_launchdarkly.report.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_launchdarkly.audience.streams import Stream, Streams
    from target_launchdarkly.audience.words import Audience, Words
    from target_launchdarkly.intake.columns import Columns
    from target_launchdarkly.report.findings import Level
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.settings import StreamSettings

#: Of more segments, or of more that is wrong with the records of a stream, only the number is told.
MAX_TOLD = 10
#: What a property is for, as it is told.
ROLES = {
    "key": "key",
    "flag": "flag",
    "deleted": "deletion",
    "segment": "segment",
    "size": "size",
    "expires": "end of membership",
}
UNJUDGED = "whether they came whole was not judged, since not all of the input could be read"
EMPTY = "it held no message. Look whether the tap failed."
RAN_BEFORE = (
    "Its ACTIVATE_VERSION is that of a tap that ran before this check; a tap that is piped into "
    "`--check --input -`, or into a run, may prove it."
)


@dataclass(slots=True)
class Flaw:
    """What is wrong with some records of a stream in the same way."""

    #: Of the first one, counted from 1.
    line: int
    count: int = 0


@dataclass(slots=True)
class Look:
    """What was noted of an input."""

    #: Lines that were read.
    lines: int = 0
    #: What ended the reading; None if it came to its end.
    error: str | None = None
    #: By stream, why nothing can be read of it.
    broken: dict[str, str] = field(default_factory=dict)
    #: By stream, what a run would warn of.
    warnings: dict[str, list[str]] = field(default_factory=dict)
    #: By stream and reason.
    flaws: dict[str, dict[str, Flaw]] = field(default_factory=dict)

    def note_flaw(self, stream_name: str, reason: str, line: int) -> None:
        """Take note of a record that cannot be used."""
        self.flaws.setdefault(stream_name, {}).setdefault(reason, Flaw(line)).count += 1


class Judged(NamedTuple):
    """An input as a run would judge it."""

    look: Look
    streams: Streams
    words: Words
    #: What is read of each stream's records.
    columns: Mapping[str, Columns]
    tallies: Mapping[str, Tally]
    #: By segment key, why its streams are not proven whole; "" stands for the run.
    gaps: Mapping[str, Sequence[str]]
    skips_invalid: bool
    #: Epoch seconds.
    now: float

    @property
    def feeds(self) -> list[tuple[str, StreamSettings]]:
        """The segments that records named, each with the settings of a stream that feeds it."""
        return [
            (segment_key, stream.settings)
            for stream in self.streams
            for segment_key in stream.feeds
        ]

    def findings(self) -> Iterator[Finding]:
        """Yield what is to be said of the input, its streams and their audiences."""
        yield self._of_input()
        for name, problem in self.look.broken.items():
            yield Finding("FAIL", f"stream '{name}'", problem)
        for stream in self.streams:
            if self.look.broken.keys().isdisjoint((stream.name, stream.alias)):
                yield from self._of_stream(stream)
        for alias in self.streams.never_came():
            if alias not in self.look.broken:
                yield Finding("warn", "streams", self.streams.told_missing(alias))
        yield from self._of_segments()
        if self.streams.has_snapshot and not self._is_judged:
            yield Finding("warn", "audiences", UNJUDGED)

    @property
    def _is_judged(self) -> bool:
        """Whether all streams were read, so that it can be said whether they came whole."""
        return self.look.error is None and not self.look.broken

    def _of_input(self) -> Finding:
        look = self.look
        if look.error is not None:
            return Finding("FAIL", "input", f"{look.error} What comes after that was not read.")
        if not look.lines:
            return Finding("warn", "input", EMPTY)
        return Finding("ok", "input", counted(look.lines, "line"))

    def _of_stream(self, stream: Stream) -> Iterator[Finding]:
        subject = str(stream)
        yield Finding("ok", subject, self._described(stream))
        for warning in self.look.warnings.get(stream.alias, ()):
            yield Finding("warn", subject, warning.removeprefix(f"Stream '{stream.alias}' "))
        flaws = self.look.flaws.get(stream.name, {})
        level: Level = "warn" if self.skips_invalid else "FAIL"
        for reason, flaw in [*flaws.items()][:MAX_TOLD]:
            noun = "record is" if flaw.count == 1 else "records are"
            first = f"in line {flaw.line:,}" if flaw.count == 1 else f"first in line {flaw.line:,}"
            told = f"{flaw.count:,} {noun} invalid, {first}: {reason}"
            end = "A run skips such records." if self.skips_invalid else "A run ends there."
            yield Finding(level, subject, f"{told} {end}")
        if len(flaws) > MAX_TOLD:
            more = counted(len(flaws) - MAX_TOLD, "more kind")
            yield Finding(level, subject, f"{more} of errors")

    def _described(self, stream: Stream) -> str:
        columns = self.columns[stream.alias]
        read = [
            f"{told} '{columns.names[role]}'"
            for role, told in ROLES.items()
            if role in columns.declared and (role != "size" or stream.settings.is_snapshot)
        ]
        mode = str(stream.settings.audience_sync_mode)
        if stream.is_mirror:
            mode += " by snapshot" if stream.settings.is_snapshot else " by changes"
        records = counted(stream.completeness.arrived, "record")
        return f"{records}; {', '.join(read)}; mode {mode}"

    def _of_segments(self) -> Iterator[Finding]:
        """Yield what the streams said of each segment, those with problems first."""
        gaps = self.gaps if self._is_judged else {}
        for problem in dict.fromkeys(gaps.get("", ())):
            yield Finding("FAIL", "input", problem)
        named = dict.fromkeys((*self.tallies, *filter(None, gaps)))
        keys = sorted(named, key=lambda key: key not in gaps)
        for key in keys[:MAX_TOLD]:
            yield from self._of_segment(key, gaps.get(key, ()))
        if left := keys[MAX_TOLD:]:
            failing = sum(key in gaps for key in left)
            told = f"{len(left):,} more" + (f", {failing:,} of them not whole" if failing else "")
            yield Finding("FAIL" if failing else "ok", "audiences", told)

    def _of_segment(self, key: str, problems: Sequence[str]) -> Iterator[Finding]:
        feeds = [
            (stream, feed)
            for stream in self.streams
            for segment_key, feed in stream.feeds.items()
            if segment_key == key
        ]
        subject = f"audience of segment '{key}'"
        if key in self.tallies:
            audiences = dict.fromkeys(feed.audience for _, feed in feeds)
            counts = [self._counted(audience) for audience in audiences]
            noted = [*self._noted(self.tallies[key])]
            proofs = sorted({feed.proven_by for _, feed in feeds if feed.proven_by})
            if proofs and not problems and self._is_judged:
                noted.append(f"proven whole by {' and '.join(proofs)}")
            yield Finding("ok", subject, "; ".join([*counts, *noted]))
        for problem in dict.fromkeys(problems):
            early = any(stream.completeness.ran_before(self.now) for stream, _ in feeds)
            yield Finding("FAIL", subject, f"{problem} {RAN_BEFORE}" if early else problem)

    def _counted(self, audience: Audience) -> str:
        count = Counter(word for _, word in self.words.once(audience))
        more = (
            f" (a standard segment has at most {MAX_TARGETS:,})" if count[IN] > MAX_TARGETS else ""
        )
        return f"{audience.context_kind}: {count[IN]:,} in{more}, {count[OUT]:,} out"

    @staticmethod
    def _noted(tally: Tally) -> Iterator[str]:
        yield counted(tally.records, "record")
        for count, told in (
            (tally.not_acted_on, "not for this mode"),
            (tally.invalid, "invalid"),
            (tally.trimmed, "with blanks around the key"),
        ):
            if count:
                yield f"{count:,} {told}"
