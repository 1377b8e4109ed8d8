"""When targets leave by themselves: what there is in the sandbox, and what the target was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaos_cases import Endings, Place
    from chaos_views import Asked

    from target_launchdarkly.sandbox import Sandbox

ADD, UPDATE, REMOVE = "addExpiringTarget", "updateExpiringTarget", "removeExpiringTarget"
ORDER = (REMOVE, UPDATE, ADD)


class Shown(NamedTuple):
    """An expiration as an answer showed it."""

    ends: int
    version: int


#: By context kind and key.
Listing = dict[tuple[str, str], Shown]


def endings(sandbox: Sandbox, places: Iterable[Place]) -> Endings:
    """Return when the included targets of places leave."""
    with sandbox.read() as segments:
        return {
            place: dict(segments[place.segment].expirations.of("included", place.kind))
            if place.segment in segments
            else {}
            for place in places
        }


def put_endings(sandbox: Sandbox, wanted: Endings) -> None:
    """Let targets leave, as somebody has said before the first run."""
    for place, there in wanted.items():
        for key, ends in there.items():
            put_ending(sandbox, place, key, ends)


def put_ending(sandbox: Sandbox, place: Place, key: str, ends: int) -> None:
    """Let a target leave, whatever was said before; one that is none stays none."""
    is_known = key in endings(sandbox, [place])[place]
    instruction = {
        "kind": UPDATE if is_known else ADD,
        "targetType": "included",
        "contextKind": place.kind,
        "contextKey": key,
        "value": ends,
    }
    sandbox.patch_expirations(place.segment, {"instructions": [instruction]})


def changed(
    before: Mapping[Place, Mapping[str, Any]], after: Mapping[Place, Mapping[str, Any]]
) -> set[tuple[Place, str]]:
    """Return the keys that stand, or end, in another way than before."""
    return {
        (place, key)
        for place, now in after.items()
        for key in {*now, *before.get(place, {})}
        if now.get(key) != before.get(place, {}).get(key)
    }


def listing_of(document: Any) -> Listing:
    """Read an answer as the API's description says."""
    return {
        (item["contextKind"], item["contextKey"]): Shown(item["expirationDate"], item["_version"])
        for item in document["items"]
        if item["targetType"] == "included"
    }


def instructions_of(asked: Asked) -> list[dict[str, Any]]:
    body: Any = asked.exchange.body
    found: list[dict[str, Any]] = body["instructions"]
    return found


def known(asked: Iterable[Asked]) -> Listing | None:
    """Return what a run knows by some exchanges of one segment; None if it was shown nothing."""
    listing: Listing | None = None
    for each in asked:
        if not each.is_expiring or each.listing is None:
            continue
        if each.method == "GET":
            listing = dict(each.listing)
            continue
        for index, instruction in enumerate(instructions_of(each)):
            who = (instruction["contextKind"], instruction["contextKey"])
            if listing is None or index in each.failed:
                continue
            if instruction["kind"] == REMOVE:
                listing.pop(who, None)
            elif who in each.listing:
                listing[who] = each.listing[who]
    return listing
