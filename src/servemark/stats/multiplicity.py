"""Many questions at once: Holm's adjustment, also for tests with few possible p-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values: rejecting those at or below alpha keeps the chance of any false one at alpha.

    S. Holm, Scandinavian Journal of Statistics 6 (1979): the i-th smallest of m times m - i + 1, never
    falling.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def holm_mcnemar(broke: ArrayLike, healed: ArrayLike) -> NDArray[np.float64]:
    """Holm over one-sided exact McNemar tests, each counted only as far as it could have been rejected.

    Where Holm adds p for every question still open, this adds the largest p-value at or below it that the
    question could have shown at all with its number of discordant pairs: 17 checks that never
    failed then cost the eighteenth nothing. Same guarantee, never above Holm (R. E. Tarone, Biometrics 46, 1990; P. H.
    Westfall and R. D. Wolfinger, The American Statistician 51, 1997).
    """
    worse = np.asarray(broke, dtype=np.int64)
    discordant = worse + np.asarray(healed, dtype=np.int64)
    tables = [_possible(int(m)) for m in discordant]
    p = np.array([table[m - b] for table, m, b in zip(tables, discordant, worse, strict=True)])
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    running = 0.0
    for place, index in enumerate(order):
        reachable = sum(_at_most(tables[j], float(p[index])) for j in order[place:])
        running = max(running, min(reachable, 1.0))
        adjusted[index] = running
    return adjusted


def _possible(discordant: int) -> NDArray[np.float64]:
    """Every p-value that many discordant pairs can show, rising: all broke, all but one, ..., none."""
    counts = np.arange(discordant, -1, -1, dtype=np.float64)
    return np.where(counts == 0, 1.0, bdtrc(counts - 1, discordant, 0.5))


def _at_most(table: NDArray[np.float64], p: float) -> float:
    place = int(np.searchsorted(table, p * (1 + 1e-12), side="right"))
    return float(table[place - 1]) if place else 0.0
