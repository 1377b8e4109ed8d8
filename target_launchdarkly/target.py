"""The target: wires the parts, owns the end of input and signals."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib.json import serialize_json

from target_launchdarkly.api.transfers import Transfers
from target_launchdarkly.audience.plan import Policy
from target_launchdarkly.audience.planner import Planner
from target_launchdarkly.audience.streams import Streams
from target_launchdarkly.audience.words import Words
from target_launchdarkly.checking import LookingSink, LookingTarget
from target_launchdarkly.checkpoint import make_checkpoint
from target_launchdarkly.command import CommandTarget
from target_launchdarkly.errors import PlanRefusedError, StreamError
from target_launchdarkly.intake import batches
from target_launchdarkly.intake.records import Records
from target_launchdarkly.plural import counted
from target_launchdarkly.report import progress
from target_launchdarkly.report.inputs import Judged
from target_launchdarkly.report.lines import summarise
from target_launchdarkly.report.summary import Found
from target_launchdarkly.segments.drafts import Requests
from target_launchdarkly.segments.segments import Segments, UnreadSegments
from target_launchdarkly.sinks import AudienceSink, NobodysSink

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.sinks import Sink

    from target_launchdarkly.audience.planner import Judgement


#: Meltano's PluginTestService sends it to loaders (seen in 4.4.1).
MELTANO_TEST_STREAM = "meltano_test_stream"


class TargetLaunchDarkly(CommandTarget):
    """Keeps LaunchDarkly segments in step with audiences in a warehouse."""

    name = "target-launchdarkly"
    package_name = "target-launchdarkly"
    default_sink_class: type[AudienceSink] = AudienceSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.BATCH,
    ]

    #: What keeps the segments of a run.
    segments_class: ClassVar[type[Segments]] = Segments
    #: Whether records go the short way where it means the same; tests compare the two.
    has_short_way: ClassVar[bool] = True

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.columns = {}
        # Sinks hold nothing that could be drained at the same time.
        self.max_parallelism = 1

    @cached_property
    def segments(self) -> Segments:  # type: ignore[override]
        """The segments of this run."""
        requests = Requests(
            max_operations=self.settings.batch_size_rows,
            comment=self.settings.comment,
            is_dry_run=self.settings.dry_run,
            skips_refused=self.settings.invalid_record_action == "skip",
            may_replace=self.settings.big_segment_removals == "replace",
        )
        transfers = Transfers(self.client, self.settings.max_import_seconds)
        return self.segments_class(transfers, requests, self.settings.create_segment, self.changes)

    @cached_property
    def words(self) -> Words:  # type: ignore[override]
        """What the streams of this run said."""
        return Words()

    @cached_property
    def streams(self) -> Streams:  # type: ignore[override]
        """The streams of this run."""
        return Streams(self.settings, self.words, self.clock.started(), self.clock.now)

    @cached_property
    def planner(self) -> Planner:  # type: ignore[override]
        """What draws and judges the plans of this run."""
        policy = Policy(self.settings.removal_action, self.settings.excluded_key_action)
        return Planner(self.words, self.streams, policy, self.clock.now)

    @cached_property
    def now_ms(self) -> int:  # type: ignore[override]
        """Epoch milliseconds when this run looked at the clock first."""
        return int(self.clock.now() * 1000)

    @override
    def setup_mapper(self) -> None:
        super().setup_mapper()
        if self.has_short_way:
            self.message_reader.records = Records(self)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        name = message_dict["stream"]
        if name == MELTANO_TEST_STREAM:
            raise StreamError(
                f"'{name}' is no audience, but what `meltano config test` makes up: its record "
                "would become a member. To test the settings without any change, use --check, in "
                "Meltano `meltano invoke target-launchdarkly --check`."
            )
        super()._process_schema_message(message_dict)
        bookmarks = message_dict.get("bookmark_properties") or ()
        for stream_map in self.mapper.stream_maps.get(name, ()):
            # Of a stream that stream maps leave out, no record reaches a sink.
            if not isinstance(stream_map, RemoveRecordTransform):
                self.streams.open(name, stream_map.stream_alias, bookmarks)

    @override
    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return what takes the records of a stream; those of one that is left out, nobody."""
        ways = [
            stream_map
            for stream_maps in self.mapper.stream_maps.values()
            for stream_map in stream_maps
            if stream_map.stream_alias == stream_name
        ]
        if ways and all(isinstance(each, RemoveRecordTransform) for each in ways):
            return NobodysSink
        return self.default_sink_class

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.tap_stream = message_dict["stream"]
        if self.tap_stream not in self.mapper.stream_maps:
            # Else the SDK would take the sink of a stream that has this name as its alias.
            raise RecordsWithoutSchemaException(
                f"A record of stream '{self.tap_stream}' came before its SCHEMA. Look at the tap."
            )
        self.streams.note_record(self.tap_stream, message_dict.get("version"))
        super()._process_record_message(message_dict)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self.streams.note_state(message_dict["value"])
        super()._process_state_message(message_dict)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Take it as a sign that a snapshot came whole; it changes nothing by itself."""
        self.streams.note_activate_version(message_dict["stream"], message_dict["version"])

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Read the files record by record, so that all rules hold as for RECORD messages."""
        name, version = message_dict["stream"], message_dict.get("version")
        records = self.message_reader.records
        way = records.way_of(name, version) if records else None
        for url in batches.urls(message_dict["manifest"]):
            self.streams.note_file(name, url)
        for rows in batches.rows(message_dict, self.config.get("batch_config"), way):
            if isinstance(rows, dict) or not (records and way):
                message = {"type": "RECORD", "stream": name, "record": rows, "version": version}
                self._process_record_message(message)
            else:
                records.take_rows(iter(rows), [way.like(row, version) for row in rows])

    # Checkpoints and STATE

    @override
    def _handle_max_record_age(self) -> None:
        """Make a checkpoint every five minutes, so that a tap that never ends still syncs.

        A snapshot is judged once it is whole. A dry run sends nothing that could come too late.
        """
        if self.streams.has_snapshot or self.settings.dry_run:
            return
        if self._max_record_age_in_minutes > self._MAX_RECORD_AGE_IN_MINUTES:
            self._make_checkpoint()
            self.words.compact()
            super()._handle_max_record_age()

    @override
    def process_endofpipe(self) -> None:
        """Make the last checkpoint; STATE comes after it."""
        for alias in self.streams.never_came():
            told = self.streams.told_missing(alias)
            self.logger.warning("%s%s", told[:1].upper(), told[1:])
        self._make_checkpoint()
        super().process_endofpipe()
        self._log_summary()
        self.changes.close()

    def _make_checkpoint(self) -> None:
        try:
            make_checkpoint(self.streams, self.segments, self.planner)
        except PlanRefusedError:
            self._log_summary()
            raise

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Write STATE, as the SDK asks for after every checkpoint, and at no other time."""
        if self.settings.dry_run:
            self.logger.info("Dry run: STATE is not written.")
            return
        # Not the standard library's, which cannot write the decimals that the reader makes.
        self.write_line(serialize_json(state))

    @override
    def found(self) -> Found | None:
        # Whatever was not needed yet is not made to be told.
        if "segments" not in vars(self):
            return None
        judgements: dict[str, list[Judgement]] = {}
        for audience, judgement in self.planner.judgements.items():
            judgements.setdefault(audience.segment_key, []).append(judgement)
        return Found(
            tallies={segment.key: segment.tally for segment in self.segments},
            requests={key: dict(sent) for key, sent in self.client.requests.items()},
            judgements=judgements,
            streams=[*self.streams],
            refusals=self.segments.refusals,
            without_segment=self.segments.without_segment,
            missing_streams=len(self.streams.never_came()),
        )

    def _log_summary(self) -> None:
        if not self.line_number:
            self.logger.warning("The input held no message. Look whether the tap failed.")
            return
        for line in self.summary() or [progress.NOTHING]:
            self.logger.info("%s", line)

    def summary(self) -> list[str]:
        """Return what became of the records, segment by segment, and the requests it took."""
        lines = summarise(
            {segment.key: segment.tally for segment in self.segments},
            {segment.key: self.client.requests_of(segment.key) for segment in self.segments},
        )
        if count := self.segments.without_segment:
            lines.append(f"{counted(count, 'invalid record')} named no segment: skipped.")
        return lines

    @override
    def look_at(self, file_input: IO[str]) -> Judged:
        return CheckingTarget(config=self._config).judged(file_input)


class CheckingTarget(LookingTarget, TargetLaunchDarkly):
    """A target that reads an input for `--check`, and sends nothing."""

    default_sink_class = LookingSink
    segments_class = UnreadSegments

    def judged(self, file_input: IO[str]) -> Judged:
        """Read an input and return how a run would judge it."""
        self.read(file_input)
        self.words.settle()
        return Judged(
            look=self.look,
            streams=self.streams,
            words=self.words,
            columns=self.columns,
            tallies={segment.key: segment.tally for segment in self.segments},
            gaps=self.streams.gaps(),
            skips_invalid=self.settings.invalid_record_action == "skip",
            now=self.clock.now(),
        )
