"""The segments: what LaunchDarkly shows of them, and the requests that change them."""
