"""How many items a question needs, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from servemark.domain.record import Record
from servemark.quality.needs import percent
from servemark.stats.pairs import (
    mcnemar_items,
    mcnemar_power,
    noninferiority_items,
    noninferiority_power,
)

BLOCKS = 6
LOADS = 6
CORRELATIONS = (0.05, 0.2)
BREAKS = ((0.05, 0.0), (0.06, 0.01), (0.10, 0.05))
"""Shares of items that break and heal under load."""
DISCORDANT = (0.0, 0.02, 0.05)
"""Shares of items that differ by chance, half of them each way."""
ZERO_SEEN = (20, 32, 100, 300, 1000)
FAILURES = ((0.05, 0.10), (0.01, 0.05))
LOW_FAILURES = 0.01
BLOCK_COST = 1.2
"""Items that the bound over six blocks costs beyond Tango's where items differ by chance, as simulated in
benchmarks/null_experiments.py."""


class PowerRow(Record, frozen=True, kw_only=True):
    """One question."""

    question: str
    test: str
    items: int | None = None
    """Items that answer it with the wanted power, if requests are independent."""
    items_by_correlation: dict[str, int] = {}
    """The same where requests in flight together go wrong together: intra-batch correlation -> items."""
    power_ratio: float | None = None
    """With the given number of items: the chance to answer it."""
    bound_ratio: float | None = None
    """With the given number of items: the rate, or effect, that stays possible or can just be seen."""


class PowerTable(Record, frozen=True, kw_only=True):
    """What a number of items can decide."""

    margin_ratio: float
    alpha: float
    power_ratio: float
    items: int | None
    blocks: int
    in_flight: int
    """Requests in flight together at the highest load: the size of a batch that fails together."""
    rows: tuple[PowerRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    margin_ratio: float
    alpha: float
    power: float
    items: int | None
    blocks: int
    in_flight: int

    def row(
        self,
        question: str,
        test: str,
        needed: int | None,
        power_at: Callable[[int], float],
        *,
        paired: bool,
    ) -> PowerRow:
        effects = {rho: self.design_effect(rho, paired=paired) for rho in CORRELATIONS}
        return PowerRow(
            question=question,
            test=test,
            items=needed,
            items_by_correlation={
                f"{rho:g}": math.ceil(needed * effect) for rho, effect in effects.items() if needed
            },
            power_ratio=None if self.items is None else power_at(self.items),
        )

    def design_effect(self, correlation: float, *, paired: bool) -> float:
        """By how much batches that go wrong together swell the variance: `1 + (m - 1) rho` for batches of m
        (L. Kish, Survey Sampling, 1965); of a pair only the half under load comes in batches.
        """
        swell = (self.in_flight - 1) * correlation
        return 1 + (swell / 2 if paired else swell)


def power_table(
    margin_ratio: float = 0.03,
    alpha: float = 0.05,
    power: float = 0.8,
    items: int | None = None,
    blocks: int | None = None,
    *,
    in_flight: int = 32,
) -> PowerTable:
    """Items needed for each question, and what `items` items can answer.

    For six loads: broken answers are asked for at alpha / 5 (Holm); that nothing is lost must be shown at all five
    loads above the lowest, each with power^(1/5). Everything is one-sided. Correlated items carry the design
    effect of batches of `in_flight`.

    Args:
        margin_ratio: the loss that must be ruled out.
        alpha: chance of a false answer.
        power: chance of the right one, for the items needed.
        items: what these can answer.
        blocks: of the experiment; 6 unless said otherwise.
        in_flight: users at the highest load.
    """
    asked = _Asked(
        margin_ratio, alpha, power, items, BLOCKS if blocks is None else blocks, max(in_flight, 1)
    )
    rows = (*_breaks(asked), *_no_harm(asked), *_failures(asked), _slope(asked), *_zero_seen(asked))
    return PowerTable(
        margin_ratio=margin_ratio,
        alpha=alpha,
        power_ratio=power,
        items=items,
        blocks=asked.blocks,
        in_flight=asked.in_flight,
        rows=rows,
        notes=_notes(asked),
    )


def _breaks(asked: _Asked) -> list[PowerRow]:
    alpha = asked.alpha / (LOADS - 1)
    return [
        asked.row(
            f"{percent(broke)} of the items break at one load, {f'{percent(healed)} heal' if healed else 'none heals'}",
            "exact McNemar, Holm over 5 loads",
            mcnemar_items(broke, healed, alpha, asked.power),
            lambda n, broke=broke, healed=healed: mcnemar_power(n, broke, healed, alpha),
            paired=True,
        )
        for broke, healed in BREAKS
    ]


def _no_harm(asked: _Asked) -> list[PowerRow]:
    margin, alpha, loads = asked.margin_ratio, asked.alpha, LOADS - 1
    rows = []
    for share in DISCORDANT:
        cost = BLOCK_COST if share else 1.0
        needed = noninferiority_items(share / 2, share / 2, margin, alpha, asked.power ** (1 / loads))

        def power_at(n: int, share: float = share, cost: float = cost) -> float:
            return noninferiority_power(int(n / cost), share / 2, share / 2, margin, alpha) ** loads

        question = (
            f"a loss of {100 * margin:g} points is ruled out at {loads} loads, where {percent(share)} of items differ "
            "by chance"
        )
        items = None if needed is None else math.ceil(needed * cost)
        rows.append(
            asked.row(
                question, "Tango's score test of the margin, over blocks", items, power_at, paired=True
            )
        )
    return rows


def _failures(asked: _Asked) -> list[PowerRow]:
    return [
        asked.row(
            f"failures rise from {percent(before)} to {percent(after)}, different items at each load",
            "two independent shares",
            unpaired_items(before, after, asked.alpha, asked.power),
            lambda n, before=before, after=after: unpaired_power(n, before, after, asked.alpha),
            paired=False,
        )
        for before, after in FAILURES
    ]


def unpaired_items(before: float, after: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Requests per load that tell two independent shares apart, one-sided.

    `(z_alpha sqrt(2 p (1 - p)) + z_power sqrt(a (1 - a) + b (1 - b)))^2 / (b - a)^2`, p their mean
    (J. L. Fleiss, Statistical Methods for Rates and Proportions, 3rd edition 2003).
    """
    together, apart = _spreads(before, after)
    z = float(ndtri(1 - alpha)) * together + float(ndtri(power)) * apart
    return math.ceil((z / (after - before)) ** 2)


