"""A stock SDK target as its template's BatchSink suggests: each batch is sent as it comes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import requests
import wire
from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target


class PatchPerBatchSink(BatchSink):
    """Sends a PATCH per batch and segment, without asking what is there already."""

    max_size = 1_500

    @cached_property
    def session(self) -> requests.Session:
        """One connection for all batches."""
        session = requests.Session()
        session.headers.update(wire.headers(self.config))
        return session

    def process_batch(self, context: dict[str, Any]) -> None:
        """Send what the batch says, the last record of a key."""
        segments: dict[str, dict[str, bool]] = {}
        for record in context["records"]:
            segment_key = wire.segment_key_of(self.config, self.stream_name, record)
            segments.setdefault(segment_key, {})[record["context_key"]] = record["is_member"]
        for segment_key, members in segments.items():
            url = wire.segment_url(self.config, segment_key)
            body = wire.semantic_patch(self.config, members)
            self.session.patch(url, json=body, timeout=60).raise_for_status()


class BatchTarget(Target):
    """One PATCH a batch."""

    name = "target-batch"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}
    default_sink_class = PatchPerBatchSink


if __name__ == "__main__":
    BatchTarget.cli()
