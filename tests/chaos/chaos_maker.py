"""Makes cases of random choices: streams, settings, and where keys stand at first."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaos_cases import (
    BYSTANDERS,
    CHANGING,
    CROWD,
    KEYS,
    KINDS,
    LATER_MS,
    LISTED,
    MANY_KEYS,
    MEMBER,
    PATIENCE,
    SOON_MS,
    Attempt,
    Case,
    Item,
    Place,
    Sink,
    Standing,
    Tap,
)
from chaos_choices import Choices
from chaos_moves import MoveMaker
from chaos_rows import RowMaker, with_files
from chaos_troubles import TroubleMaker

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_case(seed: int, number: int, *, is_big: bool = False) -> Case:
    """Return the case of a number, always the same one.

    Args:
        seed: Of the cases.
        number: Of the case.
        is_big: Whether all its segments are to be big.
    """
    source = random.Random(f"{seed}/{number}")  # noqa: S311 no secret
    return CaseMaker(source, number, is_big=is_big).make()


class CaseMaker:
    """Makes one case.

    Args:
        source: Makes all the choices.
        number: The case's number.
        max_rows: Of a stream, unless it is to be long.
        is_big: Whether all segments are to be big.
    """

    def __init__(
        self, source: random.Random, number: int = 0, *, max_rows: int = 12, is_big: bool = False
    ) -> None:
        self._choices = Choices(source)
        self._number = number
        self._max_rows = max_rows
        self._is_big = is_big
        self._bigs: dict[str, str] = {}
        self._crowded: set[str] = set()
        self._is_long = False

    def make(self) -> Case:
        taps = self._taps()
        sinks = list({sink.name: sink for tap in taps for sink in tap.sinks}.values())
        segments = sorted({name for sink in sinks for name in sink.segments})
        settings, missing = self._settings(taps, sinks, segments)
        items = self._items(taps, settings)
        bigs = {segment: kind for segment, kind in self._bigs.items() if segment in segments}
        standing = self._standing(segments, missing, settings)
        has_posts = bool(bigs or missing)
        # Who is made anew of another type is another segment.
        create = settings["create_segment"]
        mortal = {name for name in segments if create in {"never", _type_of(name, bigs)}} - missing
        moves = MoveMaker(self._choices, [*bigs], MANY_KEYS) if bigs else None
        troubles = TroubleMaker(
            *(self._choices, [*standing], mortal),
            moves=moves,
            has_posts=has_posts,
            has_moments=any(sink.has_moments for sink in sinks),
        )
        is_trusting = settings["trust_end_of_input"] and any(sink.is_snapshot for sink in sinks)
        attempts = [
            troubles.attempt(len(items), is_trusting=is_trusting)
            for _ in range(self._choices.of([0, 1, 1, 1, 2, 2, 3]))
        ]
        drains, block_bytes = troubles.drains(len(items)), troubles.block_bytes()
        attempts.append(Attempt(drains=drains, block_bytes=block_bytes))
        case = Case(self._number, taps, settings, bigs, missing, standing, items, attempts)
        case.may_export = not (bigs and self._choices.chance(8))
        if any(sink.has_moments for sink in sinks):
            self._add_endings(case)
        return case

    def _add_endings(self, case: Case) -> None:
        endings = {place: self._endings(there) for place, there in case.standing.items()}
        case.endings = {
            place: there for place, there in endings.items() if place.segment not in case.bigs
        }
        case.keeps_orphans = self._choices.chance(50)
        for attempt in case.attempts:
            attempt.jumps = self._choices.chance(25)

    def _endings(self, there: Mapping[str, str]) -> dict[str, int]:
        """Return when targets leave because somebody has said so."""
        members = [key for key, where in there.items() if where in MEMBER]
        return {
            key: self._choices.of([SOON_MS, *LATER_MS])
            for key in members
            if self._choices.chance(15)
        }

    # Streams

    def _taps(self) -> list[Tap]:
        shape = self._choices.of([CHANGING, CHANGING, LISTED, LISTED, CHANGING + LISTED])
        segments = [name for name in shape if self._choices.chance(60)] or [shape[0]]
        big_kind = self._choices.of(KINDS)
        big_percent = 100 if self._is_big else self._choices.of([0, 0, 0, 50, 100])
        self._bigs = {name: big_kind for name in segments if self._choices.chance(big_percent)}
        self._crowded = {name for name in segments if self._choices.chance(25)}
        sinks = [
            self._sink(f"stream_{number}", segments)
            for number in range(self._choices.of([1, 1, 1, 2, 2, 3]))
        ]
        taps = [self._tap(sink.name, (sink,)) for sink in sinks]
        return [*self._renamed(taps, sinks)]

    def _sink(self, name: str, segments: list[str]) -> Sink:
        choices = self._choices
        first = choices.of(segments)
        group = CHANGING if first in CHANGING else LISTED
        named = tuple(segment for segment in segments if segment in group)
        is_named = choices.chance(40)
        mode = choices.of(["add", "remove", "changes", "changes", "changes"])
        if group is LISTED:
            mode = "snapshot"
        kind = choices.of(KINDS[: 2 if choices.chance(40) else 1])
        mine = named if is_named else (first,)
        # A big segment refuses them, which says nothing about the rest.
        moments_percent = 3 if self._bigs.keys() & {*mine} else 35
        return Sink(
            name=name,
            mode=mode,
            kind=next((self._bigs[each] for each in mine if each in self._bigs), kind),
            segments=mine,
            is_named=is_named,
            states_size=group is LISTED and choices.chance(45),
            max_removal_percent=choices.of([100, 60, 20]) if choices.chance(15) else None,
            has_moments=choices.chance(moments_percent),
        )

    def _tap(self, name: str, sinks: tuple[Sink, ...]) -> Tap:
        choices = self._choices
        by_changes = any(sink.mode == "changes" for sink in sinks)
        return Tap(
            name,
            sinks,
            has_flag=by_changes or choices.chance(80),
            is_filtered=not any(sink.is_named for sink in sinks) and choices.chance(6),
            has_key_properties=choices.chance(20),
            comes_in_files=choices.chance(15),
        )

    def _renamed(self, taps: list[Tap], sinks: list[Sink]) -> list[Tap]:
        """Let stream maps give some streams the name of another, or a second name."""
        choices = self._choices
        if choices.chance(20):
            merged = choices.of(taps)
            twin = replace(merged, name="tap_twin", comes_in_files=choices.chance(15))
            taps = [*taps, twin]
            if choices.chance(40):
                taps = [replace(tap, name="tap_one") if tap is merged else tap for tap in taps]
        elif len(sinks) > 1 and choices.chance(15):
            one, other, *rest = taps
            (second,) = other.sinks
            if not second.is_named:
                both = replace(one, sinks=(*one.sinks, second), is_filtered=False)
                both = replace(both, has_flag=one.has_flag or other.has_flag)
                taps = [both, *rest]
        return taps

    # Settings

    def _settings(
        self, taps: list[Tap], sinks: list[Sink], segments: list[str]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        choices = self._choices
        excludes = choices.chance(20)
        actions: dict[str, Any] = {"removal_action": "exclude" if excludes else "remove"}
        action = choices.of([*["skip"] * 6, *["include"] * 3, "fail", *["default"] * 5])
        if action != "default":
            actions["excluded_key_action"] = action
        chunk = choices.of([2, 2, 3, 4, 5, 6, 7, 1_500])
        takes_two = excludes or action == "include"
        if not takes_two:
            chunk = choices.of([chunk, chunk, 1])
        self._is_long = bool(self._bigs) and choices.chance(15)
        if self._is_long:
            chunk = 2 if takes_two else 1
        create = choices.of([*["never"] * 3, "standard", "big"])
        creatable = [name for name in segments if (name in self._bigs) == (create == "big")]
        missing = frozenset(name for name in creatable if create != "never" and choices.chance(50))
        return actions | {
            "batch_size_rows": chunk,
            "invalid_record_action": "skip" if choices.chance(60) else "fail",
            "max_removal_percent": choices.of([50, *[100] * 5, 30, 10, 0]),
            "trust_end_of_input": choices.chance(20),
            "max_retry_seconds": choices.of([PATIENCE, PATIENCE, PATIENCE, 30, 5, 0]),
            "create_segment": create,
        } | self._big_settings() | self._stream_settings(taps, sinks), missing

    def _big_settings(self) -> dict[str, Any]:
        choices = self._choices
        found: dict[str, Any] = {}
        if self._bigs and choices.chance(25):
            found["big_segment_removals"] = "replace"
        if self._bigs and choices.chance(25):
            found["max_import_seconds"] = choices.of([5, 60, 1_000])
        return found

    def _stream_settings(self, taps: list[Tap], sinks: list[Sink]) -> dict[str, Any]:
        maps = _stream_maps(taps)
        found: dict[str, Any] = {"stream_maps": maps} if maps else {}
        (first, *others) = sinks
        # Of several streams with the settings of all, one could be missing unnoticed.
        percent = 25 if len(taps) == 1 else 3
        if not others and first.max_removal_percent is None and self._choices.chance(percent):
            return found | first.settings
        return found | {"streams": {sink.name: sink.settings for sink in sinks}}

    def _standing(
        self, segments: list[str], missing: frozenset[str], settings: Mapping[str, Any]
    ) -> Standing:
        standing: Standing = {}
        # With "fail", one excluded key ends all runs.
        excluded_percent = 3 if settings.get("excluded_key_action") == "fail" else 25
        for segment in segments:
            keys = [] if segment in missing else [*self._keys(segment), *BYSTANDERS]
            share = 70 if segment in self._crowded else 45
            for kind in [self._bigs[segment]] if segment in self._bigs else KINDS:
                standing[Place(segment, kind)] = {
                    key: self._where(excluded_percent)
                    for key in keys
                    if self._choices.chance(share)
                }
        return standing

    def _where(self, excluded_percent: int) -> str:
        if self._choices.chance(excluded_percent):
            return "ex"
        return "both" if self._choices.chance(2) else "in"

    def _keys(self, segment: str) -> list[str]:
        if segment in self._crowded:
            return CROWD
        return MANY_KEYS if self._is_long and segment in self._bigs else KEYS

    # The tap

    def _items(self, taps: list[Tap], settings: Mapping[str, Any]) -> list[Item]:
        """Interleave the streams, with STATE in between."""
        choices = self._choices
        skips = settings["invalid_record_action"] == "skip"
        has_invalid = skips or choices.chance(4)
        trusts = settings["trust_end_of_input"]
        queues = [list(self._rows(tap, has_invalid, trusts).messages()) for tap in taps]
        is_crowded = any(len(queue) > 2 * self._max_rows for queue in queues)
        items: list[Item] = []
        marks: dict[str, Any] = {}

        def put(item: Item) -> None:
            if item.type == "STATE":
                value = dict(item.message["value"])
                marks.update(value.pop("bookmarks", {}))
                put_state(**value)
            else:
                items.append(replace(item, index=len(items)))

        def put_state(**more: Any) -> None:
            value = {"position": len(items)} | ({"bookmarks": dict(marks)} if marks else {}) | more
            items.append(Item({"type": "STATE", "value": value}, index=len(items)))

        is_sticky = choices.chance(50)
        while queues := [queue for queue in queues if queue]:
            queue = choices.of(queues[:1] if is_sticky else queues)
            put(queue.pop(0))
            if choices.chance(3 if self._is_long or is_crowded else 20):
                put_state()
        if choices.chance(80):
            put_state()
        return list(with_files(items))

    def _rows(self, tap: Tap, has_invalid: bool, trusts: bool) -> RowMaker:
        segments = {name for sink in tap.sinks for name in sink.segments}
        rows = self._choices.number(0, self._max_rows)
        if self._is_long and segments & self._bigs.keys():
            rows += self._choices.of([20, 60])
        elif segments & self._crowded and self._choices.chance(60):
            rows += self._choices.of([15, 30, 45])
        keys = {name: self._keys(name) for name in segments}
        return RowMaker(
            self._choices, tap, keys, count=rows, has_invalid=has_invalid, trusts=trusts
        )


def _type_of(segment: str, bigs: Mapping[str, str]) -> str:
    return "big" if segment in bigs else "standard"


def _stream_maps(taps: list[Tap]) -> dict[str, Any]:
    """Return what gives the taps' streams their names."""
    maps: dict[str, Any] = {}
    for tap in taps:
        first, *others = tap.sinks
        own: dict[str, Any] = {"__filter__": "note != 'drop'"} if tap.is_filtered else {}
        if first.name != tap.name:
            own["__alias__"] = first.name
        if own:
            maps[tap.name] = own
        for other in others:
            maps[other.name] = {"__source__": tap.name}
    return maps
