"""What a refused run says and does: one line, each reason with its remedy, and nothing to undo."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from audience_tables import (
    BY_SEGMENT,
    CHANGES,
    END,
    FREELY,
    PER_SEGMENT,
    SIZED,
    SNAPSHOT,
    TRUSTING,
    WITH_SIZE,
    demand_untouched,
    for_segment,
    included,
    methods,
    put,
    sized,
    whole,
)
from messages import keys, leavers, members, record, schema
from running import SEGMENT

from target_launchdarkly.errors import LaunchDarklyError, PlanRefusedError
from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

    Command = Callable[..., subprocess.CompletedProcess[str]]

TRUSTED = SNAPSHOT | {"trust_end_of_input": True}


# What it says


def test_refusal_names_the_stream_what_is_missing_and_the_three_ways(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, "gone", "user-0")

    told = demand_untouched(sandbox, sync(whole(*members("user-0")), **FREELY), "gone", "user-0")

    for each in (
        "stream 'audience'",
        "no ACTIVATE_VERSION came after the last record",
        "audience_size_field is not set",
        "trust_end_of_input is not set",
        "count(*) over () as audience_size",
        "partition by",
        "keys must be unique",
        "ACTIVATE_VERSION after the last record",
        "set trust_end_of_input to true",
        "audience_sync_mode to 'add'",
    ):
        assert each in told
    for key in ("gone", "user-0"):
        assert key not in told


def sized_rows(size: int, *messages: Message) -> list[Message]:
    return whole(*sized(messages, size), columns=SIZED)


SKIPPING = WITH_SIZE | {"invalid_record_action": "skip"}
CAUSES = [
    pytest.param([], TRUSTING, "Look whether the tap failed", id="nothing-came"),
    pytest.param([schema()], TRUSTING, "one row with a null key and the size 0", id="emptied"),
    pytest.param(
        sized_rows(10, *members(*keys(9), "user-0")), WITH_SIZE, "select distinct", id="duplicates"
    ),
    pytest.param(
        sized_rows(10, *members(*keys(9))), WITH_SIZE, "Rows are missing or too many", id="lost"
    ),
    pytest.param(
        sized_rows(10, *members(*keys(10))),
        WITH_SIZE | {"stream_maps": {"audience": {"__filter__": "context_key != 'user-1'"}}},
        "Filter in the model instead of in stream_maps",
        id="filter",
    ),
    pytest.param(
        sized_rows(10, *members(*keys(9)), record(None)),
        SKIPPING,
        "Correct these rows in the model",
        id="rows-not-understood",
    ),
    pytest.param(
        whole(*members("user-0")), TRUSTED, "raise max_removal_percent to 90", id="too-many-leave"
    ),
    pytest.param(whole(*members("user-0")), FREELY, "Give one proof", id="no-proof"),
]


@pytest.mark.parametrize(("messages", "settings", "remedy"), CAUSES)
def test_each_cause_has_its_own_remedy(
    sandbox: Sandbox, sync: Sync, messages: list[Message], settings: Message, remedy: str
) -> None:
    """And none that belongs to another."""
    put(sandbox, *keys(10))

    told = demand_untouched(sandbox, sync(messages, **settings), *keys(10))

    assert remedy in told
    others = {case.values[2] for case in CAUSES} - {remedy}
    assert not [each for each in others if isinstance(each, str) and each in told]


@pytest.mark.parametrize(("messages", "settings", "remedy"), CAUSES)
def test_dry_run_is_refused_for_the_same_reason(
    sandbox: Sandbox, sync: Sync, messages: list[Message], settings: Message, remedy: str
) -> None:
    put(sandbox, *keys(10))

    dry = demand_untouched(sandbox, sync(messages, dry_run=True, **settings), *keys(10))

    assert dry == str(sync(messages, **settings).error)


def test_key_excluded_by_hand_refuses_the_segment_if_so_set(sandbox: Sandbox, sync: Sync) -> None:
    """Before anything of it is sent, and not in the middle."""
    sandbox.add_segment("table", included=["user-0"], excluded=["user-1"])

    run = sync(
        whole(*members(*keys(5)), *leavers("user-0")),
        segment_key="table",
        excluded_key_action="fail",
        **CHANGES,
    )

    assert isinstance(run.error, PlanRefusedError)
    assert "it excludes 1 context that the stream includes" in str(run.error)
    assert "set excluded_key_action to 'skip' or 'include'" in str(run.error)
    assert methods(sandbox) == ["GET"]
    assert run.states == []


@pytest.mark.parametrize(
    ("sizes", "told", "untold"),
    [
        pytest.param(
            [2] * 13, "'segment-09' and 3 more was left as it is: ", "'segment-10'", id="one-reason"
        ),
        pytest.param(range(2, 15), "3 more reasons for other segments.", "'segment-10'", id="many"),
    ],
)
def test_of_many_refused_segments_the_first_are_told_and_the_rest_counted(
    sandbox: Sandbox, sync: Sync, sizes: list[int], told: str, untold: str
) -> None:
    names = [f"segment-{number:02}" for number in range(13)]
    rows = []
    for name, size in zip(names, sizes, strict=True):
        sandbox.add_segment(name, included=["gone"])
        rows += for_segment(name, sized(members("user-0"), size))

    run = sync(whole(*rows, columns=BY_SEGMENT), **PER_SEGMENT)

    assert isinstance(run.error, PlanRefusedError)
    assert run.error.segments == names
    assert told in str(run.error)
    assert untold not in str(run.error)
    assert methods(sandbox) == ["GET"] * 13


# What it does to the other segments


def two_streams(*rows: Message) -> list[Message]:
    return [schema("web"), schema("app"), *rows, END]


TWO_SEGMENTS = {"streams": {"web": {"segment_key": "one"}, "app": {"segment_key": "two"}}}


def test_other_segments_get_theirs_and_are_told_apart(sandbox: Sandbox, sync: Sync) -> None:
    sandbox.add_segment("one", included=keys(20))
    sandbox.add_segment("two", included=["user-0"])
    rows = [*leavers(*keys(20), stream="web"), *members("new", stream="app")]

    run = sync(two_streams(*rows), **TWO_SEGMENTS, **CHANGES)

    demand_untouched(sandbox, run, *keys(20), segment="one")
    assert included(sandbox, "two") == {"user-0", "new"}
    one, two = run.target.summary()
    assert "20 records: left as it is, because its plan was refused; 1 request (1 GET)" in one
    assert "1 record: 1 added, 0 removed" in two


def test_all_plans_are_judged_before_the_first_request(
    sandbox: Sandbox, sync: Sync, caplog: pytest.LogCaptureFixture
) -> None:
    """Both reads come before the patch, whichever segment is refused."""
    sandbox.add_segment("one", included=["user-0"])
    sandbox.add_segment("two", included=keys(20))
    rows = [*members("new", stream="web"), *leavers(*keys(20), stream="app")]

    run = sync(two_streams(*rows), **TWO_SEGMENTS, **CHANGES)

    demand_untouched(sandbox, run, *keys(20), segment="two")
    assert methods(sandbox) == ["GET", "GET", "PATCH"]


def test_failure_of_one_segment_does_not_hide_that_another_was_refused(
    sandbox: Sandbox, sync: Sync
) -> None:
    sandbox.add_segment("one", included=keys(20))
    sandbox.add_segment("two", included=["user-0"])
    sandbox.faults.append(Fault("status", method="PATCH", status=403))
    rows = [*leavers(*keys(20), stream="web"), *members("new", stream="app")]

    run = sync(two_streams(*rows), **TWO_SEGMENTS, **CHANGES)

    assert isinstance(run.error, LaunchDarklyError)
    assert "Segment 'one' was left as it is: 20 of the 20 members" in str(run.error)
    assert included(sandbox, "one") == {*keys(20)}
    assert run.states == []


def test_segment_that_cannot_be_changed_keeps_no_other_from_its_words(
    sandbox: Sandbox, sync: Sync
) -> None:
    """And no STATE says that its own were kept."""
    names = ["one", "three", "two"]
    for name in names:
        sandbox.add_segment(name)
    sandbox.faults.append(Fault("status", method="PATCH", status=403))
    rows = [row for name in names for row in for_segment(name, members("user-0"))]
    settings = CHANGES | {"segment_key_field": "segment"}

    run = sync(whole(*rows, columns=BY_SEGMENT), **settings)

    assert isinstance(run.error, LaunchDarklyError)
    assert sorted(len(included(sandbox, name)) for name in names) == [0, 1, 1]
    assert run.states == []


# As a command


def errors(log: str) -> list[str]:
    return [line for line in log.splitlines() if "ERROR" in line]


def test_command_ends_with_one_line_that_tells_what_was_done_elsewhere(
    sandbox: Sandbox, command: Command
) -> None:
    sandbox.add_segment("one", included=keys(20))
    sandbox.add_segment("two")
    rows = [*leavers(*keys(20), stream="web"), *members("new", stream="app")]

    result = command(two_streams(*rows), **TWO_SEGMENTS, **CHANGES)

    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    (told,) = errors(result.stderr)
    assert "Segment 'one' was left as it is: 20 of the 20 members" in told
    assert "Applied before that: segment 'two' 1 added, 0 removed." in told


@pytest.mark.parametrize("dry_run", [False, True])
def test_command_that_is_refused_leaves_all_as_it_was(
    sandbox: Sandbox, command: Command, dry_run: bool
) -> None:
    """Twice: the second run finds what the first one found."""
    put(sandbox, *keys(4))

    for _ in range(2):
        result = command(whole(*members("user-0", "new")), dry_run=dry_run, **TRUSTED)

        assert result.returncode == 1
        assert result.stdout == ""
        (told,) = errors(result.stderr)
        assert "3 of the 4 members" in told
        assert "Applied before that: nothing." in told
    assert methods(sandbox) == ["GET", "GET"]
    assert included(sandbox) == {*keys(4)}


def test_command_that_is_proven_says_so_and_writes_state(
    sandbox: Sandbox, command: Command
) -> None:
    """Its process began before the version that it takes for its own."""
    put(sandbox, *keys(4))

    result = command(whole(*members(*keys(3))), **TRUSTED)

    assert result.returncode == 0
    assert json.loads(result.stdout) == {"at": "end"}
    [line] = [line for line in result.stderr.splitlines() if f"'{SEGMENT}'" in line]
    assert line.endswith("; the snapshot was proven whole.")
    assert included(sandbox) == {*keys(3)}
