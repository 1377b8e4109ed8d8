"""What is measured: the rows of an input, the segments before it, and what must be there after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "api-sandbox"  # noqa: S105 the sandbox's own
MAX_OPERATIONS = 1_500
#: More patches of additions than these, and they go as imports of at most so many keys.
MAX_PATCHES, MAX_IMPORTED = 20, 1_000_000
#: Keys of the streams that repeat, and rows between two STATE messages, as SDK taps have it.
CYCLE = 10_000
#: Rows after which all columns but the key come again.
PERIOD = 1_000
WIDTH = 30
KEY, FLAG, SIZE, PLAN, SEGMENT = (
    *("context_key", "is_member", "audience_size"),
    *("plan", "segment_key"),
)
#: Programs that send nothing.
SILENT = {"stock", "floor", "import"}

Form = Literal["lines", "jsonl", "parquet"]
Proof = Literal["size", "version", "trust"]
JsonType = Literal["string", "boolean", "integer", "number"]


class Column(NamedTuple):
    """A column: its type, its value by row, and what its schema says besides the type."""

    type: JsonType
    value: Callable[[int], Any]
    besides: tuple[tuple[str, Any], ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema, as tap-snowflake 0.5.6 describes columns (see tests/data)."""
        return {"type": [self.type, "null"], **dict(self.besides)}


#: The wide streams take them in turn.
WIDE_COLUMNS = (
    Column("string", lambda row: f"text of customer {row}"),
    Column("integer", lambda row: row * 7),
    Column("string", lambda row: f"user-{row}@example.com", (("maxLength", 64),)),
    Column("number", lambda row: row / 8),
    Column("string", lambda row: None if row % 3 else "Käthe, „Ö“"),
    Column("boolean", lambda row: row % 2 == 0),
    Column("integer", lambda row: None if row % 5 else row),
)


def nobody(_row: int) -> bool:
    """Say no."""
    return False


def everybody(_row: int) -> bool:
    """Say yes."""
    return True


class Aims(NamedTuple):
    """What the target shall reach in a row; None where nothing was promised."""

    #: At most so many times the CPU of the floor.
    floors: float | None = None
    #: At least so many times less CPU than stock.
    stock: float | None = None
    peak_mib: float | None = None


