"""Quantiles and means with 95 % confidence intervals.

Quantiles follow numpy's linear convention: of n sorted samples, the q-quantile lies at position
`(n - 1) q`, linear between neighbours. Intervals are two-sided with equal tails; `None` where the
sample is too small for one to exist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv, stdtrit

CONFIDENCE = 0.95
TAIL = (1.0 - CONFIDENCE) / 2

Interval = tuple[float, float]


def quantile_ranks(n: int, q: float) -> tuple[int, int] | None:
    """1-based ranks (l, u) of the order statistics that hold the q-quantile between them.

    The number of n independent samples at or below the true quantile is binomial(n, q), whatever the
    distribution: l is the largest rank with P(B < l) <= 2.5 %, u the smallest with P(B >= u) <= 2.5 %
    (H. A. David and H. N. Nagaraja, Order Statistics, section 7.1). None where either does not exist.
    """
    if n < 1 or (1 - q) ** n > TAIL or q**n > TAIL:
        return None
    reach = 6 * (n * q * (1 - q)) ** 0.5 + 10
    start = max(0, int(n * q - reach))
    below = bdtr(np.arange(start, min(n, int(n * q + reach)), dtype=np.float64), n, q)
    lower = start + int(np.searchsorted(below, TAIL, side="right"))
    upper = start + int(np.searchsorted(below, 1.0 - TAIL, side="left")) + 1
    return (lower, upper) if lower >= 1 and upper <= n else None


def quantile_interval(ordered: NDArray[np.float64], q: float) -> Interval | None:
    """Interval of the q-quantile: two of the sorted samples themselves, never interpolated."""
    ranks = quantile_ranks(len(ordered), q)
    if ranks is None:
        return None
    return float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1])


def mean_interval(values: NDArray[np.float64]) -> Interval | None:
    """Student-t interval of the mean of independent samples; None below two."""
    n = len(values)
    if n < 2:
        return None
    half = student_quantile(n - 1) * float(values.std(ddof=1)) / n**0.5
    return float(values.mean()) - half, float(values.mean()) + half


def pooled_mean_interval(
    totals: NDArray[np.float64], counts: NDArray[np.float64], confidence: float = CONFIDENCE
) -> Interval | None:
    """Interval of a pooled mean `sum(totals) / sum(counts)` whose samples come in clusters.

    Samples inside one cluster (gaps inside one request) may depend on each other in any way; clusters
    are independent. Linearised ratio estimator with Student's t (W. G. Cochran, Sampling Techniques,
    section 6.4): variance `m / (m - 1) * sum((total - mean * count)^2) / sum(counts)^2` over m clusters.
    """
    m = len(totals)
    if m < 2:
        return None
    samples = float(counts.sum())
    mean = float(totals.sum()) / samples
    residuals = totals - mean * counts
    error = (m / (m - 1) * float(residuals @ residuals)) ** 0.5 / samples
    half = student_quantile(m - 1, confidence) * error
    return mean - half, mean + half


def ratio_interval(hits: int, n: int) -> Interval | None:
    """Clopper-Pearson interval of a proportion: exact binomial, never too narrow. None for n = 0."""
    if n == 0:
        return None
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, TAIL))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1.0 - TAIL))
    return low, high


def student_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Two-sided point of Student's t: 95 % unless said otherwise."""
    return float(stdtrit(freedom, (1.0 + confidence) / 2))


def pooled_quantiles(
    ordered: NDArray[np.float64], quantiles: ArrayLike, n_effective: int
) -> tuple[list[float], list[Interval | None]]:
    """Quantiles of pooled, sorted samples, and intervals as if only `n_effective` were independent.

    Gaps inside one request depend on each other, so the many gaps of a level carry about as much as
    one gap per request: the ranks of `quantile_ranks(n_effective)` are read at their probabilities
    `(rank - 1) / (n_effective - 1)`. Exact for equal gaps inside each of equally long requests.
    """
    levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    probabilities, ranked = interval_probabilities(levels, n_effective)
    found = np.quantile(ordered, np.concatenate([levels, probabilities])).tolist()
    return found[: len(levels)], pair_intervals(found[len(levels) :], ranked)


def interval_probabilities(levels: NDArray[np.float64], n: int) -> tuple[NDArray[np.float64], list[bool]]:
    """Probabilities at which both ends of each interval lie, and which of the levels have one."""
    ranks = [quantile_ranks(n, float(q)) for q in levels]
    ends = [(rank - 1) / (n - 1) for pair in ranks if pair for rank in pair]
    return np.array(ends, dtype=np.float64), [pair is not None for pair in ranks]


def pair_intervals(ends: list[float], ranked: list[bool]) -> list[Interval | None]:
    """The flat ends of `interval_probabilities` as intervals, None where there is none."""
    pairs = iter(zip(ends[::2], ends[1::2], strict=True))
    return [next(pairs) if has else None for has in ranked]
