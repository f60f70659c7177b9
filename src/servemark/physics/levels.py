"""One load level in closed form: no events, no random numbers, two milliseconds.

Good for throughput, batch and token gaps; queueing near saturation and lengths that vary much are the
simulator's business. Level by level it says the mean and p50, p95, p99 of a stationary load.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment, EngineConfig
from servemark.domain.lengths import knots_quantile, mean_tokens, quantile_tokens
from servemark.domain.memory import MemoryBudget
from servemark.domain.metrics import STATISTICS
from servemark.domain.run import OUTCOMES, Distribution, Level
from servemark.domain.workload import FixedLength, Length, Load, Rate, Users, Workload
from servemark.errors import InputError
from servemark.physics.batching import (
    Array,
    Demand,
    Room,
    carried_when_full,
    closed_loop,
    open_loop,
    residence,
)
from servemark.physics.latencies import (
    PROBABILITIES,
    Latencies,
    Requests,
    Spread,
    closed_queue_wait,
    latencies,
    overload_wait,
)
from servemark.physics.queueing import batch_swing, full_batch_wait, step_budget_wait
from servemark.physics.speculation import Pace, deployment_pace
from servemark.physics.work import Values

OVERLOAD_HORIZON_S = 60.0
"""Above saturation the queue has no steady state: waiting is stated for a load of this length."""


class Figures(NamedTuple):
    """A level of one replica, shape (configurations, 1)."""

    latencies: Latencies
    requests_per_s: Array
    running: Array
    waiting: Array
    load_ratio: Array
    """Offered over carried; above 1 the open loop is saturated."""


def closed_form_level(
    deployment: Deployment,
    coefficients: Coefficients,
    budget: MemoryBudget,
    load: Load,
    workload: Workload,
) -> Level:
    """One load level in closed form, over all replicas (the load splits evenly).

    A rate above what the replicas carry has no steady state: the level says so in `notes` and gives
    the waiting of requests that arrive during `OVERLOAD_HORIZON_S` of a growing queue. A closed form
    knows no failures: every request ends, late perhaps.

    Raises:
        InputError: a recorded trace, which needs the simulator.
    """
    cost = deployment_pace(deployment, coefficients)
    requests = workload_requests(deployment, coefficients, load, workload)
    room = replica_room(deployment, budget, requests.demand)
    match load:
        case Users(users=users, think_s=think_s):
            share = users / deployment.replicas
            figures = closed_loop_figures(cost, requests, room, share, think_s)
        case Rate(per_s=per_s):
            share = per_s / deployment.replicas
            figures = open_loop_figures(cost, requests, room, share, gap_variation(load))
        case _:
            raise InputError("load", expected="users or a rate", found="a trace, which needs `simulate`")
    carried = float(figures.requests_per_s.item()) * deployment.replicas
    tokens = None if deployment.model.kind == "encoder" else carried * float(requests.demand.output_tokens)
    return Level(
        load=load,
        requests_sent=0,
        outcomes=dict.fromkeys(OUTCOMES, 0),
        metrics=_metrics(figures.latencies),
        output_tokens_per_s=tokens,
        requests_per_s=carried,
        failures_ratio=0.0,
        notes=_notes(load, figures, room, deployment, carried),
    )


def workload_requests(
    deployment: Deployment, coefficients: Coefficients, load: Load, workload: Workload
) -> Requests:
    """Mean and spread of the lengths; what the prefix cache spares; whether users stay in step."""
    engine, encoder = deployment.engine, deployment.model.kind == "encoder"
    output = FixedLength(tokens=1) if encoder else workload.output
    mean_input = mean_tokens(workload.input)
    blocks = workload.shared_prefix_tokens // engine.block_size if engine.enable_prefix_caching else 0
    cached = 0.0 if encoder else min(blocks * engine.block_size, mean_input - 1)
    in_phase = isinstance(load, Users) and load.think_s == 0
    demand = Demand(
        input_tokens=mean_input,
        output_tokens=max(1.0, mean_tokens(output)),
        cached_tokens=cached,
        input_variation=length_variation(workload.input),
        output_variation=length_variation(output),
        overhead_s=coefficients.request_overhead_s.value,
        in_phase=float(in_phase),
        cohorts=float(in_phase and isinstance(output, FixedLength)),
    )
    return Requests(demand, _quantiles(workload.input), _quantiles(output))


def replica_room(deployment: Deployment, budget: MemoryBudget, demand: Demand) -> Room:
    """How many sequences run at once: slots, or KV blocks over what a sequence holds on average.

    With recompute a sequence holds the blocks it has filled, with no-evict all it may come to fill; an
    engine that looks ahead lets in only what leaves room for a share of the output to come.
    """
    engine = deployment.engine
    bounded = deployment.model.kind == "decoder" and (engine.policy != "slots" or engine.shared_context)
    written = demand.output_tokens * (1 + demand.output_variation) / 2
    ahead = engine.new_token_ratio if engine.policy == "recompute" else 0.0
    if engine.policy == "no-evict":
        written = demand.output_tokens
    held = demand.input_tokens - demand.cached_tokens + written + engine.block_size / 2
    pool = budget.kv_tokens - demand.cached_tokens
    running = np.floor(pool / (held + ahead * demand.output_tokens / 2)) if bounded else np.inf
    most = np.clip(running, 1, engine.max_num_seqs)
    slots = engine.policy == "slots"
    prompts, tokens = 0.0, 0.0
    if engine.policy == "recompute" and running < engine.max_num_seqs:
        prompts, tokens = lost_to_preemption(engine, demand, float(most))
    return Room(
        max_running=most,
        max_step_tokens=float(engine.max_num_batched_tokens),
        alone=float(engine.prefill == "alone" and not slots),
        whole=float(not engine.enable_chunked_prefill and not slots),
        lost_prompts=prompts,
        lost_tokens=tokens,
    )


def lost_to_preemption(engine: EngineConfig, demand: Demand, running: float) -> tuple[float, float]:
    """Preemptions per request, and tokens computed anew for them, while the KV pool is full.

    As soon as a request ends, its blocks go to as many newcomers as their prompts allow, though the running
    sequences will want O tokens until the next one ends: O / I newcomers per request are let in too many
    (O output, I prompt tokens) and preempted. In a step at whose start a request ended nobody is, and among
    N running that leaves exp(-N / O) of the steps. A victim has written about a tenth of its answer.
    Compared with the simulator for I from 100 to 4,000, O from 200 to 1,200 and N from 20 to 250: within a
    third. An engine that keeps a share of the output free preempts accordingly less.
    """
    output = float(demand.output_tokens) * (1 - engine.new_token_ratio)
    new = float(demand.input_tokens - demand.cached_tokens)
    prompts = output / (new + 0.07 * output) * math.exp(-running / max(output, 1.0))
    return prompts, prompts * (new + 0.1 * output)


def closed_loop_figures(
    cost: Pace, requests: Requests, room: Room, users: Values, think_s: Values
) -> Figures:
    """A closed loop of `users` on one replica. Vectorised: see `benchmarks/closed_form.py`."""
    demand = requests.demand
    balance = closed_loop(cost, demand, room, users, think_s)
    carried, now = balance.requests_per_s, balance.residence
    outside = balance.running + (think_s + demand.overhead_s) * carried
    waiting = np.where(balance.full, np.maximum(users - outside, 0), 0)
    # in the queue a request is taken up as soon as there is room, at a step boundary
    now = now._replace(entry_s=np.where(balance.full, demand.overhead_s, now.entry_s))
    wait = closed_queue_wait(waiting, carried, demand.output_variation)
    spread = latencies(cost, requests, room, now, wait, 0.0)
    return Figures(spread, carried, balance.running, waiting, np.ones_like(carried))


def open_loop_figures(
    cost: Pace, requests: Requests, room: Room, rate_per_s: Values, gap_variation: Values
) -> Figures:
    """An open loop of `rate_per_s` on one replica; `gap_variation` is that of the arrival gaps, squared."""
    demand = requests.demand
    balance = open_loop(cost, demand, room, rate_per_s)
    most = carried_when_full(cost, demand, room)
    load_ratio = np.asarray(rate_per_s / most)
    swing = batch_swing(cost, demand, room, balance.running, rate_per_s, gap_variation)
    now = residence(cost, demand, room, swing.mean)
    slots = full_batch_wait(swing, room, most, load_ratio, (gap_variation + demand.output_variation) / 2)
    steps = step_budget_wait(cost, demand, room, now, rate_per_s, gap_variation)
    above = overload_wait(load_ratio, OVERLOAD_HORIZON_S)
    below = Spread(slots.mean + steps.mean, slots.quantiles + steps.quantiles)
    wait = Spread(*(np.where(balance.full, a, b) for a, b in zip(above, below, strict=True)))
    batch_spread = np.where(balance.full, 0, swing.deviation)
    spread = latencies(cost, requests, room, now, wait, batch_spread)
    carried = np.minimum(rate_per_s, most)
    return Figures(spread, carried, balance.running, np.asarray(carried * wait.mean), load_ratio)


def length_variation(length: Length) -> float:
    """Squared coefficient of variation of a length, from 64 evenly spaced quantiles."""
    if isinstance(length, FixedLength):
        return 0.0
    return _variation([quantile_tokens(length, (i + 0.5) / 64) for i in range(64)])


def gap_variation(load: Rate) -> float:
    """Squared coefficient of variation of the gaps between arrivals."""
    match load.process:
        case "constant":
            return 0.0
        case "poisson" | "day":
            return 1.0
        case "gamma":
            return load.burstiness**2
        case "quantiles":
            return _variation([knots_quantile(load.gap_knots, (i + 0.5) / 64) for i in range(64)])


def _variation(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((x - mean) ** 2 for x in values) / len(values) / mean**2


def _quantiles(length: Length) -> Array:
    return np.array([quantile_tokens(length, float(q)) for q in PROBABILITIES])


def _metrics(spread: Latencies) -> dict[str, Distribution]:
    ttft, e2e = _distribution(spread.ttft), _distribution(spread.e2e)
    return {
        "ttft_s": ttft,
        "ttft_scheduled_s": ttft,
        "itl_s": _distribution(spread.itl),
        "tpot_s": _distribution(spread.tpot),
        "e2e_s": e2e,
        "e2e_scheduled_s": e2e,
    }


def _distribution(spread: Spread) -> Distribution:
    """Without interval and without n: nothing was counted."""
    mean = float(np.asarray(spread.mean).item())
    if math.isnan(mean):
        return Distribution(n=0)
    p50, p95, p99 = (float(x) for x in np.ravel(spread.quantiles))
    return Distribution(n=0, mean=mean, p50=p50, p95=p95, p99=p99, ci=dict.fromkeys(STATISTICS))


def _notes(
    load: Load, figures: Figures, room: Room, deployment: Deployment, carried_per_s: float
) -> tuple[str, ...]:
    limit = float(np.asarray(room.max_running).item())
    bound = "max_num_seqs" if limit >= deployment.engine.max_num_seqs else "the KV pool"
    match load:
        case Rate(per_s=per_s) if figures.load_ratio.item() > 1:
            return (
                f"saturated: {carried_per_s:.3g} of {per_s:g} requests per second are carried; the queue "
                f"grows, and waiting is stated for {OVERLOAD_HORIZON_S:.0f} s of it",
            )
        case Users() if figures.waiting.item() >= 0.5:
            waiting = figures.waiting.item() * deployment.replicas
            return (f"about {waiting:.0f} users wait: {bound} holds {limit:.0f} sequences per replica",)
        case _:
            return ()
