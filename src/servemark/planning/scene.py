"""What the finalists of a plan are described with."""

from __future__ import annotations

from typing import NamedTuple

from servemark.domain.plans import Requirements
from servemark.domain.workload import Load, Rate, Users, Workload, load_value
from servemark.planning.loads import scaled
from servemark.planning.prospects import Stock
from servemark.planning.sieve import Forms


class Scene(NamedTuple):
    """The question, in the closed form's terms too."""

    forms: Forms
    asked: Requirements
    load: Users | Rate
    """In the closed form."""
    workload: Workload
    """In the closed form: of a trace its quantiles."""
    stock: Stock

    @property
    def demand(self) -> float:
        """The load that has to be held, headroom included, on the axis of the closed form."""
        return load_value(self.load) * (1 + self.asked.headroom_ratio)

    @property
    def peak(self) -> Load:
        """The load that has to be held, headroom included, as it is played."""
        return scaled(self.asked.load, 1 + self.asked.headroom_ratio)
