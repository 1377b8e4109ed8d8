"""Files that tell of a run: where they are, and that none of somebody else's is taken for one."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

from target_launchdarkly.errors import ReportError


def place_of(path: str) -> Path:
    """Return where a file is; `~` is the user's home, and links are followed.

    Raises:
        OSError: That cannot be found out.
    """
    try:
        return Path(path).expanduser().resolve()
    except RuntimeError as error:
        raise OSError(0, str(error)) from error


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
        raise OSError(0, "it is no ordinary file")
    with path.open("rb") as file:
        if found.st_size and file.read(len(begins)) != begins:
            raise OSError(0, "a file is there that no earlier run wrote")
    return found.st_size


def cannot_be_written(setting: str, error: OSError) -> ReportError:
    """Return the error of a file that cannot be written.

    Args:
        setting: The one that names the file.
        error: Why.
    """
    why = error.strerror or type(error).__name__
    return ReportError(
        f"{setting} cannot be written: {why}. Name a file in a folder where this process may "
        f"write, or do not set {setting}."
    )


def moment(epoch: float, precision: str = "milliseconds") -> str:
    """Return a moment as JSON's readers know it, e.g. `2026-11-28T00:40:00.123Z`."""
    return f"{datetime.fromtimestamp(epoch, UTC).isoformat(timespec=precision)[:-6]}Z"
