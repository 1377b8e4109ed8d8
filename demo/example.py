"""`make example`: dbt models become segments by way of Meltano, and a flag turns on.

The project is `examples/snowflake`, with files in place of Snowflake and the sandbox in place of
LaunchDarkly. `--project FOLDER` takes a copy of it; `--no-install` its plugins as they are.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from stage import ROOT, TOKEN, flags, heading, included, sandbox, seed

PROJECT = ROOT / "examples" / "snowflake"
MELTANO = ROOT / ".venv-meltano" / "bin" / "meltano"
JOB = "audiences-embedded"
#: Who was made a member by hand, before the first run.
SEGMENTS = {
    "beta-users": ["ben"],
    "premium-users": ["dan", "fay"],
    "trial-users": ["ida", "jon"],
}
CREATED = ("plan-free", "plan-pro", "plan-enterprise", "plan-team")
#: The flag that is watched: who joins, who leaves.
FLAG, JOINS, LEAVES = "beta-users", "ann", "ben"
#: Words of the lines that tell what dbt and the target did.
TELLING = ("Done. PASS", "FAIL ", " proven whole", " records: ", "[error", "ERROR")


def main() -> None:
    """Show the segments and the flag before and after a run; fail if the flag did not turn on."""
    project, options = arguments()
    shutil.rmtree(project / "warehouse", ignore_errors=True)
    with sandbox(*SEGMENTS) as url:
        for segment_key, context_keys in SEGMENTS.items():
            seed(url, segment_key, context_keys)
        heading("Before")
        show(url, *SEGMENTS)
        heading(f"meltano run {JOB}   (installs dbt, tap-snowflake and the target first)")
        run(project, url, options)
        heading("After")
        show(url, *SEGMENTS, *CREATED)
        if flags(url, FLAG, (JOINS, LEAVES)) != {JOINS: True, LEAVES: False}:
            sys.exit(f"The flag '{FLAG}' is not as the audience says.")
        print(f"\nThe flag '{FLAG}' turned on for {JOINS} and off for {LEAVES}.")


def arguments() -> tuple[Path, list[str]]:
    """Return the project's folder and the options of `meltano run`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=PROJECT)
    parser.add_argument("--no-install", action="store_true")
    given = parser.parse_args()
    return given.project, ["--no-install"] if given.no_install else []


def run(project: Path, url: str, options: list[str]) -> None:
    """Build the models and sync them, printing what tells of it as it comes."""
    variables = {
        "CHECKOUT": str(ROOT),
        "NO_COLOR": "1",
        "TARGET_LAUNCHDARKLY_ACCESS_TOKEN": TOKEN,
        "TARGET_LAUNCHDARKLY_API_URL": url,
    }
    process = subprocess.Popen(
        [str(MELTANO), "--environment=embedded", "run", *options, JOB],
        cwd=project,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101
    lines = []
    for line in process.stdout:
        lines.append(line)
        if any(word in line for word in TELLING):
            # Without the time and the level.
            print(f"  {line.partition(']')[2].strip()}", flush=True)
    if process.wait():
        sys.exit("".join(lines))


def show(url: str, *segment_keys: str) -> None:
    """Print the members of segments, and what an application sees of the flag."""
    for segment_key in segment_keys:
        print(f"  {segment_key:<16} {', '.join(sorted(included(url, segment_key))) or '-'}")
    told = [
        f"{key} {'on' if is_on else 'off'}"
        for key, is_on in flags(url, FLAG, (JOINS, LEAVES)).items()
    ]
    print(f"  flag {FLAG}: {', '.join(told)}   (LaunchDarkly's SDK)", flush=True)


if __name__ == "__main__":
    main()
