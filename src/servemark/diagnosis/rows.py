"""One row of the diagnosis: what it says in general, and what its rule saw in a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from servemark.domain.finding import Confidence, Evidence, Excerpt, Finding
from servemark.domain.record import Record
from servemark.domain.run import Run


class Row(Record, frozen=True, kw_only=True):
    """One cause, as `data/causes.toml` holds it and `docs/diagnosis.md` prints it."""

    number: int
    """Row of the table; several causes of one symptom share it."""
    symptom: str
    evidence: str
    """What tells it from the other causes of the symptom."""
    refuted_by: str
    next_step: str
    consequence: str
    """Who would notice, and what it costs them."""
    basis: str
    """Where it was seen: issue numbers, documentation, own measurements."""


class Seen(NamedTuple):
    """What a rule saw in one run."""

    claim: str
    confidence: Confidence
    weight: float
    evidence: tuple[Evidence, ...]
    next_step: str = ""
    """Where the run makes it more concrete than the row does."""
    excerpts: tuple[Excerpt, ...] = ()


Rule = Callable[[Run], Seen | None]
"""None: not there, or the evidence that would tell is unknown."""


def finding(key: str, row: Row, seen: Seen) -> Finding:
    """What was seen, with what the row says of it."""
    return Finding(
        key=key,
        claim=seen.claim,
        confidence=seen.confidence,
        weight=min(1.0, max(0.0, seen.weight)),
        evidence=seen.evidence,
        refuted_by=row.refuted_by,
        next_step=seen.next_step or row.next_step,
        consequence=row.consequence,
        excerpts=seen.excerpts,
    )
