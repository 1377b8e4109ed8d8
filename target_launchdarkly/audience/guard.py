"""Whether a plan may be carried out. Pure: no I/O, no state."""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING

from target_launchdarkly.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.audience.plan import Plan, Policy

#: By changes, so many removals always pass: a record states each of them.
FREE_REMOVALS = 10


def exclusion_problem(segment_key: str, plan: Plan, policy: Policy) -> str | None:
    """Return why a plan may not leave keys out that are excluded by hand, or None."""
    if policy.excluded_key_action != "fail" or not plan.excluded_by_hand:
        return None
    contexts = counted(plan.excluded_by_hand, "context")
    return (
        f"it excludes {contexts} that the stream includes, and "
        "excluded_key_action is 'fail'. Take them off the excluded targets of segment "
        f"'{segment_key}', or set excluded_key_action to 'skip' or 'include'."
    )


def excess(plan: Plan, max_removal_percent: float, *, is_snapshot: bool) -> str | None:
    """Return why a mirror takes away more members than can be meant, or None.

    Args:
        plan: Of one context kind.
        max_removal_percent: How many of the members may leave.
        is_snapshot: Whether the members that leave are those that nobody listed.
    """
    # As it is written: in binary, 0.57 % of 10,000 members is less than 57.
    allowed = Decimal(str(max_removal_percent))
    for leaving, shown, of_whom in _shares(plan, is_snapshot=is_snapshot):
        # A number that lags behind may be less than how many are seen to leave.
        members = max(shown, leaving)
        if leaving * 100 > members * allowed:
            all_members = counted(members, "member")
            return (
                f"{leaving:,} of the {all_members} of kind '{plan.context_kind}' {of_whom} "
                f"would leave ({leaving * 100 / members:.1f} %), and max_removal_percent is "
                f"{max_removal_percent:g}. Look whether the audience is right; if it is, raise "
                f"max_removal_percent to {ceil(leaving * 100 / members)} for one run."
            )
    return None


def is_safe_unseen(leaving: int, members: int, max_removal_percent: float) -> bool:
    """Whether a mirror by changes passes however many of those who leave are members.

    Args:
        leaving: Keys that leave, members or not.
        members: How many members there were when the run began.
        max_removal_percent: How many of the members may leave.
    """
    return leaving <= FREE_REMOVALS or leaving * 100 <= members * Decimal(str(max_removal_percent))


def _shares(plan: Plan, *, is_snapshot: bool) -> Iterator[tuple[int, int, str]]:
    """Yield how many leave of how many, and of whom."""
    if is_snapshot:
        yield plan.members_leaving, plan.members, "when the run began"
        return
    if plan.members_leaving > FREE_REMOVALS:
        yield plan.members_leaving, plan.members, "when the run began"
    leaving = plan.members_leaving + plan.joined_leaving
    if plan.joined and leaving > FREE_REMOVALS:
        yield leaving, plan.members + plan.joined, "when the run began or since then"
