"""Survivors of the sieve, played request by request: tail percentiles come from here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.fleet import DisaggregatedPools, Fleet
from servemark.domain.memory import MemoryBudget
from servemark.domain.run import Level
from servemark.domain.workload import ArrivalPlan, Load, Rate, Replay, Slo, Users, Workload
from servemark.physics.speculation import step_time
from servemark.planning.loads import scaled, steady_load
from servemark.simulation.fleets import Pool, play_fleet
from servemark.simulation.journal import Played
from servemark.simulation.replicas import play
from servemark.stats.summary import summarise
from servemark.stats.verdicts import judge
from servemark.traffic.arrivals import arrival_plan
from servemark.traffic.traces import Trace

REQUESTS: Final = 1000
"""Of a level, as `simulate` plays by default; more where there are many users."""
REQUESTS_PER_USER: Final = 4
LEVEL_S: Final = 60.0
"""A rate is played for at least so long: a queue that grows by 5 % of the time is then 3 s long."""
PLAYED_REQUESTS: Final = 3000
"""Of a large deployment so many replicas are played, with their share of the load, as need no more."""


class Trial(NamedTuple):
    """What is played on every survivor."""

    workload: Workload
    slos: tuple[Slo, ...]
    seed: int
    trace: Trace | None = None


class Member(NamedTuple):
    """Equal replicas, ready to be played."""

    deployment: Deployment
    """Its `replicas` are the size of the pool."""
    coefficients: Coefficients
    budget: MemoryBudget


def level_of(trial: Trial, member: Member, load: Load) -> Level:
    """The judged level of a deployment, without its raw rows: what `simulate` gives for the same options.

    Replicas do not know of each other. Of many, some are played with their share of the users or of the rate,
    and throughput is that of all.
    """
    replicas = member.deployment.replicas
    count = replicas_played(load, replicas)
    share = load if count == replicas else scaled(load, count / replicas)
    pool = _pool(member)
    plan, requests, warmup = _arrivals(trial, share)
    played = play(
        plan,
        step_time=pool.step_time,
        engine=pool.engine,
        kv_blocks=pool.kv_blocks,
        request_overhead_s=pool.request_overhead_s,
        replicas=count,
        router=pool.router,
        requests=requests,
        warmup=warmup,
    )
    level = summarise(share, played.requests, played.steps)
    if count < replicas:
        level = _as_many(level, replicas / count, f"{count} of {replicas} replicas were played")
    return replace(judge(level, trial.slos), load=load, requests=(), steps=())


def replicas_played(load: Load, replicas: int) -> int:
    """As many as `PLAYED_REQUESTS` are enough for, at least one; of a replay all, whose bursts do not split."""
    match load:
        case Users(users=users):
            requests = REQUESTS_PER_USER * math.ceil(users / replicas)
        case Rate(per_s=per_s):
            requests = LEVEL_S * per_s / replicas
        case Replay():
            return replicas
    return min(replicas, max(1, int(PLAYED_REQUESTS / max(requests, 1))))


def _as_many(level: Level, times: float, note: str) -> Level:
    """The level with the throughput of so many times the replicas."""
    tokens, requests = level.output_tokens_per_s, level.requests_per_s
    return replace(
        level,
        output_tokens_per_s=None if tokens is None else tokens * times,
        requests_per_s=None if requests is None else requests * times,
        notes=(*level.notes, note),
    )


def fleet_level(
    trial: Trial, fleet: Fleet, members: Sequence[Member], load: Load
) -> tuple[Level, list[Level]]:
    """The judged level of several pools, and that of each pool's own requests (disaggregated: none)."""
    pools = [_pool(each) for each in members]
    plan, requests, warmup = _arrivals(trial, load)
    played = play_fleet(plan, fleet, pools, requests=requests, warmup=warmup)
    shares: list[Level] = []
    if not isinstance(fleet, DisaggregatedPools):
        first = 0
        for pool in pools:
            own = range(first, first + pool.replicas)
            first += pool.replicas
            rows = [each for each in played.requests if each.replica in own]
            steps = [each for each in played.steps if each.replica in own]
            shares.append(_level(trial, load, Played(tuple(rows), tuple(steps))))
    return _level(trial, load, played), shares


def _arrivals(trial: Trial, load: Load) -> tuple[ArrivalPlan, int | None, int]:
    requests, warmup = extent(load, trial.trace)
    plan = arrival_plan(
        load,
        trial.workload,
        seed=trial.seed,
        requests=None if requests is None else requests + warmup,
        trace=trial.trace,
    )
    return plan, requests, warmup


def _level(trial: Trial, load: Load, played: Played) -> Level:
    level = judge(summarise(load, played.requests, played.steps), trial.slos)
    return replace(level, requests=(), steps=())


def _pool(member: Member) -> Pool:
    deployment, coefficients, budget = member
    engine = deployment.engine
    if engine.max_model_len is None:
        # what an engine does by itself: it refuses a request longer than the model's context
        engine = replace(engine, max_model_len=deployment.model.max_context_tokens)
    return Pool(
        step_time=step_time(deployment, coefficients),
        engine=engine,
        kv_blocks=budget.kv_blocks,
        replicas=deployment.replicas,
        router=deployment.router,
        request_overhead_s=coefficients.request_overhead_s.value,
        kv_bytes_per_token=budget.kv_bytes_per_token * deployment.parallelism.gpus,
    )


def extent(load: Load, trace: Trace | None) -> tuple[int | None, int]:
    """Requests that count and those before them; None = all of the trace."""
    match load:
        case Users(users=users):
            return max(REQUESTS, REQUESTS_PER_USER * users), users
        case Replay() if trace is not None:
            return None, 0
        case _:
            steady = steady_load(load, None)
            assert isinstance(steady, Rate)
            count = max(REQUESTS, round(steady.per_s * LEVEL_S))
            return count, count // 10
