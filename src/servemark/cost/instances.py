"""Whole instances: replicas share one where its GPUs allow, and every instance is paid for whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from math import prod
from typing import Final

from servemark.domain.bill import Bill
from servemark.domain.offer import Offer
from servemark.errors import InputError

_EXACT_STATES: Final = 20_000
"""Mixes with more sub-mixes than this are packed first-fit decreasing."""


def instances_needed(replica_gpus: Sequence[int], instance_gpus: int) -> int | None:
    """The fewest instances that hold replicas of these sizes, each within one instance.

    Bin packing: exact for equal sizes and for small mixes; else first-fit decreasing, at most 11/9 of the
    fewest plus 6/9 (Dosa 2007).

    Returns:
        The number; None where one replica needs more GPUs than an instance has.

    Raises:
        InputError: a replica without a GPU.
    """
    if replica_gpus and min(replica_gpus) < 1:
        raise InputError("gpus_per_replica", expected="at least 1", found=min(replica_gpus))
    if not replica_gpus or max(replica_gpus) > instance_gpus:
        return None if replica_gpus else 0
    counts = Counter(replica_gpus)
    if len(counts) == 1:
        ((size, count),) = counts.items()
        return -(-count // (instance_gpus // size))
    few = _first_fit(replica_gpus, instance_gpus)
    if (
        few == -(-sum(replica_gpus) // instance_gpus)
        or prod(n + 1 for n in counts.values()) > _EXACT_STATES
    ):
        return few
    return _fewest(counts, instance_gpus)


def bill_of(offer: Offer, *, replicas: int, gpus_per_replica: int) -> Bill | None:
    """The bill of equal replicas on one offer; None where an instance cannot hold one."""
    return mixed_bill(offer, [gpus_per_replica] * replicas)


def mixed_bill(offer: Offer, replica_gpus: Sequence[int]) -> Bill | None:
    """The bill of replicas of several sizes (pools) on one offer; None where an instance cannot hold one."""
    if offer.gpu_share_ratio < 1:
        return None
    instances = instances_needed(replica_gpus, offer.gpus)
    if instances is None:
        return None
    return Bill(offer=offer, instances=instances, gpus_used=sum(replica_gpus))


def bills_of(offers: Iterable[Offer], *, replicas: int, gpus_per_replica: int) -> tuple[Bill, ...]:
    """The bill on each offer that can hold the replicas, cheapest first; those of undated prices last."""
    found = (bill_of(each, replicas=replicas, gpus_per_replica=gpus_per_replica) for each in offers)
    return tuple(sorted(filter(None, found), key=lambda each: (not each.offer.dated, each.usd_per_hour)))


def _first_fit(sizes: Sequence[int], room: int) -> int:
    free: list[int] = []
    for size in sorted(sizes, reverse=True):
        for i, left in enumerate(free):
            if left >= size:
                free[i] -= size
                break
        else:
            free.append(room - size)
    return len(free)


def _fewest(counts: Counter[int], room: int) -> int:
    """Exact, by the contents of the instance that holds one of the largest left."""
    sizes = sorted(counts, reverse=True)

    @cache
    def fewest(left: tuple[int, ...]) -> int:
        largest = next((i for i, n in enumerate(left) if n), None)
        if largest is None:
            return 0
        most = [min(n, room // size) for n, size in zip(left, sizes, strict=True)]
        choices = product(*(range(n + 1) for n in most))
        return 1 + min(
            fewest(tuple(n - taken for n, taken in zip(left, choice, strict=True)))
            for choice in choices
            if choice[largest] and _full(choice, left, sizes, room)
        )

    return fewest(tuple(counts[size] for size in sizes))


def _full(choice: Sequence[int], left: Sequence[int], sizes: Sequence[int], room: int) -> bool:
    """Within the room, and nothing that is left would still go in."""
    free = room - sum(n * size for n, size in zip(choice, sizes, strict=True))
    spare = (size for n, taken, size in zip(left, choice, sizes, strict=True) if n > taken)
    return 0 <= free < min(spare, default=room + 1)
