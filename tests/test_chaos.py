"""A sample of the cases of `chaos.py`; `make chaos` runs many more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from chaos import BYSTANDERS, KEYS, TOKEN, CaseMaker, run_cases

from target_launchdarkly.sandbox import FAULT_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 1
SAMPLE = 100


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keep the SDK's INFO lines, many a case, out of the way."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("start", range(0, 7 * SAMPLE, SAMPLE))
def test_chaos_converges_and_removes_nobody_wrongly(start: int) -> None:
    report = run_cases(SEED, range(start, start + SAMPLE))

    assert not report.divergences, str(report)
    assert report.removed_wrongly == 0
    assert report.cases == SAMPLE
    assert report.restarts > 0


@pytest.mark.usefixtures("quiet")
def test_chaos_meets_every_fault_and_every_end() -> None:
    report = run_cases(SEED + 1, range(SAMPLE))

    met = {name.split()[0] for name in report.faults}
    assert met >= {*FAULT_KINDS} - {"delay", "redirect"}
    ends = {"success", "IncompleteSnapshotError", "InputError", "LaunchDarklyError"}
    assert {*report.ends} >= ends


def test_chaos_makes_the_same_case_of_the_same_number() -> None:
    cases = [CaseMaker(SEED, number).make() for number in (5, 5, 6)]

    assert cases[0] == cases[1]
    assert cases[0] != cases[2]


def test_chaos_logs_neither_keys_nor_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Context keys may be personal data: DEBUG at most. The token is in no log."""
    caplog.set_level(logging.DEBUG)

    report = run_cases(SEED + 2, range(SAMPLE))

    assert not report.divergences, str(report)
    told = [(each.levelno, logging.Formatter().format(each)) for each in caplog.records]
    assert any(level > logging.DEBUG for level, _ in told)
    assert not [text for _, text in told if TOKEN in text]
    above_debug = "\n".join(text for level, text in told if level > logging.DEBUG)
    assert not [key for key in (*KEYS, *BYSTANDERS) if key in above_debug]
