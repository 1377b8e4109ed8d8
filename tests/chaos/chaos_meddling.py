"""What somebody else does at a request, as something that a sandbox can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos_cases import LATER_MS
from chaos_endings import put_ending

from target_launchdarkly.sandbox import ForeignChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos_cases import Meddling

    from target_launchdarkly.sandbox import Sandbox

#: When targets leave of which somebody says so; no record names it.
BY_HAND_MS = LATER_MS[0] + 1


def change_of(meddling: Meddling) -> Callable[[Sandbox], object]:
    """Return what somebody else does."""
    place = meddling.place
    if meddling.deed in {"delete", "recreate"}:
        fate: Any = meddling.deed
        return ForeignChange(place.segment, fate=fate)
    if meddling.deed == "expire":

        def expire(sandbox: Sandbox) -> None:
            for key in meddling.keys:
                put_ending(sandbox, place, key, BY_HAND_MS)

        return expire
    keys: Any = {meddling.deed: meddling.keys}
    return ForeignChange(place.segment, context_kind=place.kind, **keys)