NO_AIMS = Aims()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One input. Row `i` names the key `user-i`, in stream and segment `i` modulo their number.

    Attributes:
        keys: rows until the same rows come again.
        cycles: how often they come.
        was: whether a row's key is a member before; the same every 1,000 rows.
        now: whether the row says that it is one; the same every 1,000 rows.
        streams: one, or as many as segments, with a segment each.
        is_wide: with 30 columns instead of 3.
        form: RECORD messages, or one BATCH message with files of that format.
        proof: by which a snapshot is whole; None for changes.
        is_big: into a big segment.
        has_maps: the flag is computed by a stream map.
        strangers: members before that no row names.
        is_piped: made while the program reads, and stored nowhere.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    keys: int
    cycles: int = 1
    was: Callable[[int], bool] = nobody
    now: Callable[[int], bool] = everybody
    streams: int = 1
    segments: int = 1
    is_wide: bool = False
    form: Form = "lines"
    proof: Proof | None = None
    is_big: bool = False
    has_maps: bool = False
    strangers: int = 0
    is_piped: bool = False
    aims: Aims = NO_AIMS

    @property
    def rows(self) -> int:
        """How many records there are."""
        return self.keys * self.cycles

    @property
    def segment_keys(self) -> list[str]:
        """The segments, by number. A stream with a segment of its own has its name."""
        return [f"audience-{number}" for number in range(self.segments)]

    @property
    def floor(self) -> str:
        """The program that does the least that can be done."""
        return "floor" if self.rows else "import"

    # Columns

    def columns(self) -> dict[str, Column]:
        """Return the columns by name, but for the key."""
        columns = {}
        if self.has_maps or self.proof == "version":
            columns[PLAN] = Column("string", lambda row: "pro" if self.now(row) else "free")
        elif self.proof == "size":
            columns[SIZE] = Column("integer", lambda _: self.keys)
        else:
            columns[FLAG] = Column("boolean", self.now)
        is_date = (("format", "date-time"),) if self.is_wide else ()
        updated_at = "2026-11-22T00:00:00.000000+00:00"
        columns["updated_at"] = Column("string", lambda _: updated_at, is_date)
        if self.segments > self.streams:
            columns[SEGMENT] = Column("string", self.segment_key)
        for number in range(WIDTH - 1 - len(columns) if self.is_wide else 0):
            columns[f"column_{number}"] = WIDE_COLUMNS[number % len(WIDE_COLUMNS)]
        return columns

    def reads(self) -> dict[str, str]:
        """Return the types of the columns from which a membership follows, by name."""
        names = {FLAG, SIZE, SEGMENT} | ({PLAN} if self.has_maps else set())
        columns = self.columns().items()
        return {KEY: "string"} | {name: one.type for name, one in columns if name in names}

    def segment_key(self, row: int) -> str:
        """Return the segment of a row's key."""
        return f"audience-{row % self.segments}"

    def stream(self, number: int) -> str:
        """Return the name of a stream."""
        return self.segment_keys[number] if self.streams > 1 else "audience"

    # Before and after

    def settings(self, url: str) -> dict[str, Any]:
        """Return the settings of a program, each of which takes those that it knows."""
        settings: dict[str, Any] = {"segment_key": self.segment_keys[0]}
        if self.streams > 1:
            settings = {"streams": {key: {"segment_key": key} for key in self.segment_keys}}
        elif self.segments > 1:
            # Half of them leaves, which is no mistake here.
            settings = {"segment_key_field": SEGMENT, "max_removal_percent": 100}
        if self.proof:
            settings["mirror_source"] = "snapshot"
            if self.proof == "trust":
                settings["trust_end_of_input"] = True
            elif self.proof == "size":
                settings["audience_size_field"] = SIZE
        if self.has_maps:
            settings["stream_maps"] = {"audience": {FLAG: f"bool({PLAN} == 'pro')"}}
        return settings | {
            "access_token": TOKEN,
            "api_url": url,
            "project_key": "default",
            "environment_key": "test",
            "audience_sync_mode": "mirror",
        }

    def members_before(self) -> dict[str, set[str]]:
        """Return the members of each segment before a run."""
        strangers = {f"stranger-{number}" for number in range(self.strangers)}
        members = {key: set(strangers) for key in self.segment_keys}
        for row in filter(self.was, range(self.keys)):
            members[self.segment_key(row)].add(f"user-{row}")
        return members

    def members_after(self, program: str, rows: int) -> dict[str, set[str]]:
        """Return what the members must be after a program has had so many rows."""
        members = self.members_before()
        if program in SILENT or not rows:
            return members
        mirrors = program == "target" and self.proof is not None
        if mirrors:
            members = {key: set() for key in self.segment_keys}
        for row in range(min(rows, self.keys)):
            is_member = self.now(row)
            if mirrors or is_member != self.was(row):
                change = set.add if is_member else set.discard
                change(members[self.segment_key(row)], f"user-{row}")
        return members

    def minimum_requests(self) -> dict[str, int]:
        """Return the fewest requests that can do it, by method.

        A standard segment: one GET to know what is in it, and a PATCH per 1,500 keys that change.
        """
        if not self.rows:
            return {}
        if self.is_big:
            return self._minimum_of_big()
        changing = (row for row in range(self.keys) if self.was(row) != self.now(row))
        changes = Counter(map(self.segment_key, changing))
        for key in self.segment_keys:
            changes[key] += self.strangers if self.proof else 0
        patches = sum(-(-count // MAX_OPERATIONS) for count in changes.values())
        return {"GET": self.segments} | ({"PATCH": patches} if patches else {})

    def _minimum_of_big(self) -> dict[str, int]:
        """Return the same for the snapshot of a big segment.

        One GET, and an export: a POST, and a GET to know that it is complete. What changes goes as
        patches, or, where additions take more than 20, as imports of 1,000,000 keys at most, with a
        POST and a GET each, and a GET for what came of them. Of whoever joined, and of whoever
        left, one is looked at.
        """
        joining = sum(self.now(row) and not self.was(row) for row in range(self.keys))
        leaving = self.strangers
        imports = 0
        if joining > MAX_PATCHES * MAX_OPERATIONS:
            joining, imports = 0, -(-joining // MAX_IMPORTED)
        found = Counter(GET=2, POST=1)
        found["PATCH"] = -(-(joining + leaving) // MAX_OPERATIONS)
        found["POST"] += imports
        found["GET"] += imports + bool(imports) + bool(joining or imports) + bool(leaving)
        return dict(+found)

    def last_state(self, rows: int) -> dict[str, Any]:
        """Return the value of the last of the STATE messages."""
        return {"bookmarks": {"audience": {"rows": rows}}} if rows else {}
