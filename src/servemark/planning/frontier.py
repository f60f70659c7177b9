"""Which of several deployments that hold is worth considering: the Pareto set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import le
from typing import Final, NamedTuple

STEP: Final = 1.2
NO_PRICE: Final = 2
"""Tier of what no offer covers."""


class Merits(NamedTuple):
    """What a deployment is compared by; less is better in every field.

    Figures are compared in steps of a fifth: a deployment that is 3 % faster is no alternative.
    """

    tier: int
    """0: dated price; 1: undated; 2: none."""
    usd_per_hour: float
    """Without a price: the number of GPUs."""
    ttft_s: float
    tpot_s: float
    load: float
    """The most that it carries, negated."""
    quantized: bool
    """Weights or cache have less precision than published."""
    gpu: str = ""
    """Without a price only the same GPU compares, and only by number: fewer cost less, whatever they cost."""
    consumer: bool = False
    """A consumer card where none was asked for."""


def dominates(one: Merits, other: Merits) -> bool:
    """Whether `one` is at least as good in everything and better in something.

    An undated price never beats a dated one, a consumer card that nobody asked for no other card, and without
    a price only the same GPU compares.
    """
    first, second = _steps(one), _steps(other)
    return _covers(first, second) and first.values != second.values


def frontier(merits: Sequence[Merits]) -> dict[int, int | None]:
    """For every index: None where nothing dominates it, else the index of one that does and is itself not
    dominated. Of equals the first stays.
    """
    steps = [_steps(each) for each in merits]
    order = sorted(range(len(steps)), key=lambda i: (steps[i].tier, steps[i].consumer, steps[i].values, i))
    kept: list[int] = []
    found: dict[int, int | None] = {}
    for i in order:
        by = next((k for k in kept if _covers(steps[k], steps[i])), None)
        found[i] = by
        if by is None:
            kept.append(i)
    return found


def step_of(value: float) -> float:
    """The step of a fifth that a value lies in: whole powers of 1.2."""
    if value == 0 or not math.isfinite(value):
        return value
    return math.copysign(1.0, value) * round(math.log(abs(value)) / math.log(STEP))


class _Steps(NamedTuple):
    """Merits in the steps that are compared."""

    tier: int
    gpu: str
    """Empty where all GPUs compare."""
    consumer: bool
    values: tuple[float, ...]


def _steps(merits: Merits) -> _Steps:
    if merits.tier == NO_PRICE:
        return _Steps(
            merits.tier, merits.gpu, merits.consumer, (merits.usd_per_hour, float(merits.quantized))
        )
    values = (
        round(merits.usd_per_hour, 4),
        step_of(merits.ttft_s),
        step_of(merits.tpot_s),
        step_of(merits.load),
        float(merits.quantized),
    )
    return _Steps(merits.tier, "", merits.consumer, values)


def _covers(one: _Steps, other: _Steps) -> bool:
    """At least as good in everything."""
    if one.tier > other.tier or one.consumer > other.consumer or one.gpu != other.gpu:
        return False
    return all(map(le, one.values, other.values))
