"""A script with LaunchDarkly's own API client, set up as the client's README shows.

It validates nothing and keeps nothing but the changes of 1,500 records.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import launchdarkly_api
import wire
from launchdarkly_api.api import segments_api
from launchdarkly_api.models.patch_with_comment import PatchWithComment

KEYS_A_REQUEST = 1_500


class SemanticPatch(PatchWithComment):
    """The client's model holds a JSON Patch only; this is the way to a semantic one.

    https://github.com/launchdarkly/api-client-go/issues/14
    """

    body: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return what is sent."""
        return self.body


def main(config: dict[str, Any]) -> None:
    """Send 1,500 records at a time, then write the last STATE."""
    configuration = launchdarkly_api.Configuration(host=config["api_url"])
    configuration.api_key["ApiKey"] = config["access_token"]
    with launchdarkly_api.ApiClient(configuration) as api_client:
        api = segments_api.SegmentsApi(api_client)
        segments: dict[str, dict[str, bool]] = {}
        count, state = 0, None
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "RECORD":
                record = message["record"]
                segment_key = wire.segment_key_of(config, message["stream"], record)
                segments.setdefault(segment_key, {})[record["context_key"]] = record["is_member"]
                count += 1
                if count % KEYS_A_REQUEST == 0:
                    send(api, config, segments)
            elif message["type"] == "STATE":
                state = message["value"]
        send(api, config, segments)
    if state is not None:
        print(json.dumps(state))


def send(
    api: segments_api.SegmentsApi, config: dict[str, Any], segments: dict[str, dict[str, bool]]
) -> None:
    """Send a PATCH a segment, and forget what was sent."""
    for segment_key, members in segments.items():
        api.patch_segment(
            config["project_key"],
            config["environment_key"],
            segment_key,
            SemanticPatch(patch=[], body=wire.semantic_patch(config, members)),
            _content_type=wire.SEMANTIC_PATCH,
        )
    segments.clear()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[2]).read_text()))
