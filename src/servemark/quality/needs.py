"""Items that would decide an open question, and the figures of a verdict in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import ndtri

from servemark.domain.quality import Interval
from servemark.stats.pairs import difference_interval

if TYPE_CHECKING:
    from servemark.quality.answer_table import PairedLoss

POWER = 0.8
MOST_ITEMS = 100_000


def items_to_decide(loss: PairedLoss, margin_ratio: float, alpha: float) -> int | None:
    """Items with which this loss, were it the true one, would be told from the margin (or from 0) in 4 of 5.

    Normal approximation `(z_alpha + z_power)^2 s^2 / distance^2`: s^2 is the observed variance of one pair, at
    least that of one discordant pair, times the design effect that the interval over blocks shows. The
    distance is to the margin where the loss lies below half of it, else to 0. None where it would take
    more than 100,000.
    """
    if not loss.pairs or loss.difference is None:
        return None
    difference = max(loss.difference, 0.0)
    variance = max(loss.discordant_ratio, 1 / loss.pairs) - difference**2
    distance = margin_ratio - difference if difference < margin_ratio / 2 else difference
    z = float(ndtri(1 - alpha) + ndtri(POWER))
    items = math.ceil(z * z * max(variance, 0.0) * design_effect(loss) / distance**2)
    return min(max(items, loss.pairs + 1), MOST_ITEMS)


def design_effect(loss: PairedLoss) -> float:
    """How much wider the interval is than that of independent pairs, squared: at least 1."""
    alone = difference_interval(loss.broke, loss.healed, loss.pairs)
    if alone is None or loss.interval is None:
        return 1.0
    return max(1.0, ((loss.interval[1] - loss.interval[0]) / (alone[1] - alone[0])) ** 2)


def percent(ratio: float) -> str:
    """`12 %`, `0.4 %`: at most one decimal, none from 10 on."""
    return f"{100 * ratio:.0f} %" if ratio >= 0.0995 else f"{100 * ratio:.1f}".removesuffix(".0") + " %"


def points(ratio: float) -> str:
    """A difference of two shares: `4.6 points`."""
    figure = f"{100 * ratio:.1f}".removesuffix(".0")
    return f"{figure} point{'' if figure == '1' else 's'}"


def span(interval: Interval | None) -> str:
    """An interval of a difference in points: `2.1 to 8`."""
    if interval is None:
        return "unknown"
    low, high = (f"{100 * end:.1f}".removesuffix(".0") for end in interval)
    return f"{low} to {high}"
