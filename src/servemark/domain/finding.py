"""What a diagnosis says: a claim, what it rests on, what would refute it, what to do."""

from __future__ import annotations

from typing import Literal

from servemark.domain.record import Record
from servemark.domain.workload import Load

Confidence = Literal["certain", "likely", "possible"]
"""certain: the evidence excludes other causes; likely: it fits and others fit worse; possible: not excluded."""


class Evidence(Record, frozen=True, kw_only=True):
    """One row of evidence."""

    text: str
    """What was seen, with its figures."""
    source: Literal[
        "requests", "engine", "boards", "statistics", "settings", "instrument", "arithmetic", "reported"
    ]
    level: int | None = None
    """Index into the levels of the run."""
    control: int | None = None
    """Index into its controls, where the rows are theirs."""
    requests: tuple[int, ...] = ()
    """Positions in the requests of that level: a few that show it."""


class Excerpt(Record, frozen=True, kw_only=True):
    """One item answered alone and under load."""

    item: str
    load: Load
    alone: str
    under_load: str


class Finding(Record, frozen=True, kw_only=True):
    """One cause, named."""

    key: str
    """`shared_kv_pool_exhausted`; the rows of docs/diagnosis.md."""
    claim: str
    """One sentence."""
    confidence: Confidence
    weight: float
    """For the order of a report: share of requests that it touches, or of latency that it explains (0..1)."""
    evidence: tuple[Evidence, ...]
    refuted_by: str
    """The control that would refute it."""
    next_step: str
    consequence: str = ""
    """Who would notice, and what it costs them, in plain words."""
    excerpts: tuple[Excerpt, ...] = ()
