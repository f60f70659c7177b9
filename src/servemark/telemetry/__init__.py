"""Samples of the boards on this machine."""
