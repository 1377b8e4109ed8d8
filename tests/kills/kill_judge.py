"""What holds of a run that a signal has stopped, and of the one after it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kill_case import THERE, wanted_after
from kill_run import position
from running import demand_discreet

if TYPE_CHECKING:
    from kill_case import Case
    from kill_run import Outcome

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class BrokenRuleError(Exception):
    """A run did what no run may do."""


def has_ended_before(outcome: Outcome) -> bool:
    """Whether the signal came too late: the run was over."""
    return outcome.code == 0 and not outcome.place


def judge(case: Case, stopped: Outcome, again: Outcome) -> None:
    """Demand what holds of every run that was stopped.

    Raises:
        BrokenRuleError: It does not.
    """
    # Before the target handles signals, they end it as they end anything.
    expected = {128 + case.signum} if stopped.place else {128 + case.signum, -case.signum}
    _demand(stopped.code in expected, f"exit code {stopped.code}")
    _judge_output(case, stopped)
    _judge_log(case, stopped)
    _demand(again.code == 0, f"the run after it ends with {again.code}: {again.stderr[-500:]}")
    wanted = dict.fromkeys(THERE, True) | wanted_after(case.messages)
    expected_members = {key for key, is_member in wanted.items() if is_member}
    _demand(again.members == expected_members, "the run after it does not converge")


def _judge_output(case: Case, stopped: Outcome) -> None:
    _demand(stopped.stdout == b"" or stopped.stdout.endswith(b"\n"), "a torn line on stdout")
    for line in stopped.stdout.splitlines():
        json.loads(line)
    covered = case.messages[: position(stopped)]
    later = wanted_after(case.messages[position(stopped) :])
    for key, is_member in wanted_after(covered).items():
        # A later record of the key may have been applied already.
        if key not in later:
            _demand((key in stopped.members) == is_member, "a STATE line is ahead")


def _judge_log(case: Case, stopped: Outcome) -> None:
    demand_discreet(stopped.stderr)
    _demand("Traceback" not in stopped.stderr, "a traceback shows")
    if stopped.code > 0:
        told = stopped.stderr.count(f"Stopped by {case.signum.name}. Nothing more is sent.")
        _demand(told == 1, f"it tells {told} times that it was stopped: {stopped.stderr[-500:]}")
        _demand(stopped.stderr.count("| ERROR") == 1, "not one ERROR line")
        _demand(stopped.stderr.endswith("\n"), "the last log line has no end")
    _demand(stopped.is_terminal_as_before, "the terminal is another")
    _demand(
        stopped.stderr.rfind(HIDE_CURSOR) <= stopped.stderr.rfind(SHOW_CURSOR),
        "the cursor stays hidden",
    )


def _demand(is_so: Any, otherwise: str) -> None:
    if not is_so:
        raise BrokenRuleError(otherwise)
