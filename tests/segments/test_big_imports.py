"""Imports of big segments: merges within one file's limits, one at a time in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from big_runs import BIG, MIRROR, SNAPSHOT, requests_of
from messages import keys, leavers, members, record, schema, state

from target_launchdarkly.errors import LaunchDarklyError, PlanRefusedError
from target_launchdarkly.sandbox import Fault, ForeignImport
from target_launchdarkly.segments import costs, keyfiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import FakeClock, Run

    from target_launchdarkly.sandbox import Sandbox

#: Few enough for a test, and more than 20 patches of two operations each.
MANY = keys(60, start=1)
#: One import that replaces all members, where there are no exports.
REPLACE = SNAPSHOT | {"big_segment_removals": "replace"}


@pytest.fixture(autouse=True)
def big_segment(sandbox: Sandbox) -> None:
    sandbox.add_segment(BIG, unbounded=True, included=["user-0", "gone"])
    sandbox.export_rules.polls = 1


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files hold 25 keys."""
    monkeypatch.setattr(keyfiles.key_files, "__defaults__", (25, 40_000_000))


@pytest.mark.parametrize(("count", "is_merged"), [(40, False), (41, True)])
@pytest.mark.parametrize("settings", [MIRROR, SNAPSHOT], ids=["changes", "snapshot"])
def test_additions_go_as_a_merge_where_that_takes_fewer_requests(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    count: int,
    is_merged: bool,
    settings: dict[str, Any],
) -> None:
    run = sync(
        [schema(), *members("user-0", *keys(count, start=1)), *leavers("gone"), state(1)],
        **settings,
        batch_size_rows=2,
    )

    assert run.error is None
    assert run.states == [1]
    assert requests_of(sandbox).count("POST imports") == is_merged
    assert set(sandbox.included(BIG)) == set(keys(count + 1))
    told = f"{count} added{f' ({count} by import)' if is_merged else ''}, 1 removed, 1 already"
    assert told in run.summary or settings is MIRROR


@pytest.mark.usefixtures("small_files")
def test_many_additions_go_as_several_merges_one_after_another(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("user-0", *MANY), state(1)], **SNAPSHOT, batch_size_rows=1)

    assert run.error is None
    assert requests_of(sandbox).count("POST imports") == 3
    assert set(sandbox.included(BIG)) == {"user-0", *MANY}


