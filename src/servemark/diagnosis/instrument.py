"""The load generator itself at its limit."""

from __future__ import annotations

from servemark.diagnosis.observations import where, worst
from servemark.diagnosis.rows import Seen
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, Run
from servemark.units import format_seconds

BUSY_CORES = 0.9
"""The client is one event loop: one core is all it has."""
LATE_RATIO = 0.2
"""A lag of this share of the TTFT..."""
LATE_S = 0.05
"""...and of so much is no longer that of a healthy client."""


def lags(level: Level) -> bool:
    """The client's own lateness is a good part of what it measured."""
    first = level.metrics.get("ttft_s")
    if level.lag is None or first is None or not first.p95:
        return False
    return level.lag.loop_p99_s >= max(LATE_S, LATE_RATIO * first.p95)


def is_busy(level: Level) -> bool:
    """The client kept its one core busy."""
    return level.cpu is not None and level.cpu.client_cores >= BUSY_CORES


def load_generator_at_limit(run: Run) -> Seen | None:
    """Row 25: the client cannot keep up."""

    def error(i: int) -> float:
        level = run.levels[i]
        return max(_late_share(level), BUSY_CORES if is_busy(level) else 0.0)

    at = worst(run, error)
    if at is None:
        return None
    level = run.levels[at]
    evidence: list[Evidence] = []
    if level.cpu is not None and is_busy(level):
        text = f"{where(run, at)}: the client kept {level.cpu.client_cores:.2f} cores busy; its event loop has one"
        evidence.append(Evidence(text=text, source="instrument", level=at))
    first = level.metrics.get("ttft_s")
    if level.lag is not None and first is not None and first.p95 and lags(level):
        text = (
            f"{where(run, at)}: the client's event loop woke {format_seconds(level.lag.loop_p99_s)} late at p99, "
            f"against a TTFT of {format_seconds(first.p95)} at p95"
        )
        evidence.append(Evidence(text=text, source="instrument", level=at))
    return Seen(
        claim=f"The load generator is at its limit {where(run, at)}: part of the latency is its own.",
        confidence="certain" if len(evidence) == 2 else "likely",
        weight=_late_share(level),
        evidence=tuple(evidence),
    )


def _late_share(level: Level) -> float:
    """Lateness at p99 as a share of the latency at p95; 0 for a healthy client."""
    whole = level.metrics.get("e2e_s")
    if level.lag is None or whole is None or not whole.p95 or not lags(level):
        return 0.0
    return min(1.0, level.lag.loop_p99_s / whole.p95)
