"""Keys, names and flags that version 0.1 read wrongly: each with what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, STREAM, record, schema
from odd_captures import NUMBER_KEYS, odd_capture
from running import SEGMENT

from target_launchdarkly.errors import InvalidRecordError
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture(params=[True, False], ids=["short-way", "sdks-way"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", request.param)


def included(sandbox: Sandbox) -> set[str]:
    return set(sandbox.included(SEGMENT))


# Keys that are numbers

EXACT = {"1498392753700442115", "1498392753700442116", "1498392753700442117", "7"}


@pytest.mark.parametrize("name", NUMBER_KEYS)
@pytest.mark.parametrize(
    ("field", "expected", "invalid"),
    [
        pytest.param("k", EXACT, 1, id="numeric-38-9"),
        pytest.param("k0", EXACT | {"12"}, 0, id="numeric-20"),
        pytest.param("kd", {"7"}, 4, id="double"),
        pytest.param("kt", EXACT | {"12"}, 0, id="text"),
    ],
)
def test_number_keys_of_a_capture_are_exact_or_left_out(  # noqa: PLR0917
    sandbox: Sandbox,
    sync: Callable[..., Run],
    name: str,
    field: str,
    expected: set[str],
    invalid: int,
) -> None:
    """A double is three people's key; `12.5` is nobody's."""
    run = sync(odd_capture(name), context_key_field=field, invalid_record_action="skip")

    assert run.error is None
    assert included(sandbox) == expected
    assert f"{invalid} invalid" in run.summary if invalid else "invalid" not in run.summary


@pytest.mark.parametrize("name", NUMBER_KEYS)
def test_double_as_a_key_is_refused_with_the_remedy(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    run = sync(odd_capture(name), context_key_field="kd")

    assert isinstance(run.error, InvalidRecordError)
    assert "'kd' holds a number that has lost digits" in str(run.error)
    assert "cast it to text" in str(run.error)
    assert "14983927" not in str(run.error)
    assert included(sandbox) == set()


# Names in upper case

SNOWFLAKE = {
    "CONTEXT_KEY": {"type": ["string", "null"]},
    "IS_MEMBER": {"type": ["boolean", "null"]},
}


def snowflake_row(context_key: str, *, is_member: bool) -> dict[str, Any]:
    row = {"CONTEXT_KEY": context_key, "IS_MEMBER": is_member}
    return {"type": "RECORD", "stream": STREAM, "record": row}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("add", {"stays", "leaves", "new"}),
        ("remove", {"stays"}),
        ("mirror", {"stays", "new"}),
    ],
)
def test_names_that_snowflake_folded_are_found(
    sandbox: Sandbox, sync: Callable[..., Run], mode: str, expected: set[str]
) -> None:
    """By `remove`, all members were un-included once, since their flag counted as absent."""
    sandbox.add_segment("table", included=["stays", "leaves"])
    rows = [
        snowflake_row("stays", is_member=True),
        snowflake_row("leaves", is_member=False),
        snowflake_row("new", is_member=True),
    ]

    run = sync([schema(columns=SNOWFLAKE), *rows], segment_key="table", audience_sync_mode=mode)

    assert run.error is None
    assert set(sandbox.included("table")) == expected


# Blanks


def test_padded_key_is_trimmed_and_counted(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("table", included=["there"])
    padded = [record(f"{key:20}", flag) for key, flag in (("a", True), ("there", False), ("b", 1))]

    run = sync(
        [schema(), record("plain"), *padded], segment_key="table", audience_sync_mode="mirror"
    )

    assert run.error is None
    assert set(sandbox.included("table")) == {"plain", "a", "b"}
    assert "3 with blanks around the key" in run.summary


def test_flag_of_a_char_column_is_trimmed(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync([schema(), record("a", "yes  "), record("b", "no   "), record("c", " T")])

    assert run.error is None
    assert included(sandbox) == {"a", "c"}


@pytest.mark.parametrize("blank", ["", "   "], ids=["empty", "blanks"])
def test_blank_time_of_deletion_removes_nobody(
    sandbox: Sandbox, sync: Callable[..., Run], blank: str
) -> None:
    sandbox.add_segment("table", included=["stays", "leaves"])
    columns = COLUMNS | {"_sdc_deleted_at": {"type": ["string", "null"]}}

    run = sync(
        [
            schema(columns=columns),
            record("stays", _sdc_deleted_at=blank),
            record("leaves", _sdc_deleted_at="2026-11-22T09:42:06Z"),
        ],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert sandbox.included("table") == ["stays"]


def test_null_flag_is_refused_with_coalesce_as_remedy(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), record("a", None)], audience_sync_mode="mirror")

    assert isinstance(run.error, InvalidRecordError)
    assert "coalesce(is_member, false)" in str(run.error)


# Stream maps


def test_flag_that_a_stream_map_computes_is_read(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """The SDK types what it computes as text; it is judged by what it is."""
    sandbox.add_segment("table", included=["a", "c"])
    columns = {"context_key": COLUMNS["context_key"], "plan": {"type": "string"}}
    rows: list[Any] = [record(key, plan=plan) for key, plan in (("a", "free"), ("b", "pro"))]
    for row in rows:
        del row["record"]["is_member"]

    run = sync(
        [schema(columns=columns), *rows],
        segment_key="table",
        audience_sync_mode="mirror",
        stream_maps={STREAM: {"is_member": "plan == 'pro'"}},
    )

    assert run.error is None
    assert set(sandbox.included("table")) == {"b", "c"}


# Key properties


def test_record_without_a_key_property_is_refused_as_the_sdk_does(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(key_properties=["id"]), record("a", id=1), record("b")])

    assert "id" in str(run.error)
    assert included(sandbox) == set()


def test_records_with_an_undeclared_key_property_are_taken(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(key_properties=["id"]), record("a", id=1), record("b", id=None)])

    assert run.error is None
    assert included(sandbox) == {"a", "b"}
