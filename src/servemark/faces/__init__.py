"""Words, pixels and sockets."""
