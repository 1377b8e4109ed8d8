"""How imports and exports go that start from now on; what is not documented is open to be set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

ImportOutcome: TypeAlias = Literal["complete", "stopped", "pending_approval"]

# https://launchdarkly.com/docs/home/flags/list-based-segments documents these three, though not
# what is answered beyond them.
MAX_IMPORT_KEYS = 1_000_000
MAX_IMPORT_BYTES = 40_000_000
MAX_EXPORT_MEMBERS = 10_000_000
NEVER = math.inf


@dataclass(slots=True)
class ImportRules:
    """How imports go.

    Attributes:
        polls: how often an import has to be asked about until it ends; 0 leaves it to the clock,
            `NEVER` never ends it.
        seconds: it takes at least so long, by the sandbox's clock.
        outcome: the status in which it ends. One that is stopped while it is in progress leaves
            behind what showed on its way.
        max_keys: no file of more lines is taken.
        max_bytes: no file of more bytes is taken.
        is_one_step: nothing shows before it is complete. Else half of the file shows while it is in
            progress, and of what a replacing import found nothing is left meanwhile.
    """

    polls: float = 2
    seconds: float = 0.0
    outcome: ImportOutcome = "complete"
    max_keys: float = MAX_IMPORT_KEYS
    max_bytes: float = MAX_IMPORT_BYTES
    is_one_step: bool = False


@dataclass(slots=True)
class ExportRules:
    """How exports go.

    Attributes:
        polls: how often an export has to be asked about until it ends; 0 ends it at the first
            look, `NEVER` never.
        seconds: it takes at least so long, by the sandbox's clock.
        outcome: the status in which it ends; only `complete` has a file.
        denied: the token may not start one.
        max_members: no export is made of a segment with more.
        header: the first line of the file; None for no such line.
        is_quoted: whether keys are quoted that need not be.
        line_end: what stands at the end of every line.
        more_columns: what stands behind every key.
        missing: so many of the last keys are not in the file.
        cut_bytes: so many of the last bytes are not in the file, which looks whole to HTTP.
        is_taken_at_start: the file has the members of the start, and not those of the end.
        link_name: of the file's link among `_links`.
        link_seconds: the link is good for so long, from the end on.
        link_base: what the link begins with, such as `https://files.example.com`; None for the
            sandbox by another name of its host.
    """

    polls: float = 2
    seconds: float = 0.0
    outcome: str = "complete"
    denied: bool = False
    max_members: float = MAX_EXPORT_MEMBERS
    header: str | None = None
    is_quoted: bool = False
    line_end: str = "\n"
    more_columns: tuple[str, ...] = ()
    missing: int = 0
    cut_bytes: int = 0
    is_taken_at_start: bool = False
    link_name: str = "file"
    link_seconds: float = 3_600.0
    link_base: str | None = None
