"""`meltano config test` makes up a record: it becomes nobody's membership."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from running import SEGMENT

from target_launchdarkly.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

#: As Meltano 4.4.1 writes it.
NAME = "meltano_test_stream"
MESSAGES: list[dict[str, Any]] = [
    {
        "type": "SCHEMA",
        "stream": NAME,
        "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string"},
                "created_at": {"type": "string", "format": "date-time"},
            },
        },
        "key_properties": ["id"],
    },
    {
        "type": "RECORD",
        "stream": NAME,
        "record": {"id": 1, "name": "Meltano Test Record", "created_at": "2025-09-29T00:00:00Z"},
    },
    {"type": "STATE", "value": {"bookmarks": {NAME: {"last_record": 1}}}},
]


@pytest.mark.parametrize("field", ["id", "name", "context_key"])
@pytest.mark.parametrize("streams", [{}, {NAME: {}}], ids=["unnamed", "named"])
def test_record_that_meltano_makes_up_is_refused(
    sync: Callable[..., Run], sandbox: Sandbox, field: str, streams: dict[str, Any]
) -> None:
    run = sync(MESSAGES, context_key_field=field, streams=streams)

    assert isinstance(run.error, StreamError)
    assert "--check" in str(run.error)
    assert run.states == []
    assert sandbox.included(SEGMENT) == []
    assert sandbox.requests == []
