"""The input that docs/how-far-it-goes.md shows, its files being here."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING

from documents import DOCS, blocks
from running import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

PAGE = DOCS / "how-far-it-goes.md"
#: What Snowflake's `copy into` writes: a line a row.
ROWS = {
    "data_0_0_0.json.gz": [{"context_key": "ann", "is_member": True}],
    "data_0_1_0.json.gz": [
        {"context_key": "ben", "is_member": False},
        {"context_key": "eva", "is_member": True},
    ],
}


def test_files_of_a_warehouse_are_the_whole_input(
    sync: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    (text,) = (block.text for block in blocks(PAGE) if '"BATCH"' in block.text)
    for name, rows in ROWS.items():
        (tmp_path / name).write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT, included=["ben"])

    run = sync(
        re.sub(r"s3://[\w/-]+/(?=\w)", f"file://{tmp_path}/", text).splitlines(),
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert sorted(sandbox.included(SEGMENT)) == ["ann", "eva"]
