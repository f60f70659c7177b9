"""From requirements to a plan: what fits, what is fast enough in closed form, what holds when simulated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from servemark.catalogue.startup_rates import startup_rates
from servemark.domain.capacity import Capacity
from servemark.domain.offer import Offer
from servemark.domain.plans import Candidate, Outlook, Plan, Rejection, Requirements
from servemark.domain.run import Level
from servemark.domain.workload import Load
from servemark.physics.startup import cold_start
from servemark.planning.contest import CHOICE_TRIALS, Contest, Grower, contest
from servemark.planning.finalists import Finalist, candidates_of, fleet_candidate, same_offer
from servemark.planning.fleet_trials import FleetContest, fleets_against, play_fleet_at
from servemark.planning.fleets import FleetKind
from servemark.planning.loads import steady_load, steady_workload
from servemark.planning.misses import nearest_miss
from servemark.planning.outlook import capacity_and_outlook, trip_to, working_replicas
from servemark.planning.prospects import Prospect, prospects_of, stock_of
from servemark.planning.scene import Scene
from servemark.planning.shapes import Search, Shape, replica_shapes
from servemark.planning.sieve import columns
from servemark.planning.trials import Member, Trial, level_of
from servemark.traffic.traces import Trace
from servemark.version import __version__


class Found(NamedTuple):
    """The finalists, the losers, and what the choice does beyond the peak."""

    choice: Candidate | None
    alternatives: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    outlook: Outlook | None
    dear: tuple[Prospect, ...]


def search_plan(
    asked: Requirements,
    search: Search,
    offers: Sequence[Offer],
    *,
    trace: Trace | None = None,
    simulated: bool = True,
    fleets: Sequence[FleetKind] = (),
    notes: Sequence[str] = (),
) -> Plan:
    """The plan.

    Args:
        asked: demand, promises, budget.
        search: GPUs, engines and formats to look at.
        offers: to rent them.
        trace: recorded requests, where the load is a replay of them or their lengths are asked for.
        simulated: whether survivors are simulated; otherwise the closed form decides alone.
        fleets: kinds of fleets with several pools to try against one pool.
        notes: remarks to keep.
    """
    started = time.perf_counter()
    load, workload = steady_load(asked.load, trace), steady_workload(asked.workload, trace)
    shapes = replica_shapes(search)
    found = Found(None, (), (), None, ())
    if shapes.fitting:
        forms = columns(shapes.fitting, load, workload)
        scene = Scene(forms, asked, load, workload, stock_of(offers))
        trial = Trial(asked.workload, asked.slos, asked.seed, trace) if simulated else None
        found = _found(shapes.fitting, scene, trial, fleets)
    rejected = (*shapes.rejected, *found.rejected)
    count = (found.choice is not None) + len(found.alternatives) + len(rejected)
    return Plan(
        requirements=asked,
        candidates_evaluated=count,
        elapsed_s=time.perf_counter() - started,
        choice=found.choice,
        alternatives=found.alternatives,
        rejected=rejected,
        outlook=found.outlook,
        miss=None if found.choice is not None else nearest_miss(rejected, found.dear, asked, load),
        notes=(*notes, *_doubts(found, simulated)),
        date=date.today().isoformat(),
        servemark=__version__,
    )


def _doubts(found: Found, simulated: bool) -> tuple[str, ...]:
    """Where the simulator never got to the choice."""
    if not simulated or found.choice is None or found.choice.method == "simulation":
        return ()
    return (
        f"{CHOICE_TRIALS} cheaper deployments were simulated and broke a promise; the choice rests on the closed form",
    )


def _found(
    shapes: Sequence[Shape], scene: Scene, trial: Trial | None, fleets: Sequence[FleetKind]
) -> Found:
    asked = scene.asked
    prospects = prospects_of(shapes, scene.forms, asked, scene.load, scene.stock)
    grower = Grower(scene.forms, asked, scene.load, scene.stock)
    play = None if trial is None else (lambda each: _played(each, trial, scene.peak))
    outcome = contest(prospects, grower, play)
    rejected = (*prospects.rejected, *outcome.rejected)
    if outcome.choice is None:
        return Found(None, (), rejected, None, prospects.dear)
    single, outlook = _single(outcome, scene, trial)
    choice, *alternatives = single
    found = Found(choice, tuple(alternatives), rejected, outlook, prospects.dear)
    level = outcome.levels.get((outcome.choice.row, outcome.choice.replicas))
    if trial is None or level is None or not fleets or outcome.choice.bill is None:
        return found
    against = fleets_against(outcome.choice, level, prospects.holding, fleets, scene, trial)
    return _with_fleets(found, against, scene, trial)


def _single(
    outcome: Contest, scene: Scene, trial: Trial | None
) -> tuple[tuple[Candidate, ...], Outlook | None]:
    """The choice and the alternatives of one pool, and what the choice does beyond the peak."""
    finalists: list[Finalist] = []
    outlook: Outlook | None = None
    for each in filter(None, (outcome.choice, *outcome.alternatives)):
        level = outcome.levels.get((each.row, each.replicas))
        capacity: Capacity | None = None
        if each is outcome.choice and level is not None and trial is not None:
            capacity, outlook = _beyond(each, level, scene, trial)
        finalists.append(Finalist(each, level, capacity))
    return candidates_of(finalists, scene), outlook


def _beyond(prospect: Prospect, level: Level, scene: Scene, trial: Trial) -> tuple[Capacity, Outlook]:
    def probe(load: Load) -> Level:
        return _played(prospect, trial, load)

    def replicas_for(load: Load, found: Capacity) -> int | None:
        return working_replicas(
            prospect, load, lambda each, at: _played(each, trial, at), found, scene.asked
        )

    capacity, outlook = capacity_and_outlook(probe, level, scene.asked, replicas_for)
    shape, asked = prospect.shape, scene.asked
    start = cold_start(
        shape.deployment,
        startup_rates(),
        weights_bytes=shape.budget.weights_bytes,
        weights_from=asked.weights_from,
        first_prompt_s=level.metrics["ttft_s"].p50 or 0.0,
    )
    bill, count = prospect.bill, outlook.doubled_holds_with
    usd = None
    if bill is not None and count is not None:
        usd = same_offer(prospect, scene.stock, bill, count + prospect.spare).usd_per_month
    outlook = replace(
        outlook,
        doubled_usd_per_month=usd,
        cold_start=start,
        round_trip_s=trip_to(bill, asked.users_in),
    )
    return capacity, outlook


def _with_fleets(found: Found, against: FleetContest, scene: Scene, trial: Trial) -> Found:
    """The cheapest fleet in front of one pool, where one is cheaper."""
    rejected = (*found.rejected, *against.rejected)
    if not against.holding:
        return found._replace(rejected=rejected)
    (plan, level), *others = against.holding
    capacity, outlook = capacity_and_outlook(
        lambda load: play_fleet_at(plan, trial, load), level, scene.asked, lambda load, found: None
    )
    others_too = [fleet_candidate(*each, None, scene) for each in others]
    singles = (*filter(None, (found.choice,)), *found.alternatives)
    return found._replace(
        choice=fleet_candidate(plan, level, capacity, scene),
        alternatives=(*others_too, *singles),
        rejected=rejected,
        outlook=outlook,
    )


def _played(prospect: Prospect, trial: Trial, load: Load) -> Level:
    shape = prospect.shape
    return level_of(trial, Member(prospect.working, shape.coefficients, shape.budget), load)
