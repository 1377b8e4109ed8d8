"""The segments of one environment and what became of them, without any rule of the API."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from .errors import conflict, invalid, not_found
from .expiring import drop_orphans, expire
from .history import Change, Tally
from .past import Past
from .segment import USER_KIND, Segment, Targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .history import ChangeSource
    from .past import Document
    from .segment import Side

_SEGMENT_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")
_CONTEXT_KIND = re.compile(r"[A-Za-z0-9._-]+")


class Segments:
    """The segments under one path of the API; the clock gives epoch seconds.

    Attributes:
        keeps_orphans: a moment at which a target is to leave stays when it leaves before that;
            whether LaunchDarkly keeps it is not documented.
        count_lag_reads: after a change of a big segment so many GETs of it still show how many
            targets it had before.
    """

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.keeps_orphans = False
        self.count_lag_reads = 0
        self._root = path
        self._segments: dict[str, Segment] = {}
        self._deleted: dict[str, Segment] = {}
        self._past = Past()
        self._past_expirations = Past()
        self._is_somebody_else = False
        # Tests look at segments while the server's thread changes them.
        self._lock = threading.RLock()

    def add_segment(  # noqa: PLR0913 - these are the properties of a segment
        self,
        key: str,
        *,
        context_kind: str = USER_KIND,
        included: Iterable[str] = (),
        excluded: Iterable[str] = (),
        unbounded: bool = False,
        external: str | None = None,
    ) -> None:
        """Put a segment in place behind the API's back.

        Raises:
            ApiError: 400 for a malformed key or kind, 409 for a key that is taken.
        """
        now = self._now_ms()
        segment = Segment(key, key, now, now, context_kind, unbounded, external=external)
        segment.targets[context_kind] = Targets(dict.fromkeys(included), dict.fromkeys(excluded))
        with self._lock:
            self._insert(segment)
            self._past.forget(key)
            self._past_expirations.forget(key)

    def included(self, segment_key: str, context_kind: str = USER_KIND) -> list[str]:
        """List the included keys of a kind, of a standard or a big segment, oldest first."""
        return self._keys(segment_key, "included", context_kind)

    def excluded(self, segment_key: str, context_kind: str = USER_KIND) -> list[str]:
        """List the excluded keys of a kind, of a standard or a big segment, oldest first."""
        return self._keys(segment_key, "excluded", context_kind)

    def left(self, segment_key: str, context_kind: str = USER_KIND) -> set[str]:
        """Give the keys of a kind that ever left the included list, also those that came back.

        Deletion takes out all keys, and a segment made anew goes on with those that left before.
        """
        with self._lock:
            segment = self._segments.get(segment_key) or self._deleted.get(segment_key)
            if segment is None:
                raise not_found(f"Unknown segment key {segment_key}")
            return set(segment.left.get(context_kind, ()))

    def forget_left(self) -> None:
        """Begin anew to keep who leaves."""
        with self._lock:
            for segment in chain(self._segments.values(), self._deleted.values()):
                segment.left.clear()

    def changes(self, segment_key: str) -> list[Change]:
        """List a segment's last changes, oldest first."""
        with self.read(segment_key) as segments:
            return list(segments[segment_key].history.changes)

    @contextmanager
    def read(self, *segment_keys: str) -> Iterator[Mapping[str, Segment]]:
        """Hold all segments still, to look at them only.

        Raises:
            ApiError: 404 when one of the keys is unknown.
        """
        with self._lock:
            self._pass_time()
            for segment_key in segment_keys:
                self._find(segment_key)
            yield self._segments

    @contextmanager
    def as_somebody_else(self) -> Iterator[None]:
        """Let the changes inside be somebody else's, who may change everything.

        All others wait meanwhile, so no request may be made inside.
        """
        with self._lock:
            before, self._is_somebody_else = self._is_somebody_else, True
            try:
                yield
            finally:
                self._is_somebody_else = before

    def forget_past(self) -> None:
        """Let no answer lag behind the segments as they are now."""
        with self._lock:
            self._past.forget(*self._segments, *self._deleted)
            self._past_expirations.forget(*self._segments, *self._deleted)

    def recreate_segment(self, segment_key: str) -> None:
        """Delete a segment, unless it is gone, and make it anew: empty, with version 1."""
        with self._lock:
            former = self._segments.get(segment_key) or self._deleted.get(segment_key)
            if former is None:
                raise not_found(f"Unknown segment key {segment_key}")
            current = self._segments.get(segment_key)
            if current:
                self._delete(current)
            else:
                self._past.add(segment_key, None)
            segment = former.made_anew(self._now_ms())
            self._insert(segment)
            tally = Tally(changed=True, removed=current.size if current else 0)
            self._record(segment, "foreign", tally, "Deleted and made anew")

    def _change(
        self,
        segment: Segment,
        source: ChangeSource,
        change: Callable[[], Tally | None],
        comment: str | None = None,
    ) -> None:
        """Make a change and keep what it was, unless it gives None, as there was nothing to do."""
        before, counts = self._document(segment), segment.shown_counts
        tally = change()
        if tally is None:
            return
        if tally.changed:
            self._past.add(segment.key, before)
            segment.hold_counts(counts, self.count_lag_reads)
            segment.touch(self._now_ms())
            if not self.keeps_orphans:
                drop_orphans(segment)
        self._record(segment, source, tally, comment)

    def _pass_time(self) -> None:
        """Let happen what is to happen by now: targets leave."""
        now = self._now_ms()
        for segment in self._segments.values():
            if segment.expirations.are_due(now):
                self._change(segment, "expiry", partial(expire, segment, now), "Expired")

    def _record(
        self, segment: Segment, source: ChangeSource, tally: Tally, comment: str | None
    ) -> None:
        if self._is_somebody_else and source in ("patch", "targets"):
            source = "foreign"
        change = Change(self._now_ms(), segment.version, source, tally, comment)
        segment.history.add(change, segment.size)

    def _insert(self, segment: Segment) -> None:
        if not _SEGMENT_KEY.fullmatch(segment.key):
            raise invalid(f'Malformed segment key "{segment.key}"')
        if not _CONTEXT_KIND.fullmatch(segment.context_kind):
            raise invalid(f'Malformed context kind "{segment.context_kind}"')
        if segment.key in self._segments:
            raise conflict(f"Segment key {segment.key} is taken")
        if former := self._deleted.get(segment.key):
            segment.left = former.left
        segment.history.sizes.append(segment.size)
        self._segments[segment.key] = segment

    def _delete(self, segment: Segment) -> None:
        self._past.add(segment.key, self._document(segment))
        for context_kind, targets in segment.targets.items():
            segment.note_left(context_kind, targets.included)
        self._deleted[segment.key] = self._segments.pop(segment.key)

    def _find(self, segment_key: str) -> Segment:
        self._pass_time()
        if segment_key not in self._segments:
            raise not_found(f"Unknown segment key {segment_key}")
        return self._segments[segment_key]

    def _keys(self, segment_key: str, side: Side, context_kind: str) -> list[str]:
        with self._lock:
            return list(self._find(segment_key).keys(side, context_kind))

    def _look(self, segment_key: str, behind: int) -> Document:
        self._pass_time()
        segment = self._segments.get(segment_key)
        now = self._document(segment) if segment else None
        document = self._past.look(segment_key, behind, now)
        if document is None:
            raise not_found(f"Unknown segment key {segment_key}")
        return document

    def _document(self, segment: Segment) -> dict[str, object]:
        return segment.document(self._path(segment.key))

    def _path(self, *segment_key: str) -> str:
        return "/".join((self._root, *segment_key))

    def _now_ms(self) -> int:
        return int(self.clock() * 1_000)
