"""Resampling whole blocks: bootstrap intervals, permutation inside blocks.

Requests that are in flight together go wrong together, so requests are not independent; blocks, minutes apart
and each with an order of its own, nearly are. Everything here treats the block (or its cell at one load) as
the unit.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from servemark.stats.percentiles import Interval, pooled_mean_interval

Floats = NDArray[np.float64]
REPLICATES = 1999
PERMUTATIONS = 4999
FEWEST_BLOCKS = 6
"""Below it a bootstrap cannot reach the tails: three blocks of equal truth lie on one side of it one time in four."""
_CHUNK = 1 << 21


@lru_cache(16)
def block_weights(blocks: int, seed: int, replicates: int = REPLICATES) -> Floats:
    """How often each replicate draws each block: shape (replicates, blocks), rows sum to `blocks`; read-only."""
    generator = np.random.default_rng([seed, 1])
    even = np.full(blocks, 1 / blocks)
    weights = generator.multinomial(blocks, even, size=replicates).astype(np.float64)
    weights.flags.writeable = False
    return weights


def expanded_tail(blocks: int, tail: float) -> float:
    """Tail probability to read off a bootstrap of few blocks, so that its interval covers as promised.

    A bootstrap of n units has a spread too small by sqrt((n - 1) / n) and normal instead of Student tails;
    its percentiles are therefore read further out, at `Phi(-sqrt(n / (n - 1)) t(n - 1))`
    (T. C. Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015,
    "expanded percentile interval").
    """
    student = float(stdtrit(blocks - 1, 1 - tail))
    return float(ndtr(-math.sqrt(blocks / (blocks - 1)) * student))


def bootstrap_interval(replicates: Floats, blocks: int, confidence: float = 0.95) -> Interval | None:
    """Expanded percentile interval of replicates drawn by `block_weights`; None below two blocks.

    Replicates that are not finite (a ratio whose blocks were all empty) are left out.
    """
    found = replicates[np.isfinite(replicates)]
    if blocks < 2 or not len(found):
        return None
    tail = expanded_tail(blocks, (1 - confidence) / 2)
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)


def ratio_interval_over_blocks(
    totals: Floats, counts: Floats, weights: Floats, confidence: float = 0.95
) -> Interval | None:
    """Interval of the pooled ratio `sum(totals) / sum(counts)`, one entry per block.

    With fewer than six blocks the wider of the bootstrap's and Student's over blocks.
    """
    drawn, full = weights @ counts, counts > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        found = bootstrap_interval((weights @ totals) / drawn, int(full.sum()), confidence)
    if found is None or full.sum() >= FEWEST_BLOCKS:
        return found
    student = pooled_mean_interval(totals[full], counts[full], confidence) or found
    return min(found[0], student[0]), max(found[1], student[1])


def quantile_replicates(values: Floats, block: NDArray[np.intp], q: float, weights: Floats) -> Floats:
    """The q-quantile of the pooled values in every replicate of `block_weights`; NaN where none was drawn.

    Args:
        values: one per request.
        block: index of the block of each.
        q: between 0 and 1; numpy's linear convention at equal weights, without the interpolation.
        weights: from `block_weights`.
    """
    order = np.argsort(values, kind="stable")
    ordered, owners = values[order], block[order]
    if not len(ordered):
        return np.full(len(weights), np.nan)
    # six blocks can be drawn in 462 ways only
    patterns, pattern_of = np.unique(weights, axis=0, return_inverse=True)
    found = np.full(len(patterns), np.nan)
    step = max(1, _CHUNK // len(ordered))
    for start in range(0, len(patterns), step):
        passed = np.cumsum(patterns[start : start + step][:, owners], axis=1)
        total = passed[:, -1]
        place = (passed <= ((total - 1) * q)[:, None]).sum(axis=1)
        chosen = ordered[np.minimum(place, len(ordered) - 1)]
        found[start : start + step] = np.where(total > 0, chosen, np.nan)
    return found[pattern_of.ravel()]


def within_block_p(
    residuals: Floats, scores: Floats, seed: int, *, permutations: int = PERMUTATIONS
) -> float:
    """One-sided p-value of a rising trend: loads are permuted inside each block, cells stay whole.

    The statistic is `sum(scores[l] * residuals[b, l])`. If load does nothing, a block whose order was random
    could as well have met its loads in any other order, whatever the correlation inside a cell and however
    the system drifts (R. A. Fisher, The Design of Experiments, 1935). The observed order counts as one of
    those drawn (B. Phipson and G. K. Smyth, Statistical Applications in Genetics and Molecular Biology
    9, 2010).

    With two loads it is the flip of the sign of each block's difference (V. L. Durkalski and others, Statistics in
    Medicine 22, 2003, the clustered McNemar test as a randomisation).

    Args:
        residuals: (blocks, loads): what a cell has above its block's mean; 0 where a cell is empty.
        scores: of the loads.
        seed: of the permutations.
        permutations: how many to draw.
    """
    blocks, loads = residuals.shape
    if not np.any(residuals):
        return 1.0
    orders = _orders(blocks, loads, seed, permutations)
    drawn = scores[orders].reshape(permutations, -1) @ residuals.ravel()
    seen = float((residuals @ scores).sum())
    reached = int((drawn >= seen - 1e-9 * np.abs(residuals).sum()).sum())
    return (reached + 1) / (permutations + 1)


@lru_cache(4)
def _orders(blocks: int, loads: int, seed: int, permutations: int) -> NDArray[np.intp]:
    """Random orders of the loads in every block: (permutations, blocks, loads); read-only."""
    orders = np.random.default_rng([seed, 2]).random((permutations, blocks, loads)).argsort(axis=2)
    orders.flags.writeable = False
    return orders
