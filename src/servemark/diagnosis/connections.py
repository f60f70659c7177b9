"""Connections that died without the engine having a part in it."""

from __future__ import annotations

from servemark.diagnosis.observations import Request, requests, rises, share, shown_by, where, worst
from servemark.diagnosis.rows import Seen
from servemark.domain.run import Level, RequestRecord, Run

DIED = ("disconnected", "reset", "closed", "eof", "broken pipe")


def died_before_any_byte(record: RequestRecord) -> bool:
    """The connection was lost before a byte of the answer had come."""
    reason = record.reason.lower()
    lost = record.outcome == "transport" and any(word in reason for word in DIED)
    return lost and record.first_byte_s is None and record.status is None


def stale_connections(run: Run) -> Seen | None:
    """Row 4: kept-alive connections that the server had closed, or too many open at once."""
    at = worst(run, lambda i: share(len(_dead(run.levels[i])), run.levels[i].requests_sent))
    if at is None:
        return None
    level = run.levels[at]
    again = [each for each in _dead(level) if each.record.retried]
    lost = [each for each in _dead(level) if not each.record.retried]
    if not again and not rises(run, lambda i: len(_dead(run.levels[i]))):
        return None
    healed = [each for each in again if each.record.outcome != "transport"]
    evidence = []
    if again:
        text = f"{len(healed)} of {len(again)} requests went through on a fresh connection"
        evidence.append(shown_by(run, at, again, text))
    if lost:
        text = f"{len(lost)} connections died before any byte: {lost[0].record.reason}"
        evidence.append(shown_by(run, at, lost, text))
    return Seen(
        claim=f"Connections die before any byte of an answer, {len(_dead(level))} of {level.requests_sent} "
        f"{where(run, at)}: a kept-alive connection that the server had closed, no fault of the model.",
        confidence="certain" if healed and not lost else "likely",
        weight=share(len(lost), level.requests_sent),
        evidence=tuple(evidence),
    )


def _dead(level: Level) -> list[Request]:
    return requests(level, lambda record: record.retried or died_before_any_byte(record))
