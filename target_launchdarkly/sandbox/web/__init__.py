"""The stand-in over HTTP, its page, and the troubles that can be rehearsed."""
