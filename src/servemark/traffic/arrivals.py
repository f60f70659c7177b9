"""The arrival plan: one list of timed requests from a load, a workload and a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from servemark.domain.lengths import knots_mean, require_knots, require_length
from servemark.domain.workload import (
    ArrivalPlan,
    Load,
    PlannedRequest,
    Rate,
    Replay,
    Users,
    Workload,
)  # fmt: skip
from servemark.errors import InputError
from servemark.traffic.days import day_times, days
from servemark.traffic.lengths import sample_knots, sample_tokens
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace

POOL_REQUESTS = 4096
"""Fewest requests in the plan of a closed loop, so that prompts rarely come round again."""
_DRAW = 4096


def arrival_plan(
    load: Load,
    workload: Workload,
    *,
    seed: int,
    requests: int | None = None,
    duration_s: float | None = None,
    trace: Trace | None = None,
) -> ArrivalPlan:
    """The requests of one level. The same arguments give the same plan, on every platform.

    Lengths and arrival times come from independent streams of the seed: another load keeps the
    lengths, and more requests begin with the fewer. All prompts begin with the same
    `workload.shared_prefix_tokens` tokens (a shorter prompt with as many of them as it has).

    Args:
        load: users (the plan is a pool without times), a rate (requests arrive at absolute times), or
            a replay of `trace`, or of the profile it names.
        workload: lengths; not looked at where `trace` is given.
        seed: at least 0.
        requests: arrivals of an open loop (warm-up included); least size of the pool of a closed one.
        duration_s: an open loop ends before this time; with `requests`, whichever comes first.
        trace: recorded requests to take lengths, prefixes and (for a replay) times from.

    Raises:
        InputError: impossible quantities, an open loop without an end, or no arrival before it.
        UnknownName: a replay without `trace` that names no profile.
    """
    _require_quantities(load, seed=seed, requests=requests, duration_s=duration_s)
    if isinstance(load, Replay) and trace is None:
        profile = find_profile(load.name, path="trace")
        workload = profile.workload
        rate = replace(profile.rate, per_s=profile.rate.per_s * load.time_scale)
    else:
        rate = load
    length_seed, arrival_seed = np.random.SeedSequence(seed).spawn(2)
    times: list[float] | None = None
    match rate:
        case Users():
            pass
        case Rate():
            rng = np.random.default_rng(arrival_seed)
            times = arrival_times(rate, rng, requests=requests, duration_s=duration_s).tolist()
        case Replay(time_scale=scale):
            assert trace is not None
            times = _recorded_times(trace, scale, requests=requests, duration_s=duration_s)
    count = max(requests or 0, POOL_REQUESTS) if times is None else len(times)
    if not count:
        raise InputError(
            "duration", expected="long enough for one arrival", found=f"{duration_s:g} s without any"
        )
    if trace is not None:
        return ArrivalPlan(load=load, seed=seed, requests=_recorded(trace, count, times))
    planned = _drawn(workload, length_seed, count, times)
    return ArrivalPlan(load=load, seed=seed, requests=planned)


def arrival_times(
    rate: Rate, rng: np.random.Generator, *, requests: int | None = None, duration_s: float | None = None
) -> NDArray[np.float64]:
    """Absolute arrival times in seconds, rising.

    `constant` starts at 0 with equal gaps; `day` is a Poisson process whose rate follows the hours (see
    `traffic.days`). The others are renewal processes whose first gap starts at
    0: exponential gaps (`poisson`), gamma gaps of shape `1 / burstiness^2` (`gamma`: their coefficient
    of variation is `burstiness`), or gaps through `gap_knots` (`quantiles`).
    """
    if requests is None and duration_s is None:
        raise InputError(
            "requests", expected="a number of requests or a duration for an open loop", found="neither"
        )
    end_s = math.inf if duration_s is None else duration_s
    if rate.process == "constant":
        count = requests if requests is not None else math.ceil(end_s * rate.per_s) + 1
        times = np.arange(count) / rate.per_s
        return times[times < end_s]
    if rate.process == "day":
        return day_times(days()["office-day"], rate.per_s, rng, requests=requests, duration_s=duration_s)
    chunks: list[NDArray[np.float64]] = []
    drawn, last_s = 0, 0.0
    while last_s < end_s and (requests is None or drawn < requests):
        chunk = last_s + np.cumsum(_gaps(rate, rng, _DRAW))
        chunks.append(chunk)
        drawn, last_s = drawn + _DRAW, float(chunk[-1])
    times = np.concatenate(chunks)[:requests]
    return times[times < end_s]


def _gaps(rate: Rate, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    match rate.process:
        case "poisson":
            return rng.standard_exponential(count) / rate.per_s
        case "gamma":
            shape = rate.burstiness**-2
            return rng.standard_gamma(shape, count) / (shape * rate.per_s)
        case _:
            return sample_knots(rate.gap_knots, rng, count) / (knots_mean(rate.gap_knots) * rate.per_s)


def _drawn(
    workload: Workload, seed: np.random.SeedSequence, count: int, times: Sequence[float] | None
) -> tuple[PlannedRequest, ...]:
    require_length(workload.input, path="input")
    require_length(workload.output, path="output")
    input_rng, output_rng = (np.random.default_rng(each) for each in seed.spawn(2))
    inputs = sample_tokens(workload.input, input_rng, count).tolist()
    outputs = sample_tokens(workload.output, output_rng, count).tolist()
    prefix_tokens = workload.shared_prefix_tokens
    if prefix_tokens < 0:
        raise InputError("shared_prefix_tokens", expected="at least 0", found=prefix_tokens)
    return tuple(
        PlannedRequest(
            index=i,
            scheduled_s=None if times is None else times[i],
            input_tokens=inputs[i],
            output_tokens=outputs[i],
            prefix_blocks=(0,) if prefix_tokens else (),
            prefix_block_tokens=prefix_tokens,
        )
        for i in range(count)
    )


def _recorded_times(
    trace: Trace, time_scale: float, *, requests: int | None, duration_s: float | None
) -> list[float]:
    end_s = math.inf if duration_s is None else duration_s
    times = [(each.scheduled_s or 0.0) / time_scale for each in trace.requests[:requests]]
    return [t for t in times if t < end_s]


def _recorded(trace: Trace, count: int, times: Sequence[float] | None) -> tuple[PlannedRequest, ...]:
    rows = trace.requests
    return tuple(
        replace(rows[i % len(rows)], index=i, scheduled_s=None if times is None else times[i])
        for i in range(count)
    )


def _require_quantities(load: Load, *, seed: int, requests: int | None, duration_s: float | None) -> None:
    """Refuse what cannot be played, naming the field."""
    limits: list[tuple[str, float | None, float]] = [("seed", seed, 0), ("requests", requests, 1)]
    match load:
        case Users(users=users, think_s=think_s):
            limits += [("users", users, 1), ("think_s", think_s, 0)]
        case Rate(process="quantiles", gap_knots=knots):
            require_knots(knots, path="rate.gap_knots", minimum=1e-12)
        case _:
            pass
    for path, value, minimum in limits:
        if value is not None and not minimum <= value < math.inf:
            raise InputError(path, expected=f"at least {minimum:g}", found=value)
    positive: list[tuple[str, float | None]] = [("duration", duration_s)]
    match load:
        case Rate(per_s=per_s, burstiness=burstiness):
            positive += [("rate", per_s), ("rate.burstiness", burstiness)]
        case Replay(time_scale=scale):
            positive += [("trace.time_scale", scale)]
        case _:
            pass
    for path, value in positive:
        if value is not None and not 0 < value < math.inf:
            raise InputError(path, expected="a number above 0", found=value)
