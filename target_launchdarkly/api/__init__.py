"""LaunchDarkly over HTTP."""
