"""A run that is killed leaves whole lines, of all that LaunchDarkly had acknowledged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, keys, lines, record, schema
from running import SEGMENT
from target_process import STOPPED_BY
from told_changes import told

from target_launchdarkly.sandbox import RequestLog

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from target_launchdarkly.sandbox import Exchange, Sandbox

COLUMNS_BY_SEGMENT = COLUMNS | {"segment": {"type": "string"}}
NAMES = [SEGMENT, "beta", "gamma", "delta"]
KEYS = keys(400)
SMALL = {"segment_key_field": "segment", "batch_size_rows": 10}
FEED = [
    schema(columns=COLUMNS_BY_SEGMENT),
    *(record(key, segment=name) for key in KEYS for name in NAMES),
]


@pytest.mark.parametrize("signum", STOPPED_BY, ids=lambda each: each.name)
@pytest.mark.parametrize("patches", [1, 7, 30])
def test_killed_run_leaves_whole_lines_of_what_was_acknowledged(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path, signum: signal.Signals, patches: int
) -> None:
    """Four segments are changed at the same time, in small requests, when the signal comes."""
    for name in NAMES[1:]:
        sandbox.add_segment(name)
    path, settings = tmp_path / "changes.jsonl", tmp_path / "config.json"
    settings.write_text(json.dumps(config | SMALL | {"changes_file": str(path)}))
    left = [patches]
    process: list[subprocess.Popen[bytes]] = []

    def stop(exchange: Exchange) -> None:
        left[0] -= exchange.method == "PATCH"
        if left[0] == 0:
            process[0].send_signal(signum)

    sandbox.log = RequestLog(on_exchange=stop)
    with subprocess.Popen(
        [sys.executable, "-m", "target_launchdarkly", "--config", settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        process.append(running)
        running.communicate(lines(FEED))
    assert running.returncode == STOPPED_BY[signum]

    there = {(name, key) for name in NAMES for key in sandbox.included(name)}
    made = {(line["segment"], line["context_key"]) for line in told(path)}
    assert made <= there
    # What was in flight when the signal came may be in place and not told.
    assert len(there - made) <= 10 * len(NAMES)
    assert len(there) < len(KEYS) * len(NAMES)
