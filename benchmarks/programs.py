"""What is measured, and how many rows of a scenario each is given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios import Scenario

HERE = Path(__file__).parent
RIVALS = HERE / "rivals"
#: One request a record: more would take hours.
RECORD_ROWS = 2_000
#: A row of 30 columns costs stock so many times one of 3.
WIDE_COSTS = 5


@dataclass(frozen=True, slots=True)
class Program:
    """What is measured.

    Attributes:
        told: what it is, in words.
        takes_all: whether it is given all rows, and not only as many as tell what a row costs.
        max_rows: more it never gets.
    """

    name: str
    command: tuple[str, ...]
    told: str
    takes_all: bool = False
    max_rows: int | None = None

    def rows_of(self, scenario: Scenario, rival_rows: int) -> int:
        """Return how many rows of a scenario the program is given."""
        if self.takes_all or scenario.form != "lines":
            return scenario.rows
        wanted = min(rival_rows, self.max_rows or rival_rows)
        return min(scenario.rows, wanted // WIDE_COSTS if scenario.is_wide else wanted)

    def settings(self, scenario: Scenario, url: str) -> str:
        """Return the text of its settings file."""
        settings: dict[str, Any] = scenario.settings(url)
        if self.name == "floor":
            settings = {"reads": scenario.reads(), "form": scenario.form}
        return json.dumps(settings)


def _rival(
    name: str,
    told: str,
    *,
    file: str = "",
    takes_all: bool = False,
    max_rows: int | None = None,
) -> Program:
    return Program(name, (str(RIVALS / f"{file or name}.py"),), told, takes_all, max_rows)


PROGRAMS = {
    program.name: program
    for program in (
        Program("target", ("-m", "target_launchdarkly"), "target-launchdarkly", takes_all=True),
        _rival("stock", "SDK BatchSink that sends nothing: what records cost before any work"),
        _rival(
            "floor",
            "the columns that are read, decoded with msgspec into a struct in a loop over stdin "
            "or BATCH file, and nothing else (Parquet: pyarrow's iter_batches of these columns)",
            takes_all=True,
        ),
        _rival("import", "`import singer_sdk`, and nothing else", file="bare_import"),
        _rival("batch", "SDK BatchSink, one PATCH per batch of 1,500, no GET"),
        _rival(
            "record",
            "SDK RecordSink, one PATCH a record, as in the template",
            max_rows=RECORD_ROWS,
        ),
        _rival(
            "client",
            "script with json.loads and the official launchdarkly-api client",
            # Its start varies by more than fewer rows take.
            takes_all=True,
        ),
    )
}
