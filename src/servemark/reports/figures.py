"""Numbers of a column share one unit and one number of decimals, so that digits line up."""

from __future__ import annotations

import math
from collections.abc import Iterable

from servemark.domain.record import Record
from servemark.reports.page import ABSENT


class Scale(Record, frozen=True, kw_only=True):
    """How a column of numbers is written: value / `factor`, `decimals` places, `unit` in its head."""

    factor: float = 1.0
    unit: str = ""
    decimals: int = 0

    def write(self, value: float | None) -> str:
        """The number without its unit, thousands grouped."""
        if value is None or not math.isfinite(value):
            return ABSENT
        return f"{value / self.factor:,.{self.decimals}f}"


def seconds_scale(values: Iterable[float | None]) -> Scale:
    """Seconds, ms or µs: the largest reads without zeros, the smallest does not vanish."""
    known = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    largest, smallest = max(known, default=1.0), min(known, default=1.0)
    factor, unit = next(
        (f, u)
        for least, vanishing, f, u in (
            (10.0, 0.2, 1.0, "s"),
            (1e-3, 0.0, 1e-3, "ms"),
            (0.0, 0.0, 1e-6, "µs"),
        )
        if largest >= least and smallest >= vanishing
    )
    return Scale(factor=factor, unit=unit, decimals=_decimals(known, factor))


def plain_scale(values: Iterable[float | None]) -> Scale:
    """Numbers in their own unit, with decimals only where the smallest needs them."""
    known = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    return Scale(decimals=_decimals(known, 1.0))


def _decimals(known: list[float], factor: float) -> int:
    """Enough for three digits of the smallest number, at most two; none beside four-digit ones."""
    if not known:
        return 0
    smallest, largest = min(known) / factor, max(known) / factor
    wanted = max(0, 2 - math.floor(math.log10(smallest)))
    return min(wanted, 2, max(0, 3 - math.floor(math.log10(largest))))
