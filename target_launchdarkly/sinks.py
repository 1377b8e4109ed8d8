"""One stream's records become memberships of its segments."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.sinks import BatchSink

from target_launchdarkly.audience.completeness import whole_number
from target_launchdarkly.audience.words import IN, NEVER, OUT, SPARED
from target_launchdarkly.configuration import ConfiguredTarget
from target_launchdarkly.errors import InvalidRecordError, SegmentError, StreamError
from target_launchdarkly.intake.columns import DELETED_AT, columns_of
from target_launchdarkly.intake.demands import lacks_flag, warnings_of
from target_launchdarkly.intake.membership import ABSENT, MembershipRule, segment_key_of
from target_launchdarkly.intake.moments import BIG_DO_NOT_END
from target_launchdarkly.intake.rows import row_of

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.audience.streams import Feed, Stream, Streams
    from target_launchdarkly.audience.words import Words
    from target_launchdarkly.intake.columns import Columns
    from target_launchdarkly.intake.membership import Membership, Row
    from target_launchdarkly.report.changes import Changes
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.segments import Segments


#: Why a record is skipped whose flag means nothing in its stream's mode.
NOT_ACTED_ON = "its flag says nothing with this audience_sync_mode"


class AudienceTarget(ConfiguredTarget):
    """What a sink needs of its target."""

    segments: Segments
    streams: Streams
    planner: Planner
    #: What the streams said.
    words: Words
    #: Epoch milliseconds of the run, by which its records say whether a membership has ended.
    now_ms: int
    #: Where it is told who changes.
    changes: Changes
    #: The line of the input that is in work, counted from 1.
    line_number: int
    #: The tap's stream whose message is in work; stream maps may call it otherwise.
    tap_stream = ""
    #: Changes whenever a stream gets another sink.
    layout = 0
    #: What is read of each stream's records, by its last SCHEMA.
    columns: dict[str, Columns]

    def sink_of(self, stream_name: str) -> AudienceSink | None:
        """Return the sink of a stream's records, if the stream has one."""
        sink = self._sinks_active.get(stream_name)
        return sink if isinstance(sink, AudienceSink) else None

    def look_at_age(self) -> None:
        """Make a checkpoint if that is due, as the SDK looks after a record."""
        self._handle_max_record_age()


@dataclass(slots=True)
class Line:
    """What one stream of the tap says about one segment, and where that is counted."""

    stream: Stream
    feed: Feed
    tally: Tally


