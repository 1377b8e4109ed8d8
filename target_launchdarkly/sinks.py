"""One stream's records become memberships of its segments."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.sinks import BatchSink

from target_launchdarkly.audience.completeness import whole_number
from target_launchdarkly.audience.words import IN, OUT, SPARED
from target_launchdarkly.configuration import ConfiguredTarget
from target_launchdarkly.errors import InvalidRecordError, StreamError
from target_launchdarkly.intake.membership import MembershipRule, context_key
from target_launchdarkly.intake.validator import QuietValidator
from target_launchdarkly.settings import KEY_PATTERN

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_launchdarkly.audience.planner import Planner
    from target_launchdarkly.audience.streams import Feed, Stream, Streams
    from target_launchdarkly.audience.words import Voice
    from target_launchdarkly.report.tally import Tally
    from target_launchdarkly.segments.segments import Segments
    from target_launchdarkly.settings import StreamSettings

#: The column in which taps write when a row was deleted. The SDK strips it.
#: https://sdk.meltano.com/en/latest/implementation/record_metadata.html
DELETED_AT = "_sdc_deleted_at"
#: All that the SDK strips.
STRIPPED = (
    "_sdc_extracted_at",
    "_sdc_received_at",
    "_sdc_batched_at",
    DELETED_AT,
    "_sdc_sequence",
    "_sdc_table_version",
    "_sdc_sync_started_at",
)
#: Of more undeclared columns than these, no notes are kept.
MAX_UNDECLARED = 100


class AudienceTarget(ConfiguredTarget):
    """What a sink needs of its target."""

    segments: Segments
    streams: Streams
    planner: Planner
    #: The tap's stream whose message is in work; stream maps may call it otherwise.
    tap_stream = ""
    #: Changes whenever a stream gets another sink or another column.
    layout = 0

    def sink_of(self, stream_name: str) -> AudienceSink | None:
        """Return the sink of a stream's records, if the stream has one."""
        sink = self._sinks_active.get(stream_name)
        return sink if isinstance(sink, AudienceSink) else None

    def look_at_age(self) -> None:
        """Make a checkpoint if that is due, as the SDK looks after a record."""
        self._handle_max_record_age()


