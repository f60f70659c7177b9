"""One measured value, ready to be predicted in closed form; and what the closed form predicts for many at once.

How the kinds are predicted:

- static: all prompts, in as many steps as the token budget needs, then all decodes together; in several
  waves where the KV pool does not hold the whole batch.
- closed: the steady state of `servemark.physics.batching` with all users in the batch; in the mean TTFT also
  the burst of the start.
- users: the same with as many in the batch as are not underway, and in cohorts where answers are equally long.
- max: full batches until the requests of the run are used up, then half of one running out.
- open: the steady state at that rate; where all requests are sent at once, as `max`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.record import Record
from servemark.physics.batching import Balance, Demand, Room, closed_loop, open_loop, residence
from servemark.physics.levels import replica_room
from servemark.physics.memory import memory_budget
from servemark.physics.step import CoefficientValues, StepCost, coefficient_values, step_cost, step_seconds
from servemark.physics.work import StepWork, Values, stacked, step_work

Kind = Literal["static", "closed", "users", "max", "open"]
Metric = Literal["throughput", "tpot", "itl", "ttft", "e2e"]
Array = NDArray[np.float64]
REQUESTS_PER_USER = 10
"""Of a benchmark with drawn lengths (InferenceX): a tenth of its requests are the burst of the start."""
MIDDLES = (1 / 6, 1 / 2, 5 / 6)
"""Of an answer written by thirds: where a static batch's context is taken."""


class Observation(Record, frozen=True, kw_only=True):
    """One measured value and the setting it was measured in.

    `kind`: `static`, a batch that starts and ends together; `closed`, users who send again at once; `users`, the
    same as our own load driver plays it; `max`, saturated, as many as the engine admits; `open`, requests at a rate.
    """

    deployment: Deployment
    """One replica, with the engine's settings of the measurement."""
    kind: Kind
    sequences: float = 0.0
    """Batch (static) or users (closed)."""
    rate_per_s: float = 0.0
    """Requests per second (open); infinite where all are sent at once."""
    requests: float | None = None
    """Requests of the whole run, where ramp and tail count (max)."""
    input_tokens: float
    output_tokens: float
    input_variation: float = 0.0
    """Squared coefficient of variation of the prompt length."""
    output_variation: float = 0.0
    wait_steps: float = 0.0
    """Decode steps that a request waits before the engine looks at it (polling, batching on purpose)."""
    same_prompts: bool = False
    """All prompts of a batch are the same, so that their tokens are routed to the same experts."""
    metric: Metric
    statistic: Literal["mean", "p50", "p99"] = "mean"
    counted: Literal["output", "input", "both", ""] = ""
    """Tokens that a throughput counts."""
    per_gpu: bool = False
    """The throughput is per GPU."""
    value: float
    """Seconds, or tokens per second."""
    relative_error: float = 0.0
    """Sampling error of `value`, beside the residual error of its family."""
    source: str = ""
    source_version: str = ""
    labels: dict[str, str] = {}
    """What tells curves apart beyond the deployment."""


def predicted(observations: Sequence[Observation], coefficients: Sequence[Coefficients]) -> Array:
    """Predicted values in the units of `value`, one per observation, each with its own coefficients.

    NaN where the setting cannot be (the KV pool holds less than one sequence; speculation).
    """
    if not observations:
        return np.empty(0)
    values = CoefficientValues(*np.array([coefficient_values(c) for c in coefficients], dtype=float).T)
    overhead = np.array([c.request_overhead_s.value for c in coefficients])
    return ForwardModel(observations).values(values, overhead)


class _Part(NamedTuple):
    """Observations of one kind; fields of shape (rows, 1)."""

    rows: NDArray[np.int64]
    predict: Callable[[StepCost, _Part, Array], Array]
    work: StepWork
    room: Room
    inputs: Array
    outputs: Array
    input_variation: Array
    output_variation: Array
    sequences: Array
    rate_per_s: Array
    wait_steps: Array
    requests: Array
    tokens: Array
    """Counted per request, over the GPUs that share them."""
    metric: NDArray[np.str_]


