"""A mirror that would take away too many changes nothing, however often it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    BY_SEGMENT,
    CHANGES,
    END,
    SIZED,
    SNAPSHOT,
    TRUSTING,
    WITH_SIZE,
    cut_at,
    demand_done,
    demand_untouched,
    for_segment,
    included,
    methods,
    operations,
    put,
    sized,
    whole,
)
from messages import keys, leavers, members, schema, state
from running import SEGMENT

from target_launchdarkly.errors import PlanRefusedError
from target_launchdarkly.sandbox import ForeignChange

if TYPE_CHECKING:
    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

TRUSTED = SNAPSHOT | {"trust_end_of_input": True}


# Snapshots


@pytest.mark.parametrize(
    ("listed", "passes"),
    [
        pytest.param(4, True, id="nobody-leaves"),
        pytest.param(2, True, id="exactly-the-limit"),
        pytest.param(1, False, id="above-the-limit"),
    ],
)
def test_guard_counts_who_leaves_against_the_members_at_the_beginning(
    sandbox: Sandbox, sync: Sync, listed: int, passes: bool
) -> None:
    """Those whom the run itself adds do not make the share smaller, and are not added either."""
    there, new = keys(4), keys(20, 100)
    put(sandbox, *there)

    run = sync(whole(*members(*there[:listed], *new)), **TRUSTED)

    if passes:
        demand_done(run, {"at": "end"})
        assert included(sandbox) == {*there[:listed], *new}
        return
    told = demand_untouched(sandbox, run, *there)
    for each in ("3 of the 4 members", "75.0 %", "max_removal_percent is 50"):
        assert each in told
    assert "raise max_removal_percent to 75 for one run" in told


@pytest.mark.parametrize("batch_size_rows", [2, 1_500])
@pytest.mark.parametrize("proof", ["trust", "size"])
def test_wrong_audience_is_refused_as_often_as_it_comes(
    sandbox: Sandbox, sync: Sync, proof: str, batch_size_rows: int
) -> None:
    """100 members, and 150 others that are proven whole: nothing of them may make the next pass."""
    put(sandbox, *keys(100))
    wrong = whole(*members(*keys(150, 500)))
    settings = TRUSTED
    if proof == "size":
        wrong = whole(*sized(members(*keys(150, 500)), 150), columns=SIZED)
        settings = WITH_SIZE | {"max_removal_percent": 50}

    for _ in range(10):
        run = sync(wrong, batch_size_rows=batch_size_rows, **settings)

        assert "100 of the 100 members" in demand_untouched(sandbox, run, *keys(100))
    assert methods(sandbox) == ["GET"] * 10


def test_mended_audience_passes_after_a_refused_one(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, *keys(100))
    sync(whole(*members(*keys(150, 500))), **TRUSTED)

    demand_done(sync(whole(*members(*keys(100, 50))), **TRUSTED), {"at": "end"})
    assert included(sandbox) == {*keys(100, 50)}


def test_refused_audience_that_is_right_passes_when_the_limit_is_raised(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, *keys(4))
    audience = whole(*members("user-0"))
    demand_untouched(sandbox, sync(audience, **TRUSTED), *keys(4))

    demand_done(sync(audience, **(TRUSTED | {"max_removal_percent": 75})), {"at": "end"})
    assert included(sandbox) == {"user-0"}


def test_guard_of_zero_lets_nobody_leave(sandbox: Sandbox, sync: Sync) -> None:
    put(sandbox, "gone", *keys(200))

    run = sync(whole(*members(*keys(200))), **(TRUSTING | {"max_removal_percent": 0}))

    demand_untouched(sandbox, run, "gone", *keys(200))


def test_guard_of_zero_lets_an_empty_segment_be_filled(sandbox: Sandbox, sync: Sync) -> None:
    run = sync(whole(*members("user-0")), **(TRUSTING | {"max_removal_percent": 0}))

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0"}


def test_guard_of_one_segment_keeps_no_other_from_changing(sandbox: Sandbox, sync: Sync) -> None:
    sandbox.add_segment("one", included=["gone", "user-0", "user-1"])
    sandbox.add_segment("two", included=["gone", "user-2"])
    settings = TRUSTING | {"max_removal_percent": 40, "segment_key_field": "segment"}
    rows = [
        *for_segment("one", members("user-0", "user-1")),
        *for_segment("two", members("user-2")),
    ]

    run = sync(whole(*rows, columns=BY_SEGMENT), **settings)

    told = demand_untouched(sandbox, run, "gone", "user-2", segment="two")
    assert "'one'" not in told
    assert included(sandbox, "one") == {"user-0", "user-1"}


def test_who_came_while_the_run_read_stays_and_is_not_counted(sandbox: Sandbox, sync: Sync) -> None:
    """Another run of another audience may have added them."""
    put(sandbox, "gone", "user-0")
    theirs = tuple(f"theirs-{number}" for number in range(20))
    sandbox.meanwhile(ForeignChange(SEGMENT, add=theirs), method="GET", when="after")

    demand_done(sync(whole(*members("user-0", "new")), **TRUSTED), {"at": "end"})
    assert included(sandbox) == {"user-0", "new", *theirs}


# By changes


@pytest.mark.parametrize("action", ["remove", "exclude"])
def test_broken_join_by_changes_empties_no_segment(
    sandbox: Sandbox, sync: Sync, action: str
) -> None:
    """100 members, and every flag false."""
    put(sandbox, *keys(100))
    broken = whole(*leavers(*keys(100)), *members("new"))

    for _ in range(2):
        run = sync(broken, removal_action=action, **CHANGES)

        assert "100 of the 100 members" in demand_untouched(sandbox, run, *keys(100))


@pytest.mark.parametrize(
    ("numbers", "passes"),
    [
        pytest.param((10, 10, 0), True, id="ten-always-pass"),
        pytest.param((100, 10, 0), True, id="ten-of-many-always-pass"),
        pytest.param((11, 11, 50), False, id="eleven-are-counted"),
        pytest.param((22, 11, 50), True, id="exactly-the-limit"),
        pytest.param((21, 11, 50), False, id="above-the-limit"),
        pytest.param((20, 20, 100), True, id="all-if-so-set"),
    ],
)
def test_guard_by_changes(
    sandbox: Sandbox, sync: Sync, numbers: tuple[int, int, int], passes: bool
) -> None:
    """So many are there, so many leave, so many percent may."""
    there, leaving, percent = numbers
    put(sandbox, *keys(there))
    messages = whole(*leavers(*keys(leaving)))

    run = sync(messages, max_removal_percent=percent, **CHANGES)

    if passes:
        demand_done(run, {"at": "end"})
        assert included(sandbox) == {*keys(there - leaving, leaving)}
    else:
        demand_untouched(sandbox, run, *keys(there))


def test_guard_by_changes_counts_members_not_records(sandbox: Sandbox, sync: Sync) -> None:
    """Strangers leave nothing, and who is true again in the end does not leave."""
    put(sandbox, *keys(20))
    rows = [*leavers(*keys(500, 1_000)), *leavers(*keys(20)), *members(*keys(15))]

    demand_done(sync(whole(*rows), max_removal_percent=0, **CHANGES), {"at": "end"})
    assert included(sandbox) == {*keys(15)}


@pytest.mark.parametrize("mode", ["remove", "add"])
def test_modes_that_do_not_mirror_have_no_guard(sandbox: Sandbox, sync: Sync, mode: str) -> None:
    put(sandbox, *keys(100))

    run = sync(whole(*leavers(*keys(100))), audience_sync_mode=mode, max_removal_percent=0)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == (set() if mode == "remove" else {*keys(100)})


def test_guard_may_stand_under_streams_and_the_smallest_counts(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, *keys(100))
    streams = {"web": {"max_removal_percent": 60}, "app": {"max_removal_percent": 20}}
    web = [schema("web"), *leavers(*keys(30), stream="web")]
    app = [schema("app"), *members("user-50", stream="app")]

    run = sync([*web, *app], streams=streams, **CHANGES)
    told = demand_untouched(sandbox, run, *keys(100))
    assert "max_removal_percent is 20" in told

    demand_done(sync(web, streams=streams, **CHANGES))
    assert len(included(sandbox)) == 70


def test_guard_counts_each_context_kind_by_itself(sandbox: Sandbox, sync: Sync) -> None:
    """Many users do not hide that all organizations leave."""
    put(sandbox, *keys(100))
    orgs = tuple(f"org-{number}" for number in range(12))
    ForeignChange(SEGMENT, add=orgs, context_kind="organization")(sandbox)
    streams = {"orgs": {"context_kind": "organization"}}
    rows = [*members("user-0", stream="web"), *leavers(*orgs, stream="orgs")]

    run = sync([schema("web"), schema("orgs"), *rows], streams=streams, **CHANGES)

    told = demand_untouched(sandbox, run, *keys(100))
    assert "12 of the 12 members of kind 'organization'" in told
    assert len(sandbox.included(SEGMENT, "organization")) == 12


# Over checkpoints


def waves(*leaving: list[str]) -> tuple[list[Message], list[int]]:
    """Return messages with a STATE before each wave of leavers, and the last line of each."""
    messages: list[Message] = [schema()]
    lines = []
    for number, wave in enumerate(leaving):
        messages += [state({"at": number}), *leavers(*wave)]
        lines.append(len(messages))
    return messages, lines


def test_guard_counts_over_the_whole_run(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a broken model would take all away, some at every checkpoint."""
    put(sandbox, *keys(100))
    messages, lines = waves(*(keys(20, start) for start in range(0, 100, 20)))
    cut_at(monkeypatch, lines)

    run = sync(messages, **CHANGES)

    assert isinstance(run.error, PlanRefusedError)
    assert f"Segment '{SEGMENT}' got nothing more: 60 of the 100 members" in str(run.error)
    assert included(sandbox) == {*keys(60, 40)}
    assert run.states == [{"at": 0}, {"at": 1}]
    assert run.target.message_reader.line_number == lines[2]


