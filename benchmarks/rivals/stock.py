"""A stock SDK target that collects its records and does nothing with them.

What every batch target pays for a record before its own work begins, validation included.
"""

from __future__ import annotations

from typing import Any, ClassVar

from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target


class StockSink(BatchSink):
    """Collects records, as the SDK does unless told otherwise."""

    max_size = 1_500

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing."""


class StockTarget(Target):
    """The least a target can be."""

    name = "target-stock"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}
    default_sink_class = StockSink


if __name__ == "__main__":
    StockTarget.cli()
