"""Where nothing holds: what came nearest, and what would make it hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from servemark.domain.plans import Miss, Rejection, Requirements
from servemark.domain.workload import Rate, Users, load_value
from servemark.planning.phrases import usd_words
from servemark.planning.prospects import Prospect

NEARNESS = ("budget", "slo", "does_not_fit", "unsupported")
"""What only costs too much came nearer than what is too slow, and that nearer than what does not fit."""


def nearest_miss(
    rejected: Sequence[Rejection], dear: Sequence[Prospect], asked: Requirements, load: Users | Rate
) -> Miss | None:
    """The rejection that came nearest, and up to three remedies with their numbers.

    Args:
        rejected: everything.
        dear: what keeps every promise, beyond the budget.
        asked: what was asked.
        load: the peak in the closed form.
    """
    if not rejected:
        return None
    nearest = min(
        rejected,
        key=lambda each: (NEARNESS.index(each.reason) if each.reason in NEARNESS else 9, _nearness(each)),
    )
    remedies = [_more_money(dear, asked), _less_load(dear, asked, load), _slower_promise(rejected, asked)]
    remedies += [_more_memory(nearest)]
    return Miss(rejection=nearest, remedies=tuple(filter(None, remedies))[:3])


def _more_money(dear: Sequence[Prospect], asked: Requirements) -> str:
    """The cheapest that holds, without the budget."""
    priced = [each for each in dear if each.usd_per_month is not None and each.merits.tier == 0]
    if asked.budget_usd_per_month is None or not priced:
        fewest = min(dear, key=lambda each: each.deployment.gpus, default=None)
        return f"{fewest.deployment.gpus} GPUs: {fewest.deployment.title} holds" if fewest else ""
    cheapest = min(priced, key=lambda each: each.rank)
    usd = usd_words(math.ceil(cheapest.usd_per_month or 0.0))
    return f"a budget of {usd} a month: {cheapest.deployment.title} holds"


def _less_load(dear: Sequence[Prospect], asked: Requirements, load: Users | Rate) -> str:
    """The most load that the budget or the GPUs allowed carry, in the closed form."""
    best, within = 0.0, None
    for each in dear:
        each_most = each.most / (each.replicas - each.spare)
        affordable = _affordable(each, asked)
        if affordable * each_most > best:
            best, within = affordable * each_most, each
    if within is None:
        return ""
    count = _affordable(within, asked)
    what = f"{int(best)} users" if isinstance(load, Users) else f"{best:.2g} requests a second"
    if int(best) < 1 and isinstance(load, Users):
        return ""
    asked_for = f"{load_value(load):g}"
    shape = within.shape.deployment
    size = f"{count * shape.parallelism.gpus} x {shape.node.gpu.name}"
    return f"about {what} instead of {asked_for}: what {size} ({shape.dtype}) carry{_within(asked)}"


def _within(asked: Requirements) -> str:
    return " within the budget" if asked.budget_usd_per_month is not None else ""


def _affordable(prospect: Prospect, asked: Requirements) -> int:
    """Replicas that the budget and the GPUs allowed pay for, spare ones apart."""
    counts: list[float] = []
    usd, budget = prospect.usd_per_month, asked.budget_usd_per_month
    if budget is not None and usd:
        counts.append(budget / (usd / prospect.replicas))
    if asked.max_gpus is not None:
        counts.append(asked.max_gpus / prospect.shape.deployment.parallelism.gpus)
    return max(0, math.floor(min(counts, default=0.0)) - prospect.spare)


def _slower_promise(rejected: Sequence[Rejection], asked: Requirements) -> str:
    """The promise that breaks by the least within the budget."""
    budget = asked.budget_usd_per_month
    slow = [
        each
        for each in rejected
        if each.reason == "slo" and each.excess_ratio is not None
        and (budget is None or (each.usd_per_month is not None and each.usd_per_month <= budget))
        and (asked.max_gpus is None or each.deployment.gpus <= asked.max_gpus)
    ]  # fmt: skip
    nearest = min(slow, key=_nearness, default=None)
    if nearest is None:
        return ""
    return f"a slower promise: {nearest.deployment.title} gives {nearest.detail.split(', ')[0]}"


def _more_memory(nearest: Rejection) -> str:
    if nearest.reason != "does_not_fit":
        return ""
    gpu = nearest.deployment.node.gpu
    return f"GPUs with more memory than {gpu.name}, or weights of fewer bits (--dtype int4)"


def _nearness(rejection: Rejection) -> tuple[float, int]:
    """By how much, in tenths; of equals the fewest GPUs."""
    excess = math.inf if rejection.excess_ratio is None else rejection.excess_ratio
    return (round(excess, 1) if math.isfinite(excess) else excess), rejection.deployment.gpus
