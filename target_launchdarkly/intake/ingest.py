"""Records on a short way: lines become memberships without the SDK's work for each record.

A stream's JSON Schema becomes a type by which msgspec decodes whole lines, so that decoding is
validation. It is stricter than the schema wherever the two could differ. A line that such a type
rejects, and every line of a stream that has none, goes the SDK's way, unchanged and in its turn.
"""

from __future__ import annotations

import logging
from operator import length_hint
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from singer_sdk.mapper import SameRecordTransform

from target_launchdarkly.audience.words import IN, OUT
from target_launchdarkly.intake.membership import DECISIONS, FLAGS
from target_launchdarkly.intake.rowtypes import (
    ABSENT,
    UNSUPPORTED,
    Column,
    columns_of,
    struct,
    union,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from singer_sdk.mapper import StreamMap

    from target_launchdarkly.audience.words import Voice
    from target_launchdarkly.sinks import AudienceSink, AudienceTarget

#: What a pipe holds, so that one read empties it.
BLOCK_BYTES = 65_536
#: A line with more brackets may be nested so deeply that it depends on the parser who fails.
MAX_BRACKETS = 200

#: Stands for a flag that does not decide.
UNDECIDED = cast("int", object())


class Ingest:
    """Takes the records of a run that it can take, and leaves the rest of the input.

    Args:
        target: Asked for the streams' sinks, and told when a sink may be due.
    """

    def __init__(self, target: AudienceTarget) -> None:
        self._target = target
        #: The line in work, counted from 1.
        self.line_number = 0
        #: How many records were taken.
        self.records = 0
        self._layout = target.layout
        self._streams: dict[str, _Stream | None] = {}
        self._decode: Callable[[bytes], Any] = _decode_nothing
        self._takers: dict[type, Callable[[Any], bool]] = {}
        self._nests = False

    def rest(self, source: IO[bytes]) -> Iterator[bytes]:
        """Take what can be taken, and yield every other line in its turn.

        Raises:
            TargetError: As the SDK's way would, at the same line.
        """
        for lines in _blocks(source):
            yield from self._rest_of(lines)

    def _rest_of(self, lines: list[bytes]) -> Iterator[bytes]:
        todo = iter(lines)
        last = self.line_number + len(lines)
        decode, takers, nests = self._decode, self._takers, self._nests
        try:
            for line in todo:
                # Nothing but the decoding: its errors alone mean another way for the line.
                try:
                    message = decode(line)
                except (ValueError, RecursionError):
                    message = None
                if nests and line.count(b"[") + line.count(b"{") > MAX_BRACKETS:
                    message = None
                if message is None or not takers[message.__class__](message):
                    self._settle()
                    self.line_number = last - length_hint(todo)
                    yield line
                    if self._layout != self._target.layout:
                        self._compile()
                        decode, takers, nests = self._decode, self._takers, self._nests
        finally:
            self.line_number = last - length_hint(todo)
            self._count()
        self._settle()

    def _count(self) -> int:
        """Hand over what the streams have counted."""
        taken = sum(stream.count() for stream in self._streams.values() if stream)
        self.records += taken
        return taken

    def _settle(self) -> None:
        if self._count():
            self._target.look_at_age()

    def _compile(self) -> None:
        """Look at the streams again: one is new, or has another schema or column."""
        import msgspec  # noqa: PLC0415 not before there is something to decode

        self._layout = self._target.layout
        for name, stream_maps in self._target.mapper.stream_maps.items():
            sink = self._target.sink_of(name) if _is_identity(name, stream_maps) else None
            known = self._streams.get(name)
            if sink is None:
                self._streams[name] = None
            elif known is None or not known.is_of(sink):
                self._streams[name] = _stream(self._target, sink)
        streams = [stream for stream in self._streams.values() if stream]
        self._takers = {stream.message_type: stream.take for stream in streams}
        self._nests = any(stream.nests for stream in streams)
        self._decode = _decode_nothing
        if streams:
            # One more than there are, because msgspec lets the tag of a lone type be absent.
            names = [name for name, stream in self._streams.items() if stream]
            beside = f"{max(names, key=len)}+"
            other = msgspec.defstruct("Other", [], tag_field="stream", tag=beside)
            self._takers[other] = _leave
            self._decode = msgspec.json.Decoder(union(self._takers)).decode


class _Stream:
    """One stream's way from a decoded message to its segments.

    Args:
        target: Told when the sink may be due.
        sink: The stream's sink.
        message_type: What its RECORD messages are decoded to.
        columns: Its records' properties, by name.
    """

    def __init__(
        self,
        target: AudienceTarget,
        sink: AudienceSink,
        message_type: type,
        columns: Mapping[str, Column],
    ) -> None:
        self.message_type = message_type
        #: Whether a record may hold arrays or objects.
        self.nests = any(column.nests for column in columns.values())
        self._target = target
        self._sink = sink
        self._undeclared = dict(sink.undeclared)
        self._roles = [(name, each.attribute) for name, each in columns.items() if each.is_read]
        self._dates = [(each.attribute, each.parse) for each in columns.values() if each.parse]
        self._words = _words(sink)
        #: Where all words go, where every record is about the same segment and it was read.
        self._voice: Voice | None = None
        self._said = self._not_acted_on = self._processed = 0

    def is_of(self, sink: AudienceSink) -> bool:
        """Whether this is still the way of that sink's records."""
        return self._sink is sink and self._undeclared == sink.undeclared

    def take(self, message: Any) -> bool:
        """Take a record, or return False to leave it to the SDK's way.

        Raises:
            TargetError: As the sink would.
        """
        record = message.record
        for attribute, parse in self._dates:
            text = getattr(record, attribute)
            if text.__class__ is str:
                try:
                    parse(text)
                except ValueError:
                    return False
        voice = self._voice
        if voice is not None:
            key = record.key
            word = self._words.get(record.flag if record.deleted is None else False, UNDECIDED)
            # What is plain goes straight to the words; the sink looks at everything else.
            if word is not UNDECIDED and key.__class__ is str and key and not key.isspace():
                if word is None:
                    self._not_acted_on += 1
                else:
                    self._said += 1
                    voice.say(key, word)
                return True
        self._process(message)
        return True

    def _process(self, message: Any) -> None:
        record = message.record
        read = {
            name: value
            for name, attribute in self._roles
            if (value := getattr(record, attribute)) is not ABSENT
        }
        self._processed += 1
        self._sink.take(read, deleted=record.deleted is not None, version=message.version)
        if self._voice is None:
            self._voice = self._sink.voice

    def count(self) -> int:
        """Tell the sink what was only counted, and return how many records were taken since."""
        said = self._said + self._not_acted_on
        if said:
            self._sink.tally_said(self._said, self._not_acted_on)
            self._processed += said
            self._said = self._not_acted_on = 0
        taken, self._processed = self._processed, 0
        return taken


def _stream(target: AudienceTarget, sink: AudienceSink) -> _Stream | None:
    """Return the short way of a sink's records, or None if there is none that means the same."""
    import msgspec  # noqa: PLC0415

    if sink.logger.isEnabledFor(logging.DEBUG) or sink.include_sdc_metadata_properties:
        return None
    try:
        # A name that is not valid Unicode is told apart only when there are two.
        sink.stream_name.encode()
        columns = columns_of(sink)
        message_type = msgspec.defstruct(
            "Record",
            [
                ("type", Literal["RECORD"]),
                ("record", struct(columns)),
                ("version", int | str | None, None),
                ("time_extracted", str | None, None),
            ],
            tag_field="stream",
            tag=sink.stream_name,
            forbid_unknown_fields=True,
            gc=False,
        )
        # Only here does msgspec look at all of it.
        msgspec.json.Decoder(message_type)
    except UNSUPPORTED:
        return None
    return _Stream(target, sink, message_type, columns)


def _words(sink: AudienceSink) -> dict[object, int | None]:
    """Return the word of each flag; of flags that are not here, the sink decides."""
    meaning = {
        flag: None if included is None else IN if included else OUT
        for flag, included in DECISIONS[sink.rule.mode].items()
    }
    words: dict[object, int | None] = {flag: meaning[says] for flag, says in FLAGS.items()}
    words |= {True: meaning[True], False: meaning[False]}
    if not sink.rule.has_flag:
        words[ABSENT] = meaning[None]
    return words


def _is_identity(name: str, stream_maps: list[StreamMap]) -> bool:
    """Whether a stream's records reach its sink as they are."""
    return [(type(each), each.stream_alias, each.flattening_enabled) for each in stream_maps] == [
        (SameRecordTransform, name, False)
    ]


def _decode_nothing(line: bytes) -> None:
    """Leave every line to the SDK's way."""


def _leave(message: object) -> bool:  # noqa: ARG001
    """Leave a message to the SDK's way."""
    return False


def _blocks(source: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield lines as they come, many at a time, without waiting for more than is there."""
    parts: list[bytes] = []
    while block := source.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        lines, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*parts, lines]).split(b"\n")
            parts.clear()
        parts.append(rest)
    if last := b"".join(parts):
        yield [last]