class ForwardModel:
    """Everything about the observations that does not depend on the coefficients, ready to be evaluated."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self.count = len(observations)
        kinds: dict[str, list[int]] = {}
        for i, each in enumerate(observations):
            if each.deployment.engine.speculative is None:
                kinds.setdefault(_predicted_as(each), []).append(i)
        self._parts = [_part(kind, rows, observations) for kind, rows in kinds.items()]

    def values(self, values: CoefficientValues, request_overhead_s: Array | None = None) -> Array:
        """Predictions, of the shape of the fields: (observations,), or (observations, variants)."""
        shape = np.shape(values[0])
        result = np.full((self.count, *shape[1:]), np.nan)
        overhead = np.zeros(shape) if request_overhead_s is None else request_overhead_s
        for part in self._parts:
            columns = len(part.rows), -1
            own = CoefficientValues(*(np.asarray(field)[part.rows].reshape(columns) for field in values))
            found = part.predict(step_cost(part.work, own), part, overhead[part.rows].reshape(columns))
            found = np.where(part.room.max_running >= 1, found, np.nan)
            result[part.rows] = found.reshape(len(part.rows), *shape[1:])
        return result


def _predicted_as(observation: Observation) -> str:
    at_once = observation.kind == "open" and math.isinf(observation.rate_per_s)
    return "max" if at_once else observation.kind


def _part(kind: str, rows: list[int], observations: Sequence[Observation]) -> _Part:
    chosen = [observations[i] for i in rows]

    def column(value: Callable[[Observation], float]) -> Array:
        return np.array([value(each) for each in chosen], dtype=float)[:, None]

    rooms = np.array([_room(each) for each in chosen], dtype=float).T
    return _Part(
        rows=np.array(rows),
        predict=_KINDS[kind],
        work=stacked([work_of(each) for each in chosen]),
        room=Room(*(field[:, None] for field in rooms)),
        inputs=column(lambda o: o.input_tokens),
        outputs=column(lambda o: o.output_tokens),
        input_variation=column(lambda o: o.input_variation),
        output_variation=column(lambda o: o.output_variation),
        sequences=column(lambda o: o.sequences),
        rate_per_s=column(lambda o: o.rate_per_s),
        wait_steps=column(lambda o: o.wait_steps),
        requests=column(lambda o: o.requests or 1500.0),
        tokens=column(counted_tokens),
        metric=np.array([each.metric for each in chosen])[:, None],
    )


def counted_tokens(observation: Observation) -> float:
    """Tokens of one request that its throughput counts."""
    inputs, outputs = observation.input_tokens, observation.output_tokens
    tokens = {"both": inputs + outputs, "output": outputs, "input": inputs, "": outputs}[
        observation.counted
    ]
    return tokens / (observation.deployment.gpus if observation.per_gpu else 1)


def work_of(observation: Observation) -> StepWork:
    """The work of its deployment. Equal prompts touch as many experts as one token does."""
    work = step_work(observation.deployment)
    if not observation.same_prompts:
        return work
    share = work.experts_per_token / work.experts
    return work._replace(expert_bytes=work.expert_bytes * share, experts=work.experts_per_token)


def _room(observation: Observation) -> Room:
    """What bounds the batch; `max_running` is below 1 where not even one sequence fits."""
    deployment = observation.deployment
    tokens = math.ceil(observation.input_tokens + observation.output_tokens)
    budget = memory_budget(deployment, sequence_tokens=max(1, tokens))
    demand = Demand(
        observation.input_tokens, max(1.0, observation.output_tokens), 0.0, observation.input_variation,
        observation.output_variation, overhead_s=0.0, in_phase=0.0, cohorts=0.0,
    )  # fmt: skip
    room = replica_room(deployment, budget, demand)
    if deployment.engine.policy == "slots" and not deployment.engine.shared_context:
        return room
    held = budget.kv_tokens / max(1, tokens)
    return room._replace(max_running=0.0) if held < 1 and observation.kind != "closed" else room


def _demand(part: _Part, overhead_s: Array, *, in_phase: float = 0.0, cohorts: Values = 0.0) -> Demand:
    zero = np.zeros_like(part.inputs)
    return Demand(
        part.inputs, np.maximum(part.outputs, 1), zero, part.input_variation, part.output_variation,
        overhead_s=overhead_s, in_phase=zero + in_phase, cohorts=zero + cohorts,
    )  # fmt: skip


def _static(cost: StepCost, part: _Part, _: Array) -> Array:
    waves = np.maximum(np.ceil(part.sequences / np.maximum(np.floor(part.room.max_running), 1)), 1)
    batch, inputs = part.sequences / waves, part.inputs
    steps = np.maximum(batch * inputs / part.room.max_step_tokens, 1)
    tokens = batch * inputs / steps
    prefill = steps * step_seconds(cost, 0.0, 0.0, tokens, tokens * (inputs + 1) / 2, batch / steps)
    decode = sum(
        step_seconds(cost, batch, batch * (inputs + share * part.outputs)) for share in MIDDLES
    ) / len(MIDDLES)
    first = np.where(inputs > 0, 1, 0)
    total = waves * (first * prefill + np.maximum(part.outputs - first, 0) * decode)
    # the engine itself is timed: no request travels
    latencies = {"ttft": prefill, "tpot": decode, "itl": decode, "e2e": total}
    return _chosen(part, latencies, part.sequences * part.tokens / total)


def _closed(cost: StepCost, part: _Part, overhead_s: Array) -> Array:
    # out of phase: overheads vary, so that half a step is what a request waits for the next one
    demand = _demand(part, overhead_s)
    batch = np.minimum(part.sequences, np.maximum(part.room.max_running, 1))
    now = residence(cost, demand, part.room, batch - 1)
    waiting = np.maximum(part.sequences - batch, 0) / batch * now.total_s
    steady = now.entry_s + now.prefill_s + waiting + part.wait_steps * now.quiet_s
    share = np.where(part.input_variation > 0, 1 / REQUESTS_PER_USER, 0.0)
    ttft = (1 - share) * steady + share * (overhead_s + waiting + _burst_s(cost, part))
    latencies = {
        "ttft": ttft,
        "tpot": now.gap_s,
        "itl": now.gap_s,
        "e2e": ttft + now.total_s - now.prefill_s,
    }
    return _chosen(part, latencies, batch * part.tokens / (now.total_s + now.entry_s * (waiting == 0)))


def _burst_s(cost: StepCost, part: _Part) -> Array:
    """Mean wait of all users' first prompts, sent at once to an idle engine: step after step of a full budget."""
    tokens = part.sequences * part.inputs
    steps = np.maximum(tokens / part.room.max_step_tokens, 1)
    each = tokens / steps
    step_s = step_seconds(cost, 0.0, 0.0, each, each * (part.inputs + 1) / 2, part.sequences / steps)
    return step_s * (steps + 1) / 2


