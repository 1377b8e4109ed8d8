"""The summary: a line a segment, the totals of many, and nothing that says more than was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import keys, members, record, schema, state
from running import SEGMENT

from target_launchdarkly.report.lines import largest, summarise
from target_launchdarkly.report.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from target_launchdarkly.sandbox import Sandbox

    Command = Callable[..., CompletedProcess[str]]

WHOLE = {
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
}


def told(result: CompletedProcess[str]) -> list[str]:
    """Return the log lines but for the first, which names the versions."""
    first, *lines = [line.split(" | ")[-1] for line in result.stderr.splitlines()]
    assert first.startswith("target-launchdarkly v")
    return lines


@pytest.mark.parametrize(
    ("messages", "settings", "expected"),
    [
        pytest.param(
            [schema(), *members(*keys(4_000)), state(1)],
            {},
            "4,000 records: 4,000 added, 0 removed, 0 already in place, 0 skipped; "
            "4 requests (1 GET, 3 PATCH).",
            id="patches",
        ),
        pytest.param(
            [schema(), *members("a")],
            WHOLE,
            "1 record: 1 added, 0 removed, 0 already in place, 0 skipped; "
            "2 requests (1 GET, 1 PATCH); the snapshot was proven whole.",
            id="snapshot",
        ),
        pytest.param(
            [schema(), *members("a", " b")],
            {"dry_run": True},
            "2 records: 2 would be added, 0 would be removed, 0 already in place, 0 skipped, "
            "1 with blanks around the key; 1 request (1 GET).",
            id="dry-run",
        ),
        pytest.param(
            [schema(), *members(*keys(3_000))],
            {"segment_key": "big"},
            "3,000 records: 3,000 included, 0 un-included, 0 already in place, 0 skipped; "
            "4 requests (2 GET, 2 PATCH).",
            id="big",
        ),
    ],
)
def test_run_is_told_in_one_line_a_segment(
    sandbox: Sandbox, command: Command, messages: list[Any], settings: Any, expected: str
) -> None:
    """A night's mail of cron is read by people."""
    sandbox.add_segment("big", unbounded=True)

    result = command(messages, **settings)

    assert result.returncode == 0, result.stderr
    assert told(result) == [f"Segment '{settings.get('segment_key', SEGMENT)}': {expected}"]


def test_each_warning_is_counted_in_the_line(sandbox: Sandbox, command: Command) -> None:
    sandbox.add_segment("full", included=keys(14_999, 1), excluded=["x"])
    messages = [schema(), *members("a ", "b", "x"), record(None), record("c", "maybe")]

    line = told(command(messages, segment_key="full", invalid_record_action="skip"))[-1]

    assert "2 added" in line
    assert "3 skipped (2 invalid, 1 excluded by hand)" in line
    assert "1 with blanks around the key" in line
    assert "over 15,000 targets" in line


def test_refused_segment_tells_what_was_wrong_with_its_records(command: Command) -> None:
    messages = [schema(), *members("a ", "b"), record("c", "maybe")]
    settings = WHOLE | {"trust_end_of_input": False, "invalid_record_action": "skip"}

    lines = told(command(messages, **settings))

    assert lines[-2] == (
        f"Segment '{SEGMENT}': 3 records (1 invalid, 1 with blanks around the key): left as it is, "
        "because its plan was refused; 1 request (1 GET)."
    )


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([], "The input held no message. Look whether the tap failed.", id="nothing"),
        pytest.param([schema()], "No record came: nothing to do.", id="schema"),
        pytest.param([schema(), state(1)], "No record came: nothing to do.", id="state"),
    ],
)
def test_input_without_records_is_told(
    command: Command, messages: list[Any], expected: str
) -> None:
    result = command(messages)

    assert result.returncode == 0
    assert told(result) == [expected]


def test_debugging_shows_the_patches_and_the_sdks_own_lines(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARGET_LAUNCHDARKLY_LOGLEVEL", "DEBUG")

    shown = command([schema(), *members("a")]).stderr

    for text in ("1 added, 0 removed.", "METRIC", "completed processing"):
        assert text in shown


# Many segments


def tallies(count: int, **fields: Any) -> dict[str, Tally]:
    return {f"s{number}": Tally(records=2, **fields) for number in range(count)}


def test_of_many_segments_those_without_any_change_are_counted_only() -> None:
    segments = tallies(30) | {"one": Tally(records=2, added=1, changed=1, named=1)}

    lines = summarise(segments, {key: {"GET": 1} for key in segments})

    assert "\n".join(lines) == (
        "31 segments: 62 records: 1 added, 0 removed, 61 already in place, 0 skipped; "
        "31 requests (31 GET).\n"
        "Segment 'one': 2 records: 1 added, 0 removed, 1 already in place, 0 skipped; "
        "1 request (1 GET).\n"
        "30 more segments without any change."
    )


def test_of_many_segments_refused_ones_come_first_and_claim_nothing() -> None:
    """What a refused segment's records asked for is not in place."""
    segments = tallies(12, added=2, changed=2, named=2) | {"bad": Tally(records=5)}
    segments["bad"].refuse(["it is not proven"])

    first, second, *_, last = summarise(segments, {})

    assert "29 records: 24 added, 0 removed, 0 already in place" in first
    assert "1 refused, of 5 records" in first
    assert second.startswith("Segment 'bad': 5 records: left as it is")
    assert last == "3 more segments."


@pytest.mark.parametrize(
    ("changed", "unchanged", "expected"),
    [
        pytest.param(10, 0, "", id="few"),
        pytest.param(11, 0, "1 more segment.", id="one-more"),
        pytest.param(10, 1, "1 more segment without any change.", id="one-unchanged"),
        pytest.param(12, 3, "5 more segments, 3 of them without any change.", id="both"),
    ],
)
def test_segments_that_are_not_shown_are_counted(
    changed: int, unchanged: int, expected: str
) -> None:
    segments = tallies(unchanged) | {
        f"c{number}": Tally(records=1, changed=1) for number in range(changed)
    }

    shown, told = largest(segments)

    assert len(shown) == min(changed, 10)
    assert told == expected
