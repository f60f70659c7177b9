"""Samples of the boards on this machine, and of what the engine says of itself."""
