"""Dollars of replicas that come and go: at every moment as few instances as hold those that are paid for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from servemark.cost.instances import bill_of
from servemark.domain.elasticity import ReplicaSpan
from servemark.domain.offer import Offer
from servemark.units import HOUR_S


def paid_replicas(spans: Iterable[ReplicaSpan]) -> list[tuple[float, int]]:
    """How many replicas are paid for, from each moment on: rising (seconds, number), the last one 0."""
    changes: dict[float, int] = {}
    for span in spans:
        changes[span.start_s] = changes.get(span.start_s, 0) + 1
        changes[span.end_s] = changes.get(span.end_s, 0) - 1
    paid, steps = 0, []
    for at_s in sorted(changes):
        paid += changes[at_s]
        steps.append((at_s, paid))
    return steps


def timeline_usd(offer: Offer, spans: Sequence[ReplicaSpan], gpus_per_replica: int) -> float | None:
    """Dollars of replicas on whole instances by the second; None where an instance cannot hold one.

    Replicas are taken to move together when that saves an instance; a provider that bills by the hour, or for
    a stopped disk, costs more.
    """
    steps = paid_replicas(spans)
    total = 0.0
    for (from_s, replicas), (until_s, _) in pairwise(steps):
        bill = bill_of(offer, replicas=replicas, gpus_per_replica=gpus_per_replica)
        if bill is None:
            return None
        total += bill.usd_per_hour * (until_s - from_s) / HOUR_S
    return total
