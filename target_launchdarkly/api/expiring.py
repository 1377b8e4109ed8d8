"""When targets of a segment leave by themselves: what LaunchDarkly has, and how that is changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from target_launchdarkly.api import quoting
from target_launchdarkly.api.answers import expiring_of
from target_launchdarkly.api.calls import EXPIRING_TARGETS, quoted
from target_launchdarkly.api.client import SEMANTIC_PATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_launchdarkly.api.answers import Answer
    from target_launchdarkly.api.client import Client

logger = logging.getLogger(__name__)

#: Stands for what LaunchDarkly says of an instruction of which it only counts that it failed.
NOT_TOLD = "nothing is told"


def get_expiring_targets(client: Client, segment_key: str) -> Answer:
    """Return which targets of a segment leave when (`ExpiringTargetGetResponse`).

    https://launchdarkly.com/docs/api/segments/get-expiring-targets-for-segment
    """
    return _call(client, segment_key, "GET")


def patch_expiring_targets(client: Client, segment_key: str, body: Mapping[str, Any]) -> Answer:
    """Apply what can be applied of a semantic patch (`ExpiringTargetPatchResponse`).

    Instructions that fail stand in its `errors`; the others are carried out. To send one again does
    no harm: it fails if it was carried out before.

    https://launchdarkly.com/docs/api/segments/patch-expiring-targets-for-segment

    Raises:
        RefusedError: LaunchDarkly refused the patch; nothing of it was applied.
    """
    return _call(client, segment_key, "PATCH", body)


def _call(
    client: Client, segment_key: str, method: str, body: Mapping[str, Any] | None = None
) -> Answer:
    return client.call(
        segment_key,
        method,
        # Here the environment comes last.
        root=f"segments/{quoted(client.project_key)}/",
        of=f"{quoted(segment_key)}{EXPIRING_TARGETS}{quoted(client.environment_key)}",
        read=expiring_of,
        body=body,
        content_type=SEMANTIC_PATCH,
    )


def errors_of(answer: Answer) -> list[tuple[int | None, str]]:
    """Return the instructions of a patch that failed: their place from 0 on, and why.

    A place is None where the answer does not say which. Why is LaunchDarkly's code, and what can be
    quoted of its message.
    """
    errors = [*_told_errors(answer.get("errors"))]
    count = answer.get("failedInstructions")
    if isinstance(count, int):
        errors += [(None, NOT_TOLD)] * (count - len(errors))
    return errors


def _told_errors(errors: Any) -> Iterator[tuple[int | None, str]]:
    for error in errors if isinstance(errors, list) else ():
        told: Mapping[str, Any] = error if isinstance(error, dict) else {}
        index = told.get("instructionIndex")
        # Whole, it may name the context key.
        logger.debug("An instruction on expiring targets failed: %s", told.get("message"))
        yield index if isinstance(index, int) else None, quoting.told_by(told, None)
