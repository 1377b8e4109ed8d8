"""When targets of a segment leave by themselves: what LaunchDarkly has, and how that is changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from target_launchdarkly.api import quoting
from target_launchdarkly.api.answers import shaped
from target_launchdarkly.api.calls import EXPIRING_TARGETS, quoted
from target_launchdarkly.api.client import SEMANTIC_PATCH
from target_launchdarkly.api.shapes import ExpiringTargets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_launchdarkly.api.client import Client

logger = logging.getLogger(__name__)

#: Stands for what LaunchDarkly says of an instruction of which it only counts that it failed.
NOT_TOLD = "nothing is told"


def get_expiring_targets(client: Client, segment_key: str) -> ExpiringTargets:
    """Return which targets of a segment leave when.

    https://launchdarkly.com/docs/api/segments/get-expiring-targets-for-segment
    """
    return _call(client, segment_key, "GET")


def patch_expiring_targets(
    client: Client, segment_key: str, body: Mapping[str, Any]
) -> ExpiringTargets:
    """Apply what can be applied of a semantic patch; return what it changed.

    Instructions that fail stand in its `failures`; the others are carried out. To send one again
    does no harm: it fails if it was carried out before.

    https://launchdarkly.com/docs/api/segments/patch-expiring-targets-for-segment

    Raises:
        RefusedError: LaunchDarkly refused the patch; nothing of it was applied.
    """
    return _call(client, segment_key, "PATCH", body)


def _call(
    client: Client, segment_key: str, method: str, body: Mapping[str, Any] | None = None
) -> ExpiringTargets:
    return client.call(
        segment_key,
        method,
        # Here the environment comes last.
        root=f"segments/{quoted(client.project_key)}/",
        of=f"{quoted(segment_key)}{EXPIRING_TARGETS}{quoted(client.environment_key)}",
        read=shaped(ExpiringTargets.parse),
        body=body,
        content_type=SEMANTIC_PATCH,
    )


def errors_of(answer: ExpiringTargets) -> Iterator[tuple[int | None, str]]:
    """Yield the instructions of a patch that failed: their place from 0 on, and why.

    A place is None where the answer does not say which. Why is LaunchDarkly's code, and what can be
    quoted of its message.
    """
    for index, told in answer.failures:
        # Whole, it may name the context key.
        logger.debug("An instruction on expiring targets failed: %r", told)
        yield index, quoting.told_by(told, None) if told else NOT_TOLD
