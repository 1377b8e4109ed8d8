"""What holds of every run, whatever came."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fuzz_values import MARK, TOKEN_MARK

if TYPE_CHECKING:
    from fuzz_case import Case
    from fuzz_run import Outcome

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| (DEBUG|INFO|WARNING|ERROR) ")
#: Says the boundary of what is nobody's but ours.
UNFORESEEN = "this should not have happened"


class BrokenRuleError(Exception):
    """A run did what no run may do."""


def judge(case: Case, outcome: Outcome) -> None:
    """Demand what holds of every run.

    Raises:
        BrokenRuleError: It does not.
    """
    lines = outcome.stderr.split("\n")
    errors = sum("| ERROR" in line[:40] for line in lines)
    failures = sum(line.startswith(b"FAIL") for line in outcome.stdout.splitlines())
    _demand(outcome.code in {0, 1}, f"exit code {outcome.code}")
    is_told = errors == outcome.code or (case.options and not errors and failures > 0)
    _demand(is_told, f"{errors} ERROR lines with exit {outcome.code}")
    # STATE is what the tap said.
    findings = outcome.stdout.decode(errors="replace") if case.options else ""
    for text in (outcome.stderr, unquote(outcome.stderr), findings):
        hidden = not case.guards_token or TOKEN_MARK not in text.casefold()
        _demand(hidden, "the token shows")
    _demand(MARK not in findings.casefold(), "a context key shows on stdout")
    odd = [line for line in lines if UNFORESEEN in line]
    _demand(not odd, f"an error that nobody foresaw: {odd}")
    if case.level != "DEBUG":
        _judge_log(outcome.stderr, lines)
    if not case.options:
        _judge_states(outcome)


def _judge_log(stderr: str, lines: list[str]) -> None:
    _demand("Traceback" not in stderr, "a traceback shows")
    shown = [line for line in lines if MARK in line.casefold()]
    _demand(not shown, f"a context key shows: {shown}")
    _demand(stderr.endswith("\n"), "the last log line has no end")
    for line in lines[:-1]:
        _demand(LOG_LINE.match(line), f"no log line: {line[:200]!r}")
        _demand(line == "".join(line.splitlines()), f"more than a line: {line[:200]!r}")


def _judge_states(outcome: Outcome) -> None:
    _demand(outcome.stdout == b"" or outcome.stdout.endswith(b"\n"), "a torn line on stdout")
    for line in outcome.stdout.splitlines():
        json.loads(line)


def _demand(is_so: Any, otherwise: str) -> None:
    if not is_so:
        raise BrokenRuleError(otherwise)
