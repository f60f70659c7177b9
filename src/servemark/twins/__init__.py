"""The twin: the simulation of one deployment behind an OpenAI-compatible endpoint.

A load driver that measures the twin measures a system whose truth is known: every token leaves at the
moment the simulator says it does, and `/health` says by how much the twin itself was late.
"""
