"""The target: wires the parts, owns the end of input and signals."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from contextlib import nullcontext
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

import click
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator
from singer_sdk.singerlib.json import serialize_json

from target_launchdarkly import settings
from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client, Clock
from target_launchdarkly.audience.audiences import ChangePolicy
from target_launchdarkly.audience.snapshots import Snapshots
from target_launchdarkly.errors import TargetError
from target_launchdarkly.intake import batches
from target_launchdarkly.intake.ingest import Ingest
from target_launchdarkly.intake.reader import MessageReader
from target_launchdarkly.report import progress
from target_launchdarkly.report.check import findings
from target_launchdarkly.report.tally import summarise
from target_launchdarkly.segments.segments import Segments
from target_launchdarkly.sinks import AudienceSink, AudienceTarget

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput
    from singer_sdk.sinks import Sink

    from target_launchdarkly.settings import Settings

TRUTH = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "off"), False
)
#: Somebody waits for `--check`: one or two retries tell enough.
CHECK_PATIENCE_SECONDS = 5
#: How much of an SDK error's text is told; some quote whole schemas.
MAX_SDK_MESSAGE = 300


class TargetLaunchDarkly(AudienceTarget):
    """Keeps LaunchDarkly segments in step with audiences in a warehouse."""

    name = "target-launchdarkly"
    package_name = "target-launchdarkly"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.CONFIG_JSONSCHEMA
    default_sink_class = AudienceSink
    message_reader_class = MessageReader
    message_reader: MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.BATCH,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    #: Whether records go the short way where it means the same; tests compare the two.
    has_short_way: ClassVar[bool] = True
    _has_ended = False
    #: Time as the run sees it; tests put their own in its place.
    clock: ClassVar[Clock] = Clock()

    # Settings

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        for name in settings.WITHOUT_EFFECT:
            config_jsonschema["properties"].pop(name, None)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """Read the environment; what does not parse stays text, for the validator to name."""
        cls.append_builtin_config(cls.config_jsonschema)
        properties = cls.config_jsonschema["properties"]
        # As text, because the SDK's own conversion ends in a traceback or turns "ja" into False.
        as_text = {"properties": {name: {"type": ["string"]} for name in properties}}
        found = parse_environment_config(as_text, cls._env_var_prefix)
        return {name: _from_text(text, properties[name]) for name, text in found.items()}

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Collect every problem, each beginning with its setting's name."""
        for name in [name for name, value in self._config.items() if value is None]:
            del self._config[name]
        problems = self._setting_problems()
        if problems and raise_errors:
            raise ConfigValidationError("The settings cannot be used.", errors=problems)
        return problems

    def _setting_problems(self) -> list[str]:
        self.append_builtin_config(self.config_jsonschema)
        known = self.config_jsonschema["properties"]
        errors = [
            error
            for error in JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config)
            if error.validator != "required"
        ]
        missing = [name for name in settings.REQUIRED if name not in self._config]
        usable = settings.without_wrong(self._config, {str(error.path[0]) for error in errors})
        return [
            *settings.unknown_names(self._config, known),
            *(settings.explain(each.path, each.validator, each.validator_value) for each in errors),
            *(settings.missing(name, self._env_var_prefix) for name in missing),
            *settings.contradictions(usable),
        ]

    @cached_property
    def settings(self) -> Settings:  # type: ignore[override]
        """The checked settings."""
        return settings.read(self._config)

    @cached_property
    def segments(self) -> Segments:  # type: ignore[override]
        """The segments of this run."""
        policy = ChangePolicy(
            chunk_size=self.settings.batch_size_rows,
            removal_action=self.settings.removal_action,
            excluded_key_action=self.settings.excluded_key_action,
            comment=self.settings.comment,
            dry_run=self.settings.dry_run,
            max_removal_percent=self.settings.max_removal_percent,
            create_segment=self.settings.create_segment,
        )
        return Segments(self.client, policy)

    @cached_property
    def snapshots(self) -> Snapshots:  # type: ignore[override]
        """The snapshot streams of this run."""
        return Snapshots(self.settings, self.clock.now)

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
            self.message_reader.ingest = Ingest(self)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        if message_dict.get("bookmark_properties"):
            for stream_name in self._aliases(message_dict):
                self.snapshots.note_incremental(stream_name)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.snapshots.note_records(self._aliases(message_dict), message_dict.get("version"))
        super()._process_record_message(message_dict)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Take it as a sign that a snapshot came whole; it changes nothing by itself."""
        version = message_dict["version"]
        self.snapshots.note_activate_version(self._aliases(message_dict), version)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Read the files record by record, so that all rules hold as for RECORD messages."""
        for record in batches.records(message_dict, self.config.get("batch_config")):
            self._process_record_message(
                {
                    "type": "RECORD",
                    "stream": message_dict["stream"],
                    "record": record,
                    "version": message_dict.get("version"),
                }
            )

    def _aliases(self, message_dict: dict[str, Any]) -> list[str]:
        """Return the streams that a tap's stream becomes by the stream maps."""
        stream_maps = self.mapper.stream_maps.get(message_dict["stream"], ())
        return [stream_map.stream_alias for stream_map in stream_maps]

    # Drains and STATE

    @override
    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        """Send everything, because a drain of all sinks may be followed by STATE.

        One sink after the other: sinks only hand over to segments, which no two threads may do
        for the same one.
        """
        super()._drain_all(sink_list, 1)
        self.segments.flush()

    @override
    def process_endofpipe(self) -> None:
        """Make the snapshots' removals when everything else is acknowledged, and STATE last."""
        self._drain_all([*self._sinks_to_clear, *self._sinks_active.values()], 1)
        if self.snapshots.are_expected:
            problem = self.snapshots.conclude()
            self.segments.flush()
            if problem:
                self._log_summary(logging.INFO)
                raise problem
        self._has_ended = True
        super().process_endofpipe()
        self._log_summary(logging.INFO)

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        if self.settings.dry_run:
            self.logger.info("Dry run: STATE is not written.")
            return
        if self.snapshots.are_expected and not self._has_ended:
            # Resumed from here, the tap would send the rest only, which is no snapshot.
            return
        # Not the standard library's, which cannot write the decimals that the reader makes.
        sys.stdout.write(f"{serialize_json(state)}\n")
        sys.stdout.flush()

    def _log_summary(self, level: int) -> None:
        for line in self.summary():
            self.logger.log(level, "%s", line)

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
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            # No traceback: its last line may quote the config, which holds the token.
            cls.logger.error("The config cannot be read: %s", _why(error))  # noqa: TRY400
            ctx.exit(1)

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


def _from_text(text: str, schema: Mapping[str, Any]) -> Any:
    """Return an environment variable's value as its setting's type, or as it is."""
    types = schema.get("type", [])
    try:
        if "boolean" in types:
            return TRUTH[text.strip().lower()]
        if "integer" in types:
            return int(text)
        if "number" in types:
            return float(text)
        if "object" in types or "array" in types:
            return json.loads(text)
    except (KeyError, ValueError):
        pass
    return text


def _why(error: Exception) -> str:
    """Return what is wrong with a config file, without quoting from it: it holds the token."""
    if hasattr(error, "lineno"):
        return f"it is not valid JSON (line {error.lineno}, column {getattr(error, 'colno', 1)})."
    if isinstance(error, OSError):
        return str(error)
    return "it must be a JSON object of settings."
