"""What a few figures of a published rate leave open."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from statistics import NormalDist

from servemark.diagnosis.observations import wilson

CHANCE_OF_NONE = 0.05
Z_TWO_SIDED, Z_POWER = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)


def possible_denominators(ratio: float, most: int) -> list[int]:
    """Numbers of requests, up to `most`, at which this rate in whole percent can occur: some k / n rounds to it."""
    percent = round(100 * ratio)
    return [n for n in range(1, most + 1) if round(100 * _nearest(ratio, n) / n) == percent]


def _nearest(ratio: float, n: int) -> int:
    """Hits that come nearest to the rate."""
    return round(ratio * n)


def difference_interval(first: float, n_first: int, second: float, n_second: int) -> tuple[float, float]:
    """95 % interval of second - first, two independent rates (R. G. Newcombe 1998, method 10: Wilson limits)."""
    a, b = _nearest(first, n_first), _nearest(second, n_second)
    (low_a, high_a), (low_b, high_b) = wilson(a, n_first), wilson(b, n_second)
    one, other = a / n_first, b / n_second
    middle = other - one
    return (
        middle - ((other - low_b) ** 2 + (high_a - one) ** 2) ** 0.5,
        middle + ((high_b - other) ** 2 + (one - low_a) ** 2) ** 0.5,
    )


def told_apart(first: float, second: float, pairs: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """The first of these pairs of denominators at which the two rates differ beyond chance; None where at none."""
    for n_first, n_second in pairs:
        low, high = difference_interval(first, n_first, second, n_second)
        if low > 0 or high < 0:
            return n_first, n_second
    return None


def requests_to_tell(first: float, second: float) -> int | None:
    """Requests at each load at which two such rates are told apart in four tests of five, at 5 % (two-sided).

    `(z sqrt(2 p q) + z' sqrt(p1 q1 + p2 q2))^2 / (p1 - p2)^2`, p the mean of both (J. L. Fleiss 1981, chapter 3).
    None of two equal rates.
    """
    if first == second:
        return None
    mean = (first + second) / 2
    alike = (2 * mean * (1 - mean)) ** 0.5
    unlike = (first * (1 - first) + second * (1 - second)) ** 0.5
    return ceil(((Z_TWO_SIDED * alike + Z_POWER * unlike) / (first - second)) ** 2)


def zero_event_bound(n: int) -> float:
    """Largest rate that still shows none in n with a chance of 5 %: 1 - 0.05^(1/n)."""
    return 1 - CHANCE_OF_NONE ** (1 / n) if n > 0 else 1.0
