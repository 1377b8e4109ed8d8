"""One stream's records become memberships of its segments."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import InvalidRecord, MissingKeyPropertiesError
from singer_sdk.sinks import BatchSink
from singer_sdk.sinks.core import JSONSchemaValidator
from singer_sdk.target_base import Target

from target_launchdarkly.errors import InvalidRecordError, StreamError
from target_launchdarkly.intake.membership import MembershipRule, context_key
from target_launchdarkly.settings import KEY_PATTERN

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_launchdarkly.audience.audiences import Audience
    from target_launchdarkly.audience.snapshots import Snapshots
    from target_launchdarkly.segments.segments import Segment, Segments
    from target_launchdarkly.settings import Settings, StreamSettings

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


class AudienceTarget(Target):
    """What a sink needs of its target."""

    settings: Settings
    segments: Segments
    snapshots: Snapshots
    #: Changes whenever a stream gets another sink or another column.
    layout = 0

    def sink_of(self, stream_name: str) -> AudienceSink | None:
        """Return the sink of a stream's records, if the stream has one."""
        sink = self._sinks_active.get(stream_name)
        return sink if isinstance(sink, AudienceSink) else None

    def drain_full(self, sink: AudienceSink) -> None:
        """Drain a sink that is full, as the SDK does after a record."""
        self.logger.info(
            "Target sink for '%s' is full. Current size is '%s'. Draining...",
            sink.stream_name,
            sink.current_size,
        )
        self.drain_one(sink)

    def drain_if_aged(self) -> None:
        """Drain everything if that is five minutes ago, as the SDK does after a record."""
        self._handle_max_record_age()


class _QuietValidator(JSONSchemaValidator):
    """Says which rule a record breaks, without its values."""

    @override
    def validate(self, record: dict[str, Any]) -> None:
        try:
            super().validate(record)
        except InvalidRecord as error:
            broken: Any = error.__cause__
            where = ".".join(map(str, broken.path)) or "the record"
            raise InvalidRecordError(
                f"the stream's schema rejects '{where}' (rule '{broken.validator}')."
            ) from None


