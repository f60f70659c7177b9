"""A load level in closed form, were every time of the engine longer or shorter. All factors at once.

An error of the step time does not pass to a latency as it is: near saturation a queue amplifies it, and
in an open loop throughput does not feel it at all. So a band of prediction error is not a share of the
value; the level is worked out again with every time multiplied by a factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.memory import MemoryBudget
from servemark.domain.run import OUTCOMES, Distribution, Level
from servemark.domain.workload import Load, Rate, Users, Workload
from servemark.errors import InputError
from servemark.physics.batching import Array
from servemark.physics.latencies import Spread
from servemark.physics.levels import (
    Figures,
    closed_loop_figures,
    gap_variation,
    open_loop_figures,
    replica_room,
    workload_requests,
)
from servemark.physics.speculation import Pace, deployment_pace
from servemark.physics.step import StepCost
from servemark.physics.work import Values


def scaled_cost(cost: StepCost, factor: Values) -> StepCost:
    """The cost of a step that takes `factor` times as long; `factor` may be an array."""
    return StepCost(
        *(
            value * factor if name.endswith("_s") else value
            for name, value in zip(StepCost._fields, cost, strict=True)
        )
    )


def scaled_pace(pace: Pace, factor: Values) -> Pace:
    """The same where a draft speculates."""
    if isinstance(pace, StepCost):
        return scaled_cost(pace, factor)
    draft = None if pace.draft is None else scaled_cost(pace.draft, factor)
    cost, verify = (scaled_cost(part, factor) for part in (pace.cost, pace.verify))
    return pace._replace(cost=cost, verify=verify, draft=draft)


def scaled_levels(
    deployment: Deployment,
    coefficients: Coefficients,
    budget: MemoryBudget,
    workload: Workload,
    load: Load,
    factors: Sequence[float],
) -> tuple[Level, ...]:
    """The level of `closed_form_level` for each factor on every time: step and request overhead.

    Its metrics and rates alone, without notes.

    Raises:
        InputError: a recorded trace, which needs the simulator.
    """
    factor = np.array(factors, dtype=np.float64)[:, None]
    cost = scaled_pace(deployment_pace(deployment, coefficients), factor)
    requests = workload_requests(deployment, coefficients, load, workload)
    room = replica_room(deployment, budget, requests.demand)
    requests = requests._replace(
        demand=requests.demand._replace(overhead_s=requests.demand.overhead_s * factor)
    )
    match load:
        case Users(users=users, think_s=think_s):
            share = np.full_like(factor, users / deployment.replicas)
            figures = closed_loop_figures(cost, requests, room, share, think_s)
        case Rate(per_s=per_s):
            share = np.full_like(factor, per_s / deployment.replicas)
            figures = open_loop_figures(cost, requests, room, share, gap_variation(load))
        case _:
            raise InputError("load", expected="users or a rate", found="a trace, which needs `simulate`")
    rows = len(factor)
    carried = _column(figures.requests_per_s, rows) * deployment.replicas
    metrics = _metrics(figures, rows)
    answer_tokens = float(requests.demand.output_tokens)
    encoder = deployment.model.kind == "encoder"
    return tuple(
        Level(
            load=load,
            requests_sent=0,
            outcomes=dict.fromkeys(OUTCOMES, 0),
            metrics=metrics[i],
            output_tokens_per_s=None if encoder else float(carried[i]) * answer_tokens,
            requests_per_s=float(carried[i]),
        )
        for i in range(rows)
    )


def _metrics(figures: Figures, rows: int) -> list[dict[str, Distribution]]:
    found = figures.latencies
    spreads = {
        "ttft_s": found.ttft,
        "ttft_scheduled_s": found.ttft,
        "itl_s": found.itl,
        "tpot_s": found.tpot,
        "e2e_s": found.e2e,
        "e2e_scheduled_s": found.e2e,
    }
    by_key = {key: _distributions(spread, rows) for key, spread in spreads.items()}
    return [{key: each[i] for key, each in by_key.items()} for i in range(rows)]


def _distributions(spread: Spread, rows: int) -> list[Distribution]:
    means = _column(spread.mean, rows)
    quantiles = np.broadcast_to(spread.quantiles, (rows, 3)).tolist()
    return [
        Distribution(n=0)
        if np.isnan(mean)
        else Distribution(n=0, mean=float(mean), p50=p50, p95=p95, p99=p99)
        for mean, (p50, p95, p99) in zip(means, quantiles, strict=True)
    ]


def _column(values: Values, rows: int) -> Array:
    return np.broadcast_to(np.asarray(values, dtype=np.float64).reshape(-1, 1), (rows, 1))[:, 0]