def _users(cost: StepCost, part: _Part, overhead_s: Array) -> Array:
    demand = _demand(part, overhead_s, in_phase=1.0, cohorts=part.output_variation == 0)
    balance = closed_loop(cost, demand, part.room, part.sequences, 0.0)
    now, carried = balance.residence, balance.requests_per_s
    outside = balance.running + demand.overhead_s * carried
    waiting = np.where(balance.full, np.maximum(part.sequences - outside, 0), 0)
    entry = np.where(balance.full, demand.overhead_s, now.entry_s)
    ttft = waiting / carried + entry + now.prefill_s
    latencies = {
        "ttft": ttft,
        "tpot": now.gap_s,
        "itl": now.gap_s,
        "e2e": ttft + (part.outputs - 1) * now.gap_s,
    }
    return _chosen(part, latencies, carried * part.tokens)


def _max(cost: StepCost, part: _Part, overhead_s: Array) -> Array:
    requests, outputs = part.requests, part.outputs
    batch = np.maximum(np.minimum(part.room.max_running, requests), 1)
    full = residence(cost, _demand(part, 0.0 * overhead_s), part.room, batch - 1)
    tail = outputs / 2 * step_seconds(cost, batch / 2, batch / 2 * (part.inputs + outputs / 2))
    total = requests / batch * full.total_s + tail
    # all are there from the start: they wait for the batches before them
    ttft = np.maximum(requests / batch - 1, 0) / 2 * full.total_s + full.prefill_s + overhead_s
    latencies = {"ttft": ttft, "tpot": full.gap_s, "itl": full.gap_s, "e2e": ttft + full.total_s}
    return _chosen(part, latencies, requests * part.tokens / total)


def _open(cost: StepCost, part: _Part, overhead_s: Array) -> Array:
    balance: Balance = open_loop(cost, _demand(part, overhead_s), part.room, part.rate_per_s)
    now = balance.residence
    ttft = now.entry_s + now.prefill_s
    latencies = {"ttft": ttft, "tpot": now.gap_s, "itl": now.gap_s, "e2e": now.entry_s + now.total_s}
    # the run ends when its last request does
    lasting = part.requests / part.rate_per_s + now.total_s
    rate = np.minimum(balance.requests_per_s, part.requests / lasting)
    return _chosen(part, latencies, rate * part.tokens)


def _chosen(part: _Part, latencies: Mapping[str, Values], throughput: Array) -> Array:
    """Of all metrics the one that each row asks for."""
    result: Array = throughput
    for metric, value in latencies.items():
        result = np.where(part.metric == metric, value, result)
    return result


_KINDS: dict[str, Any] = {"static": _static, "closed": _closed, "users": _users, "max": _max, "open": _open}
