"""What a run must make of the moments when memberships end: written from the design alone."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from chaos_cases import IN, MEMBER, OUT, SPARED, Place
from chaos_endings import ADD, ORDER, REMOVE, UPDATE, Listing, instructions_of, known
from chaos_facts import DOUBT_SECONDS, Facts, demand
from chaos_views import believed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos_run import Written
    from chaos_views import Asked
    from chaos_words import Checkpoint, Ending

SUMMARY = re.compile(r"Segment '(?P<segment>[^']+)': ")
TOLD = {ADD: "set", UPDATE: "moved", REMOVE: "removed"}


class EndingChecks:
    """Looks at all that a run does about the ends of memberships."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._run = facts.run
        self._chunk = facts.run.case.settings["batch_size_rows"]

    def check(self) -> None:
        """Look at the requests, at what they came to, and at what is told.

        Raises:
            DivergenceError: Something is not what it must be.
        """
        for number, asked in enumerate(self._run.asked):
            if asked.is_expiring:
                self._check_request(number, asked)
        for segment in self._facts.segments:
            self._check_full(segment)
        self._check_summary()
        for place in self._run.case.endings:
            self._check_end(place)
        ends = [moment for moment, _ in self._facts.checkpoints if moment.is_end]
        if self._run.error is None and ends and not self._run.attempt.is_dry:
            self._check_held(ends[0], None)

    # Requests

    def _check_request(self, number: int, asked: Asked) -> None:
        found = self._facts.at(number)
        demand(found, f"a {asked.method} about endings of {asked.segment} before any checkpoint")
        assert found is not None
        moment, doubt = found
        demand(asked.segment not in doubt.segments, f"endings of {asked.segment}, which is refused")
        speaks = any(
            self._facts.said.speaks_of_endings(place, moment.high)
            for place in self._facts.places
            if place.segment == asked.segment
        )
        demand(speaks, f"endings of {asked.segment}, of which nobody speaks")
        if asked.method == "PATCH":
            self._check_patch(number, asked, moment)

    def _check_patch(self, number: int, asked: Asked, moment: Checkpoint) -> None:
        before = self._run.of_segment(asked.segment, number)
        listing = known(before)
        demand(listing is not None, f"endings of {asked.segment} were changed without a look")
        instructions = instructions_of(asked)
        demand(len(instructions) <= self._chunk, f"{len(instructions)} instructions in one patch")
        for instruction in instructions:
            self._check_instruction(asked.segment, instruction, listing or {}, moment)
        names = [(each["contextKind"], each["contextKey"]) for each in instructions]
        demand(len({*names}) == len(names), "a key twice in one patch of endings")
        for kind in {name for name, _ in names}:
            deeds = [each["kind"] for each in instructions if each["contextKind"] == kind]
            demand(deeds == sorted(deeds, key=ORDER.index), f"endings in the order {deeds}")

    def _check_instruction(
        self, segment: str, one: Mapping[str, Any], listing: Listing, moment: Checkpoint
    ) -> None:
        place, key = Place(segment, one["contextKind"]), one["contextKey"]
        shown = listing.get((place.kind, key))
        said = self._facts.said.endings(place, key, moment)
        told = f"{one['kind']} of a key of {place}, of which was said {said}, shown {shown}"
        demand(one["targetType"] == "included", told)
        if one["kind"] == REMOVE:
            demand(shown and self._may_be_removed(place, key, said, moment), told)
            return
        demand((IN, one["value"]) in said, told)
        if one["kind"] == ADD:
            demand(shown is None, told)
        else:
            demand(shown and shown.ends != one["value"], told)
            demand(shown and one.get("version") == shown.version, told)

    def _may_be_removed(
        self, place: Place, key: str, said: set[Ending], moment: Checkpoint
    ) -> bool:
        if (IN, 0) in said or (OUT, 0) in said:
            return True
        seen = self._facts.seen_before(None)[place.segment]
        is_unlisted = self._facts.is_listed(place, moment) and key in seen.members(place)
        return (None, None) in said and is_unlisted

    def _check_full(self, segment: str) -> None:
        """Look whether a patch is full if the next request is another one, and nothing failed."""
        of_segment = self._run.of_segment(segment)
        for one, other in itertools.pairwise(of_segment):
            both = one.is_expiring and other.is_expiring and one.method == other.method == "PATCH"
            if both and one.listing is not None:
                count = len(instructions_of(one))
                demand(count == self._chunk, f"a patch of endings with {count} of {self._chunk}")

    def _check_summary(self) -> None:
        """The summary counts what was acknowledged, or shown to hold after all."""
        if self._run.attempt.is_dry:
            return
        for line in self._run.summary:
            found = SUMMARY.match(line)
            if not found:
                continue
            sent = self._run.of_segment(found["segment"])
            for kind, deed in TOLD.items():
                told = re.search(rf"([\d,]+) expirations? {deed}", line)
                count = int(told[1].replace(",", "")) if told else 0
                least, most = self._made(sent, kind)
                demand(least <= count <= most, f"{count} {deed}, not {least} to {most}: {line}")

    def _made(self, asked: list[Asked], kind: str) -> tuple[int, int]:
        acknowledged = set()
        sent = 0
        for each in asked:
            if not each.is_expiring or each.method != "PATCH":
                continue
            for number, one in enumerate(instructions_of(each)):
                if one["kind"] != kind:
                    continue
                sent += 1
                who = (one["contextKind"], one["contextKey"], one.get("value"))
                shows = each.listing is not None and number not in each.failed
                if shows and (kind == REMOVE or who[:2] in (each.listing or {})):
                    acknowledged.add(who)
        return (len(acknowledged) if self._run.error is None else 0), sent

    # What holds

    def check_state(self, written: Written, moment: Checkpoint) -> None:
        """Look at a STATE line: what it says of ends was shown to hold.

        Raises:
            DivergenceError: It was not.
        """
        self._check_held(moment, written.moment)
        for segment in self._facts.segments:
            self._check_looked(segment, written)
        for place in self._run.case.endings:
            if self._run.disturbances(place.segment):
                continue
            there = dict(written.endings[place].items())
            members = {k for k, where in written.standing[place].items() if where in MEMBER}
            for key in self._facts.said.keys(place):
                holds = self._is_held(place, key, there.get(key), key in members, moment)
                demand(holds, f"STATE covers an end of a key of {place} that does not hold")

    def _check_looked(self, segment: str, written: Written) -> None:
        """After a patch of endings of unknown fate, there is a look."""
        asked = self._run.of_segment(segment, written.moment)
        doubtful = [
            number
            for number, each in enumerate(asked)
            if each.is_expiring and each.is_of_unknown_fate and each.at > written.at - DOUBT_SECONDS
        ]
        looks = [
            number
            for number, each in enumerate(asked)
            if each.is_expiring and each.method == "GET" and each.listing is not None
        ]
        demand(
            not doubtful or looks[-1:] > doubtful[-1:],
            f"STATE without a look at endings of {segment} after a patch of unknown fate",
        )

    def _check_held(self, moment: Checkpoint, before: int | None) -> None:
        for place in self._run.case.endings:
            if not self._facts.said.speaks_of_endings(place, moment.low):
                continue
            asked = self._run.of_segment(place.segment, before)
            listing = known(asked)
            demand(listing is not None, f"nobody looked at the endings of {place}")
            views = believed(asked)
            there = views[-1].standing.get(place, {}) if views else {}
            seen = self._facts.seen_before(before)[place.segment]
            is_listed = self._facts.is_listed(place, moment)
            for key in self._facts.said.keys(place) | (seen.members(place) if is_listed else set()):
                shown = (listing or {}).get((place.kind, key))
                is_member = there.get(key) in MEMBER
                if is_listed and not is_member and key not in self._facts.said.keys(place):
                    demand(shown is None, f"the end of a key of {place} outlives it: {shown}")
                holds = self._is_held(place, key, shown and shown.ends, is_member, moment)
                demand(holds, f"the end of a key of {place} was not shown to hold: {shown}")

    def _is_held(
        self, place: Place, key: str, ends: int | None, is_member: bool, moment: Checkpoint
    ) -> bool:
        for word, wanted in self._facts.said.endings(place, key, moment):
            if wanted is None or word in {None, SPARED} or is_member != (word == IN):
                return True
            if ends == (wanted or None):
                return True
        return False

    def _check_end(self, place: Place) -> None:
        """Every key ends as somebody has said: before the run, or in it."""
        run = self._run
        if not run.end[place] and place.segment in run.case.missing:
            return
        start, end = run.start_endings[place], run.end_endings[place]
        meddled = run.meddled
        for key in {*start, *end, *self._facts.said.keys(place)}:
            if (place, key) in meddled:
                continue
            allowed = {start.get(key), *self._ends_said(place, key)}
            if run.attempt.is_dry:
                allowed = {start.get(key)}
            elif self._has_left(place, key):
                allowed.add(None)
            ends = end.get(key)
            demand(ends in allowed, f"a key of {place} ends {ends}, not one of {allowed}")

    def _ends_said(self, place: Place, key: str) -> Iterator[int | None]:
        for word, ends in self._facts.said.all_endings(place, key):
            if ends is not None and word != SPARED:
                yield ends or None

    def _has_left(self, place: Place, key: str) -> bool:
        """Whether a key may have been no target for a while, which takes its end along."""
        is_out = self._run.end[place].get(key) not in MEMBER
        sent = self._run.of_segment(place.segment)
        return is_out or any((place, key) in each.keys for each in sent)

    def convergence(self, place: Place, key: str, there: Mapping[str, int]) -> bool:
        """Whether a key ends at last as was said of it last."""
        said = self._facts.said.all_endings(place, key)
        word, wanted = said[-1] if said else (None, None)
        return word != IN or wanted is None or there.get(key) == (wanted or None)
