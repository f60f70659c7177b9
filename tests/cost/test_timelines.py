import pytest

from servemark.cost.timelines import paid_replicas, timeline_usd
from servemark.domain.elasticity import ReplicaSpan
from servemark.domain.offer import Offer


def span(number, start_s, end_s):
    return ReplicaSpan(replica=number, start_s=start_s, ready_s=start_s, end_s=end_s)


def offer(gpus, price):
    return Offer(
        provider="p",
        instance="i",
        gpu="l40s",
        gpus=gpus,
        price_usd_per_hour=price,
        observed="2026-11",
        source="s",
    )


SPANS = [span(0, 0.0, 7200.0), span(1, 1800.0, 3600.0), span(2, 1800.0, 5400.0)]


def test_how_many_are_paid_for():
    assert paid_replicas(SPANS) == [(0.0, 1), (1800.0, 3), (3600.0, 2), (5400.0, 1), (7200.0, 0)]
    assert paid_replicas([]) == []


def test_dollars_by_hand():
    # replica-hours: 2 + 0.5 + 1 = 3.5 at $2
    assert timeline_usd(offer(1, 2.0), SPANS, 1) == pytest.approx(7.0)
    # two replicas of 4 GPUs on one instance of 8: 1, 2, 1, 1 instances for half an hour each
    assert timeline_usd(offer(8, 16.0), SPANS, 4) == pytest.approx(16.0 * 2.5)
    assert timeline_usd(offer(2, 4.0), SPANS, 4) is None
