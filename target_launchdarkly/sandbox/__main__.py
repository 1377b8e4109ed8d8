"""`python -m target_launchdarkly.sandbox`."""

from __future__ import annotations

from .cli import main

main(prog_name="target-launchdarkly-sandbox")
