"""Singer target that keeps LaunchDarkly segments in step with audiences in a warehouse."""
