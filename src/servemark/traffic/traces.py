"""Recorded traces: readers for four formats, recognised by their header, and a writer for our own."""

from __future__ import annotations

from servemark.domain.record import Record
from servemark.domain.workload import PlannedRequest


class Trace(Record, frozen=True, kw_only=True):
    """A recorded trace; times start at 0 and rise."""

    name: str
    format: str
    requests: tuple[PlannedRequest, ...]
    skipped: int = 0
    """Rows left out because the recorded request gave no output."""
