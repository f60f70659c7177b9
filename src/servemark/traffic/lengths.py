"""Token counts drawn from a length distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from servemark.domain.lengths import Knots
from servemark.domain.workload import FixedLength, Length, LognormalLength, QuantileLength

MEASURED_PROBABILITIES = (
    0.0, 0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85,
    0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0,
)  # fmt: skip
"""Where the quantiles of a recorded trace are taken."""


def sample_tokens(length: Length, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """`count` token counts, at least 1 each; a longer sample begins with the shorter one."""
    match length:
        case FixedLength(tokens=tokens):
            return np.full(count, tokens, dtype=np.int64)
        case LognormalLength(median_tokens=median, sigma=sigma):
            raw = np.exp(np.minimum(np.log(median) + sigma * rng.standard_normal(count), 700.0))
            raw = np.clip(raw, length.minimum_tokens, length.maximum_tokens)
        case QuantileLength(knots=knots):
            raw = sample_knots(knots, rng, count)
    return np.maximum(1, np.rint(raw)).astype(np.int64)


def sample_knots(knots: Knots, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """`count` values by inverse transform through the knots, linear in the log of the value."""
    probabilities, values = np.array(knots, dtype=np.float64).T
    return np.exp(np.interp(rng.random(count), probabilities, np.log(values)))
