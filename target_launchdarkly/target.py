"""The target: wires the parts, owns the end of input and signals."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import nullcontext
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

import click
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib.json import serialize_json

from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.api.clock import Clock
from target_launchdarkly.audience.plan import Policy
from target_launchdarkly.audience.planner import Planner
from target_launchdarkly.audience.streams import Streams
from target_launchdarkly.audience.words import Words
from target_launchdarkly.checkpoint import make_checkpoint
from target_launchdarkly.errors import PlanRefusedError, TargetError
from target_launchdarkly.intake import batches
from target_launchdarkly.intake.reader import MessageReader
from target_launchdarkly.intake.records import Records
from target_launchdarkly.report import progress
from target_launchdarkly.report.check import findings
from target_launchdarkly.report.tally import summarise
from target_launchdarkly.segments.drafts import Requests
from target_launchdarkly.segments.segments import Segments
from target_launchdarkly.sinks import AudienceSink, AudienceTarget

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput

#: Somebody waits for `--check`: one or two retries tell enough.
CHECK_PATIENCE_SECONDS = 5
#: How much of an SDK error's text is told; some quote whole schemas.
MAX_SDK_MESSAGE = 300


class TargetLaunchDarkly(AudienceTarget):
    """Keeps LaunchDarkly segments in step with audiences in a warehouse."""

    name = "target-launchdarkly"
    package_name = "target-launchdarkly"
    default_sink_class = AudienceSink
    message_reader_class = MessageReader
    message_reader: MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.BATCH,
    ]

    #: Whether records go the short way where it means the same; tests compare the two.
    has_short_way: ClassVar[bool] = True
    #: Time as the run sees it; tests put their own in its place.
    clock: ClassVar[Clock] = Clock()

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
        )
        return Segments(self.client, requests, self.settings.create_segment)

    @cached_property
    def words(self) -> Words:
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
        return Planner(self.words, self.streams, policy)

    @cached_property
    def client(self) -> Client:
        """The one client of this run."""
        return self._new_client(self.settings.max_retry_seconds)

    def _new_client(self, max_retry_seconds: float) -> Client:
        connection = Connection(
            api_url=self.settings.api_url,
            project_key=self.settings.project_key,
            environment_key=self.settings.environment_key,
            user_agent=f"{self.name}/{self.plugin_version}",
            request_timeout_seconds=self.settings.request_timeout,
            max_retry_seconds=max_retry_seconds,
        )
        return Client(connection, self.settings.access_token, clock=self.clock)

    # Messages

    @override
    def setup_mapper(self) -> None:
        super().setup_mapper()
        if self.has_short_way:
            self.message_reader.records = Records(self)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        name = message_dict["stream"]
        bookmarks = message_dict.get("bookmark_properties") or ()
        for stream_map in self.mapper.stream_maps.get(name, ()):
            # Of a stream that stream maps leave out, nothing reaches a sink.
            if not isinstance(stream_map, RemoveRecordTransform):
                self.streams.open(name, stream_map.stream_alias, bookmarks)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.tap_stream = message_dict["stream"]
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
        way = records.way_of(name) if records else None
        for row in batches.rows(message_dict, self.config.get("batch_config"), way):
            if way is None or isinstance(row, dict):
                message = {"type": "RECORD", "stream": name, "record": row, "version": version}
                self._process_record_message(message)
            else:
                way.take_row(row, version)
                self._handle_max_record_age()

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
        for stream_name in self.streams.never_came():
            self.logger.warning(
                "Stream '%s', which streams names, never came. Look whether it is selected and "
                "named just so.",
                stream_name,
            )
        self._make_checkpoint()
        super().process_endofpipe()
        self._log_summary()

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
        sys.stdout.write(f"{serialize_json(state)}\n")
        sys.stdout.flush()

    def _log_summary(self) -> None:
        for line in self.summary():
            self.logger.info("%s", line)

    def summary(self) -> list[str]:
        """Return what became of the records, segment by segment, and the requests it took."""
        lines = summarise(
            {segment.key: segment.tally for segment in self.segments},
            {segment.key: self.client.requests_of(segment.key) for segment in self.segments},
        )
        if count := self.segments.without_segment:
            lines.append(
                f"{count:,} invalid record{'' if count == 1 else 's'} named no segment: skipped."
            )
        return lines

    # Command line

    @override
    def _setup_signal_handlers(self) -> None:
        """Leave the signals alone here: `invoke` sets them, and only for the command."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--check"],
                is_flag=True,
                help="Check settings, token, project, environment and segments, and exit. Reads no "
                "input and changes nothing.",
            )
        )
        return command

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
        check: bool = False,
    ) -> None:
        """Run the target as the command does: failures are one ERROR line and exit code 1."""
        if about:
            cls.print_about(about_format)
            return
        if progress.is_wanted():
            progress.quiet()
        cls.print_version(print_fn=cls.logger.info)
        cls.warn_of_variables()
        target = cls(
            config=config.config if config else {},
            parse_env_config=bool(config and config.parse_env),
        )
        if check:
            target.check()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, target._handle_termination)
        try:
            with target.progress():
                target.listen(file_input)
        except (TargetError, SingerSDKError) as error:
            target.fail(error)

    def check(self) -> NoReturn:
        """Print what `--check` finds, a line each; exit with 0 if all is well, else with 1."""
        client = self._new_client(min(self.settings.max_retry_seconds, CHECK_PATIENCE_SECONDS))
        is_well = True
        for finding in findings(self.settings, client):
            click.echo(str(finding))
            is_well = is_well and finding.is_good
        sys.exit(0 if is_well else 1)

    def progress(self) -> AbstractContextManager[None]:
        """Show a live line while the run goes on, if somebody watches."""
        if not progress.is_wanted():
            return nullcontext()
        return progress.shown(self.segments, self.client)

    def fail(self, error: TargetError | SingerSDKError) -> NoReturn:
        """Say what failed and what was done before, and exit with code 1."""
        cause = str(error)
        if isinstance(error, SingerSDKError):
            first_sentence = " ".join(cause.split())[:MAX_SDK_MESSAGE]
            cause = f"Line {self.message_reader.line_number}: {first_sentence}"
        self.logger.error("%s %s", cause, self._done_so_far())
        sys.exit(1)

    def _done_so_far(self) -> str:
        done = [
            f"segment '{segment.key}' {segment.tally.added:,} added, "
            f"{segment.tally.removed:,} removed"
            for segment in self.segments
            if segment.tally.changed and not self.settings.dry_run
        ]
        return (
            f"Applied before that: {'; '.join(done) or 'nothing'}. No STATE was written for what "
            "was not applied; a rerun is safe."
        )

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> NoReturn:
        """Stop at once. The SDK's handler would drain again what is being drained, and write STATE.

        https://github.com/meltano/sdk/issues/3775
        """
        # A handler may interrupt a log line that is half written; that must not end in an error.
        logging.raiseExceptions = False
        self.logger.error(
            "Stopped by %s. Nothing more is sent. %s",
            signal.Signals(signum).name,
            self._done_so_far(),
        )
        progress.leave()
        # Not sys.exit: an exception could be caught on its way, and would wait for other threads.
        os._exit(128 + signum)
