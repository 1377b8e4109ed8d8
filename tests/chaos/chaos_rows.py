"""Makes the messages of one tap stream, with what taps get wrong in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
from typing import TYPE_CHECKING, Any

from chaos_cases import LATER_MS, PASSED_MS, SOON_MS, UNREADABLE, Item, Row, Tap, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_choices import Choices

TRUE = (True, 1, 1.0, "true", "T", "Yes", "y", "1")
FALSE = (False, 0, 0.0, "FALSE", "f", "no", "N", "0")
#: What goes wrong with the one proof that a snapshot has; most often nothing does.
VETOES = ("incremental", "replication_key_value", "method", "xmin", "mixed", "old", "file-twice")
#: When memberships end; most do not.
ENDS = (None, None, PASSED_MS, SOON_MS, LATER_MS[0], LATER_MS[0], LATER_MS[1])
FLAWS = {
    "size": ("lost", "doubled-and-lost", "doubled", "uneven", "no-number"),
    "version": (*VETOES, "old", "future", "early", "unfinished", "announced", "last_pk_fetched"),
    "trust": (*VETOES, "syncing"),
    "any": ("not-understood", "not-understood", "xmin-late"),
}


class RowMaker:
    """Makes what one tap stream sends.

    Args:
        choices: Makes all the choices.
        tap: The stream.
        keys: The keys of each of its segments.
        count: How many records.
        has_invalid: Whether some cannot be used.
        trusts: Whether the end of input is trusted.
    """

    def __init__(
        self,
        choices: Choices,
        tap: Tap,
        keys: dict[str, list[str]],
        *,
        count: int,
        has_invalid: bool,
        trusts: bool,
    ) -> None:
        self._choices = choices
        self._tap = tap
        self._keys = keys
        self._count = count
        self._has_invalid = has_invalid
        #: A stream of one name alone says which segments its records are about.
        self._named = tap.sinks[0].segments
        is_sized = any(sink.states_size for sink in tap.sinks)
        self._is_versioned = choices.chance(60 if is_sized else 90)
        #: The proof that a snapshot with a flaw has alone, so that the flaw counts.
        self._proof = ""
        self._flaw = "none"
        if tap.is_whole and choices.chance(30):
            self._choose_flaw(is_sized=is_sized, trusts=trusts)
        is_broken_join = not tap.is_whole and choices.chance(10)
        self._leaving_percent = 100 if is_broken_join else 15 if tap.is_whole or count > 15 else 50

    def _choose_flaw(self, *, is_sized: bool, trusts: bool) -> None:
        choices = self._choices
        # A size that does not fit is a contradiction, whatever else speaks for the stream.
        proofs = ["version", "version", *(["trust"] * 3 if trusts else [])]
        self._proof = choices.of([*(["size"] * 3 if is_sized else proofs), "any"])
        self._flaw = choices.of(FLAWS[self._proof])
        # The records of a file have one version.
        other = {"file-twice": "mixed", "mixed": "file-twice"}
        if self._flaw in other and (self._flaw == "mixed") == self._tap.comes_in_files:
            self._flaw = other[self._flaw]
        if self._proof in {"version", "trust"}:
            self._is_versioned = self._proof == "version" or self._flaw in {"mixed", "old"}

    def messages(self) -> Iterator[Item]:
        """Yield the stream's messages, in order."""
        records = self._records()
        activation = self._activation()
        yield self._schema(is_wide=False)
        yield from self._marks(is_early=True)
        if self._choices.chance(20):
            yield activation
        for number, record in enumerate(records):
            if self._choices.chance(1 if self._count > 15 else 6):
                yield self._schema(is_wide=True)
            if number == 1:
                yield from self._marks(is_early=False)
            if self._flaw == "early" and number == len(records) - 1:
                yield activation
            yield record
        if self._flaw == "announced":
            yield self._schema(is_wide=False)
        if self._is_versioned and self._flaw not in {"unfinished", "early"}:
            yield activation
        if self._flaw == "syncing":
            value = {"currently_syncing": self._tap.name}
            yield Item({"type": "STATE", "value": value})

    def _marks(self, *, is_early: bool) -> Iterator[Item]:
        """Yield a STATE with what the tap remembers of the stream."""
        choices = self._choices
        marks: dict[str, dict[str, Any]] = {
            "xmin": {"xmin": 4711},
            "last_pk_fetched": {"last_pk_fetched": {"id": 9}},
            "replication_key_value": {"replication_key_value": "2026-11-22"},
            "method": {"last_replication_method": choices.of(["INCREMENTAL", "LOG_BASED"])},
        }
        harmless: dict[str, Any] = {"xmin": None, "last_replication_method": "FULL_TABLE"}
        if is_early:
            mark = marks.get(self._flaw, harmless if choices.chance(5) else None)
        else:
            mark = {"xmin": 4711} if self._flaw == "xmin-late" else None
        if mark is not None:
            yield Item({"type": "STATE", "value": {"bookmarks": {self._tap.name: mark}}})

    def _activation(self) -> Item:
        message = {
            "type": "ACTIVATE_VERSION",
            "stream": self._tap.name,
            "version": self._version,
        }
        return Item(message, self._tap)

    @property
    def _version(self) -> Version:
        if not hasattr(self, "_made_version"):
            choices = self._choices
            offset = choices.of([1, 2.5, 30, 59])
            if self._flaw == "old":
                offset = choices.of([0, -1, -30, -59, -61, -90, -3_600])
            if self._flaw == "future":
                offset = 100_000
            self._made_version = Version(offset, choices.chance(50))
        return self._made_version

    def _schema(self, *, is_wide: bool) -> Item:
        columns: dict[str, Any] = {
            "context_key": {"type": ["string", "number", "boolean", "null"]},
            "note": {"type": ["string", "null"]},
            "segment": {"type": ["string", "null"]},
            "size": {"type": ["integer", "string", "number", "null"]},
        }
        if self._tap.has_flag:
            columns["is_member"] = {"type": ["boolean", "string", "number", "null"]}
        if self._tap.has_moments:
            columns["ends"] = {"type": ["string", "number", "null"]}
        if is_wide:
            columns[f"wide_{self._choices.number(0, 3)}"] = {"type": ["string", "null"]}
        message: dict[str, Any] = {
            "type": "SCHEMA",
            "stream": self._tap.name,
            "schema": {"type": "object", "properties": columns},
            "key_properties": ["context_key"] if self._tap.has_key_properties else [],
        }
        if self._flaw == "incremental":
            message["bookmark_properties"] = ["updated_at"]
        return Item(message, self._tap)

    # Records

    def _records(self) -> list[Item]:
        choices = self._choices
        states_size = any(sink.states_size for sink in self._tap.sinks)
        is_sound = self._flaw == "none" and len(self._tap.sinks) == 1
        if states_size and is_sound and choices.chance(10):
            return [self._versioned(item) for item in self._emptied()]
        records = [self._record() for _ in range(self._count)]
        if self._flaw != "doubled":
            records = self._once(records)
        _state_sizes(records, counts_rows=self._flaw == "doubled")
        records = self._spoil_snapshot(records)
        versioned = [self._versioned(item) for item in records]
        if self._flaw == "mixed" and versioned:
            versioned[0] = self._versioned(records[0], later=1)
        return versioned

    def _once(self, records: list[Item]) -> list[Item]:
        """Leave rows that repeat a key out, more often than not: most models have none."""
        if not self._tap.is_whole or self._choices.chance(30):
            return records
        last = {(item.row.segment, item.row.key): item for item in records if item.row}
        return list(last.values())

    def _emptied(self) -> Iterator[Item]:
        """Yield the rows that a model has for audiences that became empty."""
        for segment in self._named:
            row: dict[str, Any] = {"context_key": None, "segment": segment, "note": None}
            row["size"] = self._choices.of([0, "0", 0.0])
            message = {"type": "RECORD", "stream": self._tap.name, "record": row}
            yield Item(message, self._tap, Row(None, segment, "invalid", is_null=True))

    def _versioned(self, item: Item, later: float = 0) -> Item:
        if not self._is_versioned:
            return item
        version = replace(self._version, offset_seconds=self._version.offset_seconds + later)
        return replace(item, message=item.message | {"version": version})

    def _spoil_snapshot(self, records: list[Item]) -> list[Item]:
        if self._flaw == "lost" and records:
            records.pop(self._choices.random.randrange(len(records)))
        if self._flaw in {"doubled-and-lost", "file-twice"} and len(records) > 1:
            middle = len(records) // 2
            kept = records[:middle] if self._choices.chance(50) else records[middle:]
            records = [*kept, *kept, *records[2 * len(kept) :]]
        if self._flaw in {"uneven", "no-number"} and records:
            record = self._choices.of(records).message["record"]
            uneven = self._flaw == "uneven"
            record["size"] = 99 if uneven else self._choices.of([None, "many", 1.5, -1])
        if self._flaw == "not-understood" and self._has_invalid:
            records.insert(self._choices.number(0, len(records)), self._not_understood())
        return records

    def _not_understood(self) -> Item:
        item = self._record()
        while item.row and item.row.key is not None and item.row.segment is not None:
            item = self._spoil(self._record(), self._choices.of(["key", "segment"]))
        item.message["record"]["size"] = self._choices.of([1, len(self._keys)])
        return item

    def _record(self) -> Item:
        choices = self._choices
        segment = choices.of(self._named)
        keys = sorted({key for name in self._keys for key in self._keys[name]})
        key = choices.of(self._keys[segment] if choices.chance(90) else keys)
        flag = not choices.chance(self._leaving_percent)
        is_dropped = self._tap.is_filtered and choices.chance(20)
        record = self._columns(segment, key, is_dropped=is_dropped)
        if self._tap.has_flag:
            record["is_member"] = choices.of(TRUE if flag else FALSE)
        intent: bool | str = flag if self._tap.has_flag else "absent"
        message = {"type": "RECORD", "stream": self._tap.name, "record": record}
        row = Row(key, segment, intent, is_dropped=is_dropped)
        if self._tap.has_moments:
            row = replace(row, ends=choices.of(ENDS))
            record["ends"] = self._written(row.ends)
        if choices.chance(8):
            record["_sdc_deleted_at"] = "2026-11-22T09:42:06Z"
            record.pop("is_member", None)
            return Item(message, self._tap, replace(row, intent=False))
        item = Item(message, self._tap, row)
        percent = 2 if self._count > 15 or self._tap.is_whole else 10
        if self._has_invalid and choices.chance(percent):
            ways = ["key", "flag", "flag", "segment", *(["ends"] * 3 if "ends" in record else [])]
            return self._spoil(item, choices.of(ways))
        return item

    def _columns(self, segment: str | None, key: str, *, is_dropped: bool) -> dict[str, Any]:
        """Return a record without its flag, as taps may write it."""
        record: dict[str, Any] = {
            "context_key": key,
            "segment": segment,
            "note": "drop" if is_dropped else self._choices.of([None, "keep"]),
        }
        if key.isdigit():
            record["context_key"] = self._choices.of([key, int(key), float(key)])
        elif self._choices.chance(3):
            # As columns of a fixed width come.
            record["context_key"] = f"{key}   "
        if self._choices.chance(3):
            # What nobody reads may be anything.
            record["wide_0"] = self._choices.of([5, None, {"a": []}])
        return record

    def _written(self, ends: Any) -> Any:
        """Return a moment in one of the ways in which taps write it."""
        if ends is None:
            return self._choices.of([None, None, "", "9999-12-31"])
        moment = datetime.fromtimestamp(ends / 1_000, UTC)
        zone = timezone(timedelta(hours=self._choices.of([0, 1, -8])))
        ways = [ends, str(ends), moment.astimezone(zone).isoformat(timespec="milliseconds")]
        return self._choices.of([*ways, ends / 1_000, *([] if ends % 1_000 else [ends // 1_000])])

    def _spoil(self, item: Item, way: str) -> Item:
        """Make a record invalid in one of the ways."""
        record, row = item.message["record"], item.row
        assert row is not None
        if way == "key":
            record["context_key"] = self._choices.of([None, "", "  ", True, 0.5, 12.5, 1e22])
            is_null = record["context_key"] is None
            return replace(item, row=replace(row, key=None, is_null=is_null))
        if way == "segment" and self._tap.sinks[0].is_named:
            record["segment"] = self._choices.of([None, "", "no key!"])
            return replace(item, row=replace(row, segment=None))
        if way == "ends":
            record["ends"] = self._choices.of(["soon", 0, "2027-02-01T00:00:00", True, 20_270_201])
            return replace(item, row=replace(row, ends=UNREADABLE))
        if self._tap.has_flag:
            record.pop("_sdc_deleted_at", None)
            record["is_member"] = self._choices.of([None, "perhaps", 7, ""])
            return replace(item, row=replace(row, intent="invalid"))
        return item


def _state_sizes(records: list[Item], *, counts_rows: bool) -> None:
    """Let each record state how many keys its segment has; or, wrongly, how many rows."""
    keys: dict[str | None, list[str | None]] = {}
    for item in records:
        if item.row and item.row.key is not None:
            keys.setdefault(item.row.segment, []).append(item.row.key)
    for item in records:
        named = keys.get(item.row.segment if item.row else None, [])
        count = len(named) if counts_rows else len({*named})
        item.message["record"]["size"] = count


def with_files(items: list[Item]) -> Iterator[Item]:
    """Put records that follow each other into one file, where their stream comes in files."""

    def is_filed(item: Item) -> str | None:
        comes_in_files = item.tap and item.tap.comes_in_files and item.type == "RECORD"
        return item.tap.name if item.tap and comes_in_files else None

    for tap_name, group in groupby(items, is_filed):
        together = list(group)
        file = together[0].index if tap_name else None
        yield from (replace(item, file=file) for item in together)
