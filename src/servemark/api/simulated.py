"""`simulate` and `twin`: the deployment played on a simulated clock, or behind HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Unpack

from msgspec.structs import replace

from servemark.api.autoscaled import autoscaled_run
from servemark.api.deployments import DeploymentOptions, build_deployment, coefficients_of
from servemark.api.fitting import generating, sequence_lengths
from servemark.api.loads import Numbers, fixed_workload
from servemark.api.quantities import parse_amount, parse_extent, parse_factor, parse_slos
from servemark.api.questions import Question, fitting_budget, predicted_run
from servemark.api.suite_sources import named_suite
from servemark.api.workloads import workload_and_loads
from servemark.capacity.similarity import similar
from servemark.domain.run import Level, Run
from servemark.domain.workload import ArrivalPlan, Load, Replay, Slo, Users
from servemark.errors import InputError
from servemark.load.driver import Extent
from servemark.physics.memory import require_fit
from servemark.physics.speculation import step_time
from servemark.simulation.replicas import play
from servemark.stats.summary import summarise
from servemark.traffic.arrivals import arrival_plan
from servemark.traffic.traces import Trace, left_out
from servemark.twins.faults import read_fault_plan
from servemark.twins.process import RunningTwin, start_twin

DEFAULT_SIMULATED_REQUESTS = 1000
BAND_REQUESTS = 2000
"""At most so many requests of a level are played again for its 80 % band."""


def simulate(
    model: str | None = None,
    /,
    *,
    users: Numbers | None = None,
    rate: Numbers | None = None,
    arrivals: str = "poisson",
    input: int | str | None = None,
    output: int | str | None = None,
    traffic: str | None = None,
    trace: Path | None = None,
    time_scale: float = 1.0,
    requests: int | None = None,
    duration: float | str | None = None,
    warmup: int | None = None,
    slo: str | Sequence[Slo] | None = None,
    autoscale: str | None = None,
    seed: int = 0,
    runs: Path | None = None,
    on_command: str = "",
    **options: Unpack[DeploymentOptions],
) -> Run:
    """Predict by playing every request through the engine's scheduler on a simulated clock.

    Args:
        model: model key, path of a config.json, or hub id.
        users: closed loop: numbers of users, e.g. 1,2,4,8,16,32 (the default).
        rate: open loop: request rates, e.g. 1,2,3/s.
        arrivals: of an open loop: poisson, constant, or day (the rate follows the hours).
        input: input tokens (default 512).
        output: output tokens (default 128).
        traffic: arrivals and lengths of a traffic profile, e.g. azure-conversation.
        trace: replay a recorded trace (Azure CSV, Mooncake JSONL, BurstGPT CSV, servemark JSONL).
        time_scale: 2 plays the trace twice as fast.
        requests: requests of a level (default 1000; of a trace: all).
        duration: length of a level instead, e.g. 10min, in simulated time.
        warmup: requests before the level (default: one per user, or a tenth of the requests).
        slo: promises, e.g. ttft_p95=2s,tpot_p95=50ms.
        autoscale: replicas follow the load over a day, e.g. queue>4:1..6,cold=90s or load>24:2..8.
        seed: the same seed gives the same run.
        runs: folder that keeps the run.
        on_command: command line to record.

    Raises:
        InputError: unknown names, impossible quantities, a malformed trace row.
        DoesNotFit: the deployment does not fit in memory.
    """
    slos = parse_slos(slo)
    amount, duration_s = parse_extent(requests, duration)
    warmup = parse_amount(warmup, "warmup", minimum=0)
    seed = parse_amount(seed, "seed", minimum=0) or 0
    deployment = generating(build_deployment(model, options))
    if traffic is None and trace is None:
        input, output = sequence_lengths(deployment, input, output)
    workload, loads, recorded = workload_and_loads(
        users=users,
        rate=rate,
        arrivals=arrivals,
        input=input,
        output=output,
        traffic=traffic,
        trace=trace,
        time_scale=time_scale,
    )
    budget = require_fit(deployment) if recorded else fitting_budget(deployment, workload)
    question = Question(deployment, workload, slos, budget, coefficients_of(deployment, options))
    notes = left_out(recorded) if recorded else ()
    if autoscale is not None:
        if warmup:
            raise InputError("warmup", expected="none beside --autoscale: a day starts cold", found=warmup)
        return autoscaled_run(
            question, autoscale, loads, trace=recorded, requests=amount, duration_s=duration_s, seed=seed,
            runs=runs, command=on_command, notes=notes,
        )  # fmt: skip
    extents = [_extent(load, amount, duration_s, warmup, recorded) for load in loads]

    def play_at(load: Load, extent: Extent) -> Level:
        return _play(
            arrival_plan(
                load,
                workload,
                seed=seed,
                requests=extent.planned,
                duration_s=extent.duration_s,
                trace=recorded,
            ),
            question,
            extent,
        )

    levels = [play_at(load, extent) for load, extent in zip(loads, extents, strict=True)]
    most = min(BAND_REQUESTS, max(1, *(level.requests_sent for level in levels)))
    scaled = similar(
        lambda load: play_at(load, _extent(load, most, None, warmup, recorded)),
        known=[level for level in levels if level.requests_sent <= BAND_REQUESTS],
    )
    return predicted_run(
        question, "simulation", levels, scaled, seed=seed, runs=runs, command=on_command, notes=notes
    )


def _extent(
    load: Load, requests: int | None, duration_s: float | None, warmup: int | None, recorded: Trace | None
) -> Extent:
    whole = isinstance(load, Replay) and recorded is not None
    if requests is None and duration_s is None and not whole:
        requests = DEFAULT_SIMULATED_REQUESTS
    if warmup is None:
        warmup = load.users if isinstance(load, Users) else 0 if whole else (requests or 0) // 10
    return Extent(requests=requests, duration_s=duration_s, warmup=warmup)


def _play(plan: ArrivalPlan, question: Question, extent: Extent) -> Level:
    deployment, coefficients = question.deployment, question.coefficients
    engine = deployment.engine
    if engine.max_model_len is None:
        # what an engine does by itself: it refuses a request longer than the model's context
        engine = replace(engine, max_model_len=deployment.model.max_context_tokens)
    played = play(
        plan,
        step_time=step_time(deployment, coefficients),
        engine=engine,
        kv_blocks=question.budget.kv_blocks,
        request_overhead_s=coefficients.request_overhead_s.value,
        replicas=deployment.replicas,
        router=deployment.router,
        requests=extent.requests,
        duration_s=extent.duration_s,
        warmup=extent.warmup,
    )
    return summarise(plan.load, played.requests, played.steps)


def twin(
    model: str | None = None,
    /,
    *,
    port: int = 8000,
    time_factor: float = 1.0,
    output: int | str | None = None,
    max_waiting: int | None = None,
    overload_status: Literal[429, 503] = 503,
    suite: str | Path | None = None,
    faults: Path | None = None,
    fault_log: Path | None = None,
    seed: int = 0,
    log: Path | None = None,
    **options: Unpack[DeploymentOptions],
) -> RunningTwin:
    """Start the deployment, simulated, behind an OpenAI-compatible endpoint on this machine.

    Args:
        model: model key, path of a config.json, or hub id.
        port: loopback port; 0 takes a free one.
        time_factor: 4 runs four times faster than real time; `/health` says so.
        output: tokens of an answer that may stop by itself (default 128).
        max_waiting: requests waiting beyond this are refused, as behind a gateway.
        overload_status: what they are refused with: 503 or 429.
        suite: gives the right answer to each question of a suite: a key such as exam, or a JSONL file.
        faults: TOML file of what goes wrong on purpose (docs/twin.md).
        fault_log: file that takes down which request got which fault, as JSON lines.
        seed: the same seed gives the same texts.
        log: file for the twin's log (default: a temporary one, removed at the end).

    Returns:
        The running twin, a context manager: `base_url`, `pid`, `stop()`.

    Raises:
        InputError: unknown names or impossible options.
        DoesNotFit: the deployment does not fit in memory.
        EngineError: the twin did not start.
    """
    deployment = generating(build_deployment(model, options))
    budget = require_fit(deployment)
    if (parse_amount(port, "port", minimum=0) or 0) > 65535:
        raise InputError("port", expected="0 to 65535", found=port)
    if fault_log is not None and faults is None:
        raise InputError("fault_log", expected="--faults beside it", found="none")
    seed = parse_amount(seed, "seed", minimum=0) or 0
    factor = parse_factor(time_factor, "time_factor")
    if factor > 1000:
        raise InputError("time_factor", expected="a factor of at most 1000", found=time_factor)
    return start_twin(
        deployment,
        coefficients_of(deployment, options),
        kv_blocks=budget.kv_blocks,
        port=port,
        time_factor=factor,
        seed=seed,
        output=fixed_workload(None, output).output,
        max_waiting=parse_amount(max_waiting, "max_waiting", minimum=0),
        overload_status=overload_status,
        suite=None if suite is None else named_suite(suite, seed=seed),
        faults=None if faults is None else read_fault_plan(Path(faults)),
        fault_log=None if fault_log is None else Path(fault_log),
        log_path=None if log is None else Path(log),
    )
