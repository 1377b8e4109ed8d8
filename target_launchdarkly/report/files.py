"""Files that tell of a run: where they are, and that none of somebody else's is taken for one."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path

from target_launchdarkly.errors import ReportError

NO_FILE = "it is no ordinary file"
#: stdin, stdout and stderr. A file that stdout was led to gets the STATE lines.
STREAMS = (0, 1, 2)


def place_of(path: str) -> Path:
    """Return where a file is; `~` is the user's home, and links are followed.

    Raises:
        OSError: That cannot be found out.
    """
    try:
        named = Path(path).expanduser()
        place = named.resolve()
        is_nowhere = named.exists() and not place.exists()
    except (RuntimeError, ValueError) as error:
        # No such user, links in a circle, or characters that no path has.
        raise OSError(0, str(error)) from error
    if is_nowhere:
        # As the pipe that `/dev/stdout` leads to.
        raise OSError(0, NO_FILE)
    return place


def are_one(path: object, other: object) -> bool:
    """Whether two settings name one file, in whatever spelling."""
    if not (isinstance(path, str) and isinstance(other, str)):
        return False
    try:
        return place_of(path) == place_of(other)
    except OSError:
        return False


def size_of_own(path: Path, begins: bytes) -> int | None:
    """Return the size of an earlier run's file; None if there is none.

    Args:
        path: Where.
        begins: How every file of this kind begins, unless it is empty.

    Raises:
        OSError: It cannot be looked at, or is something else.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, NO_FILE)
    if any(_is_same(found, stream) for stream in STREAMS):
        raise OSError(0, "it is where this process reads or writes already")
    with path.open("rb") as file:
        if found.st_size and file.read(len(begins)) != begins:
            raise OSError(0, "a file is there that no earlier run wrote")
    return found.st_size


def _is_same(found: os.stat_result, stream: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(found, os.fstat(stream))
    return False


def demand_writable(setting: str, path: str, begins: bytes) -> None:
    """Look whether a file could be written, as far as that shows without writing.

    Args:
        setting: The one that names it.
        path: Where.
        begins: How every file of this kind begins.

    Raises:
        ReportError: It could not.
    """
    try:
        place = place_of(path)
        size_of_own(place, begins)
        place.parent.stat()
        if not os.access(place.parent, os.W_OK | os.X_OK):
            raise OSError(EACCES, os.strerror(EACCES))  # noqa: TRY301 told like the others
    except OSError as error:
        raise cannot_be_written(setting, error) from error


def cannot_be_written(setting: str, error: OSError) -> ReportError:
    """Return the error of a file that cannot be written.

    Args:
        setting: The one that names the file.
        error: Why.
    """
    why = (error.strerror or type(error).__name__).rstrip(".")
    return ReportError(
        f"{setting} cannot be written: {why}. Name a file in a folder where this process may "
        f"write, or do not set {setting}."
    )


def moment(epoch: float, precision: str = "milliseconds") -> str:
    """Return a moment as JSON's readers know it, e.g. `2026-11-28T00:40:00.123Z`."""
    return f"{datetime.fromtimestamp(epoch, UTC).isoformat(timespec=precision)[:-6]}Z"
