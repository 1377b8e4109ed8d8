"""Time as a run sees it. Tests put their own in place of the system's."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_IMPORTED_AT = time.time()
#: Where Linux tells of this process; its 22nd field is the start, in ticks since the boot.
#: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
_STAT = Path("/proc/self/stat")
_START_FIELD = 22


def process_start() -> float:
    """Return the epoch seconds when this process began; where that is unknown, when it was here.

    A tap begins at the same time as its target, and may be quicker to name its version than the
    target is to import its libraries.
    """
    try:
        # The second field is the program's name, which may hold blanks.
        fields = _STAT.read_text().rpartition(")")[2].split()
        ticks = int(fields[_START_FIELD - 3])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return _IMPORTED_AT
    return min(_IMPORTED_AT, time.time() - age)


class Clock(NamedTuple):
    """Where a run takes its time from."""

    sleep: Callable[[float], None] = time.sleep
    #: Seconds that only ever grow.
    monotonic: Callable[[], float] = time.monotonic
    #: Seconds since the epoch.
    now: Callable[[], float] = time.time
    #: Seconds since the epoch when this process began.
    started: Callable[[], float] = process_start
