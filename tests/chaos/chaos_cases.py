"""What a case of the chaos test is: a tap's messages, settings, segments and troubles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_launchdarkly.sandbox import Fault
    from target_launchdarkly.sandbox.state.imports import ImportOutcome

TOKEN = "api-0451-nobody-logs-this"
KINDS = ("user", "organization")
KEYS = [*(f"zq-heron-{number}" for number in range(6)), "770001", "zq ibis ü/é"]
#: So many that their additions can be more than 20 patches.
MANY_KEYS = [*KEYS, *(f'zq,"crane"-{number}' for number in range(42))]
BYSTANDERS = [f"zq-bystander-{number}" for number in range(4)]
CHANGING, LISTED = ("alpha", "beta"), ("gamma", "delta")
EPOCH = 1_800_000_000.0
PATIENCE = 600
#: What a flag means by mode: include, un-include or nothing. "absent" is a stream without a flag.
MEANING: dict[tuple[str, Any], bool | None] = {
    ("add", True): True,
    ("add", False): None,
    ("add", "absent"): True,
    ("remove", True): None,
    ("remove", False): False,
    ("remove", "absent"): False,
    ("changes", True): True,
    ("changes", False): False,
    ("snapshot", True): True,
    ("snapshot", False): False,
    ("snapshot", "absent"): True,
}
LOST_ANSWERS = ("drop-before", "drop-after", "reset-before", "reset-after", "truncate")
#: A version that is the time of the run.
FRESH = "fresh"


class Place(NamedTuple):
    """A segment's targets of one kind."""

    segment: str
    kind: str


#: Of each place and key where it stands: "in", "ex" or "both"; if it is not named, out.
Standing = dict[Place, dict[str, str]]


@dataclass(frozen=True)
class StreamPlan:
    name: str
    mode: str
    kind: str
    #: More than one: the records name them.
    segments: tuple[str, ...]
    has_flag: bool
    is_incremental: bool
    #: What the tap gives to prove its snapshots: "version", "size" or nothing.
    proof: str
    has_key_properties: bool
    #: Whether records that follow each other come as the file of a BATCH message.
    comes_in_files: bool

    @property
    def is_snapshot(self) -> bool:
        return self.mode == "snapshot"

    @property
    def settings(self) -> dict[str, Any]:
        mirror = {"changes": "changes", "snapshot": "snapshot"}.get(self.mode)
        found: dict[str, Any] = {
            "audience_sync_mode": "mirror" if mirror else self.mode,
            "context_kind": self.kind,
        }
        if mirror:
            found["mirror_source"] = mirror
        if self.proof == "size":
            found["audience_size_field"] = "size"
        if len(self.segments) > 1:
            return found | {"segment_key_field": "segment"}
        return found | {"segment_key": self.segments[0]}


@dataclass(frozen=True)
class Item:
    """A message of the tap, and what the model needs to know of it."""

    message: dict[str, Any]
    stream: StreamPlan | None = None
    #: None for a record that names no segment.
    place: Place | None = None
    #: None for a record that names no key.
    key: str | None = None
    #: Whether the flag says yes; "absent" without a flag, "invalid" for an invalid record.
    intent: bool | str | None = None
    index: int = 0
    #: Records with the same number come as the file of one BATCH message.
    file: int | None = None

    @property
    def type(self) -> str:
        return str(self.message["type"])

    @property
    def wish(self) -> bool | None:
        if self.stream is None or self.intent in {None, "invalid"}:
            return None
        return MEANING[self.stream.mode, self.intent]


@dataclass
class Attempt:
    """One run's troubles."""

    faults: list[Fault] = field(default_factory=list)
    rate_limit: tuple[int, float] | None = None
    #: The input ends after this share of the messages.
    cut: float | None = None
    is_cut_in_line: bool = False
    #: After so many lines the target thinks that five minutes have passed.
    drains: frozenset[int] = frozenset()
    is_dry: bool = False
    is_parallel: bool = False
    import_outcome: ImportOutcome = "complete"
    #: How often an import has to be looked at until it ends.
    import_polls: int = 1
    #: How many bytes the target reads at a time; 0: line by line, all on the SDK's way.
    block_bytes: int = 0

    @property
    def is_lasting(self) -> bool:
        """Whether a fault may outlast the target's patience."""
        return any(fault.times > PATIENCE or fault.kind == "redirect" for fault in self.faults)

    @property
    def import_seconds(self) -> int:
        """How long an import is watched until it ends: 1, 2, 4 … 60, 60 … seconds."""
        return sum(min(2**look, 60) for look in range(self.import_polls - 1))


@dataclass
class Case:
    number: int
    streams: list[StreamPlan]
    settings: dict[str, Any]
    #: The big segments, and the context kind of each.
    bigs: Mapping[str, str]
    #: The segments that are to be created.
    missing: frozenset[str]
    standing: Standing
    items: list[Item]
    attempts: list[Attempt]

    @property
    def is_calm(self) -> bool:
        """Whether no key is asked for in two ways."""
        wishes: dict[tuple[Any, Any], set[Any]] = {}
        for item in self.items:
            if item.type == "RECORD":
                wishes.setdefault((item.place, item.key), set()).add(
                    "spare" if item.intent == "invalid" else item.wish
                )
        return all(len(each) == 1 for each in wishes.values())
