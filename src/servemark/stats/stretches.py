"""Quantiles over linear stretches of equal steps, without writing the steps out.

A stretch is `count` steps whose durations run linearly from `first` to `last`; each step is one gap
for every one of its `decodes` sequences. A level of a long simulation has tens of millions of gaps in
a few thousand stretches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.domain.run import StepRecord

_EXPAND = 8192
"""Once this few values are left between the bounds, they are written out and sorted."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Stretches(NamedTuple):
    """Columns of stretches: durations in seconds, steps of each, and gaps of each step."""

    first_s: Floats
    last_s: Floats
    steps: Ints
    weight: Ints


def gap_stretches(steps: Sequence[StepRecord], gaps_s: Sequence[float] = ()) -> Stretches:
    """The gaps of all steps with decodes, and `gaps_s` beside them, one each."""
    decoding = [step for step in steps if step.decodes]
    single = np.asarray(gaps_s, dtype=np.float64)
    ones = np.ones(len(single), dtype=np.int64)
    return Stretches(
        np.concatenate([np.array([s.first_s for s in decoding], dtype=np.float64), single]),
        np.concatenate([np.array([s.last_s for s in decoding], dtype=np.float64), single]),
        np.concatenate([np.array([s.count for s in decoding], dtype=np.int64), ones]),
        np.concatenate([np.array([s.decodes for s in decoding], dtype=np.int64), ones]),
    )


def gap_total(stretches: Stretches) -> int:
    """Number of gaps."""
    return int(stretches.steps @ stretches.weight)


def stretch_mean(stretches: Stretches) -> float:
    """Mean gap: a linear stretch has the mean of its ends."""
    gaps = stretches.steps * stretches.weight
    return float(gaps @ ((stretches.first_s + stretches.last_s) / 2) / gaps.sum())


def stretch_quantiles(stretches: Stretches, quantiles: Sequence[float]) -> list[float]:
    """Quantiles of all gaps (numpy's linear convention), equal to those of the expanded sample.

    Bounds close in on the wanted rank by bisection on the value, counting in closed form and dropping
    every stretch that lies outside; what remains between them is expanded. O(stretches) per quantile.
    """
    flat = _rising(stretches)
    total = gap_total(flat)
    found: list[float] = []
    for q in quantiles:
        position = (total - 1) * q
        rank = min(int(position), total - 1)
        low, high = _ordered_pair(flat, rank, total)
        found.append(low + (high - low) * (position - rank))
    return found


def _rising(stretches: Stretches) -> Stretches:
    """Every stretch with rising durations, and all equal durations folded into one heavy step."""
    level = stretches.first_s == stretches.last_s
    values, group = np.unique(stretches.first_s[level], return_inverse=True)
    gaps = (stretches.steps * stretches.weight)[level]
    weight = np.zeros(len(values), dtype=np.int64)
    np.add.at(weight, group, gaps)
    slope = _rows(stretches, ~level)
    return Stretches(
        np.concatenate([values, np.minimum(slope.first_s, slope.last_s)]),
        np.concatenate([values, np.maximum(slope.first_s, slope.last_s)]),
        np.concatenate([np.ones(len(values), dtype=np.int64), slope.steps]),
        np.concatenate([weight, slope.weight]),
    )


def _rows(stretches: Stretches, index: NDArray[np.bool_] | Ints) -> Stretches:
    first_s, last_s, count, weight = stretches
    return Stretches(first_s[index], last_s[index], count[index], weight[index])


def _ordered_pair(flat: Stretches, rank: int, total: int) -> tuple[float, float]:
    """The order statistics at 0-based `rank` and `rank + 1` (the last twice)."""
    active, below = flat, 0
    start = np.zeros(len(flat.steps), dtype=np.int64)
    stop = flat.steps.copy()
    following = min(rank + 1, total - 1)
    while int((stop - start).sum()) > _EXPAND:
        low = float(_durations(active, start).min())
        high = float(_durations(active, stop - 1).max())
        middle = low + (high - low) / 2
        if middle >= high:
            middle = low
        if low == high:
            return low, low
        cut = np.clip(_steps_up_to(active, middle), start, stop)
        under = below + int((cut - start) @ active.weight)
        if following < under:
            stop = cut
        elif rank >= under:
            start, below = cut, under
        else:
            return _longest_before(active, start, cut), _shortest_from(active, cut, stop)
        kept = start < stop
        active, start, stop = _rows(active, kept), start[kept], stop[kept]
    return _expanded_pair(active, start, stop, rank - below, following - below)


def _steps_up_to(active: Stretches, value: float) -> Ints:
    """How many steps of each stretch last at most `value`: in closed form, put right where it rounds."""
    slope = np.maximum(active.last_s - active.first_s, 1e-300) / np.maximum(active.steps - 1, 1)
    below = np.clip((value - active.first_s) / slope, -1, active.steps - 1)
    found = np.floor(below).astype(np.int64) + 1
    wrong = (found > 0) & (_durations(active, found - 1) > value)
    wrong |= (found < active.steps) & (_durations(active, found) <= value)
    if wrong.any():
        found[wrong] = _searched(_rows(active, wrong), value)
    return found


def _searched(active: Stretches, value: float) -> Ints:
    """The same by bisection over the steps, whose durations never fall."""
    low, high = np.zeros(len(active.steps), dtype=np.int64), active.steps.copy()
    while (low < high).any():
        middle = (low + high) // 2
        inside = _durations(active, np.minimum(middle, active.steps - 1)) <= value
        low = np.where(inside & (low < high), middle + 1, low)
        high = np.where(inside, high, np.minimum(high, middle))
    return low


def _durations(active: Stretches, step: Ints) -> Floats:
    """Duration of the step-th (0-based) step of each stretch."""
    share = step / np.maximum(active.steps - 1, 1)
    return active.first_s + (active.last_s - active.first_s) * share


def _longest_before(active: Stretches, start: Ints, cut: Ints) -> float:
    """The longest of the steps in [start, cut)."""
    return float(_durations(active, cut - 1)[cut > start].max())


def _shortest_from(active: Stretches, cut: Ints, stop: Ints) -> float:
    """The shortest of the steps in [cut, stop)."""
    return float(_durations(active, cut)[stop > cut].min())


def _expanded_pair(
    active: Stretches, start: Ints, stop: Ints, rank: int, following: int
) -> tuple[float, float]:
    """Both order statistics from the steps left over, written out and sorted."""
    left = stop - start
    rows = np.repeat(np.arange(len(left)), left)
    offset = np.arange(len(rows)) - np.repeat(np.cumsum(left) - left, left)
    chosen = _rows(active, rows)
    values = _durations(chosen, start[rows] + offset)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(chosen.weight[order])
    low, high = np.searchsorted(reached, [rank, following], side="right")
    return float(values[order[low]]), float(values[order[high]])
