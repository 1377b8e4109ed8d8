"""The least that a target on the SDK can take to start: to import it and see the input's end."""

from __future__ import annotations

import sys

import singer_sdk  # noqa: F401 importing is what it does

if __name__ == "__main__":
    sys.stdin.buffer.read()
