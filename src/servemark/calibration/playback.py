"""A load point played by the simulator: the same requests, as they were sent and as long as they came out.

The simulator is what predicts; the closed form is what is fitted, since it can be differentiated in no time. What the
two say differently at the same coefficients (cohorts of users in step, queues) is no property of the device: measured
values are multiplied by closed form over simulation before the fit sees them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from servemark.calibration.load_points import LoadPoint, observations_of
from servemark.calibration.observations import predicted
from servemark.domain.calibration import PointMetric
from servemark.domain.coefficients import Coefficients
from servemark.errors import InputError
from servemark.physics.memory import require_fit
from servemark.physics.speculation import step_time
from servemark.simulation.replicas import play
from servemark.stats.summary import summarise

MOST_REQUESTS = 1000
"""Of a longer level the first are played."""


def simulated_values(point: LoadPoint, coefficients: Coefficients) -> dict[PointMetric, float]:
    """The metrics of a load point as the simulator predicts them.

    Raises:
        DoesNotFit: what is said to have been measured does not fit.
        InputError: it serves no request of these lengths.
    """
    deployment, load = point.deployment, point.load
    plan = replace(point.plan, requests=point.plan.requests[: point.warmup + MOST_REQUESTS])
    longest = max(each.input_tokens + each.output_tokens for each in plan.requests)
    budget = require_fit(deployment, sequence_tokens=longest)
    played = play(
        plan,
        step_time=step_time(deployment, coefficients),
        engine=deployment.engine,
        kv_blocks=budget.kv_blocks,
        request_overhead_s=coefficients.request_overhead_s.value,
        replicas=deployment.replicas,
        router=deployment.router,
        requests=len(plan.requests) - point.warmup,
        warmup=point.warmup,
    )
    level = summarise(load, played.requests, played.steps)
    if not level.outcomes["complete"]:
        why = played.requests[0].reason if played.requests else "nothing was sent"
        raise InputError("deployment", expected="one that serves the measured requests", found=why)
    values: dict[PointMetric, float | None] = {
        "tpot_s": level.metrics["tpot_s"].mean,
        "output_tokens_per_s": level.output_tokens_per_s,
        "ttft_s": level.metrics["ttft_s"].mean,
    }
    return {metric: value for metric, value in values.items() if value}


def closed_over_simulated(points: Sequence[LoadPoint], coefficients: Coefficients) -> NDArray[np.float64]:
    """What the closed form says over what the simulator says, for every value of the points in order.

    1 where the simulator says nothing, as of a throughput that never steadies.
    """
    observations = [each for point in points for each in observations_of(point)]
    closed = predicted(observations, [coefficients] * len(observations))
    simulated: list[float] = []
    for point in points:
        played = simulated_values(point, coefficients)
        for each in point.values:
            share = point.deployment.replicas if each.metric == "output_tokens_per_s" else 1
            simulated.append(played.get(each.metric, np.nan) / share)
    ratios = closed / np.array(simulated)
    return np.where(np.isfinite(ratios), ratios, 1.0)
