"""`simulate --autoscale`: a fleet that follows the load, against static ones of the same traffic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from servemark.api.questions import Question, predicted_run
from servemark.api.scaling import parse_policy, policy_text
from servemark.capacity.bands import Scaled, log_errors, with_band
from servemark.capacity.similarity import between
from servemark.catalogue.offers import offers
from servemark.catalogue.startup_rates import startup_rates
from servemark.cost.spares import spare_usd_per_avoided_s
from servemark.cost.timelines import paid_replicas, timeline_usd
from servemark.domain.elasticity import Elasticity, FleetDay, ReplicaSpan, ScalingPolicy
from servemark.domain.offer import Offer
from servemark.domain.run import Level, RequestRecord, Run
from servemark.domain.startup import ColdStart
from servemark.domain.workload import ArrivalPlan, Load, Rate, Replay, Users
from servemark.errors import InputError
from servemark.load.driver import Extent
from servemark.physics.speculation import step_time
from servemark.physics.startup import cold_start
from servemark.simulation.autoscaling import play_autoscaled, replica_seconds
from servemark.simulation.fleets import Pool
from servemark.simulation.replicas import play
from servemark.simulation.slowed import SlowedStep
from servemark.stats.minutes import lost_minutes
from servemark.stats.summary import summarise
from servemark.traffic.arrivals import arrival_plan
from servemark.traffic.days import DAY_S, days
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace
from servemark.units import format_seconds

KEPT_ROWS: Final = 20_000
"""Of a level with more requests only the summary is kept, and its bands come from its busiest hours."""
BUSY_S: Final = 3 * 3600.0


class _Asked(NamedTuple):
    """One level to be played, on fleets of several sizes."""

    question: Question
    policy: ScalingPolicy
    plan: ArrivalPlan
    extent: Extent


def autoscaled_run(
    question: Question,
    policy: str,
    loads: Sequence[Load],
    *,
    trace: Trace | None,
    requests: int | None,
    duration_s: float | None,
    seed: int,
    runs: Path | None,
    command: str,
    notes: Sequence[str] = (),
) -> Run:
    """The run of an autoscaled fleet at each load.

    A rate follows the hours of a day (`traffic.days`) and lasts one unless `requests` or `duration_s` says
    otherwise; a trace is replayed as recorded. Without a price for the GPU there are no dollars.

    Args:
        question: one replica, the workload and the promises.
        policy: see `scaling.parse_policy`.
        loads: rates, or the replay of a trace or a profile.
        trace: recorded requests.
        requests: of a level.
        duration_s: of a level.
        seed: of arrivals and lengths.
        runs: folder that keeps the run.
        command: command line to record.
        notes: remarks.

    Raises:
        InputError: a closed loop, more than one replica, no promise, or a malformed policy.
    """
    _require(question, loads)
    start = _cold_start(question)
    rule = parse_policy(policy, estimate_s=start.time_s)
    whole = trace is not None
    if requests is None and duration_s is None and not whole:
        duration_s = DAY_S
    levels: list[Level] = []
    for load in (each if whole else _daily(each) for each in loads):
        plan = arrival_plan(
            load, question.workload, seed=seed, requests=requests, duration_s=duration_s, trace=trace
        )
        extent = Extent(requests=requests, duration_s=duration_s)
        levels.append(_level(_Asked(question, rule, plan, extent), start))
    most = max(each.elasticity.autoscaled.most_replicas for each in levels if each.elasticity)
    asked = question._replace(deployment=replace(question.deployment, replicas=most))
    return predicted_run(
        asked, "simulation", levels, None, seed=seed, runs=runs, command=command, notes=notes
    )


def _require(question: Question, loads: Sequence[Load]) -> None:
    if any(isinstance(load, Users) for load in loads):
        raise InputError("autoscale", expected="--rate, --traffic or --trace", found="users")
    if question.deployment.replicas > 1:
        raise InputError(
            "replicas", expected="none beside --autoscale, which names least and most", found="both"
        )
    if not question.slos:
        raise InputError(
            "slo", expected="promises whose minutes are counted, e.g. ttft_p95=2s", found="none"
        )


def _daily(load: Load) -> Load:
    """A rate, or a profile's, over the hours of a day; steady arrivals stay as they are."""
    if isinstance(load, Replay):
        load = Rate(per_s=find_profile(load.name).rate.per_s * load.time_scale)
    if isinstance(load, Rate) and load.process == "poisson":
        return replace(load, process="day")
    return load


