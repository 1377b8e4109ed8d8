"""Lines of the input become Singer messages; a line that is none is told by its number."""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Any, cast

from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_launchdarkly.errors import InputError
from target_launchdarkly.intake.membership import integer, number

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator

    from target_launchdarkly.intake.records import Records

#: So deep the SDK can copy a STATE, and more than any tap nests anything.
MAX_DEPTH = 100
#: The properties that each message needs, with the types that the SDK relies on.
REQUIRED_PROPERTIES: dict[str, dict[str, type]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "STATE": {"value": object},
    "ACTIVATE_VERSION": {"stream": str, "version": object},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
}
#: Those that a SCHEMA may have; null says the same as none.
OPTIONAL_LISTS = ("key_properties", "bookmark_properties")

STDIN_CLOSED = "stdin is closed. Pipe the output of a tap into the target."


class MessageReader(GenericSingerReader[bytes]):
    """Reads bytes, so that the keys do not depend on the machine's locale."""

    def __init__(self) -> None:
        super().__init__()
        #: Takes records on a short way; None for the SDK's way alone.
        self.records: Records | None = None
        self._line_number = 0

    @property
    def line_number(self) -> int:
        """The line in work, counted from 1."""
        return self.records.line_number if self.records else self._line_number

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes.

        Raises:
            InputError: There is none.
        """
        if sys.stdin is None:
            raise InputError(STDIN_CLOSED)
        return sys.stdin.buffer

    @override
    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Raise every `InputError` with the number of its line."""
        source: Any = file_input or self.default_input
        source = getattr(source, "buffer", source)
        if not hasattr(source, "read1"):
            self.records = None
        lines = self.records.rest(source) if self.records else self._numbered(source)
        lines_of_text = (line for line in lines if line.strip())
        try:
            counts = super().process_lines(cast("IO[bytes]", lines_of_text), callbacks)
        except InputError as error:
            error.args = (f"Line {self.line_number}: {error}",)
            raise
        if self.records and self.records.lines:
            counts["RECORD"] += self.records.lines
        return counts

    def _numbered(self, lines: Iterable[bytes | str]) -> Iterator[bytes]:
        for line in lines:
            self._line_number += 1
            yield line if isinstance(line, bytes) else line.encode(errors="surrogatepass")

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Parse one line.

        Raises:
            InputError: The line is no Singer message. The message never quotes it.
        """
        try:
            message: Any = json.loads(line, parse_float=number, parse_int=integer)
        except (ValueError, RecursionError):
            raise InputError(
                "not valid JSON. The tap may have died while it wrote, or prints something else "
                "than Singer messages on stdout; look at the tap's log."
            ) from None
        if not isinstance(message, dict):
            raise InputError("JSON, but no Singer message: it must be an object with a 'type'.")
        _check(message)
        # Of a record, only what is read is looked at.
        if message["type"] != "RECORD" and _depth(message) > MAX_DEPTH:
            raise InputError(
                f"a {message['type']} message that is nested more than {MAX_DEPTH} levels deep. "
                "Look at the tap."
            )
        return message

    @override
    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        known = ", ".join(REQUIRED_PROPERTIES)
        raise InputError(f"unknown message type; this target knows {known}. Look at the tap.")


def _depth(value: Any) -> int:
    """Return how deeply arrays and objects stand within each other, without recursion."""
    depth, layer = 0, [value]
    while layer:
        depth += 1
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _check(message: dict[str, Any]) -> None:
    message_type = message.get("type")
    if not isinstance(message_type, str):
        raise InputError("a message without a 'type'. Look at the tap.")
    for name, needed in REQUIRED_PROPERTIES.get(message_type, {}).items():
        if name not in message or not isinstance(message[name], needed):
            raise InputError(
                f"a {message_type} message without a usable '{name}'. Look at the tap."
            )
    if message_type == "SCHEMA":
        _check_schema(message)


def _check_schema(message: dict[str, Any]) -> None:
    if not isinstance(message["schema"].get("properties"), dict):
        raise InputError(
            f"the SCHEMA of stream '{message['stream']}' has no 'properties'. Look at the tap."
        )
    for name in OPTIONAL_LISTS:
        found = message.get(name) or []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise InputError(f"a SCHEMA message without a usable '{name}'. Look at the tap.")
