"""An engine whose every time is f times as long is the same engine on a slower clock.

At a rate r it does what the other one does at a rate f r, and takes f times as long over it; a closed loop
without pauses does the same at every f. So whatever can play a load can play it on slower hardware: play
a denser load, stretch the times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import log

from msgspec.structs import replace

from servemark.capacity.bands import RATES, Scaled
from servemark.domain.metrics import METRICS, STATISTICS
from servemark.domain.run import Distribution, Level
from servemark.domain.workload import Load, Rate, Replay, Users


def similar(probe: Callable[[Load], Level], known: Iterable[Level] = ()) -> Scaled:
    """Levels at any factor from plays at other loads.

    A load is played as it is and at the most extreme factors asked for; in between, the logarithm of each
    value is interpolated over the logarithm of the factor. A closed loop without pauses is played once.

    Args:
        probe: plays a load.
        known: levels that were played already, at factor 1.
    """
    played = {level.load: _without_rows(level) for level in known}

    def at(load: Load) -> Level:
        if load not in played:
            played[load] = _without_rows(probe(load))
        return played[load]

    def scaled(load: Load, factors: Sequence[float]) -> Sequence[Level]:
        whole = at(load)
        if denser(load, 2.0) == load:
            return [stretched(whole, factor) for factor in factors]
        fastest, slowest = min(1.0, *factors), max(1.0, *factors)

        def one(factor: float) -> Level:
            end = slowest if factor > 1.0 else fastest
            if end == 1.0:
                return whole
            return between(whole, stretched(at(denser(load, end)), end), log(factor) / log(end))

        return [one(factor) for factor in factors]

    return scaled


def denser(load: Load, factor: float) -> Load:
    """The load as it comes on a clock that runs `factor` times as slow."""
    match load:
        case Users(think_s=think_s):
            return replace(load, think_s=think_s / factor)
        case Rate(per_s=per_s):
            return replace(load, per_s=per_s * factor)
        case Replay(time_scale=time_scale):
            return replace(load, time_scale=time_scale * factor)


def stretched(level: Level, factor: float) -> Level:
    """The level with every time `factor` times as long."""
    metrics = {
        key: _each(found, lambda value: value * factor)
        for key, found in level.metrics.items()
        if METRICS[key].unit == "s"
    }
    rates = {key: None if (rate := getattr(level, key)) is None else rate / factor for key in RATES}
    return replace(level, metrics=level.metrics | metrics, **rates)


def between(whole: Level, end: Level, share: float) -> Level:
    """The level at a share of the way to an end, in logarithms."""

    def along(value: float | None, other: float | None) -> float | None:
        return value if not value or not other else value * (other / value) ** share

    metrics = {
        key: replace(
            found,
            **{name: along(getattr(found, name), getattr(end.metrics[key], name)) for name in STATISTICS},
        )
        for key, found in whole.metrics.items()
    }
    rates = {key: along(getattr(whole, key), getattr(end, key)) for key in RATES}
    return replace(whole, metrics=metrics, **rates)


def _each(found: Distribution, change: Callable[[float], float]) -> Distribution:
    values = {name: getattr(found, name) for name in STATISTICS}
    return replace(found, **{name: None if v is None else change(v) for name, v in values.items()})


def _without_rows(level: Level) -> Level:
    return replace(level, requests=(), steps=(), samples=())
