"""The changes file: what each line says, whose it is, and what becomes of an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from messages import COLUMNS, keys, leavers, members, record, schema
from running import SEGMENT
from told_changes import FIELDS, change, told

from target_launchdarkly.errors import InvalidRecordError, PlanRefusedError
from target_launchdarkly.sandbox import Fault
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

CHANGES = {"audience_sync_mode": "mirror"}
SNAPSHOT = {
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
    "max_removal_percent": 100,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.jsonl"


def given(sandbox: Sandbox, included: Sequence[str] = (), excluded: Sequence[str] = ()) -> None:
    """Give the segment its targets, as nothing that a run did."""
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT, included=included, excluded=excluded)
    sandbox.forget_past()


# What each line says


def test_each_change_is_a_line_with_the_moment_when_it_was_acknowledged(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    given(sandbox, ["ann", "bob"])

    run = sync([schema(), *members("zoë"), *leavers("ann")], changes_file=str(path), **CHANGES)

    assert run.error is None
    assert told(path) == [change("ann", "remove"), change("zoë", "add")]
    assert [*told(path)[0]] == FIELDS
    assert '"zoë"' in path.read_text("utf-8")


def test_who_leaves_because_no_record_lists_them_is_told_apart(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    given(sandbox, ["ann", "bob", "cid"])

    sync([schema(), *members("ann"), *leavers("bob")], changes_file=str(path), **SNAPSHOT)

    assert told(path) == [
        change("bob", "remove"),
        change("cid", "remove", "listed by no record"),
    ]


def test_each_operation_on_a_key_is_named(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    given(sandbox, ["ann"], excluded=["bob"])

    sync(
        [schema(), *members("bob"), *leavers("ann", "cid")],
        changes_file=str(path),
        removal_action="exclude",
        **CHANGES,
    )

    assert told(path) == [
        change("ann", "remove+exclude"),
        change("cid", "exclude"),
        change("bob", "lift+add"),
    ]


def test_key_that_stays_excluded_is_a_line(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    given(sandbox, excluded=["bob"])

    sync([schema(), *members("bob", "ann")], changes_file=str(path))

    skipped = change("bob", "skip", "excluded by hand") | {"acknowledged_at": None}
    assert told(path) == [skipped, change("ann", "add")]


TAGGED = COLUMNS | {"tag": {"type": "string"}}


@pytest.mark.parametrize("has_short_way", [True, False])
@pytest.mark.parametrize("blank", [[], ["", ""]], ids=["one-block", "blank-lines-between"])
def test_skipped_record_is_told_by_its_line(
    sync: Callable[..., Run],
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_short_way: bool,
    blank: list[str],
) -> None:
    """A record without effect in its mode as well as one that is invalid, however it is read."""
    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", has_short_way)
    rows = [*members("a", "b"), *leavers("c"), record("d", "perhaps"), record(None), *members("e")]

    run = sync(
        [schema(), *blank, *rows, *blank, record("f", "?")],
        changes_file=str(path),
        invalid_record_action="skip",
    )

    assert run.error is None
    skipped = [line for line in told(path) if line["action"] == "skip"]
    first = 2 + len(blank)
    assert [(line["line"], line["context_key"]) for line in skipped] == [
        (first + 2, "c"),
        (first + 3, "d"),
        (first + 4, None),
        (first + 6 + len(blank), "f"),
    ]
    assert "audience_sync_mode" in skipped[0]["reason"]
    assert "no membership flag" in skipped[1]["reason"]
    for line in skipped:
        assert line["stream"] == "audience"
        assert line["segment"] == SEGMENT
        assert line["acknowledged_at"] is None
    assert f"{len(skipped)} skipped" in run.summary


def test_record_that_ends_the_run_is_told_by_its_line(sync: Callable[..., Run], path: Path) -> None:
    run = sync([schema(), *members("a"), record("b", "perhaps")], changes_file=str(path))

    assert isinstance(run.error, InvalidRecordError)
    (refused,) = told(path)
    assert (refused["action"], refused["line"], refused["context_key"]) == ("refuse", 3, "b")
    assert "perhaps" not in refused["reason"]


def test_record_without_a_key_property_is_told_by_its_line(
    sync: Callable[..., Run], path: Path
) -> None:
    messages = [schema(columns=TAGGED, key_properties=["tag"]), record("a", tag="x"), record("b")]

    run = sync(messages, changes_file=str(path))

    assert run.error is not None
    assert [(each["action"], each["line"]) for each in told(path)] == [("refuse", 3)]


def test_segment_that_is_refused_is_one_line_with_the_reason(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    given(sandbox, keys(20))
    settings = SNAPSHOT | {"max_removal_percent": 10}

    run = sync([schema(), *members("user-0", "new")], changes_file=str(path), **settings)

    assert isinstance(run.error, PlanRefusedError)
    (refused,) = told(path)
    assert (refused["segment"], refused["action"]) == (SEGMENT, "refuse")
    assert "19 of the 20 members" in refused["reason"]
    assert refused["context_key"] is None


def test_key_that_launchdarkly_refuses_is_a_line(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    sandbox.refused_keys = {"bad"}

    run = sync(
        [schema(), *members("ann", "bad", "bob")],
        changes_file=str(path),
        invalid_record_action="skip",
    )

    assert run.error is None
    lines = {line["context_key"]: (line["action"], line["reason"]) for line in told(path)}
    assert lines.pop("bad") == ("refuse", "refused by LaunchDarkly")
    assert {*lines} == {"ann", "bob"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_members_whom_one_import_replaces_are_told_by_their_number(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path, dry_run: bool
) -> None:
    """Where the token may not export, nobody knows who leaves."""
    sandbox.add_segment("huge", unbounded=True, included=["ann", "bob", "cid"])
    sandbox.export_rules.denied = True
    settings = SNAPSHOT | {"segment_key": "huge", "big_segment_removals": "replace"}

    run = sync([schema(), *members("ann")], changes_file=str(path), dry_run=dry_run, **settings)

    assert run.error is None
    first, second = told(path)
    assert (first["context_key"], first["action"]) == ("ann", "add")
    assert (second["context_key"], second["action"], second["count"]) == (None, "remove", 2)


def test_expiration_is_a_line_that_says_when(sync: Callable[..., Run], path: Path) -> None:
    columns = COLUMNS | {"ends": {"type": "integer"}}
    rows = [record("ann", ends=1_800_003_600_000)]

    run = sync([schema(columns=columns), *rows], changes_file=str(path), expires_at_field="ends")

    assert run.error is None
    expected = change("ann", "set_expiration") | {"expires_at": "2027-01-15T09:00:00.000Z"}
    assert told(path) == [change("ann", "add"), expected]


def test_change_that_had_to_be_sent_again_is_told_once(
    sandbox: Sandbox, sync: Callable[..., Run], path: Path
) -> None:
    """The first answers lag, so that the plan made anew holds the same changes once more."""
    sandbox.faults.append(Fault("stale", method="PATCH"))
    sandbox.faults.append(Fault("stale", method="GET", after=1, behind=10))

    run = sync([schema(), *members("a", "b")], changes_file=str(path))

    assert run.error is None
    assert [line["context_key"] for line in told(path)] == ["a", "b"]


def test_name_that_is_no_valid_unicode_is_escaped(sync: Callable[..., Run], path: Path) -> None:
    name = "odd-\ud800"
    rows = [record("a", "perhaps", stream=name)]

    sync([schema(name), *rows], changes_file=str(path), invalid_record_action="skip")

    assert told(path)[0]["stream"] == name
