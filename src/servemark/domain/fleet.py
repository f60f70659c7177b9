"""Fleets: one or several pools of replicas that share the traffic.

Each pool is a `Deployment`, whose `replicas` are the size of the pool.
"""

from __future__ import annotations

from servemark.domain.deployment import Deployment
from servemark.domain.record import Record


class SinglePool(Record, tag="single", frozen=True, kw_only=True):
    """Equal replicas behind one router."""

    deployment: Deployment


class SplitPools(Record, tag="split", frozen=True, kw_only=True):
    """Two pools: prompts of at most `threshold_tokens` go to `short`, the others to `long`."""

    short: Deployment
    long: Deployment
    threshold_tokens: int


class DisaggregatedPools(Record, tag="disaggregated", frozen=True, kw_only=True):
    """Prefill replicas compute the prompt and the first token; the KV cache moves to a decode replica, which
    generates the rest.
    """

    prefill: Deployment
    decode: Deployment
    transfer_bytes_per_s: float
    """Of one request's transfer, one way."""
    transfer_latency_s: float = 0.0
    """Before its first byte."""


class MixedPools(Record, tag="mixed", frozen=True, kw_only=True):
    """Pools of different GPUs behind one router, which sends a request where the fewest are in flight for
    the pool's weight (`simulation.fleets`).
    """

    deployments: tuple[Deployment, ...]
    weights: tuple[float, ...] = ()
    """Share of the load per replica of each pool; empty = equal."""


Fleet = SinglePool | SplitPools | DisaggregatedPools | MixedPools


def fleet_deployments(fleet: Fleet) -> tuple[Deployment, ...]:
    """The deployments of a fleet, in the order of its fields."""
    match fleet:
        case SinglePool(deployment=deployment):
            return (deployment,)
        case SplitPools(short=short, long=long):
            return short, long
        case DisaggregatedPools(prefill=prefill, decode=decode):
            return prefill, decode
        case MixedPools(deployments=deployments):
            return deployments


def fleet_gpus(fleet: Fleet) -> int:
    """GPUs of all pools."""
    return sum(deployment.gpus for deployment in fleet_deployments(fleet))
