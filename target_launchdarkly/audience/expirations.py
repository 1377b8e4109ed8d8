"""What follows from the words about when targets leave by themselves. Pure: no I/O, no state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from target_launchdarkly.audience.words import IN, NEVER, SPARED, UNSAID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

Deed = Literal["remove", "update", "add"]


class Expiration(NamedTuple):
    """When LaunchDarkly takes an included target off by itself, as it shows it."""

    #: Epoch milliseconds.
    ends_ms: int
    #: Grows with every change; None if it was not shown.
    version: int | None = None


class ExpirationChange(NamedTuple):
    """What the expiration of one context key needs: one instruction."""

    deed: Deed
    context_kind: str
    context_key: str
    #: Epoch milliseconds; None where it is removed.
    ends_ms: int | None = None
    #: Of the expiration that is moved.
    version: int | None = None


def plan_expirations(
    context_kind: str,
    words: Iterable[tuple[str, int, int]],
    included: AbstractSet[str],
    listed: Mapping[str, Expiration],
    unlisted: AbstractSet[str] = frozenset(),
) -> list[ExpirationChange]:
    """Return what the expirations of one context kind need; those of other keys stay as they are.

    Args:
        context_kind: Of all the keys.
        words: Of each key, with the moment when its membership ends, e.g.
            `[("user-17", IN, 1798675200000)]`; if it comes again, the later one counts.
        included: The included targets, once the words are carried out.
        listed: The expirations of included targets that LaunchDarkly has.
        unlisted: Keys that left because no record named them. Nobody says whether an expiration
            outlives its target; if it does, it must not meet whoever comes back.
    """
    wanted = {key: NEVER for key in listed if key in unlisted}
    for context_key, word, moment in words:
        is_member = context_key in included
        if not is_member and context_key not in listed:
            continue
        if moment != UNSAID and word != SPARED and is_member == (word == IN):
            wanted[context_key] = moment if is_member else NEVER
        else:
            # Whoever is excluded by hand, or came while a snapshot was read, is left alone.
            wanted.pop(context_key, None)
    changes = [*_changes(context_kind, wanted, listed)]
    return [
        change for deed in ("remove", "update", "add") for change in changes if change[0] == deed
    ]


def _changes(
    context_kind: str, wanted: Mapping[str, int], listed: Mapping[str, Expiration]
) -> Iterator[ExpirationChange]:
    for context_key, moment in wanted.items():
        known = listed.get(context_key)
        if moment == NEVER:
            if known:
                yield ExpirationChange("remove", context_kind, context_key)
        elif known is None:
            yield ExpirationChange("add", context_kind, context_key, moment)
        elif known.ends_ms != moment:
            yield ExpirationChange("update", context_kind, context_key, moment, known.version)
