"""SCHEMA messages that nobody would write: used as far as they go, or told by their line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, members, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox


@pytest.mark.parametrize("name", ["key_properties", "bookmark_properties"])
@pytest.mark.parametrize("value", [True, 1.5, "context_key", {"a": 1}, [1], [None], [["a"]], [{}]])
def test_list_of_properties_that_is_none_is_told(
    sync: Callable[..., Run], name: str, value: Any
) -> None:
    run = sync([schema(**{name: value}), *members("ann")])

    assert "Line 1" in str(run.error)
    assert name in str(run.error)


@pytest.mark.parametrize("name", ["key_properties", "bookmark_properties"])
@pytest.mark.parametrize("value", [None, []])
def test_list_of_properties_may_be_empty(
    sync: Callable[..., Run], sandbox: Sandbox, name: str, value: Any
) -> None:
    run = sync([schema(**{name: value}), *members("ann"), state({})])

    assert run.error is None
    assert sandbox.included("beta-users") == ["ann"]


@pytest.mark.parametrize("value", [2_147_483_648, "text", None, [], {"type": "no such"}])
@pytest.mark.parametrize("left_out", ["other", "audience"])
def test_column_of_a_stream_that_is_left_out_stops_nothing(
    sync: Callable[..., Run], sandbox: Sandbox, value: Any, left_out: str
) -> None:
    """What is no schema stops no sync, least of all where nobody reads it."""
    odd = schema("other", columns=COLUMNS | {"odd": value})
    run = sync(
        [odd, schema(), *members("bob", stream="other"), *members("ann"), state({})],
        stream_maps={left_out: None},
    )

    assert run.error is None
    assert sandbox.included("beta-users") == (["ann"] if left_out == "other" else ["bob"])


@pytest.mark.parametrize("url", [None, 5, ["a.jsonl"], {"a": 1}, True])
@pytest.mark.parametrize("way", [{}, {"audience_sync_mode": "mirror", "mirror_source": "snapshot"}])
def test_manifest_that_names_no_files_is_told(
    sync: Callable[..., Run], url: Any, way: dict[str, Any]
) -> None:
    proof = {"trust_end_of_input": True} if way else {}
    batch = {"type": "BATCH", "stream": "audience", "encoding": {"format": "jsonl"}}

    run = sync([schema(), batch | {"manifest": [url]}], **way, **proof)

    assert "Line 2: a BATCH message whose 'manifest' names no files" in str(run.error)
