"""A level of load on a fleet: one pool, pools split by prompt length, prefill and decode apart, or mixed GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from servemark.domain.deployment import EngineConfig
from servemark.domain.fleet import DisaggregatedPools, Fleet, MixedPools, SinglePool, SplitPools
from servemark.domain.step import StepTime
from servemark.domain.workload import ArrivalPlan
from servemark.errors import InputError
from servemark.simulation.arrivals import Arrivals, arrivals_of, bounds_of, picoseconds
from servemark.simulation.disaggregation import Disaggregated, Handovers
from servemark.simulation.engine import Replica
from servemark.simulation.journal import Journal, Played
from servemark.simulation.replicas import RoutedReplicas
from servemark.simulation.routing import ByLength, Route, Router, Weighted, route_of


class Pool(NamedTuple):
    """Equal replicas of a fleet, ready to be played."""

    step_time: StepTime
    engine: EngineConfig
    kv_blocks: int
    """Of each replica."""
    replicas: int = 1
    router: Router = "least-loaded"
    """Within the pool."""
    request_overhead_s: float = 0.0
    """Time from sending to arriving at the engine; of the fleet's pools the longest counts."""
    kv_bytes_per_token: float = 0.0
    """On all GPUs of a replica: what a transfer moves."""


def play_fleet(
    plan: ArrivalPlan,
    fleet: Fleet,
    pools: Sequence[Pool],
    *,
    requests: int | None = None,
    duration_s: float | None = None,
    warmup: int = 0,
) -> Played:
    """Play an arrival plan on a fleet, until every request has ended.

    A single pool is `replicas.play`. Split pools: each request to the pool of its prompt length, and there
    by the pool's router. Mixed pools: to the replica that would have the fewest requests in flight for its
    weight, over all pools. Disaggregated: see `disaggregation`. Replicas are numbered through, pool by pool;
    a disaggregated request carries the number of its decode replica.

    Args:
        plan: the requests and the load.
        fleet: how the pools share it; its deployments are not looked at.
        pools: one per deployment of the fleet, in the order of `fleet_deployments`.
        requests: as in `replicas.play`.
        duration_s: as there.
        warmup: as there.

    Raises:
        InputError: an empty plan, another number of pools than the fleet has, a pool without replicas, a
            weight or a bandwidth that is not above 0, an impossible engine setting.
    """
    _require(plan, fleet, pools)
    bounds = bounds_of(plan, requests, duration_s, warmup)
    overhead_s = max(pool.request_overhead_s for pool in pools)
    arrivals = arrivals_of(plan, picoseconds(overhead_s), bounds)
    journal = Journal()
    if isinstance(fleet, DisaggregatedPools):
        _disaggregated(fleet, pools, arrivals, journal).run()
        return journal.played()
    groups = _replicas(pools, arrivals, journal)
    everyone = [replica for group in groups for replica in group]
    RoutedReplicas(arrivals, everyone, journal, _route(fleet, pools, groups)).run()
    return journal.played()


def _route(
    fleet: SinglePool | SplitPools | MixedPools, pools: Sequence[Pool], groups: Sequence[list[Replica]]
) -> Route:
    routes = [route_of(pool.router, group) for pool, group in zip(pools, groups, strict=True)]
    match fleet:
        case SinglePool():
            return routes[0]
        case SplitPools(threshold_tokens=threshold_tokens):
            return ByLength(routes[0], routes[1], threshold_tokens)
        case MixedPools(weights=weights):
            per_pool = weights or (1.0,) * len(pools)
            each = [w for w, group in zip(per_pool, groups, strict=True) for _ in group]
            return Weighted([replica for group in groups for replica in group], each)


def _replicas(pools: Sequence[Pool], arrivals: Arrivals, journal: Journal) -> list[list[Replica]]:
    """The replicas of each pool, numbered through."""
    groups: list[list[Replica]] = []
    first = 0
    for pool in pools:
        numbers = range(first, first + pool.replicas)
        groups.append([_replica(n, pool, journal, arrivals) for n in numbers])
        first += pool.replicas
    return groups


def _replica(number: int, pool: Pool, journal: Journal, arrivals: Arrivals) -> Replica:
    return Replica(number, pool.step_time, pool.engine, pool.kv_blocks, journal, arrivals.ended)


def _disaggregated(
    fleet: DisaggregatedPools, pools: Sequence[Pool], arrivals: Arrivals, journal: Journal
) -> Disaggregated:
    prefill, decode = pools
    handovers = Handovers(
        journal,
        arrivals,
        token_ps=picoseconds(prefill.kv_bytes_per_token / fleet.transfer_bytes_per_s),
        latency_ps=picoseconds(fleet.transfer_latency_s),
    )
    prefills = [
        Replica(n, prefill.step_time, prefill.engine, prefill.kv_blocks, handovers, handovers.ignored)
        for n in range(prefill.replicas)
    ]
    decodes = [_replica(prefill.replicas + n, decode, journal, arrivals) for n in range(decode.replicas)]
    return Disaggregated(
        arrivals,
        handovers,
        prefills,
        decodes,
        route_of(prefill.router, prefills),
        route_of(decode.router, decodes),
    )


def _require(plan: ArrivalPlan, fleet: Fleet, pools: Sequence[Pool]) -> None:
    if not plan.requests:
        raise InputError("requests", expected="at least one planned request", found="none")
    if not pools:
        raise InputError("pools", expected="at least one pool", found="none")
    match fleet:
        case SinglePool():
            count = 1
        case SplitPools() | DisaggregatedPools():
            count = 2
        case MixedPools(deployments=deployments):
            count = len(deployments)
    if len(pools) != count:
        raise InputError("pools", expected=f"{count}, one per deployment of the fleet", found=len(pools))
    for number, pool in enumerate(pools):
        if pool.replicas < 1:
            raise InputError(f"pools[{number}].replicas", expected="at least 1", found=pool.replicas)
    if isinstance(fleet, MixedPools):
        if fleet.weights and len(fleet.weights) != count:
            raise InputError("weights", expected=f"{count}, one per pool", found=len(fleet.weights))
        if any(not weight > 0 for weight in fleet.weights):
            raise InputError("weights", expected="numbers above 0", found=min(fleet.weights))
    if isinstance(fleet, DisaggregatedPools):
        if not fleet.transfer_bytes_per_s > 0:
            raise InputError("transfer_bytes_per_s", expected="above 0", found=fleet.transfer_bytes_per_s)
        if any(pool.engine.policy == "slots" for pool in pools):
            raise InputError(
                "engine", expected="an engine that can hand over a KV cache", found=pools[0].engine.name
            )
