"""`predict`: closed-form latency, throughput and capacity of a deployment, without a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import msgspec

from servemark.api.deployments import DeploymentOptions, build_deployment, coefficients_of
from servemark.api.fitting import sequence_lengths
from servemark.api.loads import Numbers
from servemark.api.quantities import parse_slos
from servemark.api.questions import Question, fitting_budget, predicted_run
from servemark.api.workloads import workload_and_loads
from servemark.capacity.similarity import similar
from servemark.domain.run import Level, Run
from servemark.domain.workload import Load, Replay, Slo, Users
from servemark.physics.levels import closed_form_level
from servemark.physics.scaled_levels import scaled_levels
from servemark.traffic.profiles import find_profile


def predict(
    model: str | None = None,
    /,
    *,
    users: Numbers | None = None,
    rate: Numbers | None = None,
    input: int | str | None = None,
    output: int | str | None = None,
    traffic: str | None = None,
    slo: str | Sequence[Slo] | None = None,
    runs: Path | None = None,
    on_command: str = "",
    **options: Unpack[DeploymentOptions],
) -> Run:
    """Predict latency, throughput and capacity in closed form: instant, no GPU.

    Args:
        model: model key, path of a config.json, or hub id.
        users: closed loop: numbers of users, e.g. 1,2,4,8,16,32 (the default).
        rate: open loop: request rates, e.g. 1,2,3/s.
        input: input tokens (default 512).
        output: output tokens (default 128).
        traffic: lengths (and without --users or --rate the mean rate) of a traffic profile.
        slo: promises, e.g. ttft_p95=2s,tpot_p95=50ms.
        runs: folder that keeps the run.
        on_command: command line to record.

    Raises:
        InputError: unknown names or impossible quantities.
        DoesNotFit: the deployment does not fit in memory.
    """
    slos = parse_slos(slo)
    deployment = build_deployment(model, options)
    if traffic is None:
        input, output = sequence_lengths(deployment, input, output)
    workload, loads, _ = workload_and_loads(
        users=users, rate=rate, input=input, output=output, traffic=traffic
    )
    budget = fitting_budget(deployment, workload)
    coefficients = coefficients_of(deployment, options)
    question = Question(deployment, workload, slos, budget, coefficients)

    def level_at(load: Load) -> Level:
        return closed_form_level(deployment, coefficients, budget, load, workload)

    levels = [level_at(load) for load in map(_steady, loads)]
    slower_clock = similar(level_at, known=levels)

    def scaled(load: Load, factors: Sequence[float]) -> Sequence[Level]:
        if isinstance(load, Users):
            return slower_clock(load, factors)
        return scaled_levels(deployment, coefficients, budget, workload, load, factors)

    return predicted_run(question, "closed form", levels, scaled, seed=0, runs=runs, command=on_command)


def _steady(load: Load) -> Load:
    """A profile's arrivals as their mean rate: a closed form knows no bursts."""
    if not isinstance(load, Replay):
        return load
    rate = find_profile(load.name).rate
    return msgspec.structs.replace(rate, per_s=rate.per_s * load.time_scale)
