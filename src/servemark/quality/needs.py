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
    least that of one discordant pair, times the design effect that the interval over blocks shows. A loss
    below the margin can only be shown to be below it, so the distance is to the margin. One above it has to be
    told from 0, and to come out above the margin again: `z_power^2 s^2 / (loss - margin)^2`. At most 100,000;
    None without pairs.
    """
    if not loss.pairs or loss.difference is None:
        return None
    difference = max(loss.difference, 0.0)
    variance = max(loss.discordant_ratio, 1 / loss.pairs) - difference**2
    spread = max(variance, 0.0) * design_effect(loss)
    power = float(ndtri(POWER))
    both = float(ndtri(1 - alpha)) + power
    beyond = difference - margin_ratio
    reaches = ((both, -beyond),) if beyond <= 0 else ((both, difference), (power, beyond))
    least = math.sqrt(spread / MOST_ITEMS)
    items = max(
        MOST_ITEMS if distance <= z * least else math.ceil(spread * (z / distance) ** 2)
        for z, distance in reaches
    )
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


def ruled_out(what: str, bound: float, alpha: float, margin_ratio: float) -> str:
    """`at every load a loss above 1.1 points is ruled out (one-sided 95 % bound); the margin is 3 points`."""
    above = f" above {points(bound)}" if bound > 0 else ""
    return (
        f"at every load a {what}{above} is ruled out (one-sided {percent(1 - alpha)} bound); the margin is "
        f"{points(margin_ratio)}"
    )


def p_words(value: float) -> str:
    """`p = 0.034`, `p < 0.001`, `p > 0.99`."""
    if value < 0.001:
        return "p < 0.001"
    return "p > 0.99" if value > 0.99 else f"p = {value:.2g}"


def span(interval: Interval | None) -> str:
    """An interval of a difference in points: `2.1 to 8`."""
    if interval is None:
        return "unknown"
    low, high = (f"{100 * end:.1f}".removesuffix(".0") for end in interval)
    return f"{low} to {high}"
