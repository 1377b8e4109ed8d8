"""What a case of the chaos test is: a tap's messages, settings, segments and troubles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from chaos_moves import Moves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_launchdarkly.sandbox import Fault

TOKEN = "api-0451-nobody-logs-this"
KINDS = ("user", "organization")
KEYS = [*(f"zq-heron-{number}" for number in range(6)), "770001", "zq ibis ü/é"]
#: Of some segments, so that more than ten may leave.
CROWD = [*KEYS, *(f"zq-starling-{number}" for number in range(32))]
#: So many that their additions can be more than 20 patches.
MANY_KEYS = [*KEYS, *(f'zq,"crane"-{number}' for number in range(42))]
BYSTANDERS = [f"zq-bystander-{number}" for number in range(4)]
ALL_KEYS = {*CROWD, *MANY_KEYS, *BYSTANDERS}
CHANGING, LISTED = ("alpha", "beta"), ("gamma", "delta")
EPOCH = 1_800_000_000.0
PATIENCE = 600
#: Before an attempt so many seconds may pass; no run lasts as long.
JUMP_SECONDS = 1_000_000
#: When memberships end, in epoch milliseconds: before the first run, between two runs, and later.
PASSED_MS = 1_700_000_000_000
SOON_MS = 1_800_500_000_000
LATER_MS = (1_900_000_000_000, 2_000_000_000_123)
#: Stands for a moment that cannot be read.
UNREADABLE = "unreadable"
IN, OUT, SPARED = "in", "out", "spared"
MEMBER = ("in", "both")
#: What a flag means by mode; None is no word at all. "absent" is a stream without a flag.
MEANING: dict[tuple[str, Any], str | None] = {
    ("add", True): IN,
    ("add", False): None,
    ("add", "absent"): IN,
    ("add", "invalid"): None,
    ("remove", True): None,
    ("remove", False): OUT,
    ("remove", "absent"): OUT,
    ("remove", "invalid"): None,
    ("changes", True): IN,
    ("changes", False): OUT,
    ("changes", "invalid"): None,
    ("snapshot", True): IN,
    ("snapshot", False): OUT,
    ("snapshot", "absent"): IN,
    ("snapshot", "invalid"): SPARED,
}
LOST_ANSWERS = ("drop-before", "drop-after", "reset-before", "reset-after", "truncate")


class Place(NamedTuple):
    """A segment's targets of one kind."""

    segment: str
    kind: str


#: Of each place and key where it stands: "in", "ex" or "both"; if it is not named, out.
Standing = dict[Place, dict[str, str]]
#: Of each place and included key when it leaves by itself, in epoch milliseconds.
Endings = dict[Place, dict[str, int]]


@dataclass(frozen=True)
class Version:
    """A version that is a time around the start of the process."""

    offset_seconds: float
    is_in_seconds: bool

    def at(self, started: float) -> int:
        moment = started + self.offset_seconds
        return int(moment) if self.is_in_seconds else int(moment * 1_000)


@dataclass(frozen=True)
class Sink:
    """A stream as the target knows it, by the name that the stream maps give it."""

    name: str
    mode: str
    kind: str
    segments: tuple[str, ...]
    #: Whether the records name their segment.
    is_named: bool
    states_size: bool = False
    max_removal_percent: int | None = None
    #: Whether the records say when a membership ends.
    has_moments: bool = False

    @property
    def is_snapshot(self) -> bool:
        return self.mode == "snapshot"

    @property
    def is_mirror(self) -> bool:
        return self.mode in {"changes", "snapshot"}

    @property
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "audience_sync_mode": "mirror" if self.is_mirror else self.mode,
            "context_kind": self.kind,
        }
        if self.is_mirror:
            found["mirror_source"] = self.mode
        if self.states_size:
            found["audience_size_field"] = "size"
        if self.max_removal_percent is not None:
            found["max_removal_percent"] = self.max_removal_percent
        if self.has_moments:
            found["expires_at_field"] = "ends"
        if self.is_named:
            return found | {"segment_key_field": "segment"}
        return found | {"segment_key": self.segments[0]}


@dataclass(frozen=True)
class Tap:
    """A stream as the tap names it."""

    name: str
    sinks: tuple[Sink, ...]
    has_flag: bool
    #: Whether a stream map drops the rows whose note says so.
    is_filtered: bool = False
    has_key_properties: bool = False
    #: Whether records that follow each other come as the files of a BATCH message.
    comes_in_files: bool = False

    @property
    def has_moments(self) -> bool:
        """Whether any stream reads when a membership ends."""
        return any(sink.has_moments for sink in self.sinks)

    @property
    def is_whole(self) -> bool:
        """Whether the tap always sends all of it."""
        return any(sink.is_snapshot for sink in self.sinks)


@dataclass(frozen=True)
class Row:
    """What a record holds, as a person reads it."""

    #: None where no key can be read.
    key: str | None
    #: What its segment column names; None where that cannot be read.
    segment: str | None
    #: Whether the flag says yes; "absent" without a flag, "invalid" if it says neither.
    intent: bool | str
    is_null: bool = False
    is_dropped: bool = False
    #: Epoch milliseconds when the membership ends; None for never.
    ends: int | str | None = None