def _cold_start(question: Question) -> ColdStart:
    """Of one replica from nothing: boot, image, weights from object storage, engine."""
    return cold_start(question.deployment, startup_rates(), weights_bytes=question.budget.weights_bytes)


def _level(asked: _Asked, start: ColdStart) -> Level:
    """One load: the autoscaled level with its bands, and the static fleets beside it."""
    whole, spans = _autoscaled(asked)
    elasticity = _elasticity(asked, whole.requests, spans, start)
    deployment = replace(
        asked.question.deployment, replicas=max(1, round(elasticity.autoscaled.mean_replicas))
    )
    errors = log_errors(deployment, asked.question.coefficients, asked.question.workload, whole)
    banded, _ = with_band(whole, errors, _scaled(asked, whole))
    kept = len(whole.requests) <= KEPT_ROWS
    unkept = () if kept else (f"rows of more than {KEPT_ROWS:,} requests are not kept",)
    return replace(
        banded,
        elasticity=elasticity,
        requests=whole.requests if kept else (),
        steps=whole.steps if kept else (),
        notes=(_note(elasticity), *unkept),
    )


def _scaled(asked: _Asked, whole: Level) -> Scaled:
    """The level with every step longer or shorter: of a long one the busiest hours alone.

    Played at both ends, in between the logarithm of each value is interpolated over that of the factor.
    """
    part = asked._replace(plan=_busiest(asked.plan))
    shortened = part.plan is not asked.plan
    if shortened:
        part = part._replace(extent=Extent())

    def scaled(_: Load, factors: Sequence[float]) -> Sequence[Level]:
        reference = _autoscaled(part)[0] if shortened else whole
        ends = {end: _autoscaled(part, end)[0] for end in {min(factors), max(factors)} - {1.0}}

        def one(factor: float) -> Level:
            end = max(factors) if factor > 1.0 else min(factors)
            if factor == 1.0:
                return reference
            return between(reference, ends[end], math.log(factor) / math.log(end))

        return [one(factor) for factor in factors]

    return scaled


def _busiest(plan: ArrivalPlan) -> ArrivalPlan:
    """The plan, or of a long one the hours with the most arrivals, moved to start at 0."""
    times = np.array([each.scheduled_s or 0.0 for each in plan.requests])
    if len(times) <= KEPT_ROWS or times[-1] <= BUSY_S:
        return plan
    inside = np.searchsorted(times, times + BUSY_S) - np.arange(len(times))
    first = int(np.argmax(inside))
    part = plan.requests[first : first + int(inside[first])]
    moved = tuple(replace(each, scheduled_s=(each.scheduled_s or 0.0) - times[first]) for each in part)
    return replace(plan, requests=moved)


def _pool(question: Question, factor: float = 1.0) -> Pool:
    """One replica, every step `factor` times as long."""
    deployment, coefficients = question.deployment, question.coefficients
    engine = deployment.engine
    if engine.max_model_len is None:
        engine = replace(engine, max_model_len=deployment.model.max_context_tokens)
    step = step_time(deployment, coefficients)
    return Pool(
        step_time=step if factor == 1.0 else SlowedStep(step, factor),
        engine=engine,
        kv_blocks=question.budget.kv_blocks,
        router=deployment.router,
        request_overhead_s=coefficients.request_overhead_s.value,
    )


def _autoscaled(asked: _Asked, factor: float = 1.0) -> tuple[Level, tuple[ReplicaSpan, ...]]:
    pool, extent = _pool(asked.question, factor), asked.extent
    found = play_autoscaled(
        asked.plan, pool, asked.policy, requests=extent.requests, duration_s=extent.duration_s
    )
    return summarise(asked.plan.load, found.played.requests, found.played.steps), found.spans


