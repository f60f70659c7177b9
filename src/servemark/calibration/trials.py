"""Calibration and validation loads measured in one run, in the order A B B A.

What drifts during the run (a machine that warms up, a neighbour that wakes) then weighs on both alike, and the
difference between the first and the second measurement of one load says how noisy the machine is.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from servemark.calibration.load_points import LoadPoint
from servemark.domain.record import Record
from servemark.domain.workload import Users


class Trial(Record, frozen=True, kw_only=True):
    """Loads to fit on, and loads to be predicted."""

    calibration: tuple[Users, ...]
    validation: tuple[Users, ...]

    @property
    def order(self) -> tuple[Users, ...]:
        """A B B A: each load twice, the second time in reverse."""
        there = (*self.calibration, *self.validation)
        return there + there[::-1]


def with_roles(points: Sequence[LoadPoint], trial: Trial) -> tuple[LoadPoint, ...]:
    """The points, those of validation loads marked."""
    return tuple(
        replace(point, role="validation") if point.load in trial.validation else point for point in points
    )