class AudienceSink(BatchSink):
    """Turns the records of one stream into words.

    The words wait in the target, not here: several streams may feed a segment, and a SCHEMA change
    replaces this sink in mid-run. They are sent at a checkpoint, in batches of batch_size_rows.
    """

    def __init__(
        self,
        target: AudienceTarget,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Open the stream.

        Raises:
            StreamError: The stream's schema does not fit its settings.
        """
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self.stream = target.settings.for_stream(stream_name)
        self._skips_invalid = target.settings.invalid_record_action == "skip"
        properties = self.original_schema["properties"]
        #: What is read of the records.
        self.columns = columns_of(self.stream, properties)
        earlier = target.columns.get(stream_name)
        for warning in warnings_of(stream_name, target.settings, self.columns, earlier, properties):
            self._warn(warning)
        mode: Any = "snapshot" if self.stream.is_snapshot else self.stream.audience_sync_mode
        self.rule = MembershipRule(mode, self.columns, target.now_ms)
        #: By the tap's stream and the segment.
        self._lines: dict[tuple[str, str], Line] = {}
        self._invalid_warned = False
        #: Why the record in work cannot be used, if the SDK has found that.
        self._problem: str | None = None
        target.columns[stream_name] = self.columns
        target.layout += 1

    def take(self, row: Row, version: object) -> Line | None:
        """Process a record, as the target would, from what is read of it.

        Args:
            row: A record that has its key properties.
            version: That of the RECORD message.

        Returns:
            Where it went; None if it could not be used.

        Raises:
            TargetError: The record says no membership, or its segment cannot be synced.
        """
        self._target.tap_stream = self.stream_name
        self._note_taken(version, 1)
        return self._take(row)

    def tally_plain(self, line: Line, version: object, records: int, not_acted_on: int) -> None:
        """Count records whose words went straight to their voice, or that say nothing.

        Args:
            line: Where they went; one that this sink took went there too.
            version: That of their RECORD messages.
            records: How many they are.
            not_acted_on: How many of them say nothing.
        """
        self._note_taken(version, records)
        line.stream.completeness.arrived += records
        line.feed.rows.count += records
        line.tally.records += records
        line.tally.not_acted_on += not_acted_on

    def _note_taken(self, version: object, records: int) -> None:
        self._target.streams.note_record(self.stream_name, version, records)
        self.tally_record_read(records)
        self.record_counter_metric.increment(records)

    @property
    def tells_skipped(self) -> bool:
        """Whether each record that says nothing is told by its line."""
        return self._target.changes.is_told

    @property
    @override
    def is_full(self) -> bool:
        """Never: words wait for a checkpoint, not for a number of rows."""
        return False

    @override
    def get_validator(self) -> None:
        """Return none: what is read is judged here, and nothing else is judged."""

    @override
    def _get_context(self, record: dict[str, Any]) -> dict[str, Any]:
        """Read the record before the SDK strips from it."""
        context = super()._get_context(record)
        context["row"] = row_of(record, self.columns)
        return context

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Leave the record as it is: a property that nobody reads does no harm."""

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the record as it is: no date of another column can stop a sync."""
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Demand the key properties, as the SDK does."""
        self._problem = None
        try:
            super()._singer_validate_message(record)
        except MissingKeyPropertiesError as error:
            if self._says_empty(row_of(record, self.columns)):
                return
            self._problem = "it lacks one of the stream's key properties."
            if not self._skips_invalid:
                self._tell("refuse", self._problem, row_of(record, self.columns))
                # The SDK's text names all that the record has, which may be anything.
                raise MissingKeyPropertiesError(
                    f"a record of stream '{self.stream_name}' lacks one of the stream's key "
                    f"properties ({', '.join(self.key_properties)}). Look at the tap."
                ) from error

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self._take(context["row"], self._problem)

    def _take(self, row: Row, problem: str | None = None) -> Line | None:
        target = self._target
        stream = target.streams[target.tap_stream, self.stream_name]
        stream.completeness.arrived += 1
        try:
            line = self._line(stream, row)
        except InvalidRecordError as error:
            self._reject(str(error), row)
            stream.completeness.unreadable += 1
            target.segments.without_segment += 1
            return None
        if self.stream.is_snapshot and self.columns.size is not None:
            names_nobody = self._says_empty(row)
            line.feed.rows.note(row.size, names_nobody=names_nobody)
            if names_nobody:
                return None
        else:
            line.feed.rows.count += 1
        line.tally.records += 1
        try:
            membership = self.rule.read(row)
        except InvalidRecordError as error:
            problem = problem or str(error)
        if problem:
            self._reject(problem, row, line)
            self._leave_out(line, row)
            return None
        self._say(line, row, membership)
        return line

    def _warn(self, warning: str) -> None:
        self.logger.warning("%s", warning)

    def _say(self, line: Line, row: Row, membership: Membership) -> None:
        key, included, ends_ms = membership
        if ends_ms is not None and line.tally.is_big:
            raise SegmentError(BIG_DO_NOT_END.format(line.feed.audience.segment_key))
        if key is not row.key and row.key.__class__ is str:
            line.tally.trimmed += key != row.key
        if included is None:
            line.tally.not_acted_on += 1
            self._tell("skip", NOT_ACTED_ON, row, line)
        else:
            moment = (included and ends_ms) or NEVER
            line.feed.voice.say(key, IN if included else OUT, moment)

    def _says_empty(self, row: Row) -> bool:
        """Whether a row names nobody and says that this is the whole audience."""
        has_size = self.stream.is_snapshot and self.columns.size is not None
        is_nobody = row.key is None or row.key is ABSENT
        return has_size and is_nobody and whole_number(row.size) == 0

    def _line(self, stream: Stream, row: Row) -> Line:
        """Return what the stream says about the segment that a record names."""
        segment_key = self.stream.segment_key or ""
        if self.columns.segment is not None:
            segment_key = segment_key_of(row.segment, self.columns.segment)
        line = self._lines.get((stream.name, segment_key))
        return self._new_line(stream, segment_key) if line is None else line

    def _new_line(self, stream: Stream, segment_key: str) -> Line:
        if lacks_flag(self.stream, self.columns) and not self._target.streams.is_log_based(stream):
            raise StreamError(
                f"stream '{self.stream_name}' has no property '{self.columns.flag}', so nothing "
                "says who left. Set membership_field to the property with the flag, or, if the "
                "stream lists the whole audience, set mirror_source to 'snapshot'. A log-based "
                f"stream needs '{DELETED_AT}' in its SCHEMA, or a STATE before its first record "
                "that says LOG_BASED."
            )
        feed = self._target.streams.feed(stream, segment_key)
        segment = self._target.segments.open(*feed.audience, self._target.planner)
        line = self._lines[stream.name, segment_key] = Line(stream, feed, segment.tally)
        return line

    def _leave_out(self, line: Line, row: Row) -> None:
        """Count an invalid record; a snapshot neither adds nor removes its key."""
        line.tally.invalid += 1
        try:
            key = self.rule.context_key(row)
        except InvalidRecordError:
            line.stream.completeness.unreadable += 1
            return
        if self.stream.is_snapshot:
            line.feed.voice.say(key, SPARED)

    def _reject(self, problem: str, row: Row, line: Line | None = None) -> None:
        """Fail the run, or warn once a stream that the record is skipped."""
        self._tell("skip" if self._skips_invalid else "refuse", problem, row, line)
        if not self._skips_invalid:
            raise InvalidRecordError(
                f"a record of stream '{self.stream_name}' is invalid: {problem} Correct the data, "
                "or set invalid_record_action to 'skip' to leave such records out."
            ) from None
        if not self._invalid_warned:
            self.logger.warning("Skipping invalid records; the first one: %s", problem)
            self._invalid_warned = True

    def _tell(self, action: str, reason: str, row: Row, line: Line | None = None) -> None:
        """Tell that a record is skipped or refused, where it is told who changes."""
        if not self._target.changes.is_told:
            return
        try:
            key = self.rule.context_key(row)
        except InvalidRecordError:
            key = None
        self._target.changes.note(
            action,
            reason,
            segment=line and line.feed.audience.segment_key,
            context_kind=self.stream.context_kind,
            context_key=key,
            stream=self._target.tap_stream,
            line=self._target.line_number,
        )

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: the checkpoint that this drain belongs to has sent the words."""


class NobodysSink(BatchSink):
    """Stands for a stream that stream maps leave out: its SCHEMA comes, its records do not."""

    @override
    def get_validator(self) -> None:
        """Return none: a SCHEMA of which nothing is read can stop no sync."""

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: there are no records."""
