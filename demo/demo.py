"""`make demo`: real tap output turns a sandbox segment into exactly the right audience."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from stage import ROOT, TOKEN, call, flags, heading, included, sandbox, seed

CAPTURE = ROOT / "tests" / "data" / "tap-snowflake-full-table.singer.gz"
SEGMENT = "beta-users"
#: Two keys that are in the segment before, and one that the audience brings.
WATCHED = ("user-0", "stranger", "user-11999")


def main() -> None:
    """Show the segment before, after one run, and after the same run again."""
    with sandbox(SEGMENT) as url, tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), url)
        seed(url, SEGMENT, ["user-0", "stranger"])
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


def show_segment(url: str) -> None:
    """Print the segment's size and who of the watched keys is in it."""
    members = set(included(url, SEGMENT))
    watched = ", ".join(f"{key} {'in' if key in members else 'out'}" for key in WATCHED)
    print(f"  Segment   {len(members):,} included ({watched})")


def show_flag(url: str) -> None:
    """Print what an application sees."""
    seen = flags(url, SEGMENT, WATCHED)
    told = ", ".join(f"{key} {'on' if is_on else 'off'}" for key, is_on in seen.items())
    print(f"  Flag      {told}   (LaunchDarkly's SDK)")


if __name__ == "__main__":
    main()
