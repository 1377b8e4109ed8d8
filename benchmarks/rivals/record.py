"""A stock SDK target as its template's RecordSink suggests: each record is sent as it comes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import requests
import wire
from singer_sdk.sinks import RecordSink
from singer_sdk.target_base import Target


class PatchPerRecordSink(RecordSink):
    """Sends a PATCH a record, without asking what is there already."""

    @cached_property
    def session(self) -> requests.Session:
        """One connection for all records."""
        session = requests.Session()
        session.headers.update(wire.headers(self.config))
        return session

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Send what the record says."""
        segment_key = wire.segment_key_of(self.config, self.stream_name, record)
        url = wire.segment_url(self.config, segment_key)
        body = wire.semantic_patch(self.config, {record["context_key"]: record["is_member"]})
        self.session.patch(url, json=body, timeout=60).raise_for_status()


class RecordTarget(Target):
    """One PATCH a record."""

    name = "target-record"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}
    default_sink_class = PatchPerRecordSink


if __name__ == "__main__":
    RecordTarget.cli()
