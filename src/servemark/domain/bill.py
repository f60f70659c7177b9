"""What a deployment costs: whole instances of one offer, by the hour."""

from __future__ import annotations

from typing import Final

from servemark.domain.offer import Offer
from servemark.domain.record import Record

MONTH_HOURS: Final = 730.0
"""Hours of a month: 8,760 / 12, as cloud providers reckon."""


class Bill(Record, frozen=True, kw_only=True):
    """So many instances of one offer, and how many of their GPUs work."""

    offer: Offer
    instances: int
    gpus_used: int
    """GPUs that the replicas need; the instances may hold more, which are paid for as well."""

    @property
    def gpus_paid(self) -> int:
        """GPUs of all instances."""
        return self.instances * self.offer.gpus

    @property
    def usd_per_hour(self) -> float:
        """All instances."""
        return self.instances * self.offer.price_usd_per_hour

    @property
    def usd_per_month(self) -> float:
        """Running all the time, 730 hours."""
        return self.usd_per_hour * MONTH_HOURS


class Spread(Record, frozen=True, kw_only=True):
    """A number of dollars (`point_usd`) with its range: over offers, over the error of a prediction, or over both."""

    low_usd: float
    point_usd: float
    high_usd: float