def test_ten_that_always_pass_are_ten_of_the_whole_run(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sandbox, *keys(12))
    messages, lines = waves(keys(6), keys(4, 6), keys(1, 10))
    cut_at(monkeypatch, lines)

    run = sync(messages, **CHANGES)

    assert "11 of the 12 members" in str(run.error)
    assert included(sandbox) == {"user-10", "user-11"}


def test_guard_counts_whom_the_run_itself_included(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that was empty when a long run began is guarded as well."""
    messages = [schema(), state({"at": 0}), *members(*keys(100)), END, *leavers(*keys(100))]
    cut_at(monkeypatch, [102])

    run = sync(messages, **CHANGES)

    assert "100 of the 100 members of kind 'user' when the run began or since then" in str(
        run.error
    )
    assert included(sandbox) == {*keys(100)}
    assert run.states == [{"at": 0}]
    assert {kind for kind, _ in operations(sandbox)} == {"addIncludedTargets"}


def test_run_that_was_refused_is_refused_again_from_where_it_stands(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run counts against the members that it finds."""
    put(sandbox, *keys(100))
    messages, lines = waves(keys(20), keys(80, 20))
    cut_at(monkeypatch, lines)
    sync(messages, **CHANGES)
    assert included(sandbox) == {*keys(80, 20)}
    sandbox.clear_requests()

    run = sync(messages, **CHANGES)

    assert "80 of the 80 members" in str(run.error)
    assert methods(sandbox) == ["GET"]