def _elasticity(
    asked: _Asked, requests: Sequence[RequestRecord], spans: tuple[ReplicaSpan, ...], start: ColdStart
) -> Elasticity:
    """What the autoscaled fleet lost and cost, beside static ones of its peak and of its mean."""
    question = asked.question
    gpus = question.deployment.parallelism.gpus
    duration_s = max(span.end_s for span in spans)
    offer = _offer(question.deployment.node.gpu.key, spans, gpus)
    most = max(number for _, number in paid_replicas(spans))
    mean = replica_seconds(spans) / duration_s
    played = {size: _static(asked, size) for size in {most, max(1, round(mean))}}

    def day(name: str, its: Sequence[ReplicaSpan], rows: Sequence[RequestRecord]) -> FleetDay:
        minutes = lost_minutes(rows, question.slos)
        return FleetDay(
            name=name,
            mean_replicas=replica_seconds(its) / duration_s,
            most_replicas=max(number for _, number in paid_replicas(its)),
            replica_s=replica_seconds(its),
            minutes=minutes.counted,
            lost_minutes=minutes.lost,
            paid_usd=timeline_usd(offer, its, gpus) if offer else None,
        )

    def static(name: str, replicas: int) -> FleetDay:
        its = [ReplicaSpan(replica=n, start_s=0.0, ready_s=0.0, end_s=duration_s) for n in range(replicas)]
        return day(name, its, played[replicas])

    starts = len(spans) - asked.policy.minimum
    spare_usd = _spare_usd_per_hour(offer, gpus)
    sizes = {"static at the peak": most, "static at the mean": max(1, round(mean))}
    return Elasticity(
        policy=asked.policy,
        duration_s=duration_s,
        spans=spans,
        autoscaled=day("autoscaled", spans, requests),
        static=tuple(static(name, size) for name, size in sizes.items()),
        offer=offer,
        cold_starts=starts,
        spare_usd_per_hour=spare_usd,
        spare_usd_per_avoided_s=None
        if spare_usd is None or not starts or not asked.policy.cold_start_s
        else spare_usd_per_avoided_s(
            replica_usd_per_hour=spare_usd,
            cold_start_s=asked.policy.cold_start_s,
            cold_starts_per_day=starts * DAY_S / duration_s,
        ),
        cold_start=_cold_start_words(asked.policy, start),
        traffic=_traffic_words(asked.plan.load),
    )


def _spare_usd_per_hour(offer: Offer | None, gpus: int) -> float | None:
    """One replica more, on its share of an instance."""
    return None if offer is None else offer.price_usd_per_hour * gpus / offer.gpus


def _static(asked: _Asked, replicas: int) -> Sequence[RequestRecord]:
    pool, extent = _pool(asked.question), asked.extent
    played = play(
        asked.plan,
        step_time=pool.step_time,
        engine=pool.engine,
        kv_blocks=pool.kv_blocks,
        request_overhead_s=pool.request_overhead_s,
        replicas=replicas,
        router=pool.router,
        requests=extent.requests,
        duration_s=extent.duration_s,
    )
    return played.requests


def _offer(gpu: str, spans: Sequence[ReplicaSpan], gpus: int) -> Offer | None:
    """The on-demand offer on which the timeline is cheapest; one without a date only where none has one."""
    priced = [
        (not offer.dated, usd, offer.title, offer)
        for offer in offers(gpus=[gpu], purchases=["on-demand"])
        if (usd := timeline_usd(offer, spans, gpus)) is not None
    ]
    return min(priced)[3] if priced else None


def _cold_start_words(policy: ScalingPolicy, start: ColdStart) -> str:
    if policy.cold_start_s != start.time_s:
        return f"cold start {format_seconds(policy.cold_start_s)}, as given"
    parts = ", ".join(f"{stage.name} {format_seconds(stage.time_s)}" for stage in start.stages)
    low, high = (format_seconds(each) for each in start.between_s)
    return f"cold start {format_seconds(start.time_s)} ({low} to {high}), estimated: {parts}"


def _traffic_words(load: Load) -> str:
    daily = isinstance(load, Rate) and load.process == "day"
    return days()["office-day"].source.strip() if daily else ""


def _note(found: Elasticity) -> str:
    """The fleets in one sentence."""
    fleets = "; ".join(_words(fleet) for fleet in (found.autoscaled, *found.static))
    dated = f" (price of {found.offer.observed})" if found.offer else ""
    return f"{policy_text(found.policy)}: {fleets}{dated}"


def _words(fleet: FleetDay) -> str:
    usd = f", ${fleet.paid_usd:,.2f}" if fleet.paid_usd is not None else ""
    return (
        f"{fleet.name} {fleet.mean_replicas:.2f} replicas on average, at most {fleet.most_replicas}, "
        f"{fleet.lost_minutes} of {fleet.minutes} minutes lost{usd}"
    )
