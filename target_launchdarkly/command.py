"""The command line: what a person or a job starts, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import nullcontext
from functools import cached_property
from typing import IO, TYPE_CHECKING, ClassVar, NoReturn

import click
from singer_sdk.exceptions import SingerSDKError

from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.api.clock import Clock
from target_launchdarkly.errors import TargetError
from target_launchdarkly.intake.reader import MessageReader
from target_launchdarkly.report import progress
from target_launchdarkly.report.check import findings
from target_launchdarkly.sinks import AudienceTarget

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import FrameType

    from singer_sdk.plugin_base import _ConfigInput

#: Somebody waits for `--check`: one or two retries tell enough.
CHECK_PATIENCE_SECONDS = 5
#: How much of an SDK error's text is told; some quote whole schemas.
MAX_SDK_MESSAGE = 300


class CommandTarget(AudienceTarget):
    """A target that can be started, checked and stopped."""

    message_reader_class = MessageReader
    message_reader: MessageReader
    #: Time as the run sees it; tests put their own in its place.
    clock: ClassVar[Clock] = Clock()

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
