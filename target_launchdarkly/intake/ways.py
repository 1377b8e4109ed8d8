"""The short way of records, from what is decoded of them to words."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from target_launchdarkly.audience.words import IN, OUT, PLACE_STEP
from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.intake.membership import ABSENT, EXACT_BELOW, FLAGS, Row
from target_launchdarkly.intake.rows import row_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.intake.membership import MembershipRule
    from target_launchdarkly.sinks import AudienceSink, Line

#: Stands among the words for a flag that says nothing in the stream's mode.
NOTHING = -1
#: Versions of these types can be compared; a boolean or a float may equal an integer, and is none.
VERSIONS = frozenset({str, int, type(None)})
#: What rows have in common that become words in the same way: their stream's way, the version of
#: their RECORD messages, and what they say of their segment and of the number of keys. Its type is
#: with it, as True equals 1.
Like: TypeAlias = "tuple[Way, object, object, object, type]"


class Way:
    """One stream's way from what is decoded to its words.

    Args:
        sink: The stream's. It takes what is not plain.

    Raises:
        ValueError: The stream's name is not valid Unicode.
    """

    def __init__(self, sink: AudienceSink) -> None:
        import msgspec  # noqa: PLC0415 not before there is something to decode

        # msgspec looks at names only when they are used.
        sink.stream_name.encode()
        self.sink = sink
        row = row_type(sink.columns, sink.key_properties)
        #: Decodes lines of its BATCH files.
        self.decoder: Any = msgspec.json.Decoder(row)
        version = ("version", str | int | None, None)
        fields: list[Any] = [("type", Literal["RECORD"]), ("record", row), version]
        name = sink.stream_name
        #: What its RECORD messages are decoded to among others, and alone: msgspec finds a type by
        #: its tag, which takes longer, and which a lone type may lack.
        self.message_type = msgspec.defstruct(
            "Record", fields, tag_field="stream", tag=name, gc=False
        )
        fields.insert(0, ("stream", Literal[name]))
        self.lone_type = msgspec.defstruct("Record", fields, gc=False)
        #: The word of each flag that can be used as it is.
        self.words = _words(sink.rule, has_silent=not sink.tells_skipped)
        is_even = not (sink.stream.is_snapshot or sink.columns.segment)
        #: What its rows have in common, if all have.
        self.even: Like | None = (self, None, ABSENT, ABSENT, object) if is_even else None

    @property
    def names(self) -> set[str]:
        """The properties that are read or demanded."""
        return {*self.sink.columns.names.values(), *self.sink.key_properties}

    def like(self, row: Row, version: object) -> Like:
        """Return what a row has in common with others."""
        return self.even or (self, version, row.segment, row.size, type(row.size))


@dataclass(slots=True, eq=False)
class Lane:
    """Where rows go that have the same in common.

    Args:
        like: What they have in common.
        line: Where the sink put the first of them; the others go there too.
    """

    like: Like
    line: Line
    #: How many plain rows came, and how many of them say nothing.
    plain: int = 0
    silent: int = 0

    def take(self, rows: Iterator[Row]) -> Row | None:
        """Take plain rows, whose key and flag need no look; return the first other, or None."""
        word_of, voice = self.like[0].words.get, self.line.feed.voice
        latest, words = voice.latest, voice.words
        place = since = words.place
        found: Row | None = None
        for row in rows:
            key = row.key
            # What is no plain key is as good as a blank one, at which the sink has to look. Below
            # the bound, a number is exact, whatever its column is.
            if key.__class__ is not str:
                key = str(key) if key.__class__ is int and abs(key) < EXACT_BELOW else ""
            word = word_of(row.flag)
            if word is None or row.deleted or not key or key.strip() != key:
                found = row
                break
            place += PLACE_STEP
            if word >= 0:
                latest[key] = place | word
            else:
                self.silent += 1
        words.place = place
        self.plain += (place - since) // PLACE_STEP
        return found

    def settle(self) -> None:
        """Have the sink count the plain rows that came."""
        if self.plain:
            way, version, *_ = self.like
            way.sink.tally_plain(self.line, version, self.plain, self.silent)
            self.plain = self.silent = 0


def _words(rule: MembershipRule, *, has_silent: bool) -> dict[object, int]:
    """Return the word of each flag; of flags that are not here, the sink decides.

    Args:
        rule: The stream's.
        has_silent: Whether flags that say nothing are here.
    """
    words: dict[object, int] = {}
    for flag in (True, False, ABSENT, *FLAGS):
        with suppress(InvalidRecordError):
            included = rule.read(Row("any", flag)).included
            if included is not None or has_silent:
                words[flag] = NOTHING if included is None else IN if included else OUT
    return words
