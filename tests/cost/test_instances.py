"""Bin packing, against the definition."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.cost.instances import bill_of, bills_of, instances_needed, mixed_bill
from servemark.domain.offer import Offer
from servemark.errors import InputError


def offer(gpus=8, price=8.0, **changes):
    usual = {
        "provider": "p",
        "instance": f"{gpus}x",
        "gpu": "l40s",
        "gpus": gpus,
        "price_usd_per_hour": price,
    }
    return Offer(**{**usual, "observed": "2026-11-09", "source": "s", **changes})


@pytest.mark.parametrize(
    ("replicas", "room", "instances"),
    [
        ([2] * 4, 8, 1),  # four replicas of two GPUs on one instance of eight
        ([2] * 5, 8, 2),
        ([3] * 4, 8, 2),  # two fit: the eighth GPU stays idle
        ([8], 8, 1),
        ([1] * 17, 16, 2),
        ([5, 5, 3, 3], 8, 2),
        ([4, 3, 3, 2, 2, 2], 8, 2),  # first-fit decreasing takes three
        ([], 8, 0),
        ([16], 8, None),
        ([1, 9], 8, None),
    ],
)
def test_by_hand(replicas, room, instances):
    assert instances_needed(replicas, room) == instances


def fewest(sizes, room):
    """By trying every assignment."""
    for bins in range(1, len(sizes) + 1):
        for assignment in product(range(bins), repeat=len(sizes)):
            loads = [0] * bins
            for size, place in zip(sizes, assignment, strict=True):
                loads[place] += size
            if max(loads) <= room:
                return bins
    return 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 8), max_size=6), st.integers(8, 10))
def test_never_one_more_than_needed(sizes, room):
    assert instances_needed(sizes, room) == fewest(sizes, room)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=200))
def test_between_what_the_gpus_come_to_and_two_halves_each(sizes):
    # large ones have an instance each, and two small ones always share one
    small = sum(size <= 4 for size in sizes)
    assert -(-sum(sizes) // 8) <= instances_needed(sizes, 8) <= len(sizes) - small // 2


def test_a_replica_without_a_gpu_is_refused():
    with pytest.raises(InputError, match="gpus_per_replica"):
        instances_needed([0], 8)


def test_bills():
    bill = bill_of(offer(price=10.49264, gpus=4), replicas=6, gpus_per_replica=2)
    assert (bill.instances, bill.gpus_used, bill.gpus_paid) == (3, 12, 12)
    assert bill.usd_per_hour == pytest.approx(31.47792)
    assert bill.usd_per_month == pytest.approx(22_978.88, abs=0.01)
    assert bill_of(offer(gpus=1), replicas=1, gpus_per_replica=2) is None
    assert bill_of(offer(gpus=1, gpu_share_ratio=0.5), replicas=1, gpus_per_replica=1) is None
    assert mixed_bill(offer(), [4, 2, 2]).instances == 1


def test_a_price_without_a_date_never_wins_against_one_with():
    dated = offer(price=9.0)
    undated = offer(price=1.0, observed="undated >=2025-07")
    small = offer(gpus=1, price=0.5)
    bills = bills_of([undated, dated, small], replicas=2, gpus_per_replica=4)
    assert [bill.offer for bill in bills] == [dated, undated]
    # alone it does, marked
    (alone,) = bills_of([undated], replicas=2, gpus_per_replica=4)
    assert not alone.offer.dated
