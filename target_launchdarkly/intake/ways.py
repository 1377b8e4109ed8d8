"""The short way of one stream's records, from what is decoded to its words."""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING, Any, Literal

from target_launchdarkly.audience.words import IN, NEVER, OUT, PLACE_STEP
from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.intake.membership import ABSENT, DECISIONS, FLAGS
from target_launchdarkly.intake.moments import moment_ms
from target_launchdarkly.intake.rows import row_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_launchdarkly.intake.membership import MembershipRule, Row
    from target_launchdarkly.sinks import AudienceSink, Line

#: Stands among the words for a flag that says nothing in the stream's mode.
NOTHING = -1
#: Stand for a moment that the sink has to look at, and for one that has passed.
UNCLEAR, PASSED = -1, -2
#: So many values of moments are remembered: people's trials often end together.
MAX_MOMENTS = 10_000


class _Lane:
    """Where the plain rows of a stream about one segment go.

    A row is plain if it is like the one before it in all but key, flag and the end of membership,
    and these can be used as they are. Of plain rows only the number is noted, until the sink is
    told.
    """

    __slots__ = ("line", "plain", "silent", "size", "voice")

    def __init__(self, line: Line, size: object) -> None:
        self.line = line
        self.voice = line.feed.voice
        self.size = size
        #: How many plain rows came, and how many of them say nothing.
        self.plain = self.silent = 0


