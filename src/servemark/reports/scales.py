"""Axes: from values to a domain, ticks and pixels.

The domain is fixed here rather than left to Vega, because labels are placed in pixels before the
chart is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from servemark.domain.record import Record

TICK_PX = 34.0
LABEL_PX = 6.5
"""Width of one character of a tick's label."""
LOG_FROM = 30.0
"""Values that span more than this factor go on a logarithmic axis."""


class Axis(Record, frozen=True, kw_only=True):
    """One axis: kind, domain, ticks, and its length in pixels."""

    title: str
    kind: Literal["linear", "log"]
    low: float
    high: float
    ticks: tuple[float, ...]
    length_px: float

    def at(self, value: float) -> float:
        """Pixels from the low end."""
        if self.kind == "log":
            return self.length_px * math.log(value / self.low) / math.log(self.high / self.low)
        return self.length_px * (value - self.low) / (self.high - self.low)

    def scale(self) -> dict[str, Any]:
        """As Vega-Lite's `scale`."""
        scale: dict[str, Any] = {"type": self.kind, "domain": [self.low, self.high], "nice": False}
        return scale if self.kind == "log" else {**scale, "zero": False}

    def axis(self, **more: Any) -> dict[str, Any]:
        """As Vega-Lite's `axis`."""
        return {"title": self.title, "values": list(self.ticks), "format": ",.6~r", **more}


def value_axis(values: Iterable[float], *, title: str, length_px: float, lies: bool = False) -> Axis:
    """An axis of measured quantities: linear from zero, or logarithmic where they span decades.

    `lies`: horizontal, with labels side by side, which need room for their width.
    """
    known = [v for v in values if v > 0]
    low, high = min(known, default=1.0), max(known, default=1.0)
    label_px = 12 + LABEL_PX * len(f"{high:,.0f}") if lies else 0.0
    if high > LOG_FROM * low:
        low, high = low / 1.25, high * 1.25
        ticks = _decade_ticks(low, high, most=max(3, round(length_px / max(25.0, label_px))))
        return Axis(title=title, kind="log", low=low, high=high, ticks=ticks, length_px=length_px)
    step = _round_step(high * 1.04 / max(3, round(length_px / max(TICK_PX, label_px))))
    count = math.ceil(high * 1.04 / step)
    ticks = tuple(float(f"{i * step:.6g}") for i in range(count + 1))
    return Axis(title=title, kind="linear", low=0.0, high=ticks[-1], ticks=ticks, length_px=length_px)


def load_scale(values: Sequence[float], *, title: str, length_px: float) -> Axis:
    """The load axis: a tick at every tested load that has room, logarithmic from a span of 8 on."""
    low, high = min(values), max(values)
    if high >= 8 * low > 0:
        pad = (high / low) ** 0.04
        axis = Axis(title=title, kind="log", low=low / pad, high=high * pad, ticks=(), length_px=length_px)
    else:
        pad = 0.06 * (high - low) or 0.5 * high or 1.0
        axis = Axis(
            title=title, kind="linear", low=low - pad, high=high + pad, ticks=(), length_px=length_px
        )
    ticks: list[float] = []
    for value in sorted(set(values)):
        room = 8 + 6.2 * len(f"{value:g}")
        if not ticks or axis.at(value) - axis.at(ticks[-1]) >= room:
            ticks.append(value)
    return Axis(
        title=title, kind=axis.kind, low=axis.low, high=axis.high, ticks=tuple(ticks), length_px=length_px
    )


def _round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 x 10^k at or above."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)


def _decade_ticks(low: float, high: float, *, most: int) -> tuple[float, ...]:
    """1-2-5 steps while they are few, else 1-3, else whole decades, or every few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**k for k in range(first, last + 1) for m in steps if low <= m * 10.0**k <= high]
        if len(ticks) <= most:
            break
    return tuple(float(f"{t:.6g}") for t in ticks[:: math.ceil(len(ticks) / most)])
