"""Patches that are asked about and not applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_launchdarkly.api.answers import nothing_of
from target_launchdarkly.api.calls import quoted
from target_launchdarkly.api.client import SEMANTIC_PATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_launchdarkly.api.client import Client


def try_patch(client: Client, segment_key: str, body: Mapping[str, Any]) -> None:
    """Ask whether a semantic patch would be accepted; it is not applied.

    Where LaunchDarkly does not know of `dryRun`, it is.

    https://launchdarkly.com/docs/api/segments/patch-segment

    Raises:
        RefusedError: LaunchDarkly refuses the patch, or knows no dry run.
        LaunchDarklyError: Any other failure.
    """
    client.call(
        segment_key,
        "PATCH",
        of=f"{quoted(segment_key)}?dryRun=true",
        # The answer is a preview, of which nothing is needed.
        read=nothing_of,
        body=body,
        content_type=SEMANTIC_PATCH,
    )
