"""What real taps sent and version 0.1 choked on: columns that nobody reads stop nothing."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, record, schema
from odd_captures import ODD_COLUMNS, odd_capture, version_of
from running import SEGMENT

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

SNAPSHOT = {
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
    "max_removal_percent": 100,
}
#: The flags that the odd rows hold, by their key; k377 and k497 are false, as every odd number is.
ODD_MEMBERS = {
    ODD_COLUMNS[0]: {f"k{number}" for number in (2, 4, 8, 10, 12, 14, 16, 18, 20, 22, 500)},
    ODD_COLUMNS[1]: {f"k{number}" for number in (2, 6, 8, 10, 12, 14, 16, 18, 20, 22, 496)},
}


@pytest.fixture(params=[True, False], ids=["short-way", "sdks-way"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", request.param)


def included(sandbox: Sandbox) -> set[str]:
    return set(sandbox.included(SEGMENT))


# Columns that nobody reads

NUMERIC = {
    "type": ["null", "number"],
    "exclusiveMaximum": True,
    "maximum": 1e38,
    "exclusiveMinimum": True,
    "minimum": -1e38,
    "multipleOf": 1e-9,
}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param(NUMERIC, 12.5, id="numeric-of-pipelinewise-tap-postgres"),
        pytest.param({"type": "number", "multipleOf": 1e-38}, 0.1, id="tiny-step"),
        pytest.param({"$ref": "#/definitions/gone"}, 1, id="ref-to-nowhere"),
        pytest.param({"type": "array", "items": {"$ref": "file:///gone"}}, [1], id="ref-in-items"),
        pytest.param(
            {"type": ["string", "null"], "format": "date-time"},
            "0000-00-00 00:00:00",
            id="zero-date-of-mysql",
        ),
        pytest.param(
            {"type": "string", "format": "date-time"}, "20210-03-04T00:00:00Z", id="year-20210"
        ),
        pytest.param({"type": "integer"}, "seven", id="text-for-a-number"),
        pytest.param({"type": "object", "required": ["x"]}, [], id="array-for-an-object"),
        pytest.param({"type": "nonsense", "pattern": "("}, 1, id="schema-that-is-none"),
        pytest.param({"format": "date"}, {"nested": ["0000-00-00"]}, id="date-that-is-an-object"),
    ],
)
def test_column_that_nobody_reads_stops_nothing(
    sandbox: Sandbox, sync: Callable[..., Run], column: dict[str, Any], value: object
) -> None:
    run = sync([schema(columns=COLUMNS | {"other": column}), record("a", other=value)])

    assert run.error is None
    assert included(sandbox) == {"a"}


@pytest.mark.parametrize("name", ["other", "context_key"])
def test_ref_to_a_web_address_is_never_fetched(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    with listening() as (url, asked):
        columns = COLUMNS | {name: {"$ref": f"{url}/column.json"}}

        run = sync([schema(columns=columns), record("a")])

    assert run.error is None
    assert included(sandbox) == {"a"}
    assert asked == []


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Serve nothing; yield the address, and what is asked there."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ODD_COLUMNS)
def test_capture_with_odd_columns_mirrors_exactly_by_its_flags(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    """char(20) keys, quoted names, numeric, infinite dates, arrays, json, intervals, ranges."""
    sandbox.add_segment("table", included=["k1", "k5", "stranger"])

    run = sync(
        odd_capture(name),
        segment_key="table",
        audience_sync_mode="mirror",
        context_key_field="ContextKey",
        membership_field="IsMember",
    )

    assert run.error is None
    # The second capture does not hold k1.
    stays = {"stranger"} | ({"k1"} if name == ODD_COLUMNS[1] else set())
    assert set(sandbox.included("table")) == ODD_MEMBERS[name] | stays
    assert "23 records" in run.summary
    assert "23 with blanks around the key" in run.summary


@pytest.mark.parametrize("name", ODD_COLUMNS)
def test_capture_with_odd_columns_lists_exactly_its_members(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    sandbox.add_segment("table", included=["k1", "k2", "stranger"])

    run = sync(
        odd_capture(name),
        segment_key="table",
        context_key_field="contextkey",
        membership_field="ISMEMBER",
        **SNAPSHOT,
    )

    if name == ODD_COLUMNS[0]:
        assert run.error is None
        assert set(sandbox.included("table")) == ODD_MEMBERS[name]
    else:
        # Its records carry a version of another day: somebody else's table.
        assert "not proven whole" in str(run.error)
        assert set(sandbox.included("table")) == {"k1", "k2", "stranger"}


def test_pipelinewise_capture_of_now_lists_exactly_its_members(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    name = ODD_COLUMNS[1]
    later = str(int(clock.now() * 1_000) + 1)
    lines = [line.replace(str(version_of(name)), later) for line in odd_capture(name)]
    sandbox.add_segment("table", included=["k1", "k2", "stranger"])

    run = sync(
        lines,
        segment_key="table",
        context_key_field="ContextKey",
        membership_field="IsMember",
        **SNAPSHOT | {"trust_end_of_input": False},
    )

    assert run.error is None
    assert set(sandbox.included("table")) == ODD_MEMBERS[name]


@pytest.mark.parametrize("name", ODD_COLUMNS)
def test_bigint_keys_of_a_capture_keep_every_digit(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    """`k1` has the number that ends in 115; a double knows it to the hundreds at best."""
    run = sync(odd_capture(name), context_key_field="BigId", membership_field="IsMember")

    assert run.error is None
    numbers = {int(key[1:]) for key in ODD_MEMBERS[name]}
    assert included(sandbox) == {str(1498392753700442114 + number) for number in numbers}
