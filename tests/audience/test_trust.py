"""When the end of the input proves nothing, though the settings say to trust it."""

from __future__ import annotations

from typing import Any

import pytest
from completeness_cases import NOW, VERSION, gap_of, reason, stream, with_records


def test_trust_needs_a_record() -> None:
    told = stream(trust_end_of_input=True)

    assert reason(told) == "no record came"
    told.note_record(None)
    told.arrived = 1

    assert gap_of(told) is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        pytest.param(
            {"incremental_because": "its SCHEMA names bookmark_properties"},
            "because its SCHEMA names bookmark_properties: an incremental stream lists only",
            id="incremental",
        ),
        pytest.param({"is_resumed": True}, "a STATE shows a table that was resumed", id="resumed"),
        pytest.param({"_has_file_twice": True}, "a BATCH file came twice", id="file-twice"),
    ],
)
def test_what_vetoes_one_mark_of_the_end_vetoes_the_other(more: dict[str, Any], why: str) -> None:
    """A version says no more than an end of input of what the table's rows are."""
    told = with_records(VERSION, trust_end_of_input=True, **more)
    told.note_activate_version(VERSION)

    for proof in ("ACTIVATE_VERSION does not count", "trust_end_of_input does not count"):
        assert proof in reason(told)
    assert reason(told).count(why) == 2


def test_file_that_a_batch_names_again_vetoes() -> None:
    """As many rows as were to come, and others are missing."""
    told = with_records(None, trust_end_of_input=True)
    for url in ("file:///1", "file:///2"):
        told.note_file(url)
    assert gap_of(told) is None

    told.note_file("file:///1")

    assert "a BATCH file came twice" in reason(told)


def test_trust_does_not_count_while_a_state_says_that_the_stream_is_being_synced() -> None:
    told = with_records(None, trust_end_of_input=True, is_unfinished=True)

    assert "the last STATE is in the middle of it" in reason(told)


@pytest.mark.parametrize(
    ("versions", "is_trusted"),
    [
        pytest.param([VERSION, VERSION], True, id="of-now"),
        pytest.param([NOW - 60, NOW - 60], True, id="of-a-clock-that-is-slow"),
        pytest.param([0], True, id="zero"),
        pytest.param(["2026"], True, id="no-number"),
        pytest.param([NOW - 61], False, id="of-an-earlier-run"),
        pytest.param([(NOW - 61) * 1_000], False, id="milliseconds-of-an-earlier-run"),
        pytest.param([VERSION, VERSION + 1], False, id="two"),
    ],
)
def test_trust_does_not_count_for_records_of_an_earlier_run(
    versions: list[object], is_trusted: bool
) -> None:
    """A table that was resumed carries the version under which it was begun."""
    told = with_records(*versions, trust_end_of_input=True)

    assert (gap_of(told) is None) == is_trusted
    if not is_trusted:
        assert "because records carry an earlier version" in reason(told)
