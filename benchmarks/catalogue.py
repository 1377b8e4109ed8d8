"""The scenarios, by name and size."""

from __future__ import annotations

from dataclasses import replace

from scenarios import CYCLE, NO_AIMS, WIDTH, Aims, Scenario, everybody

ALL = ("target", "stock", "import", "batch", "record", "client")
LOADS = ("target", "stock", "batch", "record", "client")
#: With one request a record, more rows than in the small scenarios would take hours.
WITHOUT_RECORD = ("target", "stock", "floor", "batch", "client")
FEW = ("target", "stock", "floor")
ALONE = ("target",)

FULL = 15_000
#: Stream maps are Python expressions, so that more rows would take long and tell the same.
MAX_MAPPED = 50_000
#: A divisor of 1,000, see Scenario.
MANY = 500
BIG_STRANGERS, FEW_STRANGERS = 100, 10
START_UP, SMALL_BIG = "start-up", CYCLE
#: The scenarios of 10,000,000 rows, which are run on demand only.
LONG, LONG_KEYS, LONG_BIG = "ten-million", "ten-million-keys", "ten-million-big"
NAMES = (
    *(START_UP, "first-load", "unchanged", "one-percent", "segments"),
    *("changes", "distinct", "wide", "wide-distinct", "streams", "maps"),
    *("snapshot", "version", "batch-jsonl", "batch-parquet", "big", "many-segments"),
    *(LONG, LONG_KEYS, LONG_BIG),
)


def _nine_of_ten(row: int) -> bool:
    return row % 10 != 0


def _one_of_1000(row: int) -> bool:
    """As many as a standard segment holds, of 10,000,000 keys as well."""
    return row % 1_000 == 0


def _but_one_of_1000(row: int) -> bool:
    return row % 1_000 != 0


def small() -> list[Scenario]:
    """Return the scenarios whose size is what LaunchDarkly's limits make it."""
    flips = {50: False, 150: True}
    start_up = Scenario(START_UP, "start-up (empty input)", ALL, 0, aims=Aims(floors=1.1))
    return [
        start_up,
        Scenario("first-load", "15,000 first load", LOADS, FULL),
        Scenario("unchanged", "15,000 unchanged", LOADS, FULL, was=everybody),
        Scenario(
            "one-percent",
            "15,000, 1 % changed",
            LOADS,
            FULL,
            was=lambda row: not flips.get(row % 200, False),
            now=lambda row: flips.get(row % 200, True),
        ),
        Scenario(
            "segments",
            "40,000 changes over 20 segments",
            LOADS,
            40_000,
            segments=20,
            # Half of each segment leaves while the other half joins.
            was=lambda row: row // 20 % 2 == 0,
            now=lambda row: row // 20 % 2 == 1,
        ),
    ]


def large(rows: int) -> list[Scenario]:
    """Return the scenarios of any size, a multiple of 10,000."""
    changes, distinct = _by_changes(rows), _by_distinct(rows)
    told = f"{changes.title}, 4 streams"
    four = replace(changes, name="streams", title=told, streams=4, segments=4)
    return [
        replace(changes, programs=WITHOUT_RECORD),
        distinct,
        _widened(changes, "wide", Aims(2, 60)),
        _widened(distinct, "wide-distinct", Aims(5, 60)),
        replace(four, aims=Aims(stock=20)),
        _mapped(min(rows, MAX_MAPPED)),
        *_snapshots(rows),
        *_batches(rows),
        big(rows, WITHOUT_RECORD),
        _many_segments(rows),
    ]


def _many_segments(rows: int) -> Scenario:
    """Return changes of many segments, all through one stream."""
    return Scenario(
        "many-segments",
        f"{rows:,} changes over {MANY} segments",
        ALONE,
        rows,
        segments=MANY,
        # Half of each segment leaves while the other half joins.
        was=lambda row: row // MANY % 2 == 0,
        now=lambda row: row // MANY % 2 == 1,
    )


def _by_changes(rows: int) -> Scenario:
    return Scenario(
        "changes",
        f"{rows:,} unchanged of {CYCLE:,} keys",
        FEW,
        CYCLE,
        rows // CYCLE,
        was=_nine_of_ten,
        now=_nine_of_ten,
        aims=Aims(2, 20),
    )


