"""Mean and quantiles of a length distribution in closed form: no samples, no arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

from servemark.domain.workload import FixedLength, Length, LognormalLength, QuantileLength
from servemark.errors import InputError

_NORMAL = NormalDist()
Knots = Sequence[tuple[float, float]]


def mean_tokens(length: Length) -> float:
    """Expected tokens per request; rounding to whole tokens is left out.

    A clipped log-normal `min(max(X, a), b)` has mean `a P(X < a) + b P(X > b) + E[X; a <= X <= b]` with
    `E[X; X < t] = exp(mu + sigma^2 / 2) Phi((ln t - mu) / sigma - sigma)` (any text on the log-normal).
    """
    match length:
        case FixedLength(tokens=tokens):
            return float(tokens)
        case LognormalLength(sigma=0.0):
            return quantile_tokens(length, 0.5)
        case LognormalLength(sigma=sigma):
            mu = math.log(length.median_tokens)
            low, high = float(length.minimum_tokens), float(length.maximum_tokens)
            z_low, z_high = ((math.log(edge) - mu) / sigma for edge in (low, high))
            inside = _NORMAL.cdf(z_high - sigma) - _NORMAL.cdf(z_low - sigma)
            tails = low * _NORMAL.cdf(z_low) + high * _NORMAL.cdf(-z_high)
            return tails + math.exp(mu + sigma * sigma / 2) * inside
        case QuantileLength(knots=knots):
            return knots_mean(knots)


def quantile_tokens(length: Length, q: float) -> float:
    """The `q`-quantile (0..1) of the tokens per request, not rounded."""
    match length:
        case FixedLength(tokens=tokens):
            return float(tokens)
        case LognormalLength(median_tokens=median, sigma=sigma):
            shift = 0.0 if sigma == 0 or q == 0.5 else sigma * _normal_quantile(q)
            raw = math.exp(min(700.0, math.log(median) + shift))
            return min(max(raw, float(length.minimum_tokens)), float(length.maximum_tokens))
        case QuantileLength(knots=knots):
            return knots_quantile(knots, q)


def knots_mean(knots: Knots) -> float:
    """Mean of the distribution through (probability, value) knots, linear in the log of the value.

    Over a segment from `a` to `b` the mean is the logarithmic mean `(b - a) / ln(b / a)`.
    """
    total = 0.0
    for (p0, a), (p1, b) in pairwise(knots):
        spread = math.log(b / a)
        total += (p1 - p0) * (a if abs(spread) < 1e-9 else (b - a) / spread)
    return total


def knots_quantile(knots: Knots, q: float) -> float:
    """Value at probability `q`, linear in the log of the value between knots."""
    for (p0, a), (p1, b) in pairwise(knots):
        if q <= p1:
            return a * (b / a) ** ((q - p0) / (p1 - p0))
    return knots[-1][1]


def require_length(length: Length, *, path: str) -> None:
    """Refuse impossible token counts before anything is sampled.

    Raises:
        InputError: a count below 1, a negative spread, or knots that do not rise from 0 to 1.
    """
    match length:
        case FixedLength(tokens=tokens):
            _require(tokens >= 1, f"{path}.tokens", "at least 1 token", tokens)
        case LognormalLength(median_tokens=median, sigma=sigma):
            low, high = length.minimum_tokens, length.maximum_tokens
            _require(
                median > 0 and math.isfinite(median), f"{path}.median_tokens", "a count above 0", median
            )
            _require(sigma >= 0 and math.isfinite(sigma), f"{path}.sigma", "a spread of at least 0", sigma)
            _require(low >= 1, f"{path}.minimum_tokens", "at least 1 token", low)
            _require(high >= low, f"{path}.maximum_tokens", f"at least the minimum {low}", high)
        case QuantileLength(knots=knots):
            require_knots(knots, path=f"{path}.knots", minimum=1.0)


def require_knots(knots: Knots, *, path: str, minimum: float) -> None:
    """Refuse knots that are no quantile function.

    Raises:
        InputError: fewer than two, probabilities that do not rise strictly from 0 to 1, or values that
            fall or lie below `minimum`.
    """
    _require(len(knots) >= 2, path, "at least two (probability, value) knots", len(knots))
    ends = (knots[0][0], knots[-1][0])
    _require(ends == (0.0, 1.0), path, "probabilities from 0 to 1", ends)
    for i, ((p0, a), (p1, b)) in enumerate(pairwise(knots)):
        _require(p0 < p1, f"{path}[{i + 1}]", f"a probability above {p0:g}", p1)
        _require(
            minimum <= a <= b < math.inf, f"{path}[{i + 1}]", f"a value of at least {max(a, minimum):g}", b
        )


def _normal_quantile(q: float) -> float:
    if q <= 0 or q >= 1:
        return math.copysign(math.inf, q - 0.5)
    return _NORMAL.inv_cdf(q)


def _require(holds: bool, path: str, expected: str, found: object) -> None:
    if not holds:
        raise InputError(path, expected=expected, found=found)