def unpaired_power(requests: int, before: float, after: float, alpha: float = 0.05) -> float:
    """The same formula, solved for the power."""
    together, apart = _spreads(before, after)
    return float(ndtr((math.sqrt(requests) * abs(after - before) - ndtri(1 - alpha) * together) / apart))


def _spreads(before: float, after: float) -> tuple[float, float]:
    mean = (before + after) / 2
    return math.sqrt(2 * mean * (1 - mean)), math.sqrt(before * (1 - before) + after * (1 - after))


def _slope(asked: _Asked) -> PowerRow:
    """The rise of failures that the trend over six loads just sees."""
    needed = next(
        (n for n in range(10, 100_000, 10) if detectable_rise(asked, n, 1.0) <= asked.margin_ratio), None
    )
    return PowerRow(
        question=f"failures rise by {100 * asked.margin_ratio:g} points, in equal steps over six loads, from 1 %",
        test="Cochran-Armitage trend over blocks",
        items=needed,
        items_by_correlation={
            f"{rho:g}": math.ceil(needed * asked.design_effect(rho, paired=False))
            for rho in CORRELATIONS
            if needed
        },
        bound_ratio=None if asked.items is None else detectable_rise(asked, asked.items, 1.0),
    )


def detectable_rise(asked: _Asked, items: int, design_effect: float) -> float:
    """Rise from the lowest to the highest of six loads that the trend sees with the wanted power.

    With slope b per step the statistic has mean `b n S` and variance `p (1 - p) n S` (S the squared steps
    around their mean, 17.5 for six loads); solved for b by iteration, p being the mean share.
    """
    z = float(ndtri(1 - asked.alpha) + ndtri(asked.power))
    steps = LOADS * (LOADS**2 - 1) / 12
    rise = 0.0
    for _ in range(50):
        p = min(LOW_FAILURES + rise / 2, 0.5)
        rise = (LOADS - 1) * z * math.sqrt(p * (1 - p) * design_effect / (items * steps))
    return rise


def _zero_seen(asked: _Asked) -> list[PowerRow]:
    sizes: list[int] = sorted({*ZERO_SEEN, *((asked.items,) if asked.items else ())})
    return [
        PowerRow(
            question=f"no such answer among {n}: as many may still have it",
            test="exact binomial",
            items=n,
            bound_ratio=1 - asked.alpha ** (1 / n),
        )
        for n in sizes
    ]


def _notes(asked: _Asked) -> tuple[str, ...]:
    notes = [
        "One-sided throughout; items are asked once at each load.",
        f"Where requests in flight together go wrong together, {asked.in_flight} at a time, fewer of them are "
        "independent: the columns of correlation say how many items that costs.",
    ]
    least = 0.5**asked.blocks
    if least > asked.alpha:
        fewest = math.ceil(-math.log2(asked.alpha))
        notes.append(
            f"With two loads and {asked.blocks} block{'s' * (asked.blocks != 1)} no p-value can be below {least:.2g}: "
            f"at least {fewest} blocks. With six loads two blocks are enough."
        )
    if asked.items is not None and asked.items < asked.in_flight * asked.blocks:
        notes.append(
            f"{asked.items} items in {asked.blocks} blocks are {asked.items // asked.blocks} in each, fewer than "
            f"{asked.in_flight} users: the highest load is reached only with fillers, or with fewer blocks."
        )
    return tuple(notes)
