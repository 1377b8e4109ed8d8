"""What STATE messages tell about how a stream is read. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: A bookmark that holds one of these, not null, shows a table that was begun in an earlier run.
#: https://github.com/transferwise/pipelinewise-tap-postgres (full_table.py)
RESUMED_BY = ("xmin", "last_pk_fetched")
#: A bookmark that holds one of these, not null, is of a stream that follows the database's log.
#: https://github.com/transferwise/pipelinewise-tap-postgres (logical_replication.py), -tap-mysql
LOG_POSITIONS = ("lsn", "log_pos", "gtid")
#: SCHEMAs of such streams name one of these in `bookmark_properties`.
LOG_PROPERTIES = frozenset({"_sdc_lsn", "lsn", "_sdc_log_pos", "log_pos", "_sdc_gtid", "gtid"})


class Bookmarks:
    """What the STATE messages of a run have shown so far, by the tap's streams."""

    def __init__(self) -> None:
        #: The streams of this run; a bookmark that names one of them is of that one alone.
        self.streams: set[str] = set()
        self._resumed: set[str] = set()
        self._incremental: dict[str, str] = {}
        self._log_based: set[str] = set()
        self._syncing: str | None = None

    def note(self, value: Any) -> None:
        """Take note of a STATE message's value, e.g. `{"bookmarks": {"users": {"xmin": 7}}}`."""
        syncing = value.get("currently_syncing") if isinstance(value, dict) else None
        self._syncing = syncing if isinstance(syncing, str) else None
        bookmarks = value.get("bookmarks") if isinstance(value, dict) else None
        for name, bookmark in bookmarks.items() if isinstance(bookmarks, dict) else ():
            for each in _parts(bookmark):
                self._note(name, each)

    def _note(self, name: str, bookmark: Mapping[str, Any]) -> None:
        if any(bookmark.get(sign) is not None for sign in RESUMED_BY):
            self._resumed.add(name)
        method = bookmark.get("last_replication_method")
        is_position = any(bookmark.get(position) is not None for position in LOG_POSITIONS)
        if method == "LOG_BASED" or is_position:
            self._log_based.add(name)
        if method is not None and method != "FULL_TABLE":
            self._incremental[name] = "a STATE says that it is not read as FULL_TABLE"
        if bookmark.get("replication_key_value") is not None:
            self._incremental[name] = "a STATE holds a replication_key_value for it"

    def show_resumed(self, stream_name: str) -> bool:
        """Whether a stream's table was begun in an earlier run, by what came up to now."""
        return any(self._is_of(name, stream_name) for name in self._resumed)

    def show_unfinished(self, stream_name: str) -> bool:
        """Whether the last STATE says that a stream is being synced."""
        return self._syncing is not None and self._is_of(self._syncing, stream_name)

    def show_log_based(self, stream_name: str) -> bool:
        """Whether a stream follows the database's log, so that deletes come with the changes."""
        return any(self._is_of(name, stream_name) for name in self._log_based)

    def why_incremental(self, stream_name: str) -> str | None:
        """Return what shows that a stream sends only what is new, or None."""
        reasons = (why for name, why in self._incremental.items() if self._is_of(name, stream_name))
        return next(reasons, None)

    def _is_of(self, bookmark_name: str, stream_name: str) -> bool:
        """Whether a bookmark is of a stream: its ID may begin with the database's name."""
        if bookmark_name == stream_name:
            return True
        return bookmark_name not in self.streams and bookmark_name.endswith(f"-{stream_name}")


def _parts(bookmark: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a stream's bookmark, and those of its partitions."""
    if not isinstance(bookmark, dict):
        return
    yield bookmark
    partitions = bookmark.get("partitions")
    for each in partitions if isinstance(partitions, list) else ():
        if isinstance(each, dict):
            yield each
