"""A sample of the moments of `kills.py`, and that it sees errors; `make kills` takes 1,000."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

import pytest
from kill_case import make_case
from kills import run_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from kill_case import Case

SEED = 1
SAMPLE = 30


def test_signal_at_any_moment_leaves_all_whole_and_honest() -> None:
    report = run_cases(SEED, range(SAMPLE))

    assert not report.broken, str(report)
    assert report.moments > SAMPLE / 2
    assert report.terminals
    assert len(report.places) > 3


def numbers(wanted: Callable[[Case], bool]) -> list[int]:
    """Return the numbers of a few cases."""
    return [*islice((each for each in count() if wanted(make_case(SEED, each))), 5)]


@pytest.mark.parametrize(
    ("planted", "wanted", "told"),
    [
        pytest.param(
            "sdk", lambda case: case.when == "input", "exit code 0", id="the-sdk-s-own-handler"
        ),
        pytest.param("torn", lambda case: case.when == "state", "a torn line", id="half-a-line"),
        pytest.param("ahead", lambda case: case.when == "state", "ahead", id="state-too-early"),
        pytest.param(
            "cursor",
            lambda case: case.is_on_a_terminal and case.when == "request",
            "the cursor stays hidden",
            id="cursor",
        ),
    ],
)
def test_error_is_seen(planted: str, wanted: Callable[[Case], bool], told: str) -> None:
    report = run_cases(SEED, numbers(wanted), planted)

    assert any(told in each for each in report.broken), str(report)
