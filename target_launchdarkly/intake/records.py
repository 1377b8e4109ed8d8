"""Records as far as they are read: one typed decoder for RECORD lines, snapshots and BATCH files.

What is read of a stream's records becomes a type, by which msgspec decodes whole lines; it passes
over everything else. A line that such a type rejects, and every line of a stream whose records a
stream map changes, goes the SDK's way, in its turn, and means the same there.
"""

from __future__ import annotations

from operator import length_hint
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Literal, Union, cast

from singer_sdk.mapper import SameRecordTransform

from target_launchdarkly.audience.words import IN, OUT
from target_launchdarkly.intake.membership import ABSENT, DECISIONS, FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import StreamMap

    from target_launchdarkly.intake.columns import Columns
    from target_launchdarkly.intake.membership import MembershipRule, Row
    from target_launchdarkly.sinks import AudienceSink, AudienceTarget, Line

#: What a pipe holds, so that one read empties it.
BLOCK_BYTES = 65_536
#: Stands for a flag that does not decide.
UNDECIDED = cast("int", object())
#: What a property that is read may hold. Anything else, as numbers with a fraction, goes the SDK's
#: way, which has exact decimals.
TYPES: Mapping[str, Any] = {
    "key": str | int | None,
    "flag": bool | str | int | None,
    "deleted": str | None,
    "segment": str | None,
    "size": int | str | None,
}

#: What stands for a property that a record does not have.
DEFAULTS: Mapping[str, Any] = dict.fromkeys(TYPES, ABSENT) | {"deleted": None}


def row_of(record: Mapping[str, Any], columns: Columns) -> Row:
    """Return what is read of a record."""
    named = columns.names.items()
    read = {role: record[name] for role, name in named if name in record}
    return cast("Row", SimpleNamespace(**{**DEFAULTS, **read}))


def row_type(columns: Columns, key_properties: Sequence[str]) -> type:
    """Return the type of what is read of a stream's records, as msgspec decodes it.

    Its fields are those of `Row`; it demands that the key properties are present, as the SDK does.
    """
    import msgspec  # noqa: PLC0415 not before there is something to decode

    names = columns.names
    roles = {name: role for role, name in names.items()}
    fields: list[Any] = []
    for role in names:
        default = () if names[role] in key_properties else (DEFAULTS[role],)
        fields.append((role, TYPES[role], *default))
    others = [name for name in dict.fromkeys(key_properties) if name not in roles]
    fields += [(f"other{number}", msgspec.Raw) for number, _ in enumerate(others)]
    rename = names | {f"other{number}": name for number, name in enumerate(others)}
    return msgspec.defstruct(
        "Row",
        fields,
        rename=rename,
        namespace={role: DEFAULTS[role] for role in TYPES if role not in names},
        kw_only=True,
        gc=False,
    )


class Records:
    """Takes the records of a run that it can take, and leaves the rest of the input.

    Args:
        target: Asked for the streams' sinks, and told when a checkpoint may be due.
    """

    def __init__(self, target: AudienceTarget) -> None:
        self._target = target
        #: The line in work, counted from 1.
        self.line_number = 0
        #: How many records were taken.
        self.taken = 0
        self._layout = 0
        self._ways: dict[str, Way] = {}
        self._decode: Callable[[bytes], Any] = _decode_nothing
        self._takers: dict[type, Callable[[Row, object], None]] = {}

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
        decode, takers = self._decode, self._takers
        try:
            for line in todo:
                # Nothing but the decoding: its errors alone mean another way for the line.
                try:
                    message = decode(line)
                except (ValueError, RecursionError):
                    message = None
                take = takers.get(message.__class__)
                if take is not None:
                    take(message.record, message.version)
                    continue
                self.settle()
                self.line_number = last - length_hint(todo)
                yield line
                if self._layout != self._target.layout:
                    self._compile()
                    decode, takers = self._decode, self._takers
        finally:
            self.line_number = last - length_hint(todo)
            self._count()
        self.settle()

    def way_of(self, stream_name: str) -> Way | None:
        """Return how rows of a stream's BATCH files are taken; None for the SDK's way."""
        if self._layout != self._target.layout:
            self._compile()
        return self._ways.get(stream_name)

    def _count(self) -> int:
        taken = sum(way.count() for way in self._ways.values())
        self.taken += taken
        return taken

    def settle(self) -> None:
        """Hand over what was counted, and let a checkpoint be made if it is due."""
        if self._count():
            self._target.look_at_age()

    def _compile(self) -> None:
        """Look at the streams again: one is new, or has another sink."""
        import msgspec  # noqa: PLC0415

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
        self._takers = {way.message_type: way.take for way in self._ways.values()}
        self._decode = _decode_nothing
        if self._takers:
            # One more than there are, because msgspec lets the tag of a lone type be absent.
            beside = f"{max(self._ways, key=len)}+"
            other = msgspec.defstruct("Other", [], tag_field="stream", tag=beside)
            types = (*self._takers, other)
            self._decode = msgspec.json.Decoder(Union[types]).decode  # noqa: UP007 known only here


