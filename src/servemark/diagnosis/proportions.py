"""What a few figures of a published rate leave open."""

from __future__ import annotations

from collections.abc import Iterable

from servemark.diagnosis.observations import wilson

CHANCE_OF_NONE = 0.05


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


def requests_to_tell(first: float, second: float, most: int = 100_000) -> int | None:
    """Requests at each load from which two such rates differ beyond chance."""
    found = told_apart(first, second, ((n, n) for n in range(2, most)))
    return found[0] if found else None


def zero_event_bound(n: int) -> float:
    """Largest rate that still shows none in n with a chance of 5 %: 1 - 0.05^(1/n)."""
    return 1 - CHANCE_OF_NONE ** (1 / n) if n > 0 else 1.0
