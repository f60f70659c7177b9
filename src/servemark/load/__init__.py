"""Plays an arrival plan against a client, on the wall clock."""
