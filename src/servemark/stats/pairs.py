"""The same items asked twice: exact McNemar, the paired difference with its interval, power.

Of n pairs, `broke` were right the first time only, `healed` the second time only; the others agree. The paired
loss is `(broke - healed) / n`: above 0 is worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, bdtrc, chdtrc, ndtri
from scipy.stats import binom

from servemark.stats.percentiles import Interval

MOST_PAIRS = 100_000


def mcnemar(broke: int, healed: int, *, two_sided: bool = False) -> float:
    """Exact McNemar: under H0 each discordant pair broke with chance one half, so it is a binomial test.

    One-sided: the chance of as many broken or more (Q. McNemar, Psychometrika 12, 1947). 1.0 without a
    discordant pair.
    """
    discordant = broke + healed
    if not discordant:
        return 1.0
    if two_sided:
        return min(1.0, 2 * float(bdtr(min(broke, healed), discordant, 0.5)))
    return 1.0 if broke == 0 else float(bdtrc(broke - 1, discordant, 0.5))


def score(broke: ArrayLike, healed: ArrayLike, pairs: float, difference: float) -> NDArray[np.float64]:
    """Tango's z of the observed loss against a hypothetical one: near standard normal under it.

    `(b - c - n d) / sqrt(n (2 q + d (1 - d)))`, with q the most likely share of healed pairs if the true loss
    is d (T. Tango, Statistics in Medicine 17, 1998). 0 where nothing varies.
    """
    b, c = np.asarray(broke, dtype=np.float64), np.asarray(healed, dtype=np.float64)
    n, d = pairs, difference
    linear = -b - c + (2 * n - b + c) * d
    constant = -c * d * (1 - d)
    q = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * q + d * (1 - d))
    excess = b - c - n * d
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 1e-12, excess / np.sqrt(np.maximum(variance, 1e-300)), 0.0)


@lru_cache(4096)
def difference_interval(broke: int, healed: int, pairs: int, confidence: float = 0.95) -> Interval | None:
    """Tango's score interval of the paired loss; None without pairs.

    Not degenerate without a discordant pair: 0 of n still leaves z^2 / (n + z^2) possible.
    """
    if pairs <= 0:
        return None
    z = float(ndtri((1 + confidence) / 2))
    seen = (broke - healed) / pairs

    def beyond(difference: float, target: float) -> float:
        return float(score(broke, healed, pairs, difference)) - target

    edge = 1.0 - 1e-12
    low = -1.0 if beyond(-edge, z) < 0 else brentq(beyond, -edge, seen, args=(z,), xtol=1e-10)
    high = 1.0 if beyond(edge, -z) > 0 else brentq(beyond, seen, edge, args=(-z,), xtol=1e-10)
    return float(low), float(high)  # pyright: ignore[reportArgumentType]


def noninferiority_p(broke: int, healed: int, pairs: int, margin_ratio: float) -> float:
    """One-sided p-value of H0 that the loss is at least the margin: small where harm is ruled out.

    At or below alpha exactly where the upper end of `difference_interval(..., 1 - 2 alpha)` is at or below the
    margin.
    """
    z = float(score(broke, healed, pairs, margin_ratio)) if pairs else 0.0
    return float(0.5 * math.erfc(-z / math.sqrt(2)))


def cochran_q(failed: NDArray[np.float64]) -> tuple[float, float]:
    """Cochran's Q over the columns of (items, loads) of zeros and ones: (Q, p). (0.0, 1.0) where none differs.

    `(k - 1) (k sum C^2 - T^2) / (k T - sum R^2)`, chi-square with k - 1 degrees of freedom
    (W. G. Cochran, Biometrika 37, 1950).
    """
    columns, rows, total = failed.sum(axis=0), failed.sum(axis=1), float(failed.sum())
    k = failed.shape[1]
    spread = k * total - float(rows @ rows)
    if k < 2 or spread <= 0:
        return 0.0, 1.0
    q = (k - 1) * (k * float(columns @ columns) - total**2) / spread
    return q, float(chdtrc(k - 1, q))


def mcnemar_power(pairs: int, broke_ratio: float, healed_ratio: float, alpha: float = 0.05) -> float:
    """Chance that the one-sided exact test reaches alpha: an exact sum over the number of discordant pairs.

    Given m discordant pairs, those that broke are binomial with `broke / (broke + healed)`; the test needs
    the smallest c with P(B >= c | m, 1/2) <= alpha.
    """
    discordant = broke_ratio + healed_ratio
    if discordant <= 0:
        return 0.0
    m = _likely(pairs, discordant)
    critical = binom.isf(alpha, m, 0.5)
    return float(binom.pmf(m, pairs, discordant) @ binom.sf(critical, m, broke_ratio / discordant))


def noninferiority_power(
    pairs: int, broke_ratio: float, healed_ratio: float, margin_ratio: float, alpha: float = 0.05
) -> float:
    """Chance that a loss of the margin is ruled out: an exact sum over broken and healed pairs."""
    discordant = broke_ratio + healed_ratio
    m = _likely(pairs, discordant)
    broke = np.arange(m[-1] + 1)[:, None]
    healed = np.maximum(m[None, :] - broke, 0)
    ruled_out = score(broke, healed, pairs, margin_ratio) <= float(ndtri(alpha))
    share = broke_ratio / discordant if discordant else 0.0
    given = (binom.pmf(broke, m[None, :], share) * ruled_out).sum(axis=0)
    return float(given @ binom.pmf(m, pairs, discordant))


def mcnemar_items(
    broke_ratio: float, healed_ratio: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Pairs from which `mcnemar_power` reaches the wanted power; None beyond 100,000."""
    return _smallest(lambda n: mcnemar_power(n, broke_ratio, healed_ratio, alpha), power)


def noninferiority_items(
    broke_ratio: float, healed_ratio: float, margin_ratio: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Pairs from which `noninferiority_power` reaches the wanted power; None beyond 100,000."""
    if broke_ratio - healed_ratio >= margin_ratio:
        return None
    return _smallest(
        lambda n: noninferiority_power(n, broke_ratio, healed_ratio, margin_ratio, alpha), power
    )


def _likely(pairs: int, ratio: float) -> NDArray[np.int64]:
    """Counts of discordant pairs that have a chance worth summing."""
    return np.arange(int(binom.ppf(1e-9, pairs, ratio)), int(binom.isf(1e-9, pairs, ratio)) + 1)


def _smallest(power_at: Callable[[int], float], power: float) -> int | None:
    """Where the power first passes the wanted one, between doublings (exact power rises in a saw-tooth)."""
    high = 8
    while power_at(high) < power:
        high *= 2
        if high > MOST_PAIRS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= power else (middle, high)
    return high
