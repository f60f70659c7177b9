"""How far a level has come, for whoever wants to show it."""

from __future__ import annotations

from servemark.domain.record import Record
from servemark.domain.workload import Load


class Progress(Record, frozen=True, kw_only=True):
    """State of the level in progress; counts include the warm-up."""

    load: Load
    elapsed_s: float
    sent: int
    ended: int
    failed: int
    """Ended other than complete."""
    in_flight: int
    output_tokens: int
    requests: int | None
    """Requests of the level, warm-up included; None where it is bounded by time."""
    duration_s: float | None
    block: int | None = None
    """Of an experiment: the block in progress, from 0."""
    blocks: int | None = None
