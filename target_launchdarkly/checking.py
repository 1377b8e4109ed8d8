"""What reads an input for `--check`: as a run does, but nothing is sent and much is noted."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from target_launchdarkly import boundary
from target_launchdarkly.errors import StreamError
from target_launchdarkly.report.changes import Changes
from target_launchdarkly.report.inputs import Look
from target_launchdarkly.sinks import NOT_ACTED_ON, AudienceSink, AudienceTarget

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_launchdarkly.intake.membership import Row
    from target_launchdarkly.sinks import Line


class Flaws(Changes):
    """Takes note of the records that cannot be used."""

    is_told = True

    def __init__(self, look: Look) -> None:
        self._look = look

    @override
    def note(self, action: str, reason: str, **more: Any) -> None:
        if reason != NOT_ACTED_ON:
            self._look.note_flaw(more["stream"], reason, more["line"])


class LookingTarget(AudienceTarget):
    """Notes what a run would warn of or end at, and goes on."""

    @cached_property
    def look(self) -> Look:
        """What was noted so far."""
        return Look()

    @cached_property
    def changes(self) -> Changes:  # type: ignore[override]
        """Nobody changes; records that cannot be used are noted."""
        return Flaws(self.look)

    def read(self, file_input: IO[str]) -> None:
        """Read an input to its end, or to what ends a run whatever comes after it."""
        try:
            self.listen(file_input)
        except Exception as error:  # noqa: BLE001 what it was is a finding
            self.look.error = boundary.told(error, self.line_number)
        self.look.lines = self.line_number

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        name = message_dict["stream"]
        try:
            super()._process_schema_message(message_dict)
        except StreamError as error:
            if name in self.columns:
                # A sink is there, for which what went wrong is another stream.
                raise
            self.look.broken[name] = str(error).removeprefix(f"stream '{name}' ")

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict["stream"] not in self.look.broken:
            super()._process_record_message(message_dict)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict["stream"] not in self.look.broken:
            super()._process_batch_message(message_dict)

    @override
    def _handle_max_record_age(self) -> None:
        """Make no checkpoint: nothing is sent."""

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Write none: nothing is done that it could claim."""

    @override
    def process_endofpipe(self) -> None:
        """Leave the words where they are."""


class LookingSink(AudienceSink):
    """Notes what is wrong with records, and goes on."""

    _target: LookingTarget

    def __init__(
        self,
        target: LookingTarget,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Open the stream, as a run does."""
        super().__init__(target, stream_name, schema, key_properties)
        self._skips_invalid = True

    @property
    @override
    def tells_skipped(self) -> bool:
        """Whether each record that says nothing is told by its line: it is counted only."""
        return False

    @override
    def _warn(self, warning: str) -> None:
        self._target.look.warnings.setdefault(self.stream_name, []).append(warning)

    @override
    def _take(self, row: Row, problem: str | None = None) -> Line | None:
        try:
            return super()._take(row, problem)
        except StreamError as error:
            told = str(error).removeprefix(f"stream '{self.stream_name}' ")
            self._target.look.broken.setdefault(self.stream_name, told)
            return None

    @override
    def _reject(self, problem: str, row: Row, line: Line | None = None) -> None:
        self._tell("skip", problem, row, line)
