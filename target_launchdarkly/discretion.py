"""What no log line may hold, whoever writes it: the access token, and the end of a line."""

from __future__ import annotations

import copy
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = "[access token]"
#: As much of a token as this is masked, also if the rest of it is cut off or another.
HEAD_CHARACTERS = 16
#: A shorter token than this is masked as a word of its own only: no token of LaunchDarkly's is.
WORD_CHARACTERS = 8
#: What ends a line, or writes on a terminal what was not meant: it is told as Python escapes it.
_UNPRINTABLE = {
    character: repr(chr(character))[1:-1]
    for character in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}
#: Libraries that warn of an answer with its URL, or with its text.
_TALKATIVE = ("urllib3", "requests")


def public_url(url: str) -> str:
    """Return a URL without what may open its place: no user, password, query or fragment.

    Example: `s3://me:secret@bucket/a.gz?X-Amz-Signature=…` becomes `s3://bucket/a.gz`.
    """
    # What stands behind `data:` is no place, but what would be there.
    place = re.sub(r"(^|::)data:.*", r"\1data:…", url, flags=re.IGNORECASE | re.DOTALL)
    return re.sub(r"//[^/]*@", "//", re.split(r"[?#]", place)[0])


class Discretion:
    """Knows the access token, and keeps it out of texts and logs."""

    def __init__(self, access_token: str = "") -> None:
        self._pattern: re.Pattern[str] | None = None
        self.keep(access_token)

    def keep(self, access_token: str) -> None:
        """Keep a token from here on; nothing if it is empty."""
        self._pattern = _pattern(access_token) if access_token else None

    def told(self, text: str) -> str:
        """Return a text as one line, without the token."""
        text = self._masked(text).translate(_UNPRINTABLE)
        # Half a character cannot be written.
        return text.encode(errors="backslashreplace").decode()

    def _masked(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    @contextmanager
    def at_the_handlers(self) -> Iterator[None]:
        """Let no log handler that there is now write anything else meanwhile.

        That covers what others log: the handlers are the last place that all lines pass.
        """
        handlers = _handlers()
        before = [handler.formatter for handler in handlers]
        is_debugged = logging.getLogger().isEnabledFor(logging.DEBUG)
        levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
        for handler in handlers:
            handler.setFormatter(_Formatter(self, handler.formatter, is_debugged=is_debugged))
        if not is_debugged:
            for name in _TALKATIVE:
                logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for handler, formatter in zip(handlers, before, strict=True):
                handler.setFormatter(formatter)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)

    def formatted(self, record: logging.LogRecord, inner: logging.Formatter) -> str:
        """Return a log record as another formatter writes it, but discreet."""
        record = copy.copy(record)
        record.msg, record.args = self.told(record.getMessage()), None
        # What a formatter before this one has kept of the traceback.
        record.exc_text = None
        return self._masked(inner.format(record))


class _Formatter(logging.Formatter):
    """Formats as another formatter does; tracebacks are for who looks for errors only."""

    def __init__(
        self, discretion: Discretion, inner: logging.Formatter | None, *, is_debugged: bool
    ) -> None:
        super().__init__()
        self._discretion = discretion
        self._inner = inner or logging.Formatter()
        self._is_debugged = is_debugged

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; one line, unless it is a traceback."""
        if not self._is_debugged:
            record = copy.copy(record)
            record.exc_info = record.stack_info = None
        return self._discretion.formatted(record, self._inner)


def _handlers() -> list[logging.Handler]:
    """Return all handlers of all loggers, each once."""
    root = logging.getLogger()
    loggers = [root, *root.manager.loggerDict.values()]
    found = [
        handler
        for logger in loggers
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
    ]
    return [*dict.fromkeys(found)]


def _pattern(access_token: str) -> re.Pattern[str]:
    """Return what finds a token, also percent-encoded, escaped, or cut off."""
    spelled = [_spelled(character) for character in access_token]
    if len(access_token) < WORD_CHARACTERS:
        return re.compile(rf"(?<!\w){''.join(spelled)}(?!\w)")
    head, rest = "".join(spelled[:HEAD_CHARACTERS]), "".join(spelled[HEAD_CHARACTERS:])
    return re.compile(rf"{head}(?:{rest}|[\w%.~-]*)", re.IGNORECASE)


def _spelled(character: str) -> str:
    """Return a pattern for a character as it is, in URLs, in JSON, in Python and in HTML."""
    code = ord(character)
    spellings = (
        *(re.escape(character), re.escape(f"\\{character}"), f"%{code:02x}", f"%25{code:02x}"),
        *(rf"\\u{code:04x}", rf"\\x{code:02x}", f"&#{code};", f"&#x{code:x};"),
    )
    return f"(?:{'|'.join(spellings)})"