@dataclass(frozen=True)
class Item:
    """A message of the tap, and what the model needs to know of it."""

    message: dict[str, Any]
    tap: Tap | None = None
    row: Row | None = None
    index: int = 0
    #: Records with the same number come as the files of one BATCH message.
    file: int | None = None

    @property
    def type(self) -> str:
        return str(self.message["type"])

    @property
    def size(self) -> Any:
        return self.message["record"].get("size")

    def place(self, sink: Sink) -> Place | None:
        """Return what the record is about; None if that cannot be read."""
        assert self.row is not None
        segment = self.row.segment if sink.is_named else sink.segments[0]
        return Place(segment, sink.kind) if segment else None

    def intent(self, sink: Sink, started: float) -> bool | str:
        """Return what the record says of the membership in a run that began at some time."""
        row = self.row
        assert row is not None
        if not sink.has_moments or row.intent not in {True, "absent"}:
            return row.intent
        if isinstance(row.ends, str):
            return "invalid"
        return row.ends is None or row.ends > started * 1_000

    def is_marker(self, sink: Sink) -> bool:
        """Whether the record only says that the audience is empty."""
        is_nobody = self.row is not None and self.row.is_null and sink.states_size
        return is_nobody and sink.is_snapshot and self.size in {0, "0"}

    def is_understood(self, sink: Sink) -> bool:
        has_key = self.row is not None and self.row.key is not None
        return self.place(sink) is not None and (has_key or self.is_marker(sink))

    def is_invalid(self, sink: Sink) -> bool:
        assert self.row is not None
        if not self.is_understood(sink):
            return True
        return self.intent(sink, EPOCH) == "invalid" and not self.is_marker(sink)


@dataclass(frozen=True)
class Meddling:
    """What somebody else does at a request."""

    #: "add", "remove", "exclude", "unexclude", "expire" of keys; "delete" or "recreate" of the
    #: segment.
    deed: str
    place: Place
    keys: tuple[str, ...] = ()
    after: int = 0
    method: str | None = None
    when: Any = "before"
    times: int = 1


@dataclass
class Attempt:
    """One run's troubles."""

    faults: list[Fault] = field(default_factory=list)
    meddlings: list[Meddling] = field(default_factory=list)
    rate_limit: tuple[int, float] | None = None
    #: The input ends after this share of the messages.
    cut: float | None = None
    is_cut_in_line: bool = False
    #: After so many lines the target thinks that five minutes have passed.
    drains: frozenset[int] = frozenset()
    is_dry: bool = False
    is_parallel: bool = False
    #: How imports and exports go.
    moves: Moves = field(default_factory=Moves)
    #: How many bytes the target reads at a time; 0: line by line, all on the SDK's way.
    block_bytes: int = 0
    #: How many words the target holds in memory; None for as many as it wants.
    words_in_memory: int | None = None
    #: Whether late patches of earlier runs are applied before this one.
    settles: bool = True
    #: Whether a long time passes before this one, in which some memberships end.
    jumps: bool = False

    @property
    def is_calm(self) -> bool:
        is_disturbed = bool(self.faults or self.meddlings or self.rate_limit)
        return not is_disturbed and self.settles and self.moves.is_calm

    @property
    def is_lasting(self) -> bool:
        """Whether a fault may outlast the target's patience."""
        return any(fault.times > PATIENCE or fault.kind == "redirect" for fault in self.faults)


@dataclass
class Case:
    number: int
    taps: list[Tap]
    settings: dict[str, Any]
    #: The big segments, and the context kind of each.
    bigs: Mapping[str, str]
    #: The segments that are to be created.
    missing: frozenset[str]
    standing: Standing
    items: list[Item]
    attempts: list[Attempt]
    #: Whether streams have percentages of their own.
    percents_count: bool = True
    #: What somebody has said of when targets leave.
    endings: Endings = field(default_factory=dict)
    #: Whether an expiration outlives its target, which is not documented.
    keeps_orphans: bool = False
    #: Whether the token may export.
    may_export: bool = True

    @property
    def sinks(self) -> list[Sink]:
        return list({sink.name: sink for tap in self.taps for sink in tap.sinks}.values())

    @property
    def has_snapshot(self) -> bool:
        return any(sink.is_snapshot for sink in self.sinks)

    @property
    def is_calm(self) -> bool:
        """Whether no key is asked for in two ways."""
        words: dict[tuple[Any, Any], set[Any]] = {}
        for item in self.items:
            for sink in item.tap.sinks if item.tap and item.row else ():
                place = item.place(sink)
                if place and item.row and not item.row.is_dropped:
                    word = MEANING[sink.mode, item.intent(sink, EPOCH)]
                    ends = item.row.ends if sink.has_moments else None
                    words.setdefault((place, item.row.key), set()).add((word, ends))
        return all(len(each) == 1 for each in words.values())
