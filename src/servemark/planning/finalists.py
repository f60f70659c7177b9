"""The choice and the alternatives as a reader gets them: latency, capacity, dollars, each with its range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from servemark.capacity.bands import LogErrors, level_decodes, log_errors
from servemark.capacity.search import load_like
from servemark.capacity.similarity import stretched
from servemark.cost.tokens import usd_per_output_token
from servemark.domain.bill import MONTH_HOURS, Bill, Spread
from servemark.domain.capacity import Capacity
from servemark.domain.lengths import mean_tokens
from servemark.domain.plans import Candidate
from servemark.domain.run import Distribution, Level
from servemark.domain.workload import Users, load_value
from servemark.physics.bands import band, extrapolations
from servemark.planning.ends import Ends, Judged, ends_of, with_bands
from servemark.planning.fleets import FleetPlan
from servemark.planning.loads import scaled
from servemark.planning.marks import marks_of
from servemark.planning.prospects import Prospect, Stock
from servemark.planning.scene import Scene
from servemark.planning.sieve import levels_of
from servemark.stats.verdicts import judge
from servemark.units import HOUR_S


class Finalist(NamedTuple):
    """A prospect that is shown."""

    prospect: Prospect
    level: Level | None = None
    """Simulated at the load; None = in closed form."""
    capacity: Capacity | None = None
    """Simulated; None = in closed form."""


def candidates_of(finalists: Sequence[Finalist], scene: Scene) -> tuple[Candidate, ...]:
    """The finalists, in their order."""
    judged = _judged(finalists, scene)
    return tuple(
        _candidate(*each, scene) for each in zip(finalists, judged, ends_of(judged, scene), strict=True)
    )


def fleet_candidate(plan: FleetPlan, level: Level, capacity: Capacity | None, scene: Scene) -> Candidate:
    """A fleet of several pools that holds.

    Args:
        plan: its pools.
        level: simulated at the load.
        capacity: simulated; None = not looked for, so at least the load.
        scene: what it is described with.
    """
    largest, bills = plan.largest, plan.bills
    errors = [
        log_errors(each.deployment, each.shape.coefficients, scene.workload, level) for each in plan.pools
    ]
    worst = LogErrors(*(max(family) for family in zip(*errors, strict=True)))
    # a fleet is as much slower as its steps: exact for users who do not pause, else too narrow near saturation
    shown = with_bands(level, worst, lambda _, factors: [stretched(level, each) for each in factors], scene)
    capacity = capacity or Capacity(load=scene.peak)
    if capacity.load is not None:
        held = load_value(capacity.load)
        capacity = replace(capacity, band=_around(held, *band(held, worst.tpot), scene))
    tokens_per_s, usd = level.output_tokens_per_s, plan.usd_per_month
    per_token = usd / MONTH_HOURS / HOUR_S / tokens_per_s if tokens_per_s else None
    marks: dict[str, None] = {}
    for each in plan.pools:
        beyond = extrapolations(each.working, each.shape.coefficients)
        marks |= dict.fromkeys(marks_of(each.deployment, each.bill, beyond))
    return Candidate(
        deployment=largest.deployment,
        fleet=plan.fleet,
        bill=largest.bill,
        pool_bills=bills,
        method="simulation",
        verdicts=shown.verdict.slos if shown.verdict else (),
        ttft_p95_s=level.metrics["ttft_s"].p95,
        tpot_p95_s=level.metrics.get("tpot_s", Distribution(n=0)).p95,
        output_tokens_per_s=tokens_per_s or 0.0,
        capacity=capacity,
        monthly_usd=_exactly(usd),
        output_token_usd=None if per_token is None else _exactly(per_token),
        keeps_precision=all(each.keeps_precision for each in plan.pools),
        marks=tuple(marks),
    )


def _exactly(usd: float) -> Spread:
    return Spread(low_usd=usd, point_usd=usd, high_usd=usd)


def _candidate(finalist: Finalist, judged: Judged, ends: Ends, scene: Scene) -> Candidate:
    prospect, level = judged.prospect, ends.level
    found = finalist.capacity or _in_closed_form(ends, scene)
    held = load_value(found.load) if found.load is not None else 0.0
    low, high = (held * end / ends.point if ends.point else held for end in (ends.slow, ends.fast))
    monthly, per_token = _dollars(judged, ends, scene)
    return Candidate(
        deployment=prospect.deployment,
        bill=prospect.bill,
        elsewhere=tuple(_elsewhere(prospect.bills)),
        method="closed form" if finalist.level is None else "simulation",
        verdicts=level.verdict.slos if level.verdict else (),
        ttft_p95_s=level.metrics["ttft_s"].p95,
        tpot_p95_s=level.metrics.get("tpot_s", Distribution(n=0)).p95,
        output_tokens_per_s=level.output_tokens_per_s or 0.0,
        capacity=replace(found, band=_around(held, low, high, scene)),
        monthly_usd=monthly,
        output_token_usd=per_token,
        slow_end_holds=ends.slow > 0,
        keeps_precision=prospect.keeps_precision,
        marks=marks_of(prospect.deployment, prospect.bill, _extrapolated(judged, scene)),
    )


def _in_closed_form(ends: Ends, scene: Scene) -> Capacity:
    """The most load in closed form, at least what has to be held; users are whole."""
    most = max(ends.point, scene.demand)
    if isinstance(scene.load, Users):
        return Capacity(load=load_like(scene.load, max(math.floor(most + 1e-9), load_value(scene.peak))))
    return Capacity(load=scaled(scene.asked.load, most / load_value(scene.load)))


def _around(held: float, low: float, high: float, scene: Scene) -> tuple[float, float]:
    """The ends of a capacity around it; users are whole."""
    if isinstance(scene.load, Users):
        low, high = math.floor(low + 1e-9), math.floor(high + 1e-9)
    return float(min(low, held)), float(max(high, held))


def _judged(finalists: Sequence[Finalist], scene: Scene) -> list[Judged]:
    """Every finalist with a level; those that were not simulated in closed form, all at once."""
    open_ones = [each.prospect for each in finalists if each.level is None]
    by_row: dict[tuple[int, int], Level] = {}
    if open_ones:
        forms = scene.forms.of([each.row for each in open_ones])
        counts = [each.replicas - each.spare for each in open_ones]
        levels = levels_of(forms, scene.load, scene.demand / np.array(counts), counts)
        for prospect, level in zip(open_ones, levels, strict=True):
            by_row[prospect.row, prospect.replicas] = judge(level, scene.asked.slos)
    found: list[Judged] = []
    for finalist in finalists:
        prospect = finalist.prospect
        level = finalist.level or by_row[prospect.row, prospect.replicas]
        errors = log_errors(prospect.working, prospect.shape.coefficients, scene.workload, level)
        found.append(Judged(prospect, level, errors))
    return found


def _dollars(judged: Judged, ends: Ends, scene: Scene) -> tuple[Spread | None, Spread | None]:
    """Per month and per output token, each with the range that the band of the prediction leaves."""
    prospect, level, _ = judged
    bill = prospect.bill
    if bill is None:
        return None, None
    most, least = (same_offer(prospect, scene.stock, bill, n + prospect.spare) for n in ends.needed)
    monthly = Spread(
        low_usd=min(least.usd_per_month, bill.usd_per_month),
        point_usd=bill.usd_per_month,
        high_usd=max(most.usd_per_month, bill.usd_per_month),
    )
    tokens_per_s = level.output_tokens_per_s
    if not tokens_per_s:
        return monthly, None
    price = usd_per_output_token(bill, output_tokens_per_s=tokens_per_s, gpus=bill.gpus_used)
    slow, fast = ends.token_times
    at_ends = (
        price,
        price * monthly.low_usd / monthly.point_usd / fast,
        price * monthly.high_usd / monthly.point_usd / slow,
    )
    return monthly, Spread(low_usd=min(at_ends), point_usd=price, high_usd=max(at_ends))


def same_offer(prospect: Prospect, stock: Stock, bill: Bill, replicas: int) -> Bill:
    """So many replicas on the offer of the bill."""
    deployment = prospect.shape.deployment
    found = stock.bills(deployment.node.gpu.key, deployment.parallelism.gpus, replicas)
    return next((each for each in found if each.offer is bill.offer), bill)


def _elsewhere(bills: tuple[Bill, ...]) -> Iterable[Bill]:
    """The cheapest bill of each other provider; bills come cheapest first, dated ones before the others."""
    seen = {bills[0].offer.provider} if bills else set()
    for each in bills[1:]:
        if each.offer.provider not in seen:
            seen.add(each.offer.provider)
            yield each


def _extrapolated(judged: Judged, scene: Scene) -> tuple[str, ...]:
    workload, working = scene.workload, judged.prospect.working
    return extrapolations(
        working,
        judged.prospect.shape.coefficients,
        decodes=level_decodes(workload, judged.level) / working.replicas,
        context_tokens=mean_tokens(workload.input) + mean_tokens(workload.output),
    )
