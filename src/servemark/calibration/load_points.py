"""Measured runs -> load points: what a level says of a deployment, and how exactly.

A load point is one level of a run, with the requests as they were served. Of a closed loop it holds mean TPOT,
mean TTFT and output throughput; of an open loop below saturation not the throughput, which is the arrivals', and
above it nothing but the throughput, since waiting grows with the length of the level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.calibration.observations import Kind, Metric, Observation
from servemark.domain.calibration import PointMetric, Role
from servemark.domain.coefficients import FittedRange
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.record import Record
from servemark.domain.run import Distribution, Level, RequestRecord, Run
from servemark.domain.workload import (
    ArrivalPlan,
    Load,
    PlannedRequest,
    Rate,
    Replay,
    Users,
    Workload,
    load_label,
)

FEWEST_REQUESTS = 5
MOST_FAILURES_RATIO = 0.05
MOST_CACHED_RATIO = 0.05
"""Of the prompt tokens, from the prefix cache: beyond it the prefill is not what the lengths say."""
SATURATED_RATIO = 0.95
"""An open loop that carries less than this share of its arrivals is saturated."""
LEAST_ERROR = 0.005
"""Of a mean: requests of one level are not independent, and their interval does not know it."""
UNKNOWN_ERROR = 0.1
"""Of a mean without interval."""
NORMAL_95 = 1.96

_METRICS: dict[PointMetric, Metric] = {
    "tpot_s": "tpot", "output_tokens_per_s": "throughput", "ttft_s": "ttft",
}  # fmt: skip


LoadKey = tuple[str, Parallelism, int, Load, Workload]
"""Model, parallelism, replicas, load and planned lengths: what makes two measurements measurements of the same."""


class PointValue(NamedTuple):
    """One measured value of a load point."""

    metric: PointMetric
    value: float
    relative_error: float
    """Standard error of the mean, from its sample."""


class LoadPoint(Record, frozen=True, kw_only=True):
    """One measured level, ready to be predicted."""

    run: str
    deployment: Deployment
    load: Load
    workload: Workload
    """As it was asked for."""
    plan: ArrivalPlan
    """The requests as they were sent, with the lengths that the server counted, warm-up included."""
    warmup: int
    values: tuple[PointValue, ...]
    role: Role = "calibration"

    @property
    def key(self) -> LoadKey:
        """Points of one key were measured under the same load."""
        deployed = self.deployment
        return deployed.model.key, deployed.parallelism, deployed.replicas, self.load, self.workload


def load_points(run: Run, deployment: Deployment) -> tuple[tuple[LoadPoint, ...], tuple[str, ...]]:
    """The usable levels of a measured run, and why each of the others is not, in words."""
    points: list[LoadPoint] = []
    left_out: list[str] = []
    for level in run.levels:
        complete = [each for each in level.requests if each.outcome == "complete" and not each.warmup]
        reason = _unusable(level, complete)
        values = () if reason else tuple(_values(level))
        if values:
            points.append(
                LoadPoint(
                    run=run.id or run.title,
                    deployment=deployment,
                    load=level.load,
                    workload=run.workload,
                    plan=replayed(level),
                    warmup=level.warmup_sent,
                    values=values,
                )
            )
        else:
            left_out.append(f"{load_label(level.load)}: {reason or 'no steady throughput'}")
    return tuple(points), tuple(left_out)


def observations_of(point: LoadPoint) -> tuple[Observation, ...]:
    """What a load point says of one replica."""
    replicas = point.deployment.replicas
    inputs, outputs = lengths(point)
    kind, sequences, rate_per_s = _setting(point, replicas)
    return tuple(
        Observation(
            deployment=point.deployment,
            kind=kind,
            sequences=sequences,
            rate_per_s=rate_per_s,
            input_tokens=float(inputs.mean()),
            output_tokens=float(outputs.mean()),
            input_variation=float(inputs.var() / inputs.mean() ** 2),
            output_variation=float(outputs.var() / outputs.mean() ** 2),
            metric=_METRICS[each.metric],
            counted="output" if each.metric == "output_tokens_per_s" else "",
            value=each.value / replicas if each.metric == "output_tokens_per_s" else each.value,
            relative_error=math.hypot(each.relative_error, _phase_error(point, each)),
            source=point.run,
        )
        for each in point.values
    )


def _phase_error(point: LoadPoint, found: PointValue) -> float:
    """Of the TTFT of users who share a replica: they fall into step with the engine or out of it by a hair, and
    then wait a step more or less. Evenly spread over a step, that deviates by a step over the root of 12.
    """
    if (
        found.metric != "ttft_s"
        or not isinstance(point.load, Users)
        or point.load.users <= point.deployment.replicas
    ):
        return 0.0
    step_s = next((each.value for each in point.values if each.metric == "tpot_s"), 0.0)
    return step_s / 12**0.5 / found.value


def replayed(level: Level) -> ArrivalPlan:
    """The requests of a level as they went: when they were due (open loop), and as long as they came out."""
    records = sorted(level.requests, key=lambda each: each.index)
    begun_s = min(each.scheduled_s for each in records)
    closed = isinstance(level.load, Users)
    requests = tuple(
        PlannedRequest(
            index=number,
            scheduled_s=None if closed else each.scheduled_s - begun_s,
            input_tokens=each.input_tokens or 1,
            output_tokens=max(each.output_tokens, 1),
        )
        for number, each in enumerate(records)
    )
    return ArrivalPlan(load=level.load, seed=0, requests=requests)


def lengths(point: LoadPoint) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Input and output tokens of the requests behind the warm-up."""
    measured = point.plan.requests[point.warmup :]
    both = np.array([(each.input_tokens, each.output_tokens) for each in measured], dtype=np.float64)
    return both[:, 0], both[:, 1]


