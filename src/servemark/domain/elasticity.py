"""Replicas that come and go with the load: the policy, what it did, and what it saved or lost."""

from __future__ import annotations

from typing import Literal

from servemark.domain.offer import Offer
from servemark.domain.record import Record


class ScalingPolicy(Record, frozen=True, kw_only=True):
    """When replicas are added and taken away: the rule of Kubernetes' horizontal pod autoscaler.

    Every `interval_s` it wants `ceil(signal over all replicas / threshold)` replicas, within the bounds,
    unless that is within a tenth of what there is; it scales down to the most it wanted in the last `idle_s`.
    Source: Kubernetes documentation, "Horizontal Pod Autoscaling" (interval 15 s, tolerance 0.1,
    stabilisation window 300 s), read 2026-11-20.
    """

    signal: Literal["queue", "load"]
    """queue: requests that wait to be admitted. load: requests in flight, running or waiting."""
    threshold: float
    """Of the signal, per replica. Of a load below 1, the share of `max_num_seqs`."""
    minimum: int
    maximum: int
    cold_start_s: float
    """From wanting a replica to its first request."""
    idle_s: float = 300.0
    interval_s: float = 15.0


class ReplicaSpan(Record, frozen=True, kw_only=True):
    """The life of one replica, in seconds of the level. It is paid for from start to end."""

    replica: int
    start_s: float
    ready_s: float
    """When it takes its first requests."""
    drain_s: float | None = None
    """From when it gets no more requests; None = never."""
    end_s: float


class FleetDay(Record, frozen=True, kw_only=True):
    """A fleet over the whole of a level."""

    name: str
    """`autoscaled`, `static at the peak`, `static at the mean`."""
    mean_replicas: float
    """That are paid for."""
    most_replicas: int
    replica_s: float
    """Seconds that replicas are paid for, of all together."""
    minutes: int
    """Minutes in which requests were sent."""
    lost_minutes: int
    """Of these, minutes whose requests broke a promise."""
    paid_usd: float | None = None
    """Whole instances of the offer; None = no offer."""


class Elasticity(Record, frozen=True, kw_only=True):
    """An autoscaled fleet against static ones of the same traffic."""

    policy: ScalingPolicy
    duration_s: float
    spans: tuple[ReplicaSpan, ...]
    autoscaled: FleetDay
    static: tuple[FleetDay, ...]
    """Of the size of the autoscaled fleet's peak, and of its mean, rounded."""
    offer: Offer | None = None
    """What a replica runs on, whose price dates and source the dollars carry."""
    cold_starts: int = 0
    """Replicas that were started, those at the beginning apart."""
    spare_usd_per_hour: float | None = None
    """One warm replica more."""
    spare_usd_per_avoided_s: float | None = None
    """What it costs all day over the seconds of cold start that it saves in a day like this; None without any."""
    cold_start: str = ""
    """Where the cold start comes from."""
    traffic: str = ""
    """Of a made-up day: its shape."""
