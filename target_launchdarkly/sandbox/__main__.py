"""`python -m target_launchdarkly.sandbox`, or `target-launchdarkly-sandbox`."""

from __future__ import annotations

import sys

from . import MISSING


def main() -> None:
    """Run the command, or say in one line what it lacks."""
    try:
        from .cli import main as command  # noqa: PLC0415 - it needs the packages of an extra
    except ModuleNotFoundError:
        sys.exit(f"Error: {MISSING}")
    command(prog_name="target-launchdarkly-sandbox")


if __name__ == "__main__":
    main()
