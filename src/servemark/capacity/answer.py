"""From judged levels to the answer: the highest load that keeps every promise."""

from __future__ import annotations

import math
from collections.abc import Iterable

from servemark.domain.capacity import Capacity, SloVerdict, Verdict
from servemark.domain.run import Level
from servemark.domain.workload import load_value


def capacity_of(levels: Iterable[Level]) -> Capacity:
    """The highest load at which every SLO holds, with no broken load below it.

    Undecided levels neither count as holding nor stop the climb. Levels without a verdict are left
    out. Where no load holds, `load` is None, and `binding` and `margin` are those of the lowest load
    if that breaks.
    """
    judged = sorted(
        ((each, each.verdict) for each in levels if each.verdict is not None),
        key=lambda pair: load_value(pair[0].load),
    )
    if not judged:
        return Capacity(load=None)
    broken = next((i for i, (_, verdict) in enumerate(judged) if verdict.word == "breaks"), None)
    holding = [pair for pair in judged[:broken] if pair[1].word == "holds"]
    level, verdict = holding[-1] if holding else judged[0]
    binding = tightest(verdict) if holding or verdict.word == "breaks" else None
    return Capacity(
        load=level.load if holding else None,
        binding=binding.slo if binding else None,
        margin=binding.margin if binding else None,
        first_broken=None if broken is None else judged[broken][0].load,
        broken_by=None if broken is None else tightest(judged[broken][1]).slo,
    )


def tightest(verdict: Verdict) -> SloVerdict:
    """The SLO with the least margin, broken ones first.

    One without a margin comes last among its like: where nothing completed, the failures say more than
    the latencies that nobody saw.
    """
    order = {"breaks": 0, "undecided": 1, "holds": 2}

    def tightness(each: SloVerdict) -> tuple[int, float]:
        return order[each.verdict], math.inf if each.margin is None else each.margin

    return min(verdict.slos, key=tightness)
