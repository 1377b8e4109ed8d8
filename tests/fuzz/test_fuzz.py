"""A sample of the cases of `fuzz.py`, and that it sees errors; `make fuzz` runs many more."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

import pytest
from fuzz import run_cases
from fuzz_settings import names
from fuzz_values import MARK, TOKEN

from target_launchdarkly.api import client
from target_launchdarkly.api.answers import TransientError
from target_launchdarkly.api.client import Client
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz import Report

SEED = 1
SAMPLE = 300
#: Enough of the cases for an error to show.
FEW = 30
#: Within this process alone: over connections, time is real.
KINDS = {"settings": 25, "input": 25, "answers": 50}


@pytest.fixture(scope="module")
def report() -> Report:
    """Return what became of the sample."""
    return run_cases(SEED, range(SAMPLE))


def test_whatever_comes_a_run_ends_with_one_line_that_says_why(report: Report) -> None:
    assert not report.broken, str(report)
    assert report.cases.total() == SAMPLE
    assert set(report.ends) == {0, 1}


def test_sample_meets_all_kinds_of_cases_and_of_answers(report: Report) -> None:
    """Else the test above would say less than it seems to."""
    assert min(report.ends.values()) > SAMPLE / 5
    assert {"settings", "input", "answers", "wire"} <= set(report.cases)
    assert {"GET segment", "PATCH segment", "GET export", "GET file"} <= set(report.changed)
    assert report.requests > SAMPLE


def test_settings_of_the_sdk_are_fuzzed_as_well() -> None:
    assert {"access_token", "streams", "stream_maps", "flattening_enabled"} <= set(names())


def test_a_case_is_the_same_each_time() -> None:
    """Else no error could be seen again."""
    first, second = (run_cases(SEED, range(40), kinds=KINDS) for _ in range(2))

    assert (first.ends, first.requests, first.changed) == (
        second.ends,
        second.requests,
        second.changed,
    )


def key_in_the_log(target: TargetLaunchDarkly) -> None:
    target.logger.info("Done with %s@example.com", MARK)


def token_on_stderr(target: TargetLaunchDarkly) -> None:
    sys.stderr.write(f"{TOKEN}\n")


def text_that_is_no_log_line(target: TargetLaunchDarkly) -> None:
    sys.stderr.write("done\n")


def half_a_line(target: TargetLaunchDarkly) -> None:
    sys.stdout.write('{"bookm')


def error_of_a_run_that_is_well(target: TargetLaunchDarkly) -> None:
    target.logger.error("Nothing happened.")


def error_of_a_library(target: TargetLaunchDarkly) -> None:
    raise ZeroDivisionError


def no_end(target: TargetLaunchDarkly) -> None:
    while True:
        target.client.get_caller_identity()


def no_exit_code_of_ours(target: TargetLaunchDarkly) -> None:
    sys.exit(3)


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (key_in_the_log, "a context key shows"),
        (token_on_stderr, "the token shows"),
        (text_that_is_no_log_line, "no log line"),
        (half_a_line, "a torn line on stdout"),
        (error_of_a_run_that_is_well, "1 ERROR lines with exit 0"),
        (error_of_a_library, "an error that nobody foresaw"),
        (no_end, "requests"),
        (no_exit_code_of_ours, "exit code 3"),
    ],
)
def test_error_at_the_end_of_a_run_is_seen(
    monkeypatch: pytest.MonkeyPatch, planted: Callable[[TargetLaunchDarkly], None], told: str
) -> None:
    monkeypatch.setattr(TargetLaunchDarkly, "_log_summary", planted)

    report = run_cases(SEED, range(FEW), kinds=KINDS)

    assert any(told in each for each in report.broken), str(report)


def test_second_error_line_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    end = TargetLaunchDarkly._end

    def told_twice(told: str, error: Exception) -> None:
        TargetLaunchDarkly.logger.error("%s", told)
        end(told, error)

    monkeypatch.setattr(TargetLaunchDarkly, "_end", staticmethod(told_twice))

    report = run_cases(SEED, range(FEW), kinds=KINDS)

    assert any("2 ERROR lines with exit 1" in each for each in report.broken)


def test_traceback_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(target: TargetLaunchDarkly, error: Exception) -> None:
        target.logger.error("It broke.")
        traceback.print_exception(error)
        sys.exit(1)

    monkeypatch.setattr(TargetLaunchDarkly, "fail", fail)

    report = run_cases(SEED, range(FEW), kinds=KINDS)

    assert any("a traceback shows" in each for each in report.broken)


def test_requests_without_a_pause_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still then: no patience ever ends."""

    def once_more(*_: object) -> None:
        raise TransientError("once more")

    monkeypatch.setattr(Client, "_pause_after", lambda *_: 0.0)
    monkeypatch.setattr(client, "segment_of", once_more)

    report = run_cases(SEED, range(10), kinds=KINDS)

    assert any("TooManyError" in each for each in report.broken)
