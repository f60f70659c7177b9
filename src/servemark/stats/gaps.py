"""Gaps between tokens: pooled over a level, and the worst of each request.

A measured level has stamped chunks; a simulated one has stretches of equal steps plus, for each
preemption, the gap that no step covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from servemark.domain.metrics import QUANTILES
from servemark.domain.run import Distribution, RequestRecord, StepRecord
from servemark.stats.percentiles import (
    interval_probabilities,
    pair_intervals,
    pooled_mean_interval,
    pooled_quantiles,
)
from servemark.stats.stretches import gap_stretches, gap_total, stretch_mean, stretch_quantiles

Floats = NDArray[np.float64]
_CLOCK_S = 1e-9
"""Stamps and step starts closer than this are the same moment."""


def gap_distribution(complete: Sequence[RequestRecord], steps: Sequence[StepRecord]) -> Distribution:
    """All gaps pooled, as one distribution; `n` counts gaps.

    Gaps of one request, and of all requests in one step, move together, so intervals count clusters
    instead of gaps: the mean is cluster-robust over requests, and percentiles take the number of
    requests with a gap (of steps, where those are known and fewer) as the number of independent
    samples. Requests are taken as independent of each other: what moves a whole level at once (a machine
    that slows down) shows in no interval.
    """
    if steps:
        return _simulated(complete, steps)
    stamps = [np.asarray(each.chunk_s, dtype=np.float64) for each in complete if len(each.chunk_s) > 1]
    if not stamps:
        return Distribution(n=0)
    ordered = np.sort(np.concatenate([np.diff(each) for each in stamps]))
    totals = np.array([each[-1] - each[0] for each in stamps])
    counts = np.array([len(each) - 1.0 for each in stamps])
    values, intervals = pooled_quantiles(ordered, list(QUANTILES.values()), len(stamps))
    found = _distribution(
        len(ordered), float(ordered.mean()), pooled_mean_interval(totals, counts), values, intervals
    )
    return replace(found, together_ratio=float((ordered == 0).mean()))


def _simulated(complete: Sequence[RequestRecord], steps: Sequence[StepRecord]) -> Distribution:
    stalls = [gap for each in complete for gap in each.stalls_s]
    stretches = gap_stretches(steps, stalls)
    if not len(stretches.steps):
        return Distribution(n=0)
    several = [each for each in complete if each.output_tokens > 1]
    totals = np.array([(each.last_token_s or 0.0) - (each.first_token_s or 0.0) for each in several])
    counts = np.array([each.output_tokens - 1.0 for each in several])
    levels = np.array(list(QUANTILES.values()))
    independent = min(len(several), int(stretches.steps.sum()))
    probabilities, ranked = interval_probabilities(levels, independent)
    found = stretch_quantiles(stretches, [*levels.tolist(), *probabilities.tolist()])
    return _distribution(
        gap_total(stretches),
        stretch_mean(stretches),
        pooled_mean_interval(totals, counts),
        found[: len(levels)],
        pair_intervals(found[len(levels) :], ranked),
    )


def _distribution(
    n: int,
    mean: float,
    mean_ci: tuple[float, float] | None,
    values: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
) -> Distribution:
    p50, p95, p99 = values
    return Distribution(
        n=n,
        mean=mean,
        p50=p50,
        p95=p95,
        p99=p99,
        ci={"mean": mean_ci, **dict(zip(QUANTILES, intervals, strict=True))},
    )


def worst_gaps(complete: Sequence[RequestRecord], steps: Sequence[StepRecord]) -> Floats:
    """The largest gap of every request that has one."""
    if not steps:
        return np.array([np.diff(each.chunk_s).max() for each in complete if len(each.chunk_s) > 1])
    several = [each for each in complete if each.output_tokens > 1 and each.first_token_s is not None]
    worst = np.array([max(each.stalls_s, default=0.0) for each in several])
    for chosen, longest in _longest_steps(several, steps):
        worst[chosen] = np.maximum(worst[chosen], longest)
    return worst


def _longest_steps(
    several: Sequence[RequestRecord], steps: Sequence[StepRecord]
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Per replica: positions of its requests, and the longest step between their first and last token.

    While a request is preempted its replica runs steps that are no gap of it, but its stall covers
    those and is longer.
    """
    replica_of = np.array([each.replica or 0 for each in several], dtype=np.int64)
    first = np.array([each.first_token_s for each in several], dtype=np.float64)
    last = np.array([each.last_token_s for each in several], dtype=np.float64)
    steps_of: dict[int, list[StepRecord]] = {}
    for step in sorted(steps, key=attrgetter("start_s")):
        steps_of.setdefault(step.replica, []).append(step)
    for replica in np.unique(replica_of):
        own = steps_of.get(int(replica))
        if not own:
            continue
        starts = np.array([s.start_s for s in own])
        chosen = np.flatnonzero(replica_of == replica)
        left = np.searchsorted(starts, first[chosen] - _CLOCK_S)
        right = np.searchsorted(starts, last[chosen] - _CLOCK_S)
        covered = left < right
        longest = np.array([max(s.first_s, s.last_s) for s in own])
        yield chosen[covered], _range_maxima(longest, left[covered], right[covered])


def _range_maxima(values: Floats, left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats:
    """Maximum of `values[left:right]` for each pair (left < right), by a sparse table."""
    maxima = np.empty(len(left))
    size = np.frexp((right - left).astype(np.float64))[1] - 1
    table, width = values, 1
    for power in range(int(size.max(initial=-1)) + 1):
        rows = np.flatnonzero(size == power)
        maxima[rows] = np.maximum(table[left[rows]], table[right[rows] - width])
        table = np.maximum(table[:-width], table[width:])
        width *= 2
    return maxima
