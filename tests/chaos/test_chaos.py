"""A sample of the cases of `chaos.py`; `make chaos` runs many more."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from chaos import run_cases
from chaos_cases import ALL_KEYS, TOKEN
from chaos_driver import Driver
from chaos_maker import CaseMaker, make_case
from chaos_stage import Stage
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from planted import ERRORS, PACKAGE, planted_text

from target_launchdarkly.sandbox import FAULT_KINDS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from chaos import Report
    from chaos_cases import Case
    from planted_error import Planted

SEED = 1
SAMPLE = 100


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keep the SDK's INFO lines, many a case, out of the way."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.fixture(scope="module")
def report() -> Report:
    """Return what became of the sample, which takes a minute or two."""
    logging.disable(logging.CRITICAL)
    report = run_cases(SEED, range(5 * SAMPLE))
    logging.disable(logging.NOTSET)
    return report


def test_chaos_converges_and_removes_nobody_wrongly(report: Report) -> None:
    assert not report.divergences, str(report)
    assert report.removed_wrongly == 0
    assert report.states_ahead == 0
    assert report.cases == 5 * SAMPLE
    assert report.restarts > 0


@pytest.mark.usefixtures("quiet")
@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(choices=st.randoms(note_method_calls=False, use_true_random=False))
def test_chaos_shrinks_what_diverges(stage: Stage, choices: random.Random) -> None:
    """Hypothesis makes the choices, so that a failure comes down to a few messages."""
    case = CaseMaker(choices, max_rows=6).make()
    note(told(case))

    Driver(stage, case).drive()


def told(case: Case) -> str:
    """Return a case as one would write it down, to see what goes wrong."""
    lines = [json.dumps(item.message, default=str) for item in case.items]
    standing = [f"{place}: {there}" for place, there in case.standing.items()]
    attempts = [str(attempt) for attempt in case.attempts]
    settings = [f"{name}: {value}" for name, value in case.settings.items()]
    bigs = f"big: {case.bigs}, missing: {sorted(case.missing)}"
    return "\n".join([*settings, bigs, *standing, *lines, *attempts])


def test_chaos_meets_every_fault_and_every_end(report: Report) -> None:
    met = {name.split()[0] for name in report.faults}
    assert met >= {*FAULT_KINDS} - {"delay", "redirect"}
    beside = {"foreign add", "foreign remove", "foreign exclude", "foreign recreate", "late copy"}
    assert {*report.faults} >= beside
    ends = {"success", "PlanRefusedError", "InputError", "LaunchDarklyError", "SegmentError"}
    assert {*report.ends} >= ends | {"mended", "other batches"}


def test_chaos_makes_the_same_case_of_the_same_number() -> None:
    cases = [make_case(SEED, number) for number in (5, 5, 6)]

    assert cases[0] == cases[1]
    assert cases[0] != cases[2]


def test_chaos_cases_are_of_every_kind() -> None:
    """Big and missing segments, imports of both modes, files and blocks all come up."""
    cases = [make_case(SEED, number) for number in range(5 * SAMPLE)]

    assert sum(bool(case.bigs) for case in cases) > SAMPLE
    assert sum(bool(case.missing) for case in cases) > SAMPLE / 4
    assert sum(any(item.file is not None for item in case.items) for case in cases) > SAMPLE / 4
    actions = {case.settings.get("excluded_key_action") for case in cases if case.bigs}
    assert actions == {"skip", "include", "fail", None}
    attempts = [attempt for case in cases if case.bigs for attempt in case.attempts]
    assert {each.moves.imports.outcome for each in attempts} == {
        "complete",
        "stopped",
        "pending_approval",
    }
    assert {each.block_bytes for each in attempts} == {0, 100, 1_000, 65_536}
    assert sum(len(case.taps) > len(case.sinks) for case in cases) > SAMPLE / 4
    assert sum("stream_maps" in case.settings for case in cases) > SAMPLE / 2
    assert sum("streams" not in case.settings for case in cases) > SAMPLE / 4


def test_chaos_logs_neither_keys_nor_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Context keys may be personal data: DEBUG at most. The token is in no log."""
    caplog.set_level(logging.DEBUG)

    report = run_cases(SEED + 2, range(SAMPLE))

    assert not report.divergences, str(report)
    told = [(each.levelno, logging.Formatter().format(each)) for each in caplog.records]
    assert any(level > logging.DEBUG for level, _ in told)
    assert not [text for _, text in told if TOKEN in text]
    above_debug = "\n".join(text for level, text in told if level > logging.DEBUG)
    assert not [key for key in ALL_KEYS if key in above_debug]


@pytest.mark.parametrize("planted", ERRORS, ids=lambda planted: planted.name.replace(" ", "-"))
def test_chaos_has_errors_to_plant_that_still_fit_the_target(planted: Planted) -> None:
    """`planted.py` plants them; where the code has moved, they have to move with it."""
    assert planted_text(planted, PACKAGE) != (PACKAGE / planted.file).read_text()
