"""Records as far as they are read: one typed decoder for RECORD lines, snapshots and BATCH files.

What is read of a stream's records becomes a type, by which msgspec decodes whole lines; it passes
over everything else. A line that such a type rejects, and every line of a stream whose records a
stream map changes, goes the SDK's way, in its turn, and means the same there.
"""

from __future__ import annotations

from operator import length_hint
from typing import IO, TYPE_CHECKING, Any, Union

from singer_sdk.mapper import SameRecordTransform

from target_launchdarkly.intake.blocks import blocks
from target_launchdarkly.intake.ways import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_sdk.mapper import StreamMap

    from target_launchdarkly.sinks import AudienceTarget


class Records:
    """Takes the records of a run that it can take, and leaves the rest of the input.

    Args:
        target: Asked for the streams' sinks, and told when a checkpoint may be due.
    """

    def __init__(self, target: AudienceTarget) -> None:
        self._target = target
        #: The lines before the block in work; the way that takes the block, or what is left of it.
        self._before = 0
        self._way: Way | None = None
        self._todo: Iterator[bytes] | None = None
        #: Whether the line after the one in work was read, to see that it is none of these.
        self._is_ahead = False
        #: How many records were taken, those of BATCH files as well, and how many as lines.
        self.taken = self.lines = 0
        self._layout = 0
        self._ways: dict[str, Way] = {}
        #: By the type of a decoded message.
        self._way_of: dict[type, Way] = {}
        self._decode: Callable[[bytes], Any] = _decode_nothing
        self._decode_lines: Callable[[bytes], list[Any]] = _decode_no_lines

    @property
    def line_number(self) -> int:
        """The line in work, counted from 1."""
        if self._todo is not None:
            return self._before - length_hint(self._todo) - self._is_ahead
        return self._before + (self._way.position if self._way else 0)

    def rest(self, source: IO[bytes]) -> Iterator[bytes]:
        """Take what can be taken, and yield every other line in its turn.

        Raises:
            TargetError: As the SDK's way would, at the same line.
        """
        for block in blocks(source.read1):  # type: ignore[attr-defined]
            if not self._take_block(block):
                yield from self._rest_of(block.split(b"\n"))
            self.settle()

    def _take_block(self, block: bytes) -> bool:
        """Take a block that holds records of one stream alone; return whether it did."""
        try:
            # What is passed over is not looked at, and a line that is not UTF-8 is none.
            block.decode()
            messages = self._decode_lines(block)
        except (ValueError, RecursionError):
            return False
        types = {*map(type, messages)}
        way = self._way_of.get(types.pop()) if len(types) == 1 else None
        if way is None or len(messages) != block.count(b"\n") + 1:
            return False
        way.position = 0
        self._way = way
        way.take_block(messages)
        self._way = None
        self._before += len(messages)
        self.lines += len(messages)
        return True

    def _rest_of(self, lines: list[bytes]) -> Iterator[bytes]:
        todo = self._todo = iter(lines)
        self._before += len(lines)
        decode, way_of = self._decode, self._way_of
        try:
            for line in todo:
                # Nothing but the decoding: its errors alone mean another way for the line.
                try:
                    line.decode()
                    message = decode(line)
                except (ValueError, RecursionError):
                    message = None
                way = way_of.get(message.__class__)
                if way is not None:
                    way.take(message.record, message.version)
                    self.lines += 1
                    continue
                self._is_ahead = True
                self.settle()
                self._is_ahead = False
                yield line
                if self._layout != self._target.layout:
                    self._compile()
                    decode, way_of = self._decode, self._way_of
            self._todo = None
        finally:
            self._count()

    def way_of(self, stream_name: str) -> Way | None:
        """Return how rows of a stream's BATCH files are taken; None for the SDK's way."""
        if self._layout != self._target.layout:
            self._compile()
        return self._ways.get(stream_name)

    def settle(self) -> None:
        """Hand over what was counted, and let a checkpoint be made if it is due."""
        if self._count():
            self._target.look_at_age()

    def _count(self) -> int:
        taken = sum(way.count() for way in self._ways.values())
        self.taken += taken
        return taken

    def _compile(self) -> None:
        """Look at the streams again: one is new, or has another sink."""
        import msgspec  # noqa: PLC0415 not before there is something to decode

        self._count()
        self._layout = self._target.layout
        for name, stream_maps in self._target.mapper.stream_maps.items():
            sink = self._target.sink_of(name) if _is_identity(name, stream_maps) else None
            known = self._ways.get(name)
            if sink is None:
                self._ways.pop(name, None)
            elif known is None or known.sink is not sink:
                try:
                    self._ways[name] = Way(sink)
                except ValueError:
                    # A name that is not valid Unicode can be read by the SDK's way only.
                    self._ways.pop(name, None)
        self._way_of = {way.message_type: way for way in self._ways.values()}
        self._decode, self._decode_lines = _decode_nothing, _decode_no_lines
        if self._ways:
            # One more than there are, because msgspec lets the tag of a lone type be absent.
            beside = f"{max(self._ways, key=len)}+"
            other = msgspec.defstruct("Other", [], tag_field="stream", tag=beside)
            types = (*self._way_of, other)
            decoder = msgspec.json.Decoder(Union[types])  # noqa: UP007 known only here
            self._decode, self._decode_lines = decoder.decode, decoder.decode_lines


def _is_identity(name: str, stream_maps: list[StreamMap]) -> bool:
    """Whether a stream's records reach its sink as they are."""
    return [(type(each), each.stream_alias, each.flattening_enabled) for each in stream_maps] == [
        (SameRecordTransform, name, False)
    ]


def _decode_nothing(line: bytes) -> None:
    """Leave every line to the SDK's way."""


def _decode_no_lines(block: bytes) -> list[Any]:  # noqa: ARG001
    """Leave every line to the SDK's way."""
    raise ValueError
