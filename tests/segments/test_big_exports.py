"""Exports of big segments: understood however they come, or not trusted, and then nobody leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from big_runs import BIG, MIRROR, SNAPSHOT, instructions_of, looks_at_members, requests_of
from messages import keys, leavers, members, schema, state

from target_launchdarkly.errors import PlanRefusedError
from target_launchdarkly.sandbox import NEVER, ExportRules, Fault, ForeignChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.fixture(autouse=True)
def big_segment(sandbox: Sandbox) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "gone"])
    sandbox.export_rules.polls = 1


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"header": "key"}, id="header"),
        pytest.param({"is_quoted": True, "header": "context key"}, id="quoted-header"),
        pytest.param({"line_end": "\r\n"}, id="line-end"),
        pytest.param({"more_columns": ("user", "2026-11-25")}, id="more-columns"),
        pytest.param({"cut_bytes": 1}, id="no-line-end-behind-the-last-key"),
        pytest.param({"link_name": "download"}, id="another-link"),
        pytest.param({"seconds": 600.0}, id="slow"),
        pytest.param({"polls": 30}, id="many-looks"),
    ],
)
def test_export_is_understood_however_it_comes(
    sandbox: Sandbox, sync: Callable[..., Run], rules: dict[str, Any]
) -> None:
    sandbox.add_segment("many", unbounded=True, included=[*keys(30), "a,b", 'c"d'])
    sandbox.export_rules = ExportRules(**rules)

    run = sync(
        [schema(), *members(*keys(30, start=1), "a,b", 'c"d')], **SNAPSHOT | {"segment_key": "many"}
    )

    assert run.error is None
    assert set(sandbox.included("many")) == {*keys(30, start=1), "a,b", 'c"d'}
    assert instructions_of(sandbox) == [
        [
            {"kind": "removeBigSegmentIncludedTargets", "values": ["user-0"]},
            {"kind": "addBigSegmentIncludedTargets", "values": ["user-30"]},
        ]
    ]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        pytest.param({"missing": 1}, "29 rows", id="a-row-missing"),
        pytest.param({"missing": 30}, "0 rows", id="all-rows-missing"),
        pytest.param({"missing": 2, "header": "key"}, "29 rows", id="rows-missing-under-a-header"),
        pytest.param({"cut_bytes": 9}, "29 rows", id="bytes-missing"),
        pytest.param({"cut_bytes": 4}, "it was cut", id="cut-within-the-last-key"),
        pytest.param({"cut_bytes": 2}, "more than once", id="cut-to-another-key"),
        pytest.param({"is_quoted": True, "cut_bytes": 3}, "cut off", id="cut-within-quotes"),
        pytest.param({"outcome": "failed"}, "'failed'", id="failed"),
        pytest.param({"polls": NEVER}, "max_import_seconds", id="never-ends"),
        pytest.param({"link_seconds": -1.0}, "HTTP 403", id="link-expired"),
        pytest.param({"link_base": "http://files.example.com"}, "https", id="link-without-https"),
        pytest.param({"link_base": "https://files.invalid"}, "connection", id="link-elsewhere"),
    ],
)
def test_export_that_cannot_be_trusted_removes_nobody(
    sandbox: Sandbox, sync: Callable[..., Run], rules: dict[str, Any], told: str
) -> None:
    """Whoever is missing in it would seem to have left, or to be new."""
    sandbox.add_segment("many", unbounded=True, included=keys(30))
    sandbox.export_rules = ExportRules(**{"polls": 1} | rules)

    run = sync([schema(), *members(*keys(28)), state(1)], **SNAPSHOT | {"segment_key": "many"})

    assert isinstance(run.error, PlanRefusedError)
    assert told in str(run.error)
    assert run.states == []
    assert set(sandbox.included("many")) == set(keys(30))
    assert looks_at_members(sandbox) == 2 - (told == "more than once")


@pytest.mark.parametrize(
    "settings", [SNAPSHOT, MIRROR | {"max_removal_percent": 100}], ids=["snapshot", "changes"]
)
@pytest.mark.parametrize("is_cut_again", [True, False])
def test_header_that_makes_up_for_a_row_is_not_taken_for_a_member(
    sandbox: Sandbox, sync: Callable[..., Run], settings: dict[str, Any], is_cut_again: bool
) -> None:
    """Who stood in that row would stay, and be told to have left."""
    sandbox.add_segment("many", unbounded=True, included=[*keys(60), "leaving"])
    sandbox.export_rules = ExportRules(polls=1, header="key", missing=1)
    if not is_cut_again:
        sandbox.meanwhile(lambda each: setattr(each.export_rules, "missing", 0), method="PATCH")

    run = sync(
        [schema(), *members(*keys(60), "new"), *leavers("leaving"), state(1)],
        **settings | {"segment_key": "many", "batch_size_rows": 2},
    )

    assert "is a header" in str(run.error)
    assert run.states == []
    assert set(keys(60)) <= set(sandbox.included("many"))


@pytest.mark.parametrize("lag", [2, 4])
def test_member_is_not_taken_for_a_header_where_the_count_lags(
    sandbox: Sandbox, sync: Callable[..., Run], lag: int
) -> None:
    """Of one who is not seen as a member nobody would know that they are to leave."""
    sandbox.add_segment("many", unbounded=True, included=["leaving", *keys(5)])
    sandbox.count_lag_reads = lag
    with sandbox.as_somebody_else():
        ForeignChange("many", add=("user-5",))(sandbox)

    run = sync([schema(), *members(*keys(6)), state(1)], **SNAPSHOT | {"segment_key": "many"})

    assert sandbox.left("many") <= {"leaving"}
    assert bool(run.states) == ("leaving" not in sandbox.included("many"))


def test_export_that_breaks_off_once_is_fetched_again(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(Fault("truncate", method="FILE"))
    sandbox.faults.append(Fault("status", method="FILE", status=503))

    run = sync([schema(), *members("user-0"), state(1)], **SNAPSHOT)

    assert run.error is None
    assert sandbox.included(BIG) == ["user-0"]
    assert looks_at_members(sandbox) == 1
    # Each time by a link of its own, since one may expire.
    assert requests_of(sandbox).count("GET exports") == 3


def test_export_that_failed_is_begun_again(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.faults.append(Fault("status", method="FILE", status=403, times=3))

    run = sync([schema(), *members("user-0"), state(1)], **SNAPSHOT)

    assert run.error is None
    assert sandbox.included(BIG) == ["user-0"]
    assert looks_at_members(sandbox) == 2


def test_other_segments_get_theirs_where_one_cannot_be_exported(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("other", included=["x"])
    sandbox.export_rules.outcome = "failed"

    run = sync(
        [schema("one"), *members("a", stream="one"), schema("two"), *members("b", stream="two")],
        **SNAPSHOT
        | {
            "max_removal_percent": 100,
            "streams": {"one": {"segment_key": BIG}, "two": {"segment_key": "other"}},
        },
    )

    assert isinstance(run.error, PlanRefusedError)
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}
    assert sandbox.included("other") == ["b"]


def test_snapshot_is_refused_where_the_token_may_not_export(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.export_rules.denied = True

    run = sync([schema(), *members("user-0"), state(1)], **SNAPSHOT)

    assert isinstance(run.error, PlanRefusedError)
    assert "createSegmentExport" in str(run.error)
    assert "big_segment_removals" in str(run.error)
    assert run.states == []
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}
    assert "PATCH" not in requests_of(sandbox)


def test_token_goes_to_the_api_only(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sync([schema(), *members("user-0")], **SNAPSHOT)

    assert len(sandbox.downloads.exchanges()) == 1
    assert sandbox.leaks == []
    assert all("authorization" in each.headers for each in sandbox.requests)
