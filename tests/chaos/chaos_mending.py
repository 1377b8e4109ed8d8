"""Mends what made a run refuse: the data, the proofs or the settings, as a person would."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaos_cases import Item, Row, Version
from chaos_words import sinks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos_cases import Case, Tap

FRESH = Version(5, is_in_seconds=True)


def mended(case: Case, items: list[Item]) -> Case | None:
    """Return a case that no run refuses; None where that takes more than a person can mend."""
    taps = [tap for tap in case.taps if tap.is_whole]
    if len(case.taps) > len(case.sinks):
        # That somebody would miss both streams of one name is a matter of more settings.
        return None
    sound = [item for item in map(_without_marks, items) if _is_usable(item)]
    for tap in taps:
        sound = _proven(tap, sound)
        if not any(item.row and not item.row.is_dropped and item.tap is tap for item in sound):
            return None
    if any(sum(sink.states_size for sink in tap.sinks) > 1 for tap in taps):
        # A row would have to state two sizes.
        return None
    sound = [item for item in sound if not _is_idle(item, sound)]
    sound = [_sized(item, sound) for item in sound]
    numbered = [replace(item, index=number, file=None) for number, item in enumerate(sound)]
    settings = case.settings | {"max_removal_percent": 100}
    if settings.get("excluded_key_action") == "fail":
        settings["excluded_key_action"] = "skip"
    if "streams" in settings:
        settings["streams"] = {
            name: {key: value for key, value in own.items() if key != "max_removal_percent"}
            for name, own in settings["streams"].items()
        }
    return replace(
        case,
        settings=settings,
        items=numbered,
        taps=case.taps,
        attempts=[],
        percents_count=False,
        may_export=True,
    )


def _is_usable(item: Item) -> bool:
    return not any(item.is_invalid(sink) for sink in sinks_of(item))


def _without_marks(item: Item) -> Item:
    """Take out what says that a stream is not read from its beginning."""
    if item.type == "STATE":
        value = {"position": item.message["value"]["position"]}
        return replace(item, message=item.message | {"value": value})
    message = {key: each for key, each in item.message.items() if key != "bookmark_properties"}
    return replace(item, message=message)


def _proven(tap: Tap, items: list[Item]) -> list[Item]:
    """Let a tap activate the version that all its records carry, right after the last of them."""
    numbers = [number for number, item in enumerate(items) if item.row and item.tap is tap]
    last = numbers[-1] if numbers else len(items)
    sound: list[Item] = []
    for number, item in enumerate(items):
        if item.tap is not tap:
            sound.append(item)
        elif item.row is not None:
            sound.append(replace(item, message=item.message | {"version": FRESH}))
        elif item.type == "SCHEMA" and number < last:
            sound.append(item)
    if not any(item.row and item.tap is tap for item in sound):
        sound.extend(_nobody(tap))
    message = {"type": "ACTIVATE_VERSION", "stream": tap.name, "version": FRESH}
    return [*sound, Item(message, tap)]


def _keys(item: Item, items: list[Item]) -> set[str]:
    """Return the keys that come of the same stream for the segment whose size a row states."""
    sinks = [sink for sink in sinks_of(item) if sink.states_size]
    rows = [other for other in items if other.tap is item.tap and [*sinks_of(other)]]
    return {
        other.row.key
        for sink in sinks
        for other in rows
        if other.row and other.row.key is not None and other.place(sink) == item.place(sink)
    }


def _sized(item: Item, items: list[Item]) -> Item:
    if item.row is None:
        return item
    record = item.message["record"] | {"size": len(_keys(item, items))}
    return replace(item, message=item.message | {"record": record})


def _is_idle(item: Item, items: list[Item]) -> bool:
    """Whether a row says that an audience is empty that is not."""
    return bool(item.row and item.row.key is None and _keys(item, items))


def _nobody(tap: Tap) -> Iterator[Item]:
    """Yield the rows that say that all audiences are empty, where there can be such rows."""
    first, *others = tap.sinks
    if others or not first.states_size or tap.is_filtered:
        return
    for segment in first.segments:
        record: dict[str, Any] = {"context_key": None, "segment": segment, "size": 0}
        record["note"] = None
        message = {"type": "RECORD", "stream": tap.name, "record": record, "version": FRESH}
        yield Item(message, tap, Row(None, segment, "invalid", is_null=True))
