"""Run the target with `python -m target_launchdarkly`."""

from target_launchdarkly.target import TargetLaunchDarkly

TargetLaunchDarkly.cli()
