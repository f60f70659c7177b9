"""What queueing decides: the published procedure, played in the simulator.

A closed loop with lengths drawn at random (InferenceX) starts all its users at once, as benchmark clients
do, sends ten requests per user, and counts them all, those of the initial burst included. Where lengths are
fixed and the procedure is not known, users are taken to be out of step: each starts somewhere within an
answer, and those first answers are not counted. An open loop sends its requests at Poisson arrivals, or all
at once. Lengths are drawn evenly around their mean where they vary little, log-normally where they vary much.
The same seed serves every row. Of a long run with many users the steady part is played in part, and weighs
as the whole of it: the mean does not need more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servemark.calibration.observations import Observation
from servemark.domain.coefficients import Coefficients
from servemark.domain.run import RequestRecord
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate, Users
from servemark.physics.memory import memory_budget
from servemark.physics.speculation import step_time
from servemark.physics.step import coefficient_values, step_cost, step_seconds
from servemark.physics.work import step_work
from servemark.simulation.replicas import play

REQUESTS_PER_USER = 10
ENOUGH_REQUESTS = 640
"""So many requests, or the burst and twice as many after it, are played of a run."""
SEED = 0


def replayed(observation: Observation, coefficients: Coefficients) -> float:
    """The value of an observation (seconds, or tokens per second) as its procedure gives it in the simulator.

    NaN where no request can be served.
    """
    deployment = observation.deployment
    longest = int(observation.input_tokens + observation.output_tokens)
    budget = memory_budget(deployment, sequence_tokens=longest)
    if budget.kv_blocks < 1:
        return math.nan
    plan, warmup = arrival_plan(observation)
    played = play(
        plan,
        step_time=step_time(deployment, coefficients),
        engine=deployment.engine,
        kv_blocks=budget.kv_blocks,
        request_overhead_s=coefficients.request_overhead_s.value + held_back_s(observation, coefficients),
        warmup=warmup,
    )
    answered = [r for r in played.requests if r.first_token_s is not None and not r.warmup]
    if not answered:
        return math.nan
    if observation.metric == "throughput":
        return throughput(observation, answered)
    found = np.array([latency_s(observation.metric, r) for r in answered])
    if observation.kind == "closed" and not warmup and observation.statistic == "mean":
        return burst_and_steady_mean(found, max(1, round(observation.sequences)))
    if observation.metric == "itl" and observation.statistic == "mean":
        gaps = np.array([max(r.output_tokens - 1, 0) for r in answered])
        return float((found * gaps).sum() / gaps.sum()) if gaps.any() else math.nan
    return _statistic(found, observation.statistic)


def latency_s(metric: str, request: RequestRecord) -> float:
    """TTFT, E2E, or mean gap between tokens of one answered request."""
    first_s = request.first_token_s or request.end_s
    match metric:
        case "ttft":
            return first_s - request.scheduled_s
        case "e2e":
            return request.end_s - request.scheduled_s
        case _:
            return (request.end_s - first_s) / max(request.output_tokens - 1, 1)


def throughput(observation: Observation, answered: Sequence[RequestRecord]) -> float:
    """Tokens per second from the first request sent to the last token, as the observation counts them."""
    outputs = sum(r.output_tokens for r in answered)
    inputs = sum(r.input_tokens or 0 for r in answered)
    tokens = {"output": outputs, "input": inputs, "both": inputs + outputs}[observation.counted or "output"]
    lasted_s = max(r.end_s for r in answered) - min(r.scheduled_s for r in answered)
    return tokens / lasted_s / (observation.deployment.gpus if observation.per_gpu else 1)


def burst_and_steady_mean(values: NDArray[np.float64], users: int) -> float:
    """Mean over a whole run of which the first `users` requests and some of the others were played."""
    burst, steady = values[:users], values[users:]
    if not len(steady):
        return float(burst.mean())
    return float((burst.mean() + (REQUESTS_PER_USER - 1) * steady.mean()) / REQUESTS_PER_USER)


def held_back_s(observation: Observation, coefficients: Coefficients) -> float:
    """How long the engine leaves a request unseen, on average: steps of polling or of waiting for others.

    The first burst finds an idle engine and is taken up at once.
    """
    if not observation.wait_steps:
        return 0.0
    cost = step_cost(step_work(observation.deployment), coefficient_values(coefficients))
    context = observation.input_tokens + observation.output_tokens / 2
    step_s = step_seconds(cost, observation.sequences, observation.sequences * context)
    return observation.wait_steps * float(step_s) * (1 - 1 / REQUESTS_PER_USER)


def arrival_plan(observation: Observation) -> tuple[ArrivalPlan, int]:
    """The requests of the procedure, when they are sent and how long they are; how many are warm-up."""
    warmup = 0
    draw = np.random.default_rng(SEED)
    if observation.kind == "open":
        count = int(observation.requests or 500)
        gaps = draw.exponential(1.0, count)
        # the last request is due when it is expected: one draw's luck is not the source's
        times: Sequence[float | None] = (np.cumsum(gaps) / gaps.mean() / observation.rate_per_s).tolist()
        load = Rate(per_s=observation.rate_per_s)
    else:
        users = max(1, round(observation.sequences))
        count = REQUESTS_PER_USER * users
        if not observation.output_variation:
            warmup, count = 2 * users, 2 * users + count
        elif observation.statistic == "mean":
            count = min(count, max(3 * users, ENOUGH_REQUESTS))
        times, load = [None] * count, Users(users=users)
    inputs = drawn_lengths(observation.input_tokens, observation.input_variation, count, draw)
    outputs = drawn_lengths(observation.output_tokens, observation.output_variation, count, draw)
    outputs[: warmup // 2] = np.linspace(1, outputs[0], warmup // 2)
    requests = tuple(
        PlannedRequest(index=i, scheduled_s=at, input_tokens=new, output_tokens=out)
        for i, (at, new, out) in enumerate(zip(times, inputs.tolist(), outputs.tolist(), strict=True))
    )
    return ArrivalPlan(load=load, seed=SEED, requests=requests), warmup


def drawn_lengths(
    mean_tokens: float, variation: float, count: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Whole token counts of that mean and squared coefficient of variation, at least 1."""
    if variation <= 1 / 3:
        reach = math.sqrt(3 * variation)
        lengths = mean_tokens * draw.uniform(1 - reach, 1 + reach, count)
    else:
        sigma = math.sqrt(math.log1p(variation))
        lengths = mean_tokens * draw.lognormal(-sigma * sigma / 2, sigma, count)
    # the mean of a row is that of what was sent, not an expectation
    return np.maximum(np.rint(lengths * (mean_tokens / lengths.mean())), 1).astype(np.int64)


def _statistic(values: NDArray[np.float64], statistic: str) -> float:
    if statistic == "mean":
        return float(values.mean())
    return float(np.quantile(values, {"p50": 0.5, "p99": 0.99}[statistic]))
