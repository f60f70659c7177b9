"""TTFT, ITL, TPOT and E2E of the steady state: mean and quantiles. Vectorised.

A latency is a sum of parts that vary on their own. Its quantile is its mean plus the parts' deviations
at that quantile, added in squares with their signs: exact for independent normals.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from servemark.physics.batching import (
    Array,
    Balance,
    Demand,
    Residence,
    Room,
    prefill_step_s,
    residence,
)
from servemark.physics.step import StepCost
from servemark.physics.work import Values

PROBABILITIES = np.array((0.5, 0.95, 0.99))
NORMAL_QUANTILES = np.array((0.0, 1.6448536269514722, 2.3263478740408408))
EXACT_UP_TO = 30.0
"""Binomial means up to which quantiles are summed exactly; above, Cornish-Fisher is within one."""


class Spread(NamedTuple):
    """Mean, shape (configurations, 1), and p50, p95, p99, shape (configurations, 3)."""

    mean: Values
    quantiles: Values


class Latencies(NamedTuple):
    """Latencies of one request. Gaps are NaN where the answer has one token."""

    ttft: Spread
    itl: Spread
    tpot: Spread
    e2e: Spread


class Arrival(NamedTuple):
    """How requests meet the engine."""

    wait: Spread
    """In the queue, before a sequence slot and its blocks are free."""
    busy_ratio: Values
    """Chance that a step is running when the request comes."""
    batch_spread: Values
    """Standard deviation of the number of neighbours (0 in a closed loop)."""
    overhead_s: Values
    """Once per request, outside the engine."""


def latencies(
    cost: StepCost,
    demand: Demand,
    room: Room,
    balance: Balance,
    arrival: Arrival,
    input_quantiles: Values,
    output_quantiles: Values,
) -> Latencies:
    """Latencies at a balance of load and batch; lengths by their p50, p95, p99."""
    now = balance.residence
    near = now.near
    decodes = demand.output_tokens - 1
    some = np.where(np.asarray(decodes) > 0, 1.0, np.nan)
    slow = residence(
        cost,
        demand,
        room,
        np.minimum(
            near.others + NORMAL_QUANTILES * arrival.batch_spread,
            np.maximum(room.max_running - 1, near.others),
        ),
    )
    batch = slow.gap_s - now.gap_s

    prompts = _prompt_quantiles(demand, now)
    with_prompts = prefill_step_s(cost, demand, room, near, prompts, 0)
    itl = Spread(now.gap_s * some, (with_prompts + batch) * some)
    each_prompt = (now.mixed_s - now.quiet_s) / np.maximum(near.prompts, 1e-9)
    variance = near.others * near.prompt_ratio * (1 - near.prompt_ratio) * (1 - demand.cohorts)
    noise = NORMAL_QUANTILES * each_prompt * (variance / np.maximum(decodes, 1)) ** 0.5
    tpot = Spread(now.gap_s * some, (now.gap_s + _in_squares(noise, batch)) * some)

    mean_step = np.maximum(now.gap_s, 1e-30)
    squares = (1 - near.mixed_ratio) * now.quiet_s**2 + near.mixed_ratio * now.mixed_s**2
    residual = arrival.busy_ratio * squares / (2 * mean_step)
    ttft_mean = arrival.overhead_s + arrival.wait.mean + residual + now.prefill_s
    met = np.where(demand.cohorts > 0, near.own_prompts, prompts)
    met_s = near.prefill_steps * prefill_step_s(cost, demand, room, near, met, 1)
    stretched = demand._replace(input_tokens=np.maximum(input_quantiles, demand.cached_tokens + 1))
    own_s = near.prefill_steps * prefill_step_s(cost, stretched, room, near, near.own_prompts, 1)
    ttft_deviation = _in_squares(
        arrival.wait.quantiles - arrival.wait.mean,
        residual * (2 * PROBABILITIES - 1),
        met_s - now.prefill_s,
        own_s - now.prefill_s,
        slow.prefill_s - now.prefill_s,
    )
    ttft = Spread(ttft_mean, ttft_mean + ttft_deviation)
    e2e_mean = ttft_mean + decodes * now.gap_s
    e2e_deviation = _in_squares(
        ttft_deviation,
        decodes * _in_squares(noise, batch),
        now.gap_s * (output_quantiles - demand.output_tokens),
    )
    return Latencies(ttft, itl, tpot, Spread(e2e_mean, e2e_mean + e2e_deviation))


def _prompt_quantiles(demand: Demand, now: Residence) -> Array:
    """Neighbours' prompts in a step, at each quantile."""
    near = now.near
    cohort = np.where(near.mixed_ratio > 1 - PROBABILITIES, near.prompts, 0)
    chance = binomial_quantiles(near.others, near.prompt_ratio)
    return np.where(np.asarray(demand.cohorts) > 0, cohort, chance)


