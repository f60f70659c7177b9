"""Fleets of several pools against one pool: simulated, grown where they break, priced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from servemark.domain.fleet import fleet_deployments
from servemark.domain.plans import Reason, Rejection
from servemark.domain.run import Level
from servemark.domain.workload import Load, Rate, Users
from servemark.planning.contest import holds
from servemark.planning.fleets import (
    FleetKind,
    FleetPlan,
    cheapest_shapes,
    disaggregated_fleets,
    mixed_fleets,
    split_fleets,
)
from servemark.planning.phrases import (
    budget_detail,
    fleet_words,
    gpus_detail,
    usd_words,
    verdict_detail,
    worst_excess,
)
from servemark.planning.prospects import Prospect
from servemark.planning.scene import Scene
from servemark.planning.trials import Member, Trial, fleet_level

GROWTHS: Final = 2
"""Replicas added at most to a fleet that breaks a promise."""
MIXED_TRIALS: Final = 8
"""Mixes looked at, the cheapest."""


class FleetContest(NamedTuple):
    """Fleets that hold and cost less than one pool, cheapest first; and those that lost."""

    holding: tuple[tuple[FleetPlan, Level], ...]
    rejected: tuple[Rejection, ...]


def fleets_against(
    single: Prospect,
    level: Level,
    holding: Sequence[Prospect],
    kinds: Sequence[FleetKind],
    scene: Scene,
    trial: Trial,
) -> FleetContest:
    """Fleets that could cost less than one pool, simulated; and of each kind the cheapest, to say what it does.

    Args:
        single: one pool, the choice so far, with a price.
        level: what it does at the peak.
        holding: what else holds in one pool.
        kinds: of fleets.
        scene: the question.
        trial: what is played.
    """
    kept: list[tuple[FleetPlan, Level]] = []
    rejected: list[Rejection] = []
    played: set[FleetKind] = set()
    best: Prospect | FleetPlan = single
    fleets = _fleets(single, level, (single, *holding), kinds, scene)
    for plan in sorted(fleets, key=lambda each: each.usd_per_month):
        cheaper = _is_cheaper(plan, best)
        if plan.kind in played and not cheaper:
            rejected.append(_dearer(plan, best, None))
            continue
        played.add(plan.kind)
        found, at_peak, lost = _grown_until_it_holds(plan, scene, trial)
        rejected += lost
        if at_peak.verdict is not None and not holds(at_peak):
            rejected.append(_rejection(found, "slo", verdict_detail(at_peak.verdict), at_peak))
        elif (over := _over_limits(found, scene)) is not None:
            rejected.append(_rejection(found, "budget", over, at_peak))
        elif not _is_cheaper(found, best):
            rejected.append(_dearer(found, best, at_peak))
        else:
            kept.append((found, at_peak))
            best = found
    return FleetContest(tuple(reversed(kept)), tuple(rejected))


def play_fleet_at(plan: FleetPlan, trial: Trial, load: Load) -> Level:
    """The judged level of a fleet."""
    return fleet_level(trial, plan.working, _members(plan), load)[0]


def _fleets(
    single: Prospect,
    level: Level,
    holding: Sequence[Prospect],
    kinds: Sequence[FleetKind],
    scene: Scene,
) -> Iterator[FleetPlan]:
    rate = scene.load
    if isinstance(rate, Users):
        # what the users of one pool come to; headroom is added again by the sieve
        rate = Rate(per_s=(level.requests_per_s or 0.0) / (1 + scene.asked.headroom_ratio))
    shapes = cheapest_shapes(holding)
    if "split" in kinds:
        yield from split_fleets(shapes, scene.asked, rate, scene.workload, scene.stock)
    if "disaggregated" in kinds:
        yield from disaggregated_fleets(shapes, scene.asked, rate, scene.workload, scene.stock)
    if "mixed" in kinds:
        usd = single.usd_per_month or 0.0
        yield from islice(mixed_fleets(holding, scene.demand, usd, scene.stock), MIXED_TRIALS)


def _grown_until_it_holds(
    plan: FleetPlan, scene: Scene, trial: Trial
) -> tuple[FleetPlan, Level, list[Rejection]]:
    """The fleet with a replica more where its promises break worst, at most `GROWTHS` times."""
    lost: list[Rejection] = []
    level, shares = fleet_level(trial, plan.working, _members(plan), scene.peak)
    for turn in range(GROWTHS):
        if holds(level) or plan.kind == "mixed":
            break
        assert level.verdict is not None
        lost.append(_rejection(plan, "slo", verdict_detail(level.verdict), level))
        plan = plan.grown(_worst_pool(shares, turn), scene.stock)
        level, shares = fleet_level(trial, plan.working, _members(plan), scene.peak)
    return plan, level, lost


def _worst_pool(shares: Sequence[Level], turn: int) -> int:
    """The pool whose own requests break a promise by the most; where it is not known, in turn."""
    if not shares:
        return (turn + 1) % 2
    excess = [worst_excess(each.verdict.slos) if each.verdict else 0.0 for each in shares]
    return excess.index(max(excess))


def _members(plan: FleetPlan) -> list[Member]:
    return [
        Member(deployment, pool.shape.coefficients, pool.shape.budget)
        for deployment, pool in zip(fleet_deployments(plan.working), plan.pools, strict=True)
    ]


def _over_limits(plan: FleetPlan, scene: Scene) -> str | None:
    asked, usd = scene.asked, plan.usd_per_month
    gpus = sum(each.deployment.gpus for each in plan.pools)
    if asked.max_gpus is not None and gpus > asked.max_gpus:
        return gpus_detail(gpus, asked.max_gpus)
    if asked.budget_usd_per_month is not None and usd > asked.budget_usd_per_month:
        return budget_detail(usd, asked.budget_usd_per_month)
    return None


def _is_cheaper(plan: FleetPlan, best: Prospect | FleetPlan) -> bool:
    return plan.usd_per_month < (best.usd_per_month or 0.0) - 0.5


def _dearer(plan: FleetPlan, best: Prospect | FleetPlan, level: Level | None) -> Rejection:
    usd, least = plan.usd_per_month, best.usd_per_month or 0.0
    dearer = f"{usd_words(usd - least)} a month dearer" if usd > least + 0.5 else "no cheaper"
    if isinstance(best, FleetPlan):
        other = fleet_words(best.fleet)
    else:
        one = best.shape.deployment
        other = f"one pool of {best.replicas * one.parallelism.gpus} x {one.node.gpu.name}"
    return _rejection(plan, "dominated", f"{dearer} than {other}", level)


def _rejection(plan: FleetPlan, reason: Reason, detail: str, level: Level | None) -> Rejection:
    slos = level.verdict.slos if level is not None and level.verdict is not None else ()
    return Rejection(
        deployment=plan.largest.deployment,
        fleet=plan.fleet,
        reason=reason,
        detail=f"{fleet_words(plan.fleet)}: {detail}",
        excess_ratio=worst_excess(slos) if reason == "slo" else None,
        usd_per_month=plan.usd_per_month,
        verdicts=slos,
        method="closed form" if level is None else "simulation",
    )
