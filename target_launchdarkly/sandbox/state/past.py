"""What segments looked like before their last changes, for answers that lag behind."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

#: A segment as the API shows it; None where there was no segment.
Document: TypeAlias = dict[str, object]

MAX_BEHIND = 10


class Past:
    """The last documents of every segment key, also over deletion and creation."""

    def __init__(self) -> None:
        self._documents: dict[str, deque[Document | None]] = {}

    def add(self, segment_key: str, document: Document | None) -> None:
        """Keep what a segment looked like before a change that made a difference."""
        self._documents.setdefault(segment_key, deque(maxlen=MAX_BEHIND)).append(document)

    def look(self, segment_key: str, behind: int, now: Document | None) -> Document | None:
        """Give a segment as it was so many changes ago, or the oldest known before that."""
        documents = self._documents.get(segment_key)
        if not documents or behind == 0:
            return now
        return documents[-min(behind, len(documents))]

    def forget(self, *segment_keys: str) -> None:
        """Forget the past of some segments."""
        for segment_key in segment_keys:
            self._documents.pop(segment_key, None)
