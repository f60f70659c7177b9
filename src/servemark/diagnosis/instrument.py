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
"""...and of so much is no longer that of a healthy client, ..."""
LEAST_SHARE = 0.1
"""...unless it is less of the TTFT on average: single stalls explain nothing."""


def lags(level: Level) -> bool:
    """The client's own lateness is a good part of what it measured."""
    first = level.metrics.get("ttft_s")
    if level.lag is None or first is None or not first.p95 or not first.p50:
        return False
    mean_s = level.lag.loop_mean_s
    if mean_s is not None and mean_s < LEAST_SHARE * first.p50:
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
    first, lag = level.metrics.get("ttft_s"), level.lag
    if lag is not None and first is not None and first.p95 and lags(level):
        average = (
            f" and {format_seconds(lag.loop_mean_s)} on average" if lag.loop_mean_s is not None else ""
        )
        text = (
            f"{where(run, at)}: the client's event loop woke {format_seconds(lag.loop_p99_s)} late at p99{average}, "
            f"against a TTFT of {format_seconds(first.p95)} at p95"
        )
        evidence.append(Evidence(text=text, source="instrument", level=at))
    state = "is at its limit" if is_busy(level) else "was held up"
    return Seen(
        claim=f"The load generator {state} {where(run, at)}: {_own_part(level)}.",
        confidence="certain" if len(evidence) == 2 else "likely",
        weight=_late_share(level),
        evidence=tuple(evidence),
    )


def _own_part(level: Level) -> str:
    """What of the latency is the client's own, in words."""
    if level.lag is None or not lags(level):
        return "under more load it would measure itself"
    if level.lag.loop_mean_s is None:
        return "part of the latency is its own"
    return f"{format_seconds(level.lag.loop_mean_s)} of each latency, on average, is its own"


def _late_share(level: Level) -> float:
    """Its lateness (on average; where that is unknown, at p99) as a share of the latency; 0 for a healthy client."""
    whole, lag = level.metrics.get("e2e_s"), level.lag
    if lag is None or whole is None or not whole.p95 or not whole.p50 or not lags(level):
        return 0.0
    if lag.loop_mean_s is not None:
        return min(1.0, lag.loop_mean_s / whole.p50)
    return min(1.0, lag.loop_p99_s / whole.p95)