def test_imports_into_several_segments_never_run_at_the_same_time(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """LaunchDarkly takes one at a time in an environment, and answers 409 to another."""
    names = ["one", "two", "three"]
    for name in names:
        sandbox.add_segment(name, unbounded=True)
    messages = [line for name in names for line in (schema(name), *members(*keys(50), stream=name))]

    run = sync(
        [*messages, state(1)],
        **SNAPSHOT
        | {"streams": {name: {"segment_key": name} for name in names}, "batch_size_rows": 2},
    )

    assert run.error is None
    imports = [each for each in sandbox.requests if each.path.endswith("/imports")]
    assert [each.status for each in imports] == [204] * 3
    assert all(set(sandbox.included(name)) == set(keys(50)) for name in names)


def test_import_of_somebody_else_is_waited_for(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    sandbox.faults.append(Fault("status", method="POST", status=409, after=1, times=12))

    run = sync([schema(), *members("user-0", *MANY), state(1)], **SNAPSHOT, batch_size_rows=2)

    assert run.error is None
    assert run.states == [1]
    assert set(sandbox.included(BIG)) == {"user-0", *MANY}
    # A minute between two looks at most, for minutes, though max_retry_seconds is shorter.
    assert max(clock.slept) == 60
    assert sum(clock.slept) > 300


def test_import_of_somebody_else_is_told_when_patience_ends(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.faults.append(Fault("status", method="POST", status=409, after=1, times=1_000))

    run = sync([schema(), *members("user-0", *MANY), state(1)], **SNAPSHOT, batch_size_rows=2)

    assert "HTTP 409" in str(run.error)
    assert "max_import_seconds" in str(run.error)
    assert run.states == []


def test_import_of_an_earlier_run_is_waited_for(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """It would bring back who leaves now."""
    sandbox.add_segment("plain", unbounded=True)
    sandbox.import_rules.polls = 10
    first = sync(
        [schema(), *members(*keys(50))],
        segment_key="plain",
        batch_size_rows=2,
        max_import_seconds=1,
    )
    assert "not complete" in str(first.error)

    second = sync([schema(), *leavers("user-1")], segment_key="plain", audience_sync_mode="mirror")

    assert "import in progress" in str(second.error)
    assert "PATCH" not in requests_of(sandbox)


@pytest.mark.parametrize(
    ("outcome", "told"), [("stopped", "was stopped"), ("pending_approval", "waits for an approval")]
)
def test_import_that_does_not_complete_is_told_for_what_it_is(
    sandbox: Sandbox, sync: Callable[..., Run], outcome: Any, told: str
) -> None:
    sandbox.import_rules.polls = 1
    sandbox.import_rules.outcome = outcome

    run = sync([schema(), *members("user-0", *MANY), state(1)], **SNAPSHOT, batch_size_rows=2)

    assert isinstance(run.error, LaunchDarklyError)
    assert told in str(run.error)
    assert run.states == []


def test_import_is_looked_at_ever_more_rarely_and_not_for_ever(
    sandbox: Sandbox, sync: Callable[..., Run], clock: FakeClock
) -> None:
    sandbox.import_rules.polls = 1_000

    run = sync(
        [schema(), *members("user-0", "gone", *MANY)],
        **SNAPSHOT,
        batch_size_rows=2,
        max_import_seconds=100,
    )

    assert "not complete after 63 s" in str(run.error)
    assert "max_import_seconds" in str(run.error)
    assert clock.slept == [1, 2, 4, 8, 16, 32]


def test_lost_answer_to_an_import_is_made_good(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    """The second try meets the first one's import, which must have ended before it is made."""
    sandbox.faults.append(Fault("drop-after", method="POST", after=1))
    sandbox.import_rules.polls = 0

    run = sync([schema(), *members("user-0", *MANY)], **SNAPSHOT, batch_size_rows=2)

    assert run.error is None
    assert set(sandbox.included(BIG)) == {"user-0", *MANY}


# One import that replaces all members


def test_replacing_import_takes_the_place_of_an_export_where_that_is_accepted(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.export_rules.denied = True

    run = sync([schema(), *members("user-0", "new"), state(1)], **REPLACE)

    assert run.error is None
    assert run.states == [1]
    assert set(sandbox.included(BIG)) == {"user-0", "new"}
    assert requests_of(sandbox)[:3] == ["GET", "POST exports", "POST imports"]
    assert "PATCH" not in requests_of(sandbox)
    assert "2 included (2 by import), 0 un-included (all members replaced)" in run.summary


def test_members_are_exported_where_they_may_be_though_a_replacing_import_is_accepted(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync([schema(), *members("user-0", "new")], **REPLACE)

    assert run.error is None
    assert "POST imports" not in requests_of(sandbox)
    assert set(sandbox.included(BIG)) == {"user-0", "new"}


def test_export_that_cannot_be_trusted_is_no_reason_to_replace(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.export_rules.missing = 1

    run = sync([schema(), *members("user-0", "new")], **REPLACE)

    assert isinstance(run.error, PlanRefusedError)
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


def test_replacing_import_is_guarded_by_numbers(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    sandbox.add_segment("many", unbounded=True, included=keys(10))
    sandbox.export_rules.denied = True

    run = sync([schema(), *members(*keys(4))], **REPLACE | {"segment_key": "many"})

    assert "6 of the 10 members" in str(run.error)
    assert set(sandbox.included("many")) == set(keys(10))


@pytest.mark.parametrize(
    ("records", "settings", "told"),
    [
        pytest.param(
            [*members("user-0"), record("gone", None)],
            {"invalid_record_action": "skip"},
            "invalid records were skipped (1)",
            id="spared",
        ),
        pytest.param(
            members("user-0"), {"removal_action": "exclude"}, "cannot exclude", id="exclude"
        ),
        pytest.param(
            leavers("user-0", "gone"), {"max_removal_percent": 100}, "nobody is listed", id="nobody"
        ),
    ],
)
def test_what_a_replacing_import_cannot_do_is_refused(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    records: list[Any],
    settings: dict[str, Any],
    told: str,
) -> None:
    sandbox.export_rules.denied = True

    run = sync([schema(), *records], **REPLACE | settings)

    assert isinstance(run.error, PlanRefusedError)
    assert told in str(run.error)
    assert "createSegmentExport" in str(run.error)
    assert set(sandbox.included(BIG)) == {"user-0", "gone"}


def test_members_are_looked_at_again_where_another_import_came_between(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """It takes one out and puts one in, so that the number of members is as expected."""
    sandbox.add_segment("many", unbounded=True, included=["user-0", "stay", "gone"])
    change = ForeignImport("many", ("user-0", "stranger"), mode="replace", seconds=30)
    sandbox.meanwhile(change, method="PATCH")
    audience = ["user-0", "stay", *MANY]

    run = sync(
        [schema(), *members(*audience), state(1)],
        **SNAPSHOT | {"segment_key": "many", "batch_size_rows": 2},
    )

    assert run.error is None
    assert run.states == [1]
    assert set(sandbox.included("many")) == {*audience, "stranger"}


@pytest.mark.parametrize("letter", ["ü", "語", '"'])
def test_what_is_two_files_by_its_bytes_does_not_replace_all_members(
    sandbox: Sandbox, sync: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    """The second file would replace whom the first one has just included."""
    monkeypatch.setattr(costs, "MAX_FILE_BYTES", 1_000)
    monkeypatch.setattr(keyfiles.key_files, "__defaults__", (1_000_000, 1_000))
    audience = [f"{letter * 20}{number}" for number in range(30)]
    sandbox.add_segment("many", unbounded=True, included=audience)
    sandbox.export_rules.denied = True

    run = sync([schema(), *members(*audience), state(1)], **REPLACE | {"segment_key": "many"})

    assert isinstance(run.error, PlanRefusedError)
    assert "one file" in str(run.error)
    assert sandbox.left("many") == set()


def test_replacing_import_warns_that_it_does_not_look_at_who_is_excluded(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.add_segment("half", unbounded=True, included=["a"], excluded=["banned"])
    sandbox.export_rules.denied = True

    run = sync([schema(), *members("a", "b")], **REPLACE | {"segment_key": "half"})

    assert run.error is None
    assert any("even if excluded by hand" in each.message for each in caplog.records)


def test_dry_run_of_a_replacing_import_sends_nothing(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.export_rules.denied = True

    run = sync([schema(), *members("user-0")], **REPLACE | {"dry_run": True})

    assert run.error is None
    assert requests_of(sandbox) == ["GET", "POST exports"]
    assert "1 would be included" in run.summary
    assert "1 would be un-included (all members replaced)" in run.summary
