"""Errors to plant: of the proofs that a snapshot came whole."""

from __future__ import annotations

from planted_error import Planted

#: Of proofs.
PROOFS = [
    Planted(
        "records of another version prove",
        "audience/completeness.py",
        "            self._has_two_versions = True\n",
        "            pass\n",
    ),
    Planted(
        "a version that is activated before the last record proves",
        "audience/completeness.py",
        "        self._version = version\n        self._activated = None\n",
        "        self._version = version\n",
    ),
    Planted(
        "a table that was resumed proves by its version",
        "audience/completeness.py",
        "        if self.is_resumed:\n",
        "        if False:\n",
    ),
    Planted(
        "a resumed table shows by xmin alone",
        "audience/bookmarks.py",
        'RESUMED_BY = ("xmin", "last_pk_fetched")',
        'RESUMED_BY = ("xmin",)',
        6_000,
    ),
    Planted(
        "a version of the future proves",
        "audience/completeness.py",
        "CLOCK_TOLERANCE_SECONDS = 60",
        "CLOCK_TOLERANCE_SECONDS = 6_000_000",
    ),
    Planted(
        "a version of this very start proves",
        "audience/completeness.py",
        "started_at * 1000 < milliseconds <= latest",
        "started_at * 1000 <= milliseconds <= latest",
        8000,
    ),
    Planted(
        "one of several sizes proves",
        "audience/completeness.py",
        "        size, *others = rows.stated\n",
        "        if keys in rows.stated:\n            return None\n"
        "        size, *others = rows.stated\n",
    ),
    Planted(
        "an incremental stream is trusted",
        "audience/streams.py",
        "        if bookmark_properties:\n",
        "        if False:\n",
    ),
    Planted(
        "a stream with a bookmark is trusted",
        "audience/bookmarks.py",
        'if bookmark.get("replication_key_value") is not None:',
        "if False:",
        6_000,
    ),
    Planted(
        "a stream of another method is trusted",
        "audience/bookmarks.py",
        'if method is not None and method != "FULL_TABLE":',
        "if False:",
        6_000,
    ),
    Planted(
        "a SCHEMA alone is whole",
        "audience/streams.py",
        ' in stream.feeds or [stream.settings.segment_key or ""]:\n                if gap',
        " in stream.feeds:\n                if gap",
    ),
    Planted(
        "a version proves against a size that does not fit",
        "audience/completeness.py",
        "        if size is None or (rows.stated and self.audience_size_field):\n",
        "        if size is None:\n",
    ),
    Planted(
        "who may have been named next is not thought of",
        "audience/streams.py",
        "            if stream.may_name_more(now):\n",
        "            if False:\n",
    ),
    Planted(
        "segments of other kinds are refused as well",
        "audience/streams.py",
        "if segment_key not in named and feed.audience.context_kind == settings.context_kind:",
        "if segment_key not in named:",
        6_000,
    ),
    Planted(
        "a stream that came to nothing is whole",
        "audience/completeness.py",
        "        is_usable = bool(self.arrived) and not self.unreadable",
        "        is_usable = not self.unreadable",
        8_000,
    ),
    Planted(
        "a version that is announced proves",
        "audience/completeness.py",
        "        if not self._is_announced:\n",
        "        if True:\n",
        6_000,
    ),
    Planted(
        "a file that is named twice proves",
        "audience/completeness.py",
        "        if self._has_file_twice:\n",
        "        if False:\n",
        8_000,
    ),
    Planted(
        "a stream in the middle of its sync is trusted",
        "audience/completeness.py",
        "        if self.is_unfinished:\n",
        "        if False:\n",
        8_000,
    ),
    Planted(
        "records of an earlier run are trusted",
        "audience/completeness.py",
        "        if self._has_two_versions or _is_old(",
        "        if self._has_two_versions and _is_old(",
        6_000,
    ),
    Planted(
        "a stream of which all rows are filtered is whole",
        "audience/completeness.py",
        "        if not self.arrived:\n",
        "        if False:\n",
        20_000,
    ),
    Planted(
        "a size speaks of other segments",
        "audience/streams.py",
        "(self.settings.segment_key_field) and not self.completeness.is_whole(now)",
        "(self.settings.segment_key_field) and any(\n"
        "            self.gap(segment_key, now) for segment_key in self.feeds\n        )",
        6_000,
    ),
    Planted(
        "nobody misses a stream that stream maps name",
        "audience/streams.py",
        "            if (name, alias) not in self._streams:\n",
        "            if False:\n",
        6_000,
    ),
    Planted(
        "nobody asks whether a stream would be missed",
        "audience/streams.py",
        "            if len(streams) > 1 and names:\n",
        "            if False:\n",
        8_000,
    ),
]