def binomial_quantiles(trials: Values, chance: Values) -> Array:
    """p50, p95 and p99 of a binomial; `trials` need not be whole.

    Small means by adding up the distribution, large ones by Cornish-Fisher (normal plus skewness).
    """
    mean = np.asarray(trials * chance)[..., None] if np.ndim(trials) == 0 else trials * chance
    deviation = (np.maximum(mean * (1 - chance), 0)) ** 0.5
    skew = (1 - 2 * chance) * (NORMAL_QUANTILES**2 - 1) / 6
    large = np.rint(np.clip(mean + deviation * NORMAL_QUANTILES + skew, 0, trials))
    exact = mean <= EXACT_UP_TO
    tried = np.where(exact, trials, 0)
    odds = chance / np.maximum(1 - chance, 1e-9)
    mass = np.maximum(1 - chance, 1e-9) ** tried
    total, count = mass, np.zeros(np.broadcast_shapes(np.shape(mass), PROBABILITIES.shape))
    k = 0
    while np.any(short := total < PROBABILITIES - 1e-9) and k < 4 * EXACT_UP_TO:
        count += short
        mass = mass * np.maximum(tried - k, 0) / (k + 1) * odds
        total = total + mass
        k += 1
    return np.where(exact, np.minimum(count, np.ceil(tried)), large)


def _in_squares(*deviations: Values) -> Array:
    """Deviations added in squares, keeping their signs."""
    total: Array = np.zeros(1)
    for deviation in deviations:
        total = total + deviation * abs(deviation)
    return np.asarray(np.sign(total) * abs(total) ** 0.5, dtype=np.float64)


def limited_queue_wait(
    running_limit: Values,
    capacity_per_s: Values,
    load_ratio: Values,
    variation: Values,
) -> Spread:
    """Waiting for a slot in an open loop below saturation.

    Mean after Sakasegawa (1977) for G/G/c, `variation` being half the sum of the squared variations
    of arrivals and service; those who wait do so exponentially.
    """
    power = np.sqrt(2 * (running_limit + 1)) - 1
    chance = np.clip(load_ratio, 0, 1) ** power
    when_waiting = variation / (np.maximum(1 - load_ratio, 1e-9) * capacity_per_s)
    late = np.log(np.maximum(chance / (1 - PROBABILITIES), 1.0))
    return Spread(chance * when_waiting, late * when_waiting)


def overload_wait(load_ratio: Values, horizon_s: float) -> Spread:
    """Waiting while a queue grows: whoever comes t seconds into it waits (load ratio - 1) t.

    Arrivals spread evenly over the horizon.
    """
    growth = np.maximum(load_ratio - 1, 0) * horizon_s
    return Spread(growth / 2, growth * PROBABILITIES)


def closed_queue_wait(waiting: Values, requests_per_s: Values, variation: Values) -> Spread:
    """Waiting behind `waiting` users of a closed loop who leave at `requests_per_s`."""
    mean = waiting / requests_per_s
    return Spread(mean, mean + NORMAL_QUANTILES * (waiting * variation) ** 0.5 / requests_per_s)
