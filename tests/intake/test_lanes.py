"""Rows that have something in common become words together, and mean the same as one by one."""

from __future__ import annotations

import contextlib
import io
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, STREAM, lines, members, record, schema
from running import SEGMENT
from two_ways import SETTINGS, Drip, ShortWay, demand_same, outcome, put_files

from target_launchdarkly.audience.words import Words
from target_launchdarkly.errors import PlanRefusedError
from target_launchdarkly.intake import records as intake_records
from target_launchdarkly.sinks import AudienceSink

if TYPE_CHECKING:
    from target_launchdarkly.intake.membership import Row


@pytest.mark.parametrize("keys", [[f"user-{n}" for n in range(100)], [*range(100)]], ids=type)
def test_sink_takes_the_first_of_rows_that_are_alike(
    keys: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row at a time is slow; who comes after the first goes with it."""
    taken: list[Any] = []
    take = AudienceSink.take

    def noted(sink: AudienceSink, row: Row, version: object) -> Any:
        taken.append(row.key)
        return take(sink, row, version)

    monkeypatch.setattr(AudienceSink, "take", noted)
    schemas = [schema(columns=COLUMNS | {"context_key": {"type": ["string", "integer"]}})]

    run = outcome(ShortWay, Drip(lines([*schemas, *map(record, keys)]), 65_536), {})

    assert taken == keys[:1]
    assert run.seen["tallies"][SEGMENT]["records"] == 100


def test_words_that_no_sink_said_go_to_disk_as_well() -> None:
    class Target(ShortWay):
        @cached_property
        def words(self) -> Words:  # type: ignore[override]
            return Words(max_in_memory=10)

    target = Target(config=SETTINGS)
    many = members(*(f"user-{number}" for number in range(3_000)))
    with contextlib.redirect_stdout(io.StringIO()):
        target.listen(Drip(lines([schema(), *many]), 65_536))  # type: ignore[arg-type]

    assert target.words.is_on_disk
    assert target.segments.open(SEGMENT, "user", target.planner).tally.added == 3_000


def test_more_segments_than_are_remembered_are_counted_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake_records, "MAX_LANES", 5)
    columns = COLUMNS | {"segment": {"type": "string"}}
    names = [f"segment-{number}" for number in range(12)]
    told: list[Any] = [schema(columns=columns)]
    for key in ("a", "new", "newer"):
        told += [record(key, segment=name) for name in names]

    run = demand_same(lines(told), segment_key=None, segment_key_field="segment")

    assert run.short == 3 * len(names)
    assert {tally["records"] for tally in run.seen["tallies"].values()} == {3}


def test_size_of_its_own_in_each_row_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_records, "MAX_LANES", 5)
    columns = COLUMNS | {"n": {"type": "integer"}}
    target = ShortWay(
        config=SETTINGS
        | {"audience_sync_mode": "mirror", "mirror_source": "snapshot", "audience_size_field": "n"}
    )
    told = [schema(columns=columns), *(record(f"user-{n}", n=n) for n in range(50))]
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(PlanRefusedError):
        target.listen(Drip(lines(told), 65_536))  # type: ignore[arg-type]

    records = target.message_reader.records
    assert records is not None
    assert len(records._lanes) <= 5


@pytest.mark.parametrize("action", ["fail", "skip"])
@pytest.mark.parametrize("bad", [2**53 + 1, -(2**53), int("9" * 400), True, None, 7.5])
def test_number_that_may_be_wrong_is_no_key_among_others(bad: Any, action: str) -> None:
    """In a column of decimals with digits behind the point, as log-based taps write them."""
    columns = COLUMNS | {"context_key": {"type": "number", "multipleOf": 1e-9}}
    told = [schema(columns=columns), *map(record, (1, 2, bad, 3))]

    run = demand_same(lines(told), invalid_record_action=action)

    assert run.seen["tallies"][SEGMENT]["invalid"] == (action == "skip")


@pytest.mark.parametrize("value", ['"nothing is"', "0", "1", "null", "{}", '{"context_key": "x"}'])
@pytest.mark.parametrize("names", [[STREAM], [STREAM, "b"]], ids=["one-stream", "two-streams"])
def test_message_about_a_stream_named_like_another_is_what_it_is(
    names: list[str], value: str
) -> None:
    """No type but a stream's own is decoded from its lines."""
    odd = f'{{"type": "STATE", "value": {{"at": 1}}, "stream": "{STREAM}+", "record": {value}}}'

    run = demand_same(lines([*map(schema, names), *members("new"), odd, *members("last")]))

    assert run.seen["error"][0] is type(None)
    assert run.seen["states"] == '{"at":1}\n'


@pytest.mark.parametrize(
    "versions",
    [([], None), ({}, 1), ([1], 1), (5.0, 5), (5, 5.0), (True, 1), (1, True), ("5", 5)],
    ids=str,
)
def test_odd_version_of_a_file_means_the_same(versions: tuple[Any, Any]) -> None:
    """Versions that are equal, but not the same, are two: nobody leaves by them."""
    of_file, of_lines = versions
    put_files({"memory://two-ways/v.jsonl": b'{"context_key": "a", "is_member": true}'})
    batch = {
        "type": "BATCH",
        "stream": STREAM,
        "encoding": {"format": "jsonl"},
        "manifest": ["memory://two-ways/v.jsonl"],
        "version": of_file,
    }
    several = [each | {"version": of_lines} for each in members("a", "new")]
    proven: dict[str, Any] = {"mirror_source": "snapshot", "trust_end_of_input": True}

    for order in ([batch, *several], [*several, batch], [several[0], batch, several[1]]):
        demand_same(lines([schema(), *order]), audience_sync_mode="mirror", **proven)
