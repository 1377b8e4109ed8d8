"""Whether a token may change a segment, found out by patches that change nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from target_launchdarkly.api.dryruns import try_patch
from target_launchdarkly.api.expiring import patch_expiring_targets
from target_launchdarkly.audience.expirations import ExpirationChange
from target_launchdarkly.audience.plan import Change
from target_launchdarkly.errors import RefusedError
from target_launchdarkly.segments.patches import expiring_patch, semantic_patch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.api.shapes import UserSegment
    from target_launchdarkly.audience.plan import Step


class Trial(NamedTuple):
    """What a run would do with a segment."""

    context_kinds: Iterable[str]
    #: Whether it would change the excluded targets as well.
    excludes: bool
    #: Whether it says when targets leave by themselves.
    expires: bool
    comment: str | None
    #: Whether the environment requires approvals.
    needs_approvals: bool


def try_writing(client: Client, segment: UserSegment, trial: Trial) -> None:
    """Send patches of a key which nobody has; return if LaunchDarkly accepts them.

    Raises:
        ForbiddenError: The token may not, or may not without an approval.
        LaunchDarklyError: It failed otherwise.
    """
    kinds = sorted(trial.context_kinds)
    _try_patch(client, segment, kinds, trial)
    if trial.expires and not segment.is_big:
        _try_expiring(client, segment.key, kinds, trial.comment)


def _try_patch(client: Client, segment: UserSegment, kinds: list[str], trial: Trial) -> None:
    """Take out a key which nobody has.

    It is sent as a dry run, which is not known to be gated by approvals, nor to be taken at all by
    every LaunchDarkly: where that leaves a doubt, it is sent as it is. It changes nothing then
    either: taking out who is not in is granted, and gated like any other patch.
    """
    steps: tuple[Step, ...] = ("uninclude", "lift") if trial.excludes else ("uninclude",)
    body = semantic_patch(
        [Change(kind, _nobody(), steps) for kind in kinds],
        environment_key=client.environment_key,
        comment=trial.comment,
        is_big=segment.is_big,
    )
    with suppress(RefusedError):
        try_patch(client, segment.key, body)
        if not trial.needs_approvals:
            return
    client.patch_segment(segment.key, body)


def _try_expiring(client: Client, segment_key: str, kinds: list[str], comment: str | None) -> None:
    """Take back when a key leaves which nobody has.

    There is no dry run of it. That the instructions fail, or are refused, is as good as that they
    do not: whoever may not change expirations is told so before they are looked at.
    """
    changes = [ExpirationChange("remove", kind, _nobody()) for kind in kinds]
    with suppress(RefusedError):
        patch_expiring_targets(client, segment_key, expiring_patch(changes, comment))


def _nobody() -> str:
    """Return a context key that nobody has."""
    return f"target-launchdarkly-check-{uuid4()}"
