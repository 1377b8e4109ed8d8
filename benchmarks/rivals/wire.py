"""The request that all rivals send; what differs is what each does to get there."""

from __future__ import annotations

from typing import Any

SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"


def headers(config: Any) -> dict[str, str]:
    """Return the headers of a request."""
    return {"Authorization": config["access_token"], "Content-Type": SEMANTIC_PATCH}


def segment_url(config: Any, segment_key: str) -> str:
    """Return the address of a segment."""
    place = f"{config['project_key']}/{config['environment_key']}/{segment_key}"
    return f"{config['api_url']}/api/v2/segments/{place}"


def segment_key_of(config: Any, stream_name: str, record: dict[str, Any]) -> str:
    """Return the segment of a record: named by it, by the settings, or like its stream."""
    if "segment_key_field" in config:
        return str(record[config["segment_key_field"]])
    return str(config.get("segment_key", stream_name))


def semantic_patch(config: Any, members: dict[str, bool]) -> dict[str, Any]:
    """Return the body that includes the keys with true and un-includes those with false."""
    # Only a big segment is mirrored by snapshot here.
    infix = "BigSegmentIncluded" if "mirror_source" in config else "Included"
    instructions = [
        {"kind": f"{verb}{infix}Targets", "contextKind": "user", "values": keys}
        for verb, is_member in (("remove", False), ("add", True))
        if (keys := [key for key, value in members.items() if value is is_member])
    ]
    return {"environmentKey": config["environment_key"], "instructions": instructions}
