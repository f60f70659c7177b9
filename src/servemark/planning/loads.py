"""Loads, larger and smaller; and the steady load that stands for a trace in the closed form."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, pvariance
from typing import Final

from msgspec.structs import replace

from servemark.domain.workload import Load, QuantileLength, Rate, Replay, Users, Workload
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace

KNOTS: Final = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


def scaled(load: Load, factor: float) -> Load:
    """The load times a factor; users are whole."""
    match load:
        case Users(users=users, think_s=think_s):
            return Users(users=math.ceil(users * factor - 1e-9), think_s=think_s)
        case Rate():
            return replace(load, per_s=load.per_s * factor)
        case Replay(name=name, time_scale=scale):
            return Replay(name=name, time_scale=scale * factor)


def steady_load(load: Load, trace: Trace | None) -> Users | Rate:
    """Users and rates as they are; of a replay its mean rate, with gaps as uneven as recorded."""
    match load:
        case Replay(name=name, time_scale=scale) if trace is None:
            rate = find_profile(name).rate
            return replace(rate, per_s=rate.per_s * scale)
        case Replay(time_scale=scale):
            assert trace is not None
            return Rate(
                per_s=mean_rate_per_s(trace) * scale, process="gamma", burstiness=gap_variation_of(trace)
            )
        case _:
            return load


def steady_workload(workload: Workload, trace: Trace | None) -> Workload:
    """The workload; of a trace its lengths as quantiles."""
    if trace is None:
        return workload
    return Workload(
        input=_length([each.input_tokens for each in trace.requests]),
        output=_length([each.output_tokens for each in trace.requests]),
        profile=trace.name,
    )


def mean_rate_per_s(trace: Trace) -> float:
    """Requests per second as recorded: one fewer than the requests over the time between first and last."""
    span_s = _at(trace, -1) - _at(trace, 0)
    return (len(trace.requests) - 1) / span_s if span_s > 0 else float(len(trace.requests))


def gap_variation_of(trace: Trace) -> float:
    """Coefficient of variation of the recorded gaps; 1 (Poisson) where there are too few to say."""
    gaps = [
        (after.scheduled_s or 0.0) - (before.scheduled_s or 0.0)
        for before, after in pairwise(trace.requests)
    ]
    mean = fmean(gaps) if gaps else 0.0
    return pvariance(gaps) ** 0.5 / mean if mean > 0 else 1.0


def longest_tokens(workload: Workload, trace: Trace | None) -> int | None:
    """Prompt and answer of the longest recorded request; None where nothing is recorded."""
    if trace is None:
        return None
    return max(each.input_tokens + each.output_tokens for each in trace.requests)


def _length(tokens: list[int]) -> QuantileLength:
    ordered = sorted(tokens)
    last = len(ordered) - 1
    return QuantileLength(knots=tuple((q, float(max(1, ordered[round(q * last)]))) for q in KNOTS))


def _at(trace: Trace, index: int) -> float:
    return trace.requests[index].scheduled_s or 0.0


def busiest_part(trace: Trace, most: int) -> Trace:
    """The trace, or of a longer one the `most` requests in a row that came in the shortest time."""
    requests = trace.requests
    if len(requests) <= most:
        return trace
    times = [each.scheduled_s or 0.0 for each in requests]
    first = min(range(len(times) - most + 1), key=lambda i: times[i + most - 1] - times[i])
    part = requests[first : first + most]
    moved = (
        replace(each, index=i, scheduled_s=(each.scheduled_s or 0.0) - times[first])
        for i, each in enumerate(part)
    )
    return replace(trace, requests=tuple(moved))
