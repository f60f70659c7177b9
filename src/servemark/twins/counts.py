"""What one replica has done so far, counted as vLLM counts it, in simulated time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from servemark.units import PS_PER_S

TTFT_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
ITL_S = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
    80.0,
)  # fmt: skip
LATENCY_S = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
)  # fmt: skip
"""Upper bounds of vLLM's buckets (`vllm/v1/metrics/loggers.py`, read 2026-11-20)."""


class Histogram:
    """Durations in picoseconds, counted by bucket; cheap enough to take every token."""

    __slots__ = ("_bounds_ps", "_bounds_s", "_counts", "sum_ps")

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._bounds_ps = [round(bound * PS_PER_S) for bound in bounds_s]
        self._counts = [0] * (len(bounds_s) + 1)
        self.sum_ps = 0

    def observe(self, duration_ps: int) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds_ps, duration_ps)] += 1
        self.sum_ps += duration_ps

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative (upper bound, count) pairs of the Prometheus exposition, `+Inf` last."""
        total = 0
        rows: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self._bounds_s), "+Inf"), self._counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


@dataclass(slots=True)
class Counts:
    """Counters and histograms of one replica."""

    prompt_tokens: int = 0
    generation_tokens: int = 0
    rejections: int = 0
    finished: Counter[str] = field(default_factory=lambda: Counter(stop=0, length=0, abort=0, error=0))
    """Requests by how they ended."""
    ttft: Histogram = field(default_factory=lambda: Histogram(TTFT_S))
    itl: Histogram = field(default_factory=lambda: Histogram(ITL_S))
    e2e: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
    queue: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