class _Lane:
    """Where the plain rows of a stream about one segment go, and how many went since the last look.

    A row is plain if its size and its version are those of the row before.
    """

    __slots__ = ("line", "not_acted_on", "said", "say", "size")

    def __init__(self, line: Line, size: object) -> None:
        self.line = line
        self.say = line.feed.voice.say
        self.size = size
        self.said = self.not_acted_on = 0


class Way:
    """One stream's way from what is decoded to its words."""

    def __init__(self, sink: AudienceSink) -> None:
        import msgspec  # noqa: PLC0415

        self.sink = sink
        row = row_type(sink.columns, sink.key_properties)
        #: Decodes a line of its BATCH files.
        self.decode: Callable[[bytes], Row] = msgspec.json.Decoder(row).decode
        #: What its RECORD messages are decoded to.
        self.message_type = msgspec.defstruct(
            "Record",
            [("type", Literal["RECORD"]), ("record", row), ("version", Any, None)],
            tag_field="stream",
            tag=sink.stream_name,
            gc=False,
        )
        self._words = _words(sink.rule)
        #: By what a row says of its segment.
        self._lanes: dict[object, _Lane] = {}
        self._busy: list[_Lane] = []
        self._version: object = ABSENT
        self._processed = 0

    @property
    def names(self) -> set[str]:
        """The properties that are read or demanded."""
        return {*self.sink.columns.names.values(), *self.sink.key_properties}

    def row_of(self, record: dict[str, Any]) -> Row | dict[str, Any]:
        """Return what is read of a record; the record itself if it lacks a key property."""
        if all(name in record for name in self.sink.key_properties):
            return row_of(record, self.sink.columns)
        return record

    def take(self, row: Row, version: object) -> None:
        """Take a row of a RECORD message or of a BATCH file.

        Raises:
            TargetError: As the sink would.
        """
        lane = self._lanes.get(row.segment)
        if lane is not None and not row.deleted:
            key = row.key
            word = self._words.get(row.flag, UNDECIDED)
            # What is plain goes straight to the words; the sink looks at everything else.
            if (
                word is not UNDECIDED
                and key.__class__ is str
                and key
                and key.strip() == key
                and row.size == lane.size
                and version == self._version
            ):
                if not (lane.said or lane.not_acted_on):
                    self._busy.append(lane)
                if word is None:
                    lane.not_acted_on += 1
                else:
                    lane.said += 1
                    lane.say(key, word)
                return
        self._process(row, version)

    def _process(self, row: Row, version: object) -> None:
        self._tally()
        self._processed += 1
        self.sink.take(row, version)
        self._version = version
        if self.sink.line is not None:
            self._lanes[row.segment] = _Lane(self.sink.line, row.size)

    def count(self) -> int:
        """Tell the sink what was only counted, and return how many records were taken since."""
        self._tally()
        taken, self._processed = self._processed, 0
        return taken

    def _tally(self) -> None:
        for lane in self._busy:
            self.sink.tally_plain(lane.line, self._version, lane.said, lane.not_acted_on)
            self._processed += lane.said + lane.not_acted_on
            lane.said = lane.not_acted_on = 0
        self._busy.clear()


def _words(rule: MembershipRule) -> dict[object, int | None]:
    """Return the word of each flag; of flags that are not here, the sink decides."""
    meaning = {
        flag: None if included is None else IN if included else OUT
        for flag, included in DECISIONS[rule.mode].items()
    }
    words: dict[object, int | None] = {flag: meaning[says] for flag, says in FLAGS.items()}
    words |= {True: meaning[True], False: meaning[False]}
    if "flag" not in rule.columns.declared:
        words[ABSENT] = meaning[None]
    return words


def _is_identity(name: str, stream_maps: list[StreamMap]) -> bool:
    """Whether a stream's records reach its sink as they are."""
    return [(type(each), each.stream_alias, each.flattening_enabled) for each in stream_maps] == [
        (SameRecordTransform, name, False)
    ]


def _decode_nothing(line: bytes) -> None:
    """Leave every line to the SDK's way."""


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
