"""How near a measured load is to what the replica carries.

Utilisation is the predicted requests per second at that load over the most the replica carries, its batch
full (all sequences that KV pool and `max_num_seqs` admit). At a rate above that most it exceeds 1; a
closed loop whose users do not all fit into the batch is at 1.
"""

from __future__ import annotations

import math

import numpy as np

from servemark.calibration.observations import Observation
from servemark.domain.coefficients import Coefficients
from servemark.physics.batching import Demand, carried_when_full, closed_loop
from servemark.physics.levels import replica_room
from servemark.physics.memory import memory_budget
from servemark.physics.step import coefficient_values, step_cost
from servemark.physics.work import step_work


def utilization_ratio(observation: Observation, coefficients: Coefficients) -> float:
    """Predicted utilisation of the replica under an observation's load (infinite for all at once)."""
    if observation.kind == "max" or math.isinf(observation.rate_per_s):
        return math.inf
    deployment = observation.deployment
    cost = step_cost(step_work(deployment), coefficient_values(coefficients))
    closed = observation.kind != "open"
    demand = Demand(
        input_tokens=observation.input_tokens,
        output_tokens=max(1.0, observation.output_tokens),
        cached_tokens=0.0,
        input_variation=observation.input_variation,
        output_variation=observation.output_variation,
        overhead_s=coefficients.request_overhead_s.value,
        in_phase=float(closed),
        cohorts=0.0,
    )
    tokens = int(observation.input_tokens + observation.output_tokens)
    room = replica_room(deployment, memory_budget(deployment, sequence_tokens=tokens), demand)
    most = float(carried_when_full(cost, demand, room).item())
    if not closed:
        return observation.rate_per_s / most
    balance = closed_loop(cost, demand, room, np.array([[observation.sequences]]), 0.0)
    return float(balance.requests_per_s.item()) / most
