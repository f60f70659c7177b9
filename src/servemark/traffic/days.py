"""A day of traffic: a Poisson process whose rate follows the hours, with spikes. In `data/days.toml`."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from servemark.domain.record import Record
from servemark.units import parse

DAY_S: Final = 86_400.0
_DRAW: Final = 4096
_GRID_S: Final = 10.0


class Spike(Record, frozen=True, kw_only=True):
    """A stretch in which the rate is multiplied."""

    at_s: float
    lasts_s: float
    factor: float


class Day(Record, frozen=True, kw_only=True):
    """The shape of a day; it repeats."""

    name: str
    peak_to_valley: float
    """Rate of the busiest over that of the quietest moment, spikes apart."""
    busiest_s: float
    """Time of day of the busiest moment."""
    spikes: tuple[Spike, ...] = ()
    source: str
    date: str


def shape(day: Day, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rate at these times, in units of the day's mean."""
    return _raw(day, at_s) / _mean(day)


def day_times(
    day: Day,
    per_s: float,
    rng: np.random.Generator,
    *,
    requests: int | None = None,
    duration_s: float | None = None,
) -> NDArray[np.float64]:
    """Arrival times of a Poisson process with the day's rate, whose mean over a whole day is `per_s`.

    By thinning: arrivals at the day's highest rate, each kept with the chance of its moment's rate over
    that (P. A. W. Lewis and G. S. Shedler, 1979). It starts at midnight.
    """
    most = float(np.max(shape(day, _grid())))
    end_s = math.inf if duration_s is None else duration_s
    chunks: list[NDArray[np.float64]] = [np.empty(0)]
    kept, last_s = 0, 0.0
    while last_s < end_s and (requests is None or kept < requests):
        times = last_s + np.cumsum(rng.standard_exponential(_DRAW)) / (per_s * most)
        last_s = float(times[-1])
        times = times[rng.random(_DRAW) * most < shape(day, times)]
        chunks.append(times)
        kept += len(times)
    times = np.concatenate(chunks)[:requests]
    return times[times < end_s]


@cache
def days() -> dict[str, Day]:
    """The shipped days by name."""
    text = files("servemark.traffic").joinpath("data/days.toml").read_text(encoding="utf-8")
    return {table["name"]: _day(table) for table in tomllib.loads(text)["day"]}


def _day(table: dict[str, Any]) -> Day:
    return Day(
        name=table["name"],
        peak_to_valley=table["peak_to_valley"],
        busiest_s=parse(table["busiest"], "s", path="busiest"),
        spikes=tuple(
            Spike(
                at_s=parse(each["at"], "s", path="spike.at"),
                lasts_s=parse(each["lasts"], "s", path="spike.lasts"),
                factor=each["factor"],
            )
            for each in table["spike"]
        ),
        source=table["source"],
        date=table["date"],
    )


def _raw(day: Day, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 1 apart from the spikes: `1 + a cos`, with (1 + a) / (1 - a) the peak over the valley."""
    swing = (day.peak_to_valley - 1) / (day.peak_to_valley + 1)
    rate = 1 + swing * np.cos(2 * np.pi * (at_s - day.busiest_s) / DAY_S)
    time_of_day = at_s % DAY_S
    for spike in day.spikes:
        inside = (time_of_day >= spike.at_s) & (time_of_day < spike.at_s + spike.lasts_s)
        rate = np.where(inside, rate * spike.factor, rate)
    return rate


@cache
def _mean(day: Day) -> float:
    return float(np.mean(_raw(day, _grid())))


def _grid() -> NDArray[np.float64]:
    """Middles of equal pieces of the day; spikes begin and end between pieces."""
    return np.arange(_GRID_S / 2, DAY_S, _GRID_S)