def spanned(points: Sequence[LoadPoint], known: FittedRange | None) -> FittedRange:
    """What the points span, with what was spanned before."""
    params = [float(each.deployment.model.params) for each in points]
    gpus = [each.deployment.parallelism.gpus for each in points]
    sequences = [_sequences(each) for each in points]
    contexts = [float((inputs + outputs).max()) for inputs, outputs in map(lengths, points)]
    if known is not None:
        sequences, contexts = [*sequences, known.sequences], [*contexts, known.context_tokens]
        params, gpus = [*params, *known.params], [*gpus, known.gpus]
    return FittedRange(
        sequences=math.ceil(max(sequences)),
        context_tokens=max(contexts),
        params=(min(params), max(params)),
        gpus=max(gpus),
    )


def _sequences(point: LoadPoint) -> float:
    """Sequences of one replica at a time; in an open loop by Little's law, from the latencies measured."""
    deployment = point.deployment
    kind, sequences, rate_per_s = _setting(point, deployment.replicas)
    if kind == "open":
        times = {each.metric: each.value for each in point.values}
        _, outputs = lengths(point)
        sequences = rate_per_s * (times.get("ttft_s", 0.0) + outputs.mean() * times.get("tpot_s", 0.0))
    most = float(deployment.engine.max_num_seqs)
    return most if kind == "max" else min(float(sequences), most)


def _setting(point: LoadPoint, replicas: int) -> tuple[Kind, float, float]:
    """Kind, sequences and rate of one replica."""
    match point.load:
        case Users(users=users):
            return "users", users / replicas, 0.0
        case Rate(per_s=per_s):
            saturated = all(each.metric == "output_tokens_per_s" for each in point.values)
            return "max" if saturated else "open", 0.0, per_s / replicas
        case Replay():
            raise AssertionError("no load point is made of a trace")


def _unusable(level: Level, complete: Sequence[RequestRecord]) -> str:
    """Why a level cannot be compared with a steady state; empty where it can."""
    if isinstance(level.load, Replay):
        return "arrivals of a trace are no steady load"
    if isinstance(level.load, Users) and level.load.think_s:
        return "users pause between requests"
    if len(complete) < FEWEST_REQUESTS:
        return f"{len(complete)} complete requests, fewer than {FEWEST_REQUESTS}"
    if (level.failures_ratio or 0.0) > MOST_FAILURES_RATIO:
        return f"{level.failures_ratio:.0%} of the requests failed"
    cached = sum(each.cached_tokens or 0 for each in complete)
    asked = sum(each.input_tokens or 0 for each in complete)
    if asked and cached > MOST_CACHED_RATIO * asked:
        return f"the prefix cache served {cached / asked:.0%} of the prompt tokens"
    return ""


def _values(level: Level) -> Iterable[PointValue]:
    """The values that a level can stand for."""
    load, carried = level.load, level.requests_per_s
    steady = level.output_tokens_per_s is not None and (level.window is None or level.window.steady)
    saturated = isinstance(load, Rate) and carried is not None and carried < SATURATED_RATIO * load.per_s
    tpot, ttft = (level.metrics.get(key, Distribution(n=0)) for key in ("tpot_s", "ttft_s"))
    if not saturated:
        if tpot.mean:
            yield PointValue("tpot_s", tpot.mean, _mean_error(tpot))
        if ttft.mean:
            yield PointValue("ttft_s", ttft.mean, _mean_error(ttft))
    if steady and (saturated or isinstance(load, Users)):
        error = _mean_error(level.metrics.get("e2e_s", Distribution(n=0)))
        yield PointValue("output_tokens_per_s", level.output_tokens_per_s or 0.0, error)


def _mean_error(found: Distribution) -> float:
    """Relative standard error of a mean, from its 95 % interval."""
    interval = found.ci.get("mean")
    if not found.mean or interval is None:
        return UNKNOWN_ERROR
    return max((interval[1] - interval[0]) / 2 / NORMAL_95 / found.mean, LEAST_ERROR)
