"""Rows that have something in common become words together, and mean the same as one by one."""

from __future__ import annotations

from typing import Any

import pytest
from messages import COLUMNS, STREAM, lines, members, record, schema
from two_ways import demand_same, put_files

from target_launchdarkly.intake.records import MAX_LANES


def test_more_segments_than_are_remembered_are_counted_whole() -> None:
    columns = COLUMNS | {"segment": {"type": "string"}}
    names = [f"segment-{number}" for number in range(MAX_LANES + 7)]
    told: list[Any] = [schema(columns=columns)]
    for key in ("a", "new", "newer"):
        told += [record(key, segment=name) for name in names]

    run = demand_same(lines(told), segment_key=None, segment_key_field="segment")

    assert run.short == 3 * len(names)
    assert {tally["records"] for tally in run.seen["tallies"].values()} == {3}


@pytest.mark.parametrize("value", ['"nothing is"', "0", "1", "null", "{}", '{"context_key": "x"}'])
@pytest.mark.parametrize("names", [[STREAM], [STREAM, "b"]], ids=["one-stream", "two-streams"])
def test_message_about_a_stream_named_like_another_is_what_it_is(
    names: list[str], value: str
) -> None:
    """To decode one stream's lines, msgspec is given another name, one character longer."""
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