class Way:
    """One stream's way from what is decoded to its words.

    Args:
        sink: Takes the rows that are not plain.

    Raises:
        ValueError: The stream's name is not valid Unicode.
    """

    def __init__(self, sink: AudienceSink) -> None:
        import msgspec  # noqa: PLC0415 not before there is something to decode

        # msgspec looks at names only when they are used.
        sink.stream_name.encode()
        self.sink = sink
        row = row_type(sink.columns, sink.key_properties)
        decoder: Any = msgspec.json.Decoder(row)
        #: Decode a line, and a block of lines, of its BATCH files.
        self.decode: Callable[[bytes], Row] = decoder.decode
        self.decode_lines: Callable[[bytes], list[Row]] = decoder.decode_lines
        #: What its RECORD messages are decoded to.
        self.message_type = msgspec.defstruct(
            "Record",
            [("type", Literal["RECORD"]), ("record", row), ("version", Any, None)],
            tag_field="stream",
            tag=sink.stream_name,
            gc=False,
        )
        #: How many rows of the last block were begun.
        self.position = 0
        self._words = _words(sink.rule, has_silent=not sink.tells_skipped)
        self._has_versions = sink.stream.is_snapshot
        self._has_sizes = sink.columns.size is not None
        self._has_segments = sink.columns.segment is not None
        self._has_moments = sink.columns.expires is not None
        #: By what rows say of the end of membership.
        self._moments: dict[object, int] = {}
        #: By what a row says of its segment.
        self._lanes: dict[object, _Lane] = {}
        self._busy: list[_Lane] = []
        self._version: object = ABSENT
        self._processed = 0

    @property
    def names(self) -> set[str]:
        """The properties that are read or demanded."""
        return {*self.sink.columns.names.values(), *self.sink.key_properties}

    def take_block(self, messages: Sequence[Any]) -> None:
        """Take RECORD messages, in order.

        Raises:
            TargetError: As the sink would; `position` tells at which.
        """
        rows = [message.record for message in messages]
        first = messages[0].version
        if not self._has_versions or all(message.version == first for message in messages):
            self.take_rows(rows, first)
            return
        for self.position, message in enumerate(messages, start=1):
            self.take(message.record, message.version)

    def take_rows(self, rows: Sequence[Row], version: object) -> None:
        """Take rows of the same version, in order.

        Raises:
            TargetError: As the sink would; `position` tells at which.
        """
        todo = iter(rows)
        while True:
            is_even = version == self._version and not self._has_segments
            if is_even and not self._has_moments and self._lanes:
                row = self._take_plain(todo)
            else:
                row = next(todo, None)
            if row is None:
                return
            self.position = len(rows) - length_hint(todo)
            self.take(row, version)

    def _take_plain(self, todo: Any) -> Row | None:
        """Take plain rows about the one segment; return the first that is not, or None."""
        (lane,) = self._lanes.values()
        word_of, size, has_sizes = self._words.get, lane.size, self._has_sizes
        latest, words = lane.voice.latest, lane.voice.words
        place, left, silent = words.place, length_hint(todo), 0
        found: Row | None = None
        for row in todo:
            key = row.key
            word = word_of(row.flag)
            if (
                word is None
                or key.__class__ is not str
                or not key
                or row.deleted
                or key.strip() != key
                or (has_sizes and row.size != size)
            ):
                found = row
                break
            if word >= 0:
                place += PLACE_STEP
                latest[key] = place | word
            else:
                silent += 1
        words.place = place
        words.make_room()
        self._note(lane, left - length_hint(todo) - (found is not None), silent)
        return found

    def take(self, row: Row, version: object) -> None:
        """Take a row of a RECORD message or of a BATCH file.

        Raises:
            TargetError: As the sink would.
        """
        lane = self._lanes.get(row.segment)
        word = self._words.get(row.flag)
        key = row.key
        if (
            lane is None
            or word is None
            or row.deleted
            or key.__class__ is not str
            or not key
            or key.strip() != key
            or row.size != lane.size
            or version != self._version
        ):
            self._process(row, version)
            return
        moment = NEVER
        if word == IN and self._has_moments and row.expires is not None:
            moment = self._moment(row.expires, lane)
            if moment == PASSED:
                moment, word = NEVER, self._words.get(False)
        if moment == UNCLEAR or word is None:
            self._process(row, version)
        elif word < 0:
            self._note(lane, 1, 1)
        else:
            lane.voice.say(key, word, moment)
            self._note(lane, 1, 0)

    def _moment(self, value: object, lane: _Lane) -> int:
        """Return when a membership ends, in epoch milliseconds, or what stands for that."""
        # Files may hold what cannot be remembered.
        is_plain = value.__class__ is str or value.__class__ is int
        moment = self._moments.get(value) if is_plain else None
        if moment is None:
            moment = self._read_moment(value)
            if is_plain:
                if len(self._moments) >= MAX_MOMENTS:
                    self._moments.clear()
                self._moments[value] = moment
        # Of a big segment, nobody can say when a membership ends.
        return UNCLEAR if moment != NEVER and lane.line.tally.is_big else moment

    def _read_moment(self, value: object) -> int:
        try:
            ends_ms = moment_ms(value, "")
        except InvalidRecordError:
            return UNCLEAR
        if ends_ms is None:
            return NEVER
        return ends_ms if ends_ms > self.sink.rule.now_ms else PASSED

    def _note(self, lane: _Lane, plain: int, silent: int) -> None:
        if plain and not lane.plain:
            self._busy.append(lane)
        lane.plain += plain
        lane.silent += silent

    def _process(self, row: Row, version: object) -> None:
        self._tell()
        self._processed += 1
        self.sink.take(row, version)
        self._version = version
        if self.sink.line is not None:
            self._lanes[row.segment] = _Lane(self.sink.line, row.size)

    def count(self) -> int:
        """Tell the sink what was only counted, and return how many records were taken since."""
        self._tell()
        taken, self._processed = self._processed, 0
        return taken

    def _tell(self) -> None:
        for lane in self._busy:
            self.sink.tally_plain(lane.line, self._version, lane.plain, lane.silent)
            self._processed += lane.plain
            lane.plain = lane.silent = 0
        self._busy.clear()


def _words(rule: MembershipRule, *, has_silent: bool) -> dict[object, int]:
    """Return the word of each flag; of flags that are not here, the sink decides.

    Args:
        rule: The stream's.
        has_silent: Whether flags that say nothing are here.
    """
    meaning = {
        flag: NOTHING if included is None else IN if included else OUT
        for flag, included in DECISIONS[rule.mode].items()
    }
    words: dict[object, int] = {flag: meaning[says] for flag, says in FLAGS.items()}
    words |= {True: meaning[True], False: meaning[False]}
    if rule.columns.expires is not None and rule.mode == "remove":
        # Who is a member may have been one until a moment that has passed.
        return {flag: word for flag, word in words.items() if word == OUT}
    if "flag" not in rule.columns.declared:
        words[ABSENT] = meaning[None]
    return {flag: word for flag, word in words.items() if has_silent or word != NOTHING}
