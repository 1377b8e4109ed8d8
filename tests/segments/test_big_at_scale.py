"""Big segments of the sizes that LaunchDarkly's limits are made of, by the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from big_runs import SNAPSHOT, requests_of
from messages import schema, state

from target_launchdarkly.sandbox import ExportRules

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox


def names(start: int, end: int) -> list[str]:
    return [f"customer-{number:07}" for number in range(start, end)]


def unloaded(folder: Path, stream: str, context_keys: Iterable[str]) -> list[dict[str, Any]]:
    """Return a stream's messages, its records in a file as a warehouse unloads it."""
    path = folder / f"{stream}.jsonl"
    path.write_text(
        "".join(f'{{"context_key":"{each}","is_member":true}}\n' for each in context_keys)
    )
    encoding = {"format": "jsonl", "compression": "none"}
    manifest = [path.as_uri()]
    batch = {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": manifest}
    return [schema(stream), batch]


def test_million_members_are_kept_exact_by_a_look_and_as_few_patches_as_can_be(
    sandbox: Sandbox, command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """1 % join and 1 % leave; nobody who stays is out at any moment."""
    before, audience = names(0, 1_000_000), names(10_000, 1_010_000)
    sandbox.add_segment("many", unbounded=True, included=before)
    sandbox.export_rules = ExportRules()
    messages = [*unloaded(tmp_path, "audience", audience), state(1)]

    run = command(messages, **SNAPSHOT | {"segment_key": "many"})

    assert run.returncode == 0, run.stderr
    assert set(sandbox.included("many")) == set(audience)
    assert sandbox.left("many") == set(before[:10_000])
    assert len(sandbox.requests) <= 20
    assert "10,000 added, 10,000 removed, 990,000 already in place" in run.stderr
    assert [json.loads(line) for line in run.stdout.splitlines()] == [state(1)["value"]]

    sandbox.clear_requests()
    again = command(messages, **SNAPSHOT | {"segment_key": "many"})

    assert again.returncode == 0, again.stderr
    assert requests_of(sandbox) == ["GET", "POST exports", "GET exports", "GET exports"]


def test_new_keys_beyond_one_file_go_as_merges_one_after_another(
    sandbox: Sandbox, command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """LaunchDarkly takes 1,000,000 keys a file, and one import at a time in an environment."""
    audiences = {
        "largest": names(0, 2_500_000),
        "second": names(0, 40_000),
        "third": names(40_000, 80_000),
    }
    messages: list[dict[str, Any]] = []
    for name, audience in audiences.items():
        sandbox.add_segment(name, unbounded=True)
        messages += unloaded(tmp_path, name, audience)

    run = command(
        [*messages, state(1)],
        **SNAPSHOT | {"streams": {name: {"segment_key": name} for name in audiences}},
    )

    assert run.returncode == 0, run.stderr
    imports = [each for each in sandbox.requests if each.path.endswith("/imports")]
    # The sandbox refuses larger files and an import beside another, as LaunchDarkly does.
    assert [each.status for each in imports] == [204] * 5
    assert "PATCH" not in requests_of(sandbox)
    for name, audience in audiences.items():
        assert set(sandbox.included(name)) == set(audience)
