"""Every cell of the membership table, as LaunchDarkly sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, DATA, capture, members, record, schema
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

NO_FLAG = {"context_key": COLUMNS["context_key"]}
WITH_DELETED_AT = NO_FLAG | {"_sdc_deleted_at": {"type": ["string", "null"]}}

#: Mode, flag (None: the stream has no flag column), who of the members `in` and the strangers
#: `out` is included afterwards.
TABLE = [
    pytest.param("add", True, {"in", "out"}, id="add-true-includes"),
    pytest.param("add", False, {"in"}, id="add-false-does-nothing"),
    pytest.param("add", None, {"in", "out"}, id="add-no-flag-includes"),
    pytest.param("remove", True, {"in"}, id="remove-true-does-nothing"),
    pytest.param("remove", False, set(), id="remove-false-un-includes"),
    pytest.param("remove", None, set(), id="remove-no-flag-un-includes"),
    pytest.param("mirror", True, {"in", "out"}, id="mirror-true-includes"),
    pytest.param("mirror", False, set(), id="mirror-false-un-includes"),
]


@pytest.mark.parametrize("context_kind", ["user", "organization"])
@pytest.mark.parametrize(("mode", "flag", "expected"), TABLE)
def test_membership_table_holds_for_each_kind(  # noqa: PLR0917
    sandbox: Sandbox,
    sync: Callable[..., Run],
    context_kind: str,
    mode: str,
    flag: bool | None,
    expected: set[str],
) -> None:
    sandbox.add_segment("table", context_kind=context_kind, included=["in"])
    columns = NO_FLAG if flag is None else COLUMNS
    records = [record(key, flag) for key in ("in", "out")]
    for each in records:
        if flag is None:
            del each["record"]["is_member"]

    run = sync(
        [schema(columns=columns), *records],
        segment_key="table",
        context_kind=context_kind,
        audience_sync_mode=mode,
    )

    assert run.error is None
    assert set(sandbox.included("table", context_kind)) == expected


def test_mirror_without_a_flag_column_is_refused_at_the_first_record(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """Not before: a STATE between the two may show that the stream is log-based."""
    run = sync([schema(columns=NO_FLAG), *members("a")], audience_sync_mode="mirror")

    assert "log-based" in str(run.error)
    assert "membership_field" in str(run.error)
    assert "mirror_source" in str(run.error)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("mode", "expected"), [("add", {"in", "new"}), ("remove", {"new"}), ("mirror", {"new"})]
)
def test_deleted_row_counts_as_false_whatever_its_flag(
    sandbox: Sandbox, sync: Callable[..., Run], mode: str, expected: set[str]
) -> None:
    """Log-based taps send deletes with `_sdc_deleted_at`, and often without the flag."""
    sandbox.add_segment("table", included=["in", *(["new"] if mode == "remove" else [])])
    columns = COLUMNS | {"_sdc_deleted_at": {"type": ["string", "null"]}}
    gone = record("in", _sdc_deleted_at="2026-11-22T09:42:06Z")
    del gone["record"]["is_member"]

    run = sync(
        [schema(columns=columns), record("new", _sdc_deleted_at=None), gone],
        segment_key="table",
        audience_sync_mode=mode,
    )

    assert run.error is None
    assert set(sandbox.included("table", "user")) == expected


def test_mirror_without_flag_but_with_deleted_at_includes_and_un_includes(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("table", included=["gone"])
    rows: list[dict[str, Any]] = [
        record("new", _sdc_deleted_at=None),
        record("gone", _sdc_deleted_at="2026-11-22T09:42:06Z"),
    ]
    for row in rows:
        del row["record"]["is_member"]

    run = sync(
        [schema(columns=WITH_DELETED_AT), *rows], segment_key="table", audience_sync_mode="mirror"
    )

    assert run.error is None
    assert sandbox.included("table", "user") == ["new"]


def test_log_based_capture_mirrors_inserts_updates_and_deletes(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """tap-postgres 0.10.0: new-1 joins, user-1 leaves by its flag, user-2's row is deleted."""
    sandbox.add_segment("table", included=["user-1", "user-2", "user-3"])

    run = sync(
        capture("meltanolabs-tap-postgres-log-based.singer"),
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert set(sandbox.included("table", "user")) == {"new-1", "user-3"}
    assert run.states[-1]["bookmarks"]["public-beta_users"]["replication_key_value"] == 30848920


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_every_capture_mirrors_exactly_by_its_flags(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    """`user-0` leaves where the capture holds it; nobody the capture does not name is touched."""
    sandbox.add_segment("table", included=["user-0", "stranger"])
    wanted = {"stranger": True, "user-0": True}
    for message in map(json.loads, capture(name)):
        if message["type"] == "RECORD":
            row = message["record"]
            wanted[row["context_key"]] = not row.get("_sdc_deleted_at") and row["is_member"]

    run = sync(capture(name), segment_key="table", audience_sync_mode="mirror")

    assert run.error is None
    assert set(sandbox.included("table", "user")) == {key for key, flag in wanted.items() if flag}
    assert SEGMENT not in {exchange.segment_key for exchange in sandbox.requests}
