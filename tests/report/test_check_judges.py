"""`--check --input` judges streams as a run would: names, flags, keys and proofs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from messages import keys, leavers, lines, members, record, schema
from running import demand_discreet

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_launchdarkly.sandbox import Sandbox

    Judge = Callable[..., list[str]]

MIRROR = {"audience_sync_mode": "mirror"}
SNAPSHOT = MIRROR | {"mirror_source": "snapshot"}
SIZED = SNAPSHOT | {"audience_size_field": "size"}
SIZE: dict[str, Any] = {"context_key": {}, "is_member": {}, "size": {}, "segment": {}}


@pytest.fixture
def judge(config: dict[str, Any], sandbox: Sandbox) -> Judge:
    """Return what is found of an input, in this process: `judge(messages, dry_run=True)`."""

    def judge(messages: Iterable[Any], **settings: Any) -> list[str]:
        source: Any = io.BytesIO(lines(messages))
        target = TargetLaunchDarkly(config=config | settings)
        found = [*map(str, target.look_at(source).findings())]
        demand_discreet("\n".join(found))
        assert not sandbox.requests
        return found

    return judge


def failures(found: list[str]) -> list[str]:
    return [line for line in found if line.startswith("FAIL")]


def is_activated(version: int) -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": "audience", "version": version}


# Names and flags


def test_wrong_names_of_all_streams_are_told_nearest_first(judge: Judge) -> None:
    columns: dict[str, Any] = {"plan": {}, "user_id": {}, "is_member": {}}
    messages = [schema("one", columns), schema("two", columns), record("a", stream="two")]

    found = judge(messages, context_key_field="userid")

    assert [line.split(": ")[0] for line in failures(found)] == [
        "FAIL  stream 'one'",
        "FAIL  stream 'two'",
    ]
    assert all("userid" in line and "user_id, is_member, plan" in line for line in failures(found))


def test_stream_that_is_not_usable_does_not_hide_the_others(judge: Judge) -> None:
    """Mirror by changes without a flag shows at the first record only."""
    messages = [
        schema("one", {"context_key": {}}),
        *[record("a", stream="one")] * 3,
        schema("two"),
        *members("b", stream="two"),
    ]

    found = judge(messages, **MIRROR)

    [failure] = failures(found)
    assert "stream 'one'" in failure
    assert "so nothing says who left" in failure
    assert any(line.startswith("ok    stream 'two': 1 record") for line in found)


def test_what_a_run_warns_of_is_told(judge: Judge) -> None:
    columns = {"context_key": {}, "is_beta": {"type": "boolean"}}

    found = judge([schema(columns=columns), record("a")], streams={"other": {}})

    assert not failures(found)
    told = "\n".join(line for line in found if line.startswith("warn"))
    assert "stream 'audience': has no property 'is_member', so every row counts as a member" in told
    assert "is_beta" in told
    assert "stream 'other', which streams names, never came" in told


# Keys and values


INVALID = [record(None), record("b", "maybe"), record("c"), record("d", "perhaps"), record(1.5)]


@pytest.mark.parametrize(("action", "level"), [("fail", "FAIL"), ("skip", "warn")])
def test_invalid_records_are_counted_by_reason_with_their_first_line(
    judge: Judge, action: str, level: str
) -> None:
    found = judge([schema(), *INVALID], invalid_record_action=action)

    told = [line for line in found if line.startswith(f"{level:<4}  stream 'audience': ")]
    assert [line.partition(": ")[2].partition(": ")[0] for line in told] == [
        "1 record is invalid, in line 2",
        "2 records are invalid, first in line 3",
        "1 record is invalid, in line 6",
    ]
    assert "1 in, 0 out; 5 records; 4 invalid" in found[-1]
    assert bool(failures(found)) == (action == "fail")


def test_records_that_say_nothing_in_their_mode_are_counted(judge: Judge) -> None:
    found = judge([schema(), *members("a"), *leavers("b", "c")], audience_sync_mode="add")

    assert found[-1].endswith("user: 1 in, 0 out; 3 records; 2 not for this mode")


def test_audience_that_no_standard_segment_holds_is_told(judge: Judge) -> None:
    found = judge([schema(), *members(*keys(15_001))])

    assert "15,001 in (a standard segment has at most 15,000), 0 out" in found[-1]


# Proofs


@pytest.mark.parametrize(
    ("messages", "settings", "proof"),
    [
        pytest.param(
            [schema(), *members("a")],
            SNAPSHOT | {"trust_end_of_input": True},
            "trust_end_of_input",
            id="trust",
        ),
        pytest.param(
            [schema(columns=SIZE), record("a", size=2), record("b", size=2)],
            SIZED,
            "audience_size_field",
            id="size",
        ),
    ],
)
def test_snapshot_that_would_be_proven_says_by_what(
    judge: Judge, messages: list[Any], settings: Any, proof: str
) -> None:
    found = judge(messages, **settings)

    assert not failures(found)
    assert found[-1].endswith(f"proven whole by {proof}")


@pytest.mark.parametrize(
    ("messages", "settings", "told"),
    [
        pytest.param([schema(), *members("a")], SNAPSHOT, "is not set", id="no-proof"),
        pytest.param(
            [schema(columns=SIZE), record("a", size=2)], SIZED, "says 2 keys, 1 came", id="lost"
        ),
        pytest.param([schema()], SNAPSHOT, "no record came", id="empty"),
        pytest.param([], SNAPSHOT, "no stream came at all", id="nothing"),
        pytest.param(
            [schema(), *members("a")],
            SNAPSHOT | {"trust_end_of_input": True, "streams": {"b": {}}},
            "stream 'b', which streams names, never came",
            id="missing",
        ),
    ],
)
def test_snapshot_that_would_not_be_proven_says_why(
    judge: Judge, messages: list[Any], settings: Any, told: str
) -> None:
    found = judge(messages, **settings)

    assert any(told in line for line in failures(found))
    assert not any("proven whole by" in line for line in found)


def test_version_of_a_tap_that_ran_before_is_told_from_one_that_proves_nothing(
    judge: Judge,
) -> None:
    """A tap's output that was kept in a file is older than the check that reads it."""
    records = [message | {"version": 1_000} for message in members("a")]
    hint = "a tap that is piped into `--check --input -`, or into a run, may prove it"

    assert hint in judge([schema(), *records, is_activated(1_000)], **SNAPSHOT)[-1]
    assert hint not in judge([schema(), *records, is_activated(1_001)], **SNAPSHOT)[-1]
    assert hint not in judge([schema(), *records], **SNAPSHOT)[-1]
    mixed = [records[0], members("b")[0] | {"version": 999}, *records]
    assert hint not in judge([schema(), *mixed, is_activated(1_000)], **SNAPSHOT)[-1]


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        pytest.param(
            [schema(), *members("a"), '{"type": "REC'], "FAIL  input: Line 3: not valid", id="cut"
        ),
        pytest.param(
            [schema(columns={"id": {}}), schema("b"), *members("a", stream="b")],
            "FAIL  stream 'audience': has no property",
            id="broken-stream",
        ),
    ],
)
def test_of_what_cannot_be_read_no_proof_is_judged(
    judge: Judge, messages: list[Any], told: str
) -> None:
    found = judge(messages, **SNAPSHOT, trust_end_of_input=True)

    [failure] = failures(found)
    assert failure.startswith(told)
    assert found[-1].startswith("warn  audiences: whether they came whole was not judged")
    assert not any("proven whole by" in line for line in found)


def test_of_many_audiences_those_that_are_not_whole_come_first(judge: Judge) -> None:
    rows = [record("a", size=1, segment=f"s{number}") for number in range(14)]
    rows += [record("a", size=2, segment=f"bad{number}") for number in range(2)]
    settings = SIZED | {"segment_key": None, "segment_key_field": "segment"}

    found = judge([schema(columns=SIZE), *rows], **settings)

    told = [line for line in found if "audience" in line.partition("'")[0] and "segment" in line]
    assert [line.split("'")[1] for line in told][:4] == ["bad0", "bad0", "bad1", "bad1"]
    assert found[-1] == "ok    audiences: 6 more"


def test_input_without_messages_is_told(judge: Judge) -> None:
    assert judge([]) == ["warn  input: it held no message. Look whether the tap failed."]
