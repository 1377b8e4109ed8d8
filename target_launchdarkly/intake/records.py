"""Records as far as they are read: RECORD lines and rows of BATCH files become words in one way.

What is read of a stream's records becomes a type, by which msgspec decodes whole lines; it passes
over everything else. A line that such a type rejects, and every line of a stream whose records a
stream map changes, goes the SDK's way, in its turn, and means the same there.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from operator import itemgetter, length_hint
from typing import IO, TYPE_CHECKING, Any, Union

from singer_sdk.mapper import SameRecordTransform

from target_launchdarkly.intake.blocks import blocks, decoded, decoded_lines
from target_launchdarkly.intake.ways import VERSIONS, Lane, Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.mapper import StreamMap

    from target_launchdarkly.intake.membership import Row
    from target_launchdarkly.intake.ways import Like
    from target_launchdarkly.sinks import AudienceTarget

#: So many lanes are remembered. There is one for each segment; but a size or a version may be
#: another in each row, and then lanes are of no use.
MAX_LANES = 20_000


class Records:
    """Takes the records of a run that it can take, and leaves the rest of the input.

    Args:
        target: Asked for the streams' sinks, and told when a checkpoint may be due.
    """

    def __init__(self, target: AudienceTarget) -> None:
        self._target = target
        #: The last line that was handed over, and the rows up to it that are still to be taken.
        self._last_line = 0
        self._todo: Iterator[Row] = iter(())
        #: How many lines were taken.
        self.lines = 0
        self._layout = 0
        self._ways: dict[str, Way] = {}
        #: By the type of a decoded message.
        self._way_of: dict[type, Way] = {}
        #: Decodes RECORD messages of the streams that have a way; None if none has.
        self._decoder: Any = None
        #: By what their rows have in common; and those with rows that are not counted yet.
        self._lanes: dict[Like, Lane] = {}
        self._busy: list[Lane] = []

    @property
    def line_number(self) -> int:
        """The line in work, counted from 1."""
        return self._last_line - length_hint(self._todo)

    def rest(self, source: IO[bytes]) -> Iterator[bytes]:
        """Take what can be taken, and yield every other line in its turn.

        Raises:
            TargetError: As the SDK's way would, at the same line.
        """
        for block in blocks(source.read1):  # type: ignore[attr-defined]
            for is_foreign, several in self._pieces(block):
                if not is_foreign:
                    self._take([*several])
                    continue
                for line in several:
                    self._last_line += 1
                    yield line
                    self._compile()

    def _pieces(self, block: bytes) -> Iterable[tuple[bool, Iterable[Any]]]:
        """Return RECORD messages that have a way decoded, and other lines as they are."""
        if self._decoder and (messages := decoded_lines(self._decoder, block)):
            return [(False, messages)]
        return groupby(map(self._decoded, block.split(b"\n")), lambda each: type(each) is bytes)

    def _decoded(self, line: bytes) -> Any:
        return (decoded(self._decoder, line) if self._decoder else None) or line

    def _take(self, messages: list[Any]) -> None:
        rows = [message.record for message in messages]
        lone, *others = self._ways.values()
        if lone.even and not others:
            likes = [lone.even] * len(rows)
        else:
            likes = [self._way_of[type(each)].like(each.record, each.version) for each in messages]
        self._last_line += len(rows)
        self._todo = iter(rows)
        self.take_rows(self._todo, likes)
        self.lines += len(rows)

    def take_rows(self, rows: Iterator[Row], likes: list[Like]) -> None:
        """Take rows, in order.

        Args:
            rows: Those of messages or of a BATCH file.
            likes: What each has in common with others.

        Raises:
            TargetError: As the SDK's way would.
        """
        before = self._target.words.place
        try:
            if likes and likes.count(likes[0]) == len(likes):
                self._take_alike(rows, likes[0])
            else:
                for like, run in groupby(zip(likes, rows, strict=True), itemgetter(0)):
                    self._take_alike(map(itemgetter(1), run), like)
        finally:
            for lane in self._busy:
                lane.settle()
            self._busy.clear()
        self._target.words.look_since(before)
        self._target.look_at_age()

    def _take_alike(self, rows: Iterator[Row], like: Like) -> None:
        while True:
            lane = self._lanes.get(like)
            if lane and not lane.plain:
                self._busy.append(lane)
            row = lane.take(rows) if lane else next(rows, None)
            if row is None:
                return
            way, version, *_ = like
            line = way.sink.take(row, version)
            if line and not line.feed.voice.has_moments and not lane:
                if len(self._lanes) >= MAX_LANES:
                    self._lanes.clear()
                self._lanes[like] = Lane(like, line)

    def way_of(self, stream_name: str, version: object) -> Way | None:
        """Return how rows of a stream's BATCH files are taken; None for the SDK's way.

        Args:
            stream_name: The stream's name.
            version: That of the BATCH message, which may be anything.
        """
        self._compile()
        return self._ways.get(stream_name) if type(version) in VERSIONS else None

    def _compile(self) -> None:
        """Look at the streams again if one is new, or has another sink."""
        if self._layout == self._target.layout:
            return
        import msgspec  # noqa: PLC0415 not before there is something to decode

        self._layout = self._target.layout
        self._lanes.clear()
        known, self._ways = self._ways, {}
        for name, stream_maps in self._target.mapper.stream_maps.items():
            sink = self._target.sink_of(name) if _is_identity(name, stream_maps) else None
            way = known.get(name)
            # A name that is not valid Unicode can be read by the SDK's way only.
            with suppress(ValueError):
                if sink is not None:
                    self._ways[name] = way if way and way.sink is sink else Way(sink)
        is_lone = len(self._ways) == 1
        self._way_of = {
            way.lone_type if is_lone else way.message_type: way for way in self._ways.values()
        }
        self._decoder = None
        if self._ways:
            self._decoder = msgspec.json.Decoder(Union[tuple(self._way_of)])  # noqa: UP007


def _is_identity(name: str, stream_maps: list[StreamMap]) -> bool:
    """Whether a stream's records reach its sink as they are."""
    return [(type(each), each.stream_alias, each.flattening_enabled) for each in stream_maps] == [
        (SameRecordTransform, name, False)
    ]