class AudienceSink(BatchSink):
    """Turns the records of one stream into memberships.

    The memberships wait in the segments, not here: several streams may feed a segment, and a
    SCHEMA change replaces this sink in mid-run.
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
        self._segments = target.segments
        self._snapshots = target.snapshots
        self.stream = target.settings.for_stream(stream_name)
        self._skips_invalid = target.settings.invalid_record_action == "skip"
        self.rule = self._read_rule(self.stream, self.original_schema["properties"])
        self._snapshots.open(stream_name, self.stream)
        #: The segments that this stream has named, opened for its way of syncing.
        self._opened: dict[str, Segment] = {}
        self._invalid_warned = False
        #: Why the record in work is invalid, if it is.
        self._invalid: InvalidRecordError | None = None
        #: Columns that came without being declared, and whether they may hold anything now. Of
        #: those that only held null, the SDK is still to warn.
        self.undeclared: dict[str, bool] = {}
        target.layout += 1

    def _read_rule(self, stream: StreamSettings, columns: dict[str, Any]) -> MembershipRule:
        listed = ", ".join(columns) or "it has none"
        if not (stream.segment_key or stream.segment_key_field):
            raise StreamError(
                f"no segment is set for stream '{self.stream_name}'. Set segment_key, for all "
                "streams or for this one in streams, or set segment_key_field to the property "
                "that names the segment."
            )
        if stream.context_key_field not in columns:
            self._refuse_or_warn(
                f"stream '{self.stream_name}' has no property '{stream.context_key_field}', so no "
                "record of it names a context. Set context_key_field to one of its properties: "
                f"{listed}."
            )
        if stream.segment_key_field and stream.segment_key_field not in columns:
            self._refuse_or_warn(
                f"stream '{self.stream_name}' has no property '{stream.segment_key_field}', so no "
                "record of it names a segment. Set segment_key_field to one of its properties: "
                f"{listed}."
            )
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
    def audience(self) -> Audience | None:
        """The targets that all records of this stream are about; None if it is no single list."""
        if self.stream.segment_key_field or self.stream.is_snapshot:
            return None
        segment = self._opened.get(str(self.stream.segment_key))
        return segment.audience(self.stream.context_kind) if segment else None

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
        self._snapshots.note_records((self.stream_name,), version)
        self.tally_record_read()
        self.process_record(record, {"deleted": deleted})
        self.record_counter_metric.increment()

    def tally_settled(self, settled: int, not_acted_on: int) -> None:
        """Count records of the one segment which change nothing, without looking at them."""
        records = settled + not_acted_on
        self.tally_record_read(records)
        self.record_counter_metric.increment(records)
        tally = self._opened[str(self.stream.segment_key)].tally
        tally.records += records
        tally.not_acted_on += not_acted_on

    @property
    @override
    def is_full(self) -> bool:
        """Whether it is time to send whole requests, however many records that took."""
        return self._segments.are_due

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return _QuietValidator(self.schema) if self.validate_schema else None

    @override
    def _get_context(self, record: dict[str, Any]) -> dict[str, Any]:
        """Keep what the SDK strips from the record after this hook."""
        context = super()._get_context(record)
        context["deleted"] = record.get(DELETED_AT) is not None
        return context

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        self._invalid = None
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
            if not self._skips_invalid:
                raise
            self._reject(InvalidRecordError("it lacks one of the stream's key properties."))

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        try:
            segment = self._segment_of(record)
        except InvalidRecordError as error:
            self._reject(error)
            self._segments.without_segment += 1
            return
        self._note_size(segment, record)
        try:
            if self._invalid:
                raise self._invalid
            membership = self.rule.read(record, deleted=context["deleted"])
        except InvalidRecordError as error:
            self._reject(error)
            self._leave_out(segment, record)
            return
        self._hand_over(segment, membership.context_key, membership.included)
        self._segments.note(segment)

    def _hand_over(self, segment: Segment, key: str, included: bool | None) -> None:  # noqa: FBT001
        kind = self.stream.context_kind
        if included is None:
            segment.tally.records += 1
            segment.tally.not_acted_on += 1
        elif not self.stream.is_snapshot:
            segment.want(kind, key, included=included)
        elif included:
            segment.list_member(kind, key)
        else:
            segment.unlist(kind, key)

    def _segment_of(self, record: dict[str, Any]) -> Segment:
        """Return the segment that a record is about, opened for this stream."""
        segment_key = self.stream.segment_key
        if self.stream.segment_key_field:
            segment_key = _segment_key(record, self.stream.segment_key_field)
        segment = self._opened.get(str(segment_key))
        if segment is None:
            segment = self._segments[str(segment_key)]
            self._snapshots.feed(self.stream_name, self.stream, segment)
            self._opened[segment.key] = segment
        return segment

    def _note_size(self, segment: Segment, record: dict[str, Any]) -> None:
        if self.stream.is_snapshot and self.stream.audience_size_field:
            stated = record.get(self.stream.audience_size_field)
            self._snapshots[self.stream_name].note_size(segment.key, stated)

    def _leave_out(self, segment: Segment, record: dict[str, Any]) -> None:
        """Count an invalid record; where its key can be read, it does not cost a membership."""
        segment.tally.records += 1
        segment.tally.invalid += 1
        try:
            field = self.stream.context_key_field
            segment.spare(self.stream.context_kind, context_key(record.get(field), field))
        except InvalidRecordError:
            return

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
        """Send whole requests; the target sends the rest before any STATE is written."""
        self._segments.flush_full()


def _segment_key(record: dict[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not re.match(KEY_PATTERN, value):
        raise InvalidRecordError(f"'{field}' holds no segment key.")
    return value
