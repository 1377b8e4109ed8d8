"""CSV exports of big segments, which move on each time they are looked at, and their files."""

from __future__ import annotations

import csv
import io
import re
import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .rules import ExportRules

#: What the path of every file begins with; it is none of the API's.
FILES = "/exports/"
_CHUNK_KEYS = 10_000
# With none of these, csv would leave a line as it is.
_SPECIAL = re.compile(r'[",\r\n]')
_UNITS = ("B", "kB", "MB", "GB")
_UNIT_STEP = 1_000


class ExportFile:
    """A file of keys, which is written out anew by everyone who reads it."""

    def __init__(self, keys: list[str], rules: ExportRules) -> None:
        self._keys = keys
        self._rules = rules

    @property
    def members(self) -> int:
        """Count the keys in the file, before bytes are cut off."""
        return max(0, len(self._keys) - self._rules.missing)

    @cached_property
    def size_bytes(self) -> int:
        """Count the bytes."""
        return max(0, sum(map(len, self._whole())) - self._rules.cut_bytes)

    def chunks(self) -> Iterator[bytes]:
        """Write the file, some thousand lines at a time."""
        left = self.size_bytes
        for chunk in self._whole():
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    def _whole(self) -> Iterator[bytes]:
        rules = self._rules
        header = [] if rules.header is None else [f"{rules.header}{rules.line_end}"]
        for text in chain(header, self._texts(islice(self._keys, self.members))):
            yield text.encode()

    def _texts(self, keys: Iterator[str]) -> Iterator[str]:
        rules = self._rules
        # A file of millions is written twice, its size first: csv takes ten times longer.
        is_plain = not (rules.is_quoted or rules.more_columns)
        while chunk := list(islice(keys, _CHUNK_KEYS)):
            if is_plain and not _SPECIAL.search("".join(chunk)):
                yield rules.line_end.join((*chunk, ""))
                continue
            text = io.StringIO()
            writer = csv.writer(
                text,
                quoting=csv.QUOTE_ALL if rules.is_quoted else csv.QUOTE_MINIMAL,
                lineterminator=rules.line_end,
            )
            writer.writerows((key, *rules.more_columns) for key in chunk)
            yield text.getvalue()


@dataclass(slots=True)
class Export:
    """One export, which goes as the rules were when it was started."""

    segment_key: str
    rules: ExportRules
    created: float
    polls_left: float
    status: str = "preparing"
    file: ExportFile | None = None
    ended: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    # Whoever has the link may read, so it holds what nobody can guess.
    signature: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def start(cls, segment_key: str, keys: Iterable[str], rules: ExportRules, now: float) -> Export:
        """Start one, of the members as they are now if the rules say so."""
        rules = replace(rules)
        started = cls(segment_key, rules, now, rules.polls)
        if rules.is_taken_at_start:
            started.file = ExportFile(list(keys), rules)
        return started

    def advance(self, keys: Iterable[str], now: float) -> None:
        """Move on by one look, at which the segment has these members."""
        if self.ended is not None:
            return
        self.polls_left -= 1
        if self.polls_left > 0 or now < self.created + self.rules.seconds:
            self.status = "in_progress"
            return
        self.status, self.ended = self.rules.outcome, now
        if self.status != "complete":
            self.file = None
        elif self.file is None:
            self.file = ExportFile(list(keys), self.rules)

    def is_expired(self, now: float) -> bool:
        """Say whether the link of one that has ended is good no longer."""
        return self.ended is not None and now >= self.ended + self.rules.link_seconds

    def document(self, segment_path: str, files_base: str) -> dict[str, object]:
        """Give the API's `Export`."""
        size_bytes = self.file.size_bytes if self.file and self.ended is not None else 0
        return {
            "id": self.id,
            "segmentKey": self.segment_key,
            "creationTime": int(self.created * 1_000),
            "status": self.status,
            "sizeBytes": size_bytes,
            "size": _with_unit(size_bytes),
            "initiator": {"name": "Sandbox", "email": "sandbox@example.com"},
            "_links": {
                "parent": {"href": segment_path, "type": "application/json"},
                "self": {"href": f"{segment_path}/exports/{self.id}", "type": "application/json"},
                **self._file_link(files_base),
            },
        }

    def _file_link(self, files_base: str) -> dict[str, object]:
        if self.file is None or self.ended is None:
            return {}
        seconds = f"X-Amz-Expires={self.rules.link_seconds:.0f}"
        path = f"{FILES}{self.id}.csv?{seconds}&X-Amz-Signature={self.signature}"
        base = self.rules.link_base or files_base
        return {self.rules.link_name: {"href": base + path, "type": "text/csv"}}


class FileRefused(Exception):  # noqa: N818 - an answer, as S3 words it
    """An answer of the place where files lie, such as `FileRefused(404, "NoSuchKey", "...")`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def _with_unit(size_bytes: int) -> str:
    """Write a size, such as `18 B` or `1.5 MB`."""
    size, units = float(size_bytes), iter(_UNITS)
    unit = next(units)
    while size >= _UNIT_STEP and (bigger := next(units, None)):
        size, unit = size / _UNIT_STEP, bigger
    return f"{size:.3g} {unit}"
