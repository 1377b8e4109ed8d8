"""The command line: what a person or a job starts, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import nullcontext, suppress
from functools import cached_property
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from target_launchdarkly import boundary
from target_launchdarkly.api.calls import Connection
from target_launchdarkly.api.client import Client
from target_launchdarkly.discretion import Discretion
from target_launchdarkly.errors import InputError, OutputError, SettingsError
from target_launchdarkly.intake.reader import STDIN_CLOSED, MessageReader
from target_launchdarkly.report import progress
from target_launchdarkly.report.check import findings
from target_launchdarkly.report.findings import Finding
from target_launchdarkly.reporting import ReportingTarget

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import FrameType
    from typing import Self

    from singer_sdk.plugin_base import _ConfigInput

    from target_launchdarkly.report.inputs import Judged

#: Somebody waits for `--check`: one or two retries tell enough.
CHECK_PATIENCE_SECONDS = 5


class _InputFile(click.File):
    """The file of `--input`, where a closed standard input can be told from none."""

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "-" and sys.stdin is None:
            raise InputError(STDIN_CLOSED)
        return super().convert(value, param, ctx)


class CommandTarget(ReportingTarget):
    """A target that can be started, checked and stopped."""

    message_reader_class = MessageReader
    message_reader: MessageReader
    #: Whether a line is being written on stdout, and the signal that has come meanwhile.
    _is_writing = False
    _stopped_by: int | None = None

    @cached_property
    def client(self) -> Client:
        """The one client of this run."""
        return self._new_client(self.settings.max_retry_seconds)

    @property
    def line_number(self) -> int:  # type: ignore[override]
        """The line of the input that is in work, counted from 1."""
        return self.message_reader.line_number

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
        for param in command.params:
            if param.name == "file_input":
                param.type = _InputFile("r")
        command.params.append(
            click.Option(
                ["--check"],
                is_flag=True,
                help="Check settings, token, project, environment and segments, and exit. With "
                "--input (a path, or - for standard in) it reads streams as well, and says how a "
                "run would judge them. It changes nothing: whether the token may write is tried by "
                "a patch that takes out a key which nobody has, and not at all if dry_run is set.",
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
        progress.shorten()
        # A log line that cannot be written is no reason for another one, with a traceback.
        logging.raiseExceptions = False
        discretion = Discretion()
        with discretion.at_the_handlers():
            try:
                target = cls._made(config, discretion)
            except Exception as error:  # noqa: BLE001 whatever it is: this is the last place
                told = boundary.told(error)
                if not check:
                    cls.sum_up_unmade(config, error, told)
                cls._end(told, error)
            try:
                if check:
                    target.check(discretion, file_input)
                target.run(file_input)
            except Exception as error:  # noqa: BLE001
                if check:
                    cls._end(boundary.told(error, target.line_number), error)
                target.fail(error)

    @classmethod
    def _made(cls, config: _ConfigInput | None, discretion: Discretion) -> Self:
        """Return the target, its settings checked.

        Raises:
            SettingsError: They could not be read.
        """
        # Before any problem of the settings is told.
        discretion.keep(cls.given_token(config))
        cls.print_version(print_fn=cls.logger.info)
        if problem := getattr(config, "problem", ""):
            raise SettingsError([f"The config cannot be read: {problem}"])
        cls.warn_of_variables()
        target = cls(
            config=config.config if config else {},
            parse_env_config=bool(config and config.parse_env),
        )
        discretion.keep(target.settings.access_token)
        return target

    def run(self, file_input: IO[str] | None) -> None:
        """Read the input to its end, unless a signal stops it."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._handle_termination)
        self.begin()
        with self.progress():
            self.listen(file_input)
        self.sum_up("succeeded", 0)

    def look_at(self, file_input: IO[str]) -> Judged:
        """Read an input and return how a run would judge it; nothing is sent."""
        # Whoever makes sinks knows how.
        raise NotImplementedError

    def check(self, discretion: Discretion, file_input: IO[str] | None) -> NoReturn:
        """Print what `--check` finds, a line each; exit with 0 if all is well, else with 1."""
        judged = None if file_input is None else self.look_at(file_input)
        of_input = judged.findings() if judged else ()
        feeds = judged.feeds if judged else ()
        client = self._new_client(min(self.settings.max_retry_seconds, CHECK_PATIENCE_SECONDS))
        is_well = True
        of_settings = [*self.findings_of_files()] or [Finding("ok", "settings", "all can be used")]
        found = findings(self.settings, client, feeds)
        for finding in chain(of_settings, of_input, found):
            self.write_line(discretion.told(str(finding)))
            is_well = is_well and finding.level != "FAIL"
        sys.exit(0 if is_well else 1)

    def progress(self) -> AbstractContextManager[None]:
        """Show a live line while the run goes on, if somebody watches."""
        if not progress.is_wanted():
            return nullcontext()
        return progress.shown(self.segments, self.client)

    def fail(self, error: Exception) -> NoReturn:
        """Say what failed and what was done before, and exit with code 1."""
        told = f"{boundary.told(error, self.line_number)} {self._done_so_far()}"
        self.sum_up_failure(error, told)
        self._end(told, error)

    @classmethod
    def _end(cls, told: str, error: Exception) -> NoReturn:
        cls.logger.error("%s", told)
        cls.logger.debug("Where it came from:", exc_info=error)
        sys.exit(1)

    def _done_so_far(self) -> str:
        done = [
            f"segment '{segment.key}' {segment.tally.applied}"
            for segment in (self.segments if "segments" in vars(self) else ())
            if segment.tally.applied and not self.settings.dry_run
        ]
        return (
            f"Applied before that: {'; '.join(done) or 'nothing'}. No STATE was written for what "
            "was not applied; a rerun is safe."
        )

    def write_line(self, line: str) -> None:
        """Write a line on stdout, whole, whatever signal comes meanwhile.

        Raises:
            OutputError: It cannot be written.
        """
        if sys.stdout is None:
            raise OutputError("Nothing can be written: stdout is closed.")
        self._is_writing = True
        try:
            _write_all(f"{line}\n")
            self.lines_written += 1
        except (OSError, ValueError) as error:
            reason = boundary.system_reason(error)
            raise OutputError(
                f"stdout cannot be written to ({reason}): look at what reads it."
            ) from error
        finally:
            self._is_writing = False
            if self._stopped_by is not None:
                self._handle_termination(self._stopped_by, None)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once. The SDK's handler would drain again what is being drained, and write STATE.

        A line that is being written on stdout is written to its end.

        https://github.com/meltano/sdk/issues/3775
        """
        if self._is_writing:
            self._stopped_by = signum
            return
        progress.leave()
        if "changes" in vars(self):
            self.changes.hold()
        name = signal.Signals(signum).name
        told = f"Stopped by {name}. Nothing more is sent. {self._done_so_far()}"
        self._say_last(told)
        # Whatever it is: to stop matters more.
        with suppress(Exception):
            self.sum_up("stopped", 128 + signum, **{name: told})
        # Not sys.exit: an exception could be caught on its way, and would wait for other threads.
        os._exit(128 + signum)

    def _say_last(self, text: str) -> None:
        """Log an error without waiting for anybody.

        A signal may interrupt whoever holds the locks of a handler, of its stream or of the live
        line, so that to log as usual may wait for ever.
        """
        name, level = self.logger.name, logging.ERROR
        record = self.logger.makeRecord(name, level, __file__, 0, text, (), None)
        for handler in logging.getLogger().handlers[:1]:
            line = f"{handler.format(record)}\n"
            # If stderr was closed, its descriptor may be that of a connection by now.
            if sys.__stderr__ is not None:
                with suppress(OSError, ValueError):
                    os.write(sys.__stderr__.fileno(), line.encode(errors="backslashreplace"))


def _write_all(text: str) -> None:
    """Write on stdout.

    Python's own stream loses the rest of a large text if a signal comes while it waits for a
    reader (seen with 3.11.7, where `print("x" * 3_000_000)` ends after 135,168 bytes).
    """
    sys.stdout.flush()
    if sys.__stdout__ is None or sys.stdout is not sys.__stdout__:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    descriptor, left = sys.__stdout__.fileno(), memoryview(text.encode())
    while left:
        left = left[os.write(descriptor, left) :]
