"""`make demo`: real tap output turns a sandbox segment into exactly the right audience."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldclient
from ldclient.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
CAPTURE = ROOT / "tests" / "data" / "tap-snowflake-full-table.singer.gz"
SEGMENT = "beta-users"
TOKEN = "api-sandbox"  # noqa: S105 the sandbox's own
SDK_KEY = "sdk-sandbox"
#: Two keys that are in the segment before, and one that the audience brings.
WATCHED = ("user-0", "stranger", "user-11999")


def main() -> None:
    """Show the segment before, after one run, and after the same run again."""
    with sandbox() as url, tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), url)
        seed(url, ["user-0", "stranger"])
        heading("Before")
        show_segment(url)
        show_flag(url)

        heading("tap-snowflake | target-launchdarkly   (12,000 rows, 10,800 members, mirror mode)")
        run_target(config, url)
        show_segment(url)
        show_flag(url)

        heading("The same again")
        run_target(config, url)
        show_segment(url)


@contextmanager
def sandbox() -> Iterator[str]:
    """Run the sandbox as its command does; yield its URL."""
    command = [sys.executable, "-m", "target_launchdarkly.sandbox", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--segment", SEGMENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101
        ready = process.stdout.readline()
        yield next(word for word in ready.split() if word.startswith("http"))
    finally:
        process.terminate()
        process.communicate()


def write_config(folder: Path, url: str) -> Path:
    """Write the target's settings, as a user would."""
    path = folder / "config.json"
    path.write_text(
        json.dumps(
            {
                "access_token": TOKEN,
                "api_url": url,
                "project_key": "default",
                "environment_key": "test",
                "segment_key": SEGMENT,
                "audience_sync_mode": "mirror",
                "comment": "nightly audience sync",
            }
        )
    )
    return path


def run_target(config: Path, url: str) -> None:
    """Pipe the captured tap output through the target; print its summary and its requests."""
    call(f"{url}/sandbox/requests/clear", method="POST")
    result = subprocess.run(
        [sys.executable, "-m", "target_launchdarkly", "--config", str(config)],
        input=gzip.decompress(CAPTURE.read_bytes()),
        capture_output=True,
        check=False,
    )
    log = result.stderr.decode()
    if result.returncode:
        sys.exit(log)
    print(f"  STATE     {result.stdout.decode().strip()}")
    summary = [line.split(" | ")[-1] for line in log.splitlines() if " records: " in line]
    print(f"  Summary   {summary[-1]}")
    counts = call(f"{url}/sandbox/requests")["by_method"]
    print("  Sandbox   " + ", ".join(f"{count} {method}" for method, count in counts.items()))


def seed(url: str, context_keys: list[str]) -> None:
    """Include keys by hand, as somebody in LaunchDarkly would."""
    instruction = {"kind": "addIncludedTargets", "contextKind": "user", "values": context_keys}
    call(
        f"{url}/api/v2/segments/default/test/{SEGMENT}",
        method="PATCH",
        body={"environmentKey": "test", "instructions": [instruction]},
    )


def show_segment(url: str) -> None:
    """Print the segment's size and who of the watched keys is in it."""
    included = set(call(f"{url}/api/v2/segments/default/test/{SEGMENT}")["included"])
    watched = ", ".join(f"{key} {'in' if key in included else 'out'}" for key in WATCHED)
    print(f"  Segment   {len(included):,} included ({watched})")


def show_flag(url: str) -> None:
    """Print what an application sees: LaunchDarkly's own SDK evaluates a flag of the segment."""
    client = ldclient.LDClient(
        Config(SDK_KEY, base_uri=url, events_uri=url, stream=False, send_events=False)
    )
    try:
        values = {
            key: client.variation(SEGMENT, ldclient.Context.create(key), None) for key in WATCHED
        }
    finally:
        client.close()  # type: ignore[no-untyped-call]
    told = ", ".join(f"{key} {'on' if is_on else 'off'}" for key, is_on in values.items())
    print(f"  Flag      {told}   (LaunchDarkly's SDK)")


def call(url: str, *, method: str = "GET", body: dict[str, Any] | None = None) -> Any:
    """Send a request to the sandbox; return the JSON answer, or None where there is none."""
    headers = {
        "Authorization": TOKEN,
        "Content-Type": "application/json; domain-model=launchdarkly.semanticpatch",
    }
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 loopback
        text = answer.read()
    return json.loads(text) if text else None


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}")


if __name__ == "__main__":
    main()
