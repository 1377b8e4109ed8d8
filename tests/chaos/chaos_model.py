"""What must become of a case's messages: written from the design, imports nothing that decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from chaos_cases import PATIENCE, Attempt, Place

from target_launchdarkly.errors import (
    IncompleteSnapshotError,
    InputError,
    SegmentError,
    TargetError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaos_cases import Case, Item, Standing, StreamPlan
    from chaos_tap import Feed

MEMBER = ("in", "both")
#: More patches of additions to a big segment than this, and they go as one import.
MAX_PATCHES_OF_ADDITIONS = 20


@dataclass
class Expectation:
    """How a run may end, faults apart."""

    #: If any, the run fails with one of these, or with one that it may fail with.
    must: set[type[TargetError]] = field(default_factory=set)
    may: set[type[TargetError]] = field(default_factory=set)
    #: Who leaves, by the snapshots.
    leaving: dict[Place, set[str]] = field(default_factory=dict)

    @property
    def may_remove(self) -> bool:
        """Whether the snapshots may remove anybody."""
        return not self.must


class Model:
    """The design's rules, for one case."""

    def __init__(self, case: Case) -> None:
        self._settings = case.settings
        self._excludes = case.settings["removal_action"] == "exclude"
        self._case = case
        self._merging = self._places_of_merges()

    def _places_of_merges(self) -> set[Place]:
        """Return the big segments that may get so many additions that one import takes them."""
        added: dict[Place, set[str]] = {}
        for item in self._case.items:
            if item.place and item.key and item.wish and self.is_big(item.place):
                added.setdefault(item.place, set()).add(item.key)
        limit = MAX_PATCHES_OF_ADDITIONS * self._settings["batch_size_rows"]
        return {place for place, keys in added.items() if len(keys) > limit}

    def is_big(self, place: Place) -> bool:
        return place.segment in self._case.bigs

    # Where a key goes

    def after(self, place: Place, standing: str, wish: bool | None) -> set[str]:
        """Return where a key may stand once a wish for it was sent."""
        if wish is None:
            return {standing}
        if not wish:
            return {"ex" if standing in {"ex", "both"} or self._excludes else "out"}
        is_lifted = self._settings["excluded_key_action"] == "include"
        patched = "in" if is_lifted or standing == "out" else standing
        # An import looks at no exclusions.
        return {patched} | ({_imported(standing)} if place in self._merging else set())

    def reach(
        self, place: Place, standings: Iterable[str], wishes: Iterable[bool | None]
    ) -> set[str]:
        """Return where a key may stand when any of the wishes were sent, in this order."""
        reached = set(standings)
        for wish in wishes:
            reached |= {each for standing in reached for each in self.after(place, standing, wish)}
        return reached

    def closure(self, place: Place, standing: str, wishes: Iterable[bool | None]) -> set[str]:
        """Return where a key may have stood when the wishes were sent in any order, repeatedly."""
        different = set(wishes)
        reached = {standing}
        for _ in range(4):
            reached = self.reach(place, reached, different)
        return reached

    def ends(
        self, place: Place, standing: str, said: list[Any], *, removed: bool, at_once: bool
    ) -> set[str]:
        """Return where a key may stand after a snapshot that made all its additions.

        Args:
            place: The segment's targets.
            standing: Where the key stood.
            said: What the snapshot said of the key.
            removed: Whether the removals were made as well.
            at_once: Whether nothing was sent before the end.
        """
        events = [event for event in said if event != "spare"]
        if self.is_big(place):
            is_listed = bool(events) and events[-1]
            if removed:
                # The import lists exactly the members, and leaves exclusions as they are.
                return {_imported(standing) if is_listed else _unlisted(standing)}
            return self.after(place, standing, True) if is_listed else {standing}
        reached = self.reach(place, [standing], [event for event in events if event])
        if at_once:
            # The last word on the key alone is sent.
            is_listed = bool(events) and events[-1]
            reached = self.after(place, standing, True) if is_listed else {standing}
        last = said[-1] if said else False
        if last is True:
            return self.after(place, standing, True)
        if last is False and removed:
            leave = [self.after(place, each, False) if each == "in" else {each} for each in reached]
            return set().union(*leave)
        return reached

    # What the messages say

    def wishes(self, items: Iterable[Item]) -> dict[tuple[Place, str], list[tuple[int, bool]]]:
        """Return the wishes of the streams that are no snapshots, by place and key."""
        found: dict[tuple[Place, str], list[tuple[int, bool]]] = {}
        for item in items:
            if item.stream is None or item.stream.is_snapshot or item.wish is None:
                continue
            if item.place is not None and item.key is not None:
                found.setdefault((item.place, item.key), []).append((item.index, item.wish))
        return found

    def listings(self, items: Iterable[Item]) -> dict[Place, dict[str, list[Any]]]:
        """Return what the snapshots say, by place and key: True, False, or "spare" if invalid."""
        found: dict[Place, dict[str, list[Any]]] = {}
        for item in items:
            if item.type != "RECORD" or not (item.stream and item.stream.is_snapshot):
                continue
            if item.place is not None:
                keys = found.setdefault(item.place, {})
                if item.key is not None:
                    said = "spare" if item.intent == "invalid" else item.wish
                    keys.setdefault(item.key, []).append(said)
        return found

    # Whether a snapshot may remove

    def _is_stream_proven(self, stream: StreamPlan, items: list[Item]) -> bool:
        records = [item for item in items if item.type == "RECORD"]
        if not records:
            return False
        if stream.proof == "version" and items[-1].type == "ACTIVATE_VERSION":
            return True
        if self._settings["trust_end_of_input"] and not stream.is_incremental:
            return True
        if stream.proof != "size":
            return False
        named = [item.place.segment for item in records if item.place]
        stated = {
            item.place.segment: item.message["record"]["size"] for item in records if item.place
        }
        return bool(named) and Counter(named) == stated

    def _may_remove(self, delivered: list[Item], standing: Standing) -> bool:
        if not all(map(self._is_within_sight, self.listings(delivered).items())):
            return False
        for stream in self._case.streams:
            items = [item for item in delivered if item.stream is stream]
            if stream.is_snapshot and not self._is_stream_proven(stream, items):
                return False
        return self._is_within_guard(delivered, standing)

    def _is_within_sight(self, listing: tuple[Place, dict[str, list[Any]]]) -> bool:
        """Whether it can be looked up which keys of invalid records are members."""
        place, keys = listing
        return not self.is_big(place) or not any("spare" in said for said in keys.values())

    def leaving(self, delivered: list[Item], standing: Standing) -> dict[Place, set[str]]:
        """Return who leaves if the snapshots are proven."""
        return {
            place: {
                key
                for key in {*said, *standing[place]}
                if said.get(key, [False])[-1] is False
                and (standing[place].get(key) in MEMBER or True in said.get(key, []))
            }
            for place, said in self.listings(delivered).items()
        }

    def listed(self, delivered: list[Item], place: Place) -> set[str]:
        """Return the keys that the snapshots list, the last valid word of each deciding."""
        words = {
            key: [word for word in said if word != "spare"]
            for key, said in self.listings(delivered).get(place, {}).items()
        }
        return {key for key, said in words.items() if said and said[-1]}

    def _is_within_guard(self, delivered: list[Item], standing: Standing) -> bool:
        percent = self._settings["max_removal_percent"]
        leaving = self.leaving(delivered, standing)
        members = {
            place: {key for key, where in standing[place].items() if where in MEMBER}
            for place in leaving
        }
        for segment in {place.segment for place in leaving}:
            places = [place for place in leaving if place.segment == segment]
            count = sum(len(members[place]) for place in places)
            gone = sum(len(leaving[place] & members[place]) for place in places)
            if segment in self._case.bigs:
                # They cannot be looked up: at least so many must leave.
                gone = max(0, count - len(self.listed(delivered, places[0])))
            if gone * 100 > count * percent:
                return False
        return True

    # How a run ends

    def expect(self, feed: Feed, attempt: Attempt, standing: Standing) -> Expectation:
        """Return how a run may end that starts from where the keys stand."""
        delivered = feed.items
        found = Expectation(leaving=self.leaving(delivered, standing))
        fails = self._settings["invalid_record_action"] == "fail"
        if feed.is_torn or (fails and any(each.intent == "invalid" for each in delivered)):
            found.must.add(InputError)
        has_snapshot = any(stream.is_snapshot for stream in self._case.streams)
        if has_snapshot and not self._may_remove(delivered, standing):
            found.must.add(IncompleteSnapshotError)
        if self._excludes and any(map(self.is_big, self.listings(delivered))):
            found.must.add(SegmentError)
        if self._settings["excluded_key_action"] == "fail":
            self._expect_exclusions(found, delivered, attempt, standing)
        return found

    def _expect_exclusions(
        self, found: Expectation, delivered: list[Item], attempt: Attempt, standing: Standing
    ) -> None:
        """Look for keys to include that are excluded, where the settings say to fail then."""
        replaces = not found.must
        listings = self.listings(delivered)
        wishes: dict[tuple[Place, str], list[bool]] = {}
        for item in delivered:
            if item.place and item.key and item.wish is not None:
                wishes.setdefault((item.place, item.key), []).append(item.wish)
        for (place, key), asked in wishes.items():
            is_excluded = standing[place].get(key) in {"ex", "both"}
            comes_back = self._excludes and (False, True) in pairwise(asked)
            if True not in asked or not (is_excluded or comes_back):
                continue
            is_certain = is_excluded
            if self.is_big(place):
                # LaunchDarkly tells when it is asked to include the key, and by patches only.
                is_replaced = place in listings and replaces
                is_sent = asked[-1] and not is_replaced and not attempt.is_dry
                is_certain = is_certain and is_sent and place not in self._merging
            (found.must if is_certain else found.may).add(SegmentError)

    def may_give_up(self, attempt: Attempt) -> bool:
        """Whether LaunchDarkly's troubles may end a run, imports apart."""
        patience = self._settings["max_retry_seconds"]
        is_impatient = patience < PATIENCE
        if attempt.faults and (attempt.is_lasting or is_impatient):
            return True
        return bool(attempt.rate_limit) and is_impatient

    def may_give_up_import(self, attempt: Attempt) -> bool:
        """Whether an import may end a run by itself."""
        takes_long = attempt.import_seconds > self._settings["max_retry_seconds"]
        return takes_long or attempt.import_outcome != "complete"


def _imported(standing: str) -> str:
    return "both" if standing in {"ex", "both"} else "in"


def _unlisted(standing: str) -> str:
    return "ex" if standing in {"ex", "both"} else "out"
