"""Where every failure of a run ends: as one line that says what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk.exceptions import (
    ConfigValidationError,
    MappingError,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)

from target_launchdarkly.errors import TargetError

if TYPE_CHECKING:
    from types import CodeType

HOME = Path(__file__).parent
#: The SDK's errors that quote names and expressions only; others quote records, and whole schemas.
QUOTABLE = (MappingError, MissingKeyPropertiesError, RecordsWithoutSchemaException)
#: How much of an SDK error's text is told.
MAX_QUOTED_CHARACTERS = 300
#: How to see more.
SEE_MORE = (
    "With TARGET_LAUNCHDARKLY_LOGLEVEL=DEBUG the log shows where it came from; it may hold context "
    "keys then."
)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: By the end of a module's path: what was going on, and what to look at.
_SETTINGS_AT_WORK = {
    "singer_sdk/helpers/_flattening.py": "a SCHEMA or a record could not be flattened. Unset "
    "flattening_enabled, unless a property that is read stands within another.",
    "singer_sdk/_logging.py": "the log could not be set up. TARGET_LAUNCHDARKLY_LOGLEVEL and "
    "LOGLEVEL take debug, info, warning, error or critical; SINGER_SDK_LOG_CONFIG names a YAML "
    "file of logging's settings.",
    "singer_sdk/mapper.py": "a stream map could not be applied. Look at the expressions in "
    "stream_maps: each has to bear every value that may come.",
}


def told(error: BaseException, line_number: int = 0) -> str:
    """Return what failed and what to do, without anything that an input or an answer said.

    Args:
        error: Whatever it was.
        line_number: The line of the input that was in work; 0 if none was.
    """
    if isinstance(error, ConfigValidationError):
        return f"The settings cannot be used: {' '.join(error.errors)}"
    if isinstance(error, TargetError):
        return str(error)
    if isinstance(error, QUOTABLE):
        quoted = " ".join(str(error).split())[:MAX_QUOTED_CHARACTERS]
        return f"Line {line_number}: {quoted}"
    after = f", at line {line_number:,} of the input" if line_number else ""
    name = type(error).__name__
    return f"{name} at {_place(error)}{after}: {_meaning(error)} {SEE_MORE}"


def _meaning(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "something is nested too deeply. Look at the tap."
    for module, meaning in _SETTINGS_AT_WORK.items():
        if any(code.co_filename.endswith(module) for code, _ in _steps(error)):
            return meaning
    if isinstance(error, sqlite3.Error) or _number(error) in _NO_ROOM:
        return "there is no room on a disk. Make room; TMPDIR names the place of temporary files."
    if isinstance(error, MemoryError):
        return "there is not enough memory."
    if _number(error):
        return f"{system_reason(error)}."
    return "this should not have happened. Please report it."


def system_reason(error: BaseException) -> str:
    """Return why the system refused something, e.g. `Broken pipe`; else the error's class.

    Its own text is not told: libraries raise errors of the system with words of others in them.
    """
    number = _number(error)
    return os.strerror(number) if number else type(error).__name__


def _number(error: BaseException) -> int:
    """Return the system's number of an error; 0 if it has none, whatever stands in its place."""
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) and number in errno.errorcode else 0


def _place(error: BaseException) -> str:
    """Return where it happened, in our own code if that took part, e.g. `sinks.py:12`."""
    ours = Path()
    place = "an unknown place"
    for code, line in _steps(error):
        path = Path(code.co_filename)
        if path.is_relative_to(HOME):
            ours, place = path, f"{path.relative_to(HOME.parent)}:{line}"
        elif ours == Path():
            place = f"{path.name}:{line}"
    return place


def _steps(error: BaseException) -> list[tuple[CodeType, int]]:
    """Return the code and the lines that an error passed, the innermost last."""
    steps, step = [], error.__traceback__
    while step is not None:
        steps.append((step.tb_frame.f_code, step.tb_lineno))
        step = step.tb_next
    return steps


def let_go_of_streams() -> None:
    """Write what stdout and stderr still hold; what cannot be written is given up.

    Else Python would try again at its very end, and exit with a code of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
