"""Does it rise with load? Trends over ordered loads, for shares, latencies and paired tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from scipy.stats import page_trend_test

from servemark.stats.percentiles import Interval, pooled_mean_interval
from servemark.stats.resampling import Floats, within_block_p

Trend = tuple[float, float]
"""(statistic, one-sided p-value of a rise)."""


def cochran_armitage(failed: ArrayLike, asked: ArrayLike, scores: ArrayLike) -> Trend:
    """Cochran-Armitage trend of proportions: (z, p), z above 0 where they rise with the scores.

    `z = sum x (r - n p) / sqrt(p (1 - p) (sum n x^2 - (sum n x)^2 / N))` (P. Armitage, Biometrics 11, 1955).
    The p-value is the asymptotic one for independent requests; requests that fail together need
    `block_trend_p`. (0.0, 1.0) where all or none failed or there is one score only.
    """
    r, n, x = (np.asarray(each, dtype=np.float64) for each in (failed, asked, scores))
    total = n.sum()
    if total == 0:
        return 0.0, 1.0
    p = r.sum() / total
    variance = p * (1 - p) * (n @ x**2 - (n @ x) ** 2 / total)
    if variance <= 1e-12 * total:
        return 0.0, 1.0
    z = float(x @ (r - n * p)) / math.sqrt(variance)
    return z, float(ndtr(-z))


def block_trend_p(values: Floats, blocks: NDArray[np.intp], scores: ArrayLike, seed: int) -> float:
    """One-sided p-value of a rise, by permuting loads inside blocks.

    What a unit has above its own mean over its loads is summed over the units of a cell; the sums
    are permuted whole. With equal units in every cell this is the numerator of Cochran-Armitage for
    zeros and ones, and of Page for ranks.

    Args:
        values: (units, loads): failed or not, or a rank; NaN where a unit was not asked.
        blocks: index of the block of each unit.
        scores: of the loads.
        seed: of the permutations.
    """
    return within_block_p(cell_residuals(values, blocks), np.asarray(scores, dtype=np.float64), seed)


def cell_residuals(values: Floats, blocks: NDArray[np.intp]) -> Floats:
    """Sum, over the units of each block, of what they have above their own mean: (blocks, loads)."""
    seen = ~np.isnan(values)
    counts = seen.sum(axis=1)
    means = np.where(seen, values, 0.0).sum(axis=1) / np.maximum(counts, 1)
    above = np.where(seen, values - means[:, None], 0.0)
    cells = np.zeros((int(blocks.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(cells, blocks, above)
    return cells


def jonckheere_terpstra(groups: Sequence[ArrayLike]) -> Trend:
    """Jonckheere-Terpstra trend of unpaired samples in the order of their loads: (z, p), ties allowed.

    J counts, over all pairs of groups, the pairs of values that rise (ties half). Mean and variance under
    H0 with ties as in M. Hollander, D. A. Wolfe and E. Chicken, Nonparametric Statistical Methods, 3rd
    edition 2014, section 6.2. The p-value is asymptotic and takes the values as independent. (0.0, 1.0)
    where nothing can rise.
    """
    samples = [np.asarray(each, dtype=np.float64) for each in groups]
    sizes = np.array([len(each) for each in samples], dtype=np.float64)
    pooled = np.concatenate(samples) if samples else np.empty(0)
    n = float(len(pooled))
    if np.count_nonzero(sizes) < 2:
        return 0.0, 1.0
    rising = 0.0
    for later in range(1, len(samples)):
        earlier = np.sort(np.concatenate(samples[:later]))
        below = np.searchsorted(earlier, samples[later], side="left")
        level = np.searchsorted(earlier, samples[later], side="right")
        rising += float((below + level).sum()) / 2
    ties = np.unique(pooled, return_counts=True)[1].astype(np.float64)
    variance = (_cubic(np.array([n])) - _cubic(sizes) - _cubic(ties)) / 72
    if n > 2:
        variance += _triples(sizes) * _triples(ties) / (36 * n * (n - 1) * (n - 2))
    variance += _couples(sizes) * _couples(ties) / (8 * n * (n - 1))
    if variance <= 1e-9:
        return 0.0, 1.0
    z = (rising - (n * n - float(sizes @ sizes)) / 4) / math.sqrt(variance)
    return z, float(ndtr(-z))


def _cubic(counts: Floats) -> float:
    return float((counts * (counts - 1) * (2 * counts + 5)).sum())


def _triples(counts: Floats) -> float:
    return float((counts * (counts - 1) * (counts - 2)).sum())


def _couples(counts: Floats) -> float:
    return float((counts * (counts - 1)).sum())


def page(table: Floats) -> Trend:
    """Page's test of a rise along the columns of (items, loads): (L, p), both scipy's.

    Its p-value takes the items as independent (E. B. Page, Journal of the American Statistical Association
    58, 1963); needs 3 loads and 2 items without gaps.
    """
    items, loads = table.shape
    # scipy's exact sum walks through loads! orders
    found = page_trend_test(table, method="exact" if items <= 8 and loads <= 5 else "asymptotic")
    return float(found.statistic), float(found.pvalue)


def growth_per_doubling(
    values: Floats, blocks: NDArray[np.intp], loads: ArrayLike
) -> tuple[float, Interval | None] | None:
    """Factor by which positive values grow with each doubling of the load, with a 95 % interval.

    Least squares of the log of the value on log2 of the load inside each unit, pooled over units; the
    interval is Student's over blocks (over units where there is one block). None where no unit has two
    loads.

    Args:
        values: (units, loads), above 0; NaN where absent.
        blocks: index of the block of each unit.
        loads: above 0.
    """
    y = np.log(values)
    seen = ~np.isnan(y)
    x = np.where(seen, np.log2(np.asarray(loads, dtype=np.float64)), np.nan)
    enough = seen.sum(axis=1) >= 2
    if not enough.any():
        return None
    x, y, owners = x[enough], y[enough], blocks[enough]
    from_mean = x - np.nanmean(x, axis=1, keepdims=True)
    spread = np.nansum(from_mean**2, axis=1)
    product = np.nansum(from_mean * y, axis=1)
    if not spread.sum():
        return None
    if len(np.unique(owners)) > 1:
        held = np.bincount(owners, weights=spread).astype(np.float64)
        product = np.bincount(owners, weights=product).astype(np.float64)[held > 0]
        spread = held[held > 0]
    interval = pooled_mean_interval(product, spread)
    slope = math.exp(float(product.sum() / spread.sum()))
    return slope, None if interval is None else (math.exp(interval[0]), math.exp(interval[1]))