@dataclass(slots=True)
class _Line:
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
        self.rule = self._read_rule(self.stream, self.original_schema["properties"])
        #: By the tap's stream and the segment.
        self._lines: dict[tuple[str, str], _Line] = {}
        self._invalid_warned = False
        #: Why the record in work is invalid, if it is.
        self._invalid: InvalidRecordError | None = None
        #: Columns that came without being declared, and whether they may hold anything now. Of
        #: those that only held null, the SDK is still to warn.
        self.undeclared: dict[str, bool] = {}
        target.layout += 1

    def _read_rule(self, stream: StreamSettings, columns: dict[str, Any]) -> MembershipRule:
        if not (stream.segment_key or stream.segment_key_field):
            raise StreamError(
                f"no segment is set for stream '{self.stream_name}'. Set segment_key, for all "
                "streams or for this one in streams, or set segment_key_field to the property "
                "that names the segment."
            )
        if problem := self._lack(columns, "context_key_field", "names a context"):
            self._refuse_or_warn(problem)
        if problem := self._lack(columns, "segment_key_field", "names a segment"):
            self._refuse_or_warn(problem)
        if stream.is_snapshot and (
            problem := self._lack(columns, "audience_size_field", "says how many keys there are")
        ):
            raise StreamError(problem)
        has_flag = stream.membership_field in columns
        by_changes = stream.audience_sync_mode == "mirror" and not stream.is_snapshot
        if by_changes and not (has_flag or DELETED_AT in columns):
            raise StreamError(
                f"stream '{self.stream_name}' has no property '{stream.membership_field}', so "
                "nothing says who left. Set membership_field to the property with the flag, or, if "
                "the stream lists the whole audience, set mirror_source to 'snapshot'."
            )
        return MembershipRule(
            mode="snapshot" if stream.is_snapshot else stream.audience_sync_mode,
            context_key_field=stream.context_key_field,
            membership_field=stream.membership_field,
            has_flag=has_flag,
        )

    def _lack(self, columns: dict[str, Any], setting: str, what_it_does: str) -> str | None:
        """Return what to do about a setting that names a property which is not there."""
        name = getattr(self.stream, setting)
        if name is None or name in columns:
            return None
        return (
            f"stream '{self.stream_name}' has no property '{name}', so no record of it "
            f"{what_it_does}. Set {setting} to one of its properties: "
            f"{', '.join(columns) or 'it has none'}."
        )

    def _refuse_or_warn(self, problem: str) -> None:
        if not self._skips_invalid:
            raise StreamError(problem)
        self.logger.warning("%s Its records are skipped.", problem)

    @property
    def keywords(self) -> frozenset[str]:
        """The keywords by which records are validated; none if they are not validated."""
        validator: Any = self._validator
        return frozenset(validator.validator.VALIDATORS) if validator else frozenset()

    @property
    def voice(self) -> Voice | None:
        """Where all words of this stream go, if each record is about the same segment.

        A snapshot's records are counted one by one, so that it has none.
        """
        if self.stream.segment_key_field or self.stream.is_snapshot:
            return None
        line = self._lines.get((self.stream_name, str(self.stream.segment_key)))
        return line.feed.voice if line else None

    def take(self, record: dict[str, Any], *, deleted: bool, version: object) -> None:
        """Process a record that is known to be valid, as the target would.

        Args:
            record: Those of its properties that say something here.
            deleted: Whether the source has deleted the row.
            version: That of the RECORD message.

        Raises:
            TargetError: The record says no membership, or its segment cannot be synced.
        """
        self._invalid = None
        self._target.tap_stream = self.stream_name
        self._target.streams.note_record(self.stream_name, version)
        self.tally_record_read()
        self.process_record(record, {"deleted": deleted})
        self.record_counter_metric.increment()

    def tally_said(self, said: int, not_acted_on: int) -> None:
        """Count records whose words went to `voice` without this sink, or that say nothing."""
        records = said + not_acted_on
        self.tally_record_read(records)
        self.record_counter_metric.increment(records)
        tally = self._lines[self.stream_name, str(self.stream.segment_key)].tally
        tally.records += records
        tally.not_acted_on += not_acted_on

    @property
    @override
    def is_full(self) -> bool:
        """Never: words wait for a checkpoint, not for a number of rows."""
        return False

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return QuietValidator(self.schema) if self.validate_schema else None

    @override
    def _get_context(self, record: dict[str, Any]) -> dict[str, Any]:
        """Keep what the SDK strips from the record after this hook."""
        context = super()._get_context(record)
        context["deleted"] = record.get(DELETED_AT) is not None
        return context

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        self._invalid = None
        if self._says_empty(record):
            return record
        try:
            # On a copy, because the SDK puts datetimes in the place of the strings it parses,
            # and a context key shall stay as it is.
            super()._validate_and_parse(dict(record))
        except InvalidRecordError as error:
            self._reject(error)
        except (ValueError, TypeError):
            # TypeError: a number in a column of dates, where the schema allows or does not matter.
            self._reject(InvalidRecordError("a date or time in it cannot be read."))
        else:
            self._note_undeclared(record)
        return record

    def _note_undeclared(self, record: dict[str, Any]) -> None:
        may_be_anything = self.schema.get("additionalProperties", False)
        for name in record.keys() - self.schema["properties"].keys():
            is_told = bool(may_be_anything or name in self._warned_missing_fields)
            if self.undeclared.get(name) != is_told and len(self.undeclared) < MAX_UNDECLARED:
                self.undeclared[name] = is_told
                self._target.layout += 1

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        try:
            super()._singer_validate_message(record)
        except MissingKeyPropertiesError:
            if self._says_empty(record):
                return
            if not self._skips_invalid:
                raise
            self._reject(InvalidRecordError("it lacks one of the stream's key properties."))

    def _says_empty(self, record: dict[str, Any]) -> bool:
        """Whether a row names nobody and says that this is the whole audience."""
        field = self.stream.audience_size_field
        return (
            self.stream.is_snapshot
            and field is not None
            and record.get(self.stream.context_key_field) is None
            and whole_number(record.get(field)) == 0
        )

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        stream = self._target.streams[self._target.tap_stream, self.stream_name]
        stream.completeness.arrived += 1
        try:
            line = self._line(stream, record)
        except InvalidRecordError as error:
            self._reject(error)
            stream.completeness.unreadable += 1
            self._target.segments.without_segment += 1
            return
        if self.stream.audience_size_field:
            line.feed.rows.note(record.get(self.stream.audience_size_field))
        if self._says_empty(record):
            return
        line.tally.records += 1
        try:
            if self._invalid:
                raise self._invalid
            membership = self.rule.read(record, deleted=context["deleted"])
        except InvalidRecordError as error:
            self._reject(error)
            self._leave_out(line, record)
            return
        if membership.included is None:
            line.tally.not_acted_on += 1
        else:
            line.feed.voice.say(membership.context_key, IN if membership.included else OUT)

    def _line(self, stream: Stream, record: dict[str, Any]) -> _Line:
        """Return what the stream says about the segment that a record names."""
        segment_key = str(self.stream.segment_key)
        if self.stream.segment_key_field:
            segment_key = _segment_key(record, self.stream.segment_key_field)
        line = self._lines.get((stream.name, segment_key))
        if line is None:
            feed = self._target.streams.feed(stream, segment_key)
            kind = self.stream.context_kind
            segment = self._target.segments.open(segment_key, kind, self._target.planner)
            line = self._lines[stream.name, segment_key] = _Line(stream, feed, segment.tally)
        return line

    def _leave_out(self, line: _Line, record: dict[str, Any]) -> None:
        """Count an invalid record; a snapshot neither adds nor removes its key."""
        line.tally.invalid += 1
        try:
            field = self.stream.context_key_field
            key = context_key(record.get(field), field)
        except InvalidRecordError:
            line.stream.completeness.unreadable += 1
            return
        if self.stream.is_snapshot:
            line.feed.voice.say(key, SPARED)

    def _reject(self, error: InvalidRecordError) -> None:
        """Fail the run, or remember that the record is to be skipped and warn once a stream."""
        if not self._skips_invalid:
            raise InvalidRecordError(
                f"a record of stream '{self.stream_name}' is invalid: {error} Correct the data, or "
                "set invalid_record_action to 'skip' to leave such records out."
            ) from None
        self._invalid = error
        if not self._invalid_warned:
            self.logger.warning("Skipping invalid records; the first one: %s", error)
            self._invalid_warned = True

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: the checkpoint that this drain belongs to has sent the words."""


def _segment_key(record: dict[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not re.match(KEY_PATTERN, value):
        raise InvalidRecordError(f"'{field}' holds no segment key.")
    return value