def _by_distinct(rows: int) -> Scenario:
    return Scenario(
        "distinct",
        f"{rows:,} distinct keys, unchanged",
        FEW,
        rows,
        was=_one_of_1000,
        now=_one_of_1000,
        aims=Aims(5, 20),
    )


def _widened(scenario: Scenario, name: str, aims: Aims) -> Scenario:
    title = f"{scenario.title}, {WIDTH} columns"
    return replace(scenario, name=name, title=title, is_wide=True, aims=aims)


def _mapped(rows: int) -> Scenario:
    changes = _by_changes(rows)
    title = f"{changes.title}, flag by a stream map"
    return replace(changes, name="maps", title=title, has_maps=True, aims=NO_AIMS)


def _snapshots(rows: int) -> list[Scenario]:
    by_size = Scenario(
        "snapshot",
        f"{rows:,} rows, snapshot of {CYCLE:,} keys by its size",
        FEW,
        CYCLE,
        rows // CYCLE,
        was=_but_one_of_1000,
        strangers=FEW_STRANGERS,
        proof="size",
        aims=Aims(3),
    )
    title = f"{rows:,} rows, snapshot of {CYCLE:,} keys by ACTIVATE_VERSION"
    return [by_size, replace(by_size, name="version", title=title, proof="version")]


def _batches(rows: int) -> list[Scenario]:
    changes = _by_changes(rows)
    jsonl, parquet = f"{changes.title}, BATCH JSONL", f"{changes.title}, BATCH Parquet"
    return [
        replace(changes, name="batch-jsonl", title=jsonl, form="jsonl", aims=Aims(3)),
        replace(changes, name="batch-parquet", title=parquet, form="parquet", aims=NO_AIMS),
    ]


def big(rows: int, programs: tuple[str, ...] = ALONE) -> Scenario:
    """Return a snapshot of a big segment that lacks half of the keys and has some to lose."""
    return Scenario(
        "big",
        f"{rows:,} keys into a big segment",
        programs,
        rows,
        was=lambda row: row % 2 == 0,
        is_big=True,
        proof="trust",
        strangers=BIG_STRANGERS,
        aims=Aims(6) if "floor" in programs else NO_AIMS,
    )


def long(rows: int) -> Scenario:
    """Return an endless-looking stream of the same keys."""
    told = f"{rows:,} unchanged of {CYCLE:,} keys, piped"
    changes = replace(_by_changes(rows), aims=NO_AIMS)
    return replace(changes, name=LONG, title=told, programs=ALONE, is_piped=True)


def long_keys(rows: int) -> Scenario:
    """Return an endless-looking stream of other keys."""
    told = f"{rows:,} distinct keys, unchanged, piped"
    distinct = replace(_by_distinct(rows), aims=Aims(peak_mib=120))
    return replace(distinct, name=LONG_KEYS, title=told, programs=ALONE, is_piped=True)


def long_big(rows: int) -> Scenario:
    """Return a snapshot of as many members as are exported, of whom one in 100 joins and leaves."""
    return replace(
        big(rows, ALONE),
        name=LONG_BIG,
        title=f"{rows:,} members of a big segment, 1 % join, 1 % leave, piped",
        was=lambda row: row % 100 != 0,
        strangers=rows // 100,
        is_piped=True,
        aims=Aims(peak_mib=150),
    )


def start_of(scenario: Scenario) -> Scenario:
    """Return the input over which a program does nothing but start as it does for a scenario."""
    if scenario.form == "parquet":
        # Whoever reads Parquet imports pyarrow, which an empty input does not ask for.
        return replace(scenario, cycles=0)
    return small()[0]


def find(name: str, rows: int) -> Scenario:
    """Return a scenario of that name and so many rows."""
    if not rows and name != START_UP:
        return replace(find(name, CYCLE), cycles=0)
    several: list[Scenario] = [
        *small(),
        *(large(rows) if rows else ()),
        big(rows),
        long(rows),
        long_keys(rows),
        long_big(rows),
    ]
    return {(one.name, one.rows): one for one in several}[name, rows]
