"""One streamed request over HTTP, and the checks before the first."""
