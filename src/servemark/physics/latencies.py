"""TTFT, ITL, TPOT and E2E of the steady state: mean and quantiles. Vectorised.

A latency is a sum of parts that vary on their own. Its quantile is its mean plus the parts' deviations
at that quantile, added in squares with their signs: exact for independent normals.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from servemark.physics.batching import (
    Array,
    Demand,
    Neighbours,
    Residence,
    Room,
    early_ratio,
    prefill_step_s,
    residence,
)
from servemark.physics.speculation import Pace
from servemark.physics.work import Values

PROBABILITIES = np.array((0.5, 0.95, 0.99))
NORMAL_QUANTILES = np.array((0.0, 1.6448536269514722, 2.3263478740408408))
EXACT_UP_TO = 30.0
"""Binomial means up to which quantiles are summed exactly; above, Cornish-Fisher is within one."""


class Spread(NamedTuple):
    """Mean, shape (configurations, 1), and p50, p95, p99, shape (configurations, 3)."""

    mean: Values
    quantiles: Values


class Requests(NamedTuple):
    """The requests of a workload as the closed form needs them; numbers or (configurations, 1)."""

    demand: Demand
    input_quantiles: Values
    """p50, p95, p99, shape (3,) or (configurations, 3)."""
    output_quantiles: Values


class Latencies(NamedTuple):
    """Latencies of one request. Gaps are NaN where the answer has one token."""

    ttft: Spread
    itl: Spread
    tpot: Spread
    e2e: Spread


def latencies(
    cost: Pace,
    requests: Requests,
    room: Room,
    now: Residence,
    wait: Spread,
    batch_spread: Values,
) -> Latencies:
    """Latencies of requests that wait, enter, are prefilled and decoded.

    Args:
        cost: of the deployment.
        requests: their lengths.
        room: what bounds the batch.
        now: the steady state.
        wait: in the queue, before a sequence slot and its blocks are free.
        batch_spread: standard deviation of the number of neighbours (0 in a closed loop).
    """
    demand, near = requests.demand, now.near
    decodes = demand.output_tokens - 1
    some = np.where(np.asarray(decodes) > 0, 1.0, np.nan)
    prompts = _prompt_quantiles(demand, near)
    crowd = near.others + NORMAL_QUANTILES * batch_spread
    most = np.maximum(room.max_running - 1, near.others)
    crowded = residence(cost, demand, room, np.minimum(crowd, most))
    batch = crowded.gap_s - now.gap_s

    gap = Spread(now.gap_s * some, (prefill_step_s(cost, demand, room, near, prompts, 0) + batch) * some)
    variance = near.others * near.prompt_ratio * (1 - near.prompt_ratio) * (1 - demand.cohorts)
    noise = NORMAL_QUANTILES * _each_prompt_s(now) * (variance / np.maximum(decodes, 1)) ** 0.5
    tpot_deviation = _in_squares(noise, batch)
    tpot = Spread(now.gap_s * some, (now.gap_s + tpot_deviation) * some)

    ttft_mean = wait.mean + now.entry_s + now.prefill_s
    entry = _entry_deviation(demand, now)
    before_decoding = (
        wait.quantiles - wait.mean,
        *_prefill_deviations(cost, requests, room, now),
        crowded.prefill_s - now.prefill_s,
    )
    ttft_deviation = _in_squares(entry, *before_decoding)
    e2e_mean = ttft_mean + decodes * now.gap_s
    e2e_deviation = _in_squares(
        *before_decoding,
        # a cohort that enters late meets one prefill less while it decodes
        entry * (1 - demand.cohorts),
        decodes * tpot_deviation,
        now.gap_s * (requests.output_quantiles - demand.output_tokens),
    )
    return Latencies(
        ttft=Spread(ttft_mean, ttft_mean + ttft_deviation),
        itl=gap,
        tpot=tpot,
        e2e=Spread(e2e_mean, e2e_mean + e2e_deviation),
    )


def _prefill_deviations(cost: Pace, requests: Requests, room: Room, now: Residence) -> tuple[Values, ...]:
    """The own prefill against its mean: more prompts beside it, longer ones, a longer own one, cut or not."""
    demand, near = requests.demand, now.near
    chance = np.minimum(near.own_prompts / np.maximum(near.others, 1e-9), 1)
    by_chance = binomial_quantiles(near.others, chance)
    beside = np.where(np.asarray(demand.cohorts) > 0, near.own_prompts, by_chance)
    long = demand._replace(input_tokens=np.maximum(requests.input_quantiles, demand.cached_tokens + 1))
    early = early_ratio(demand, room, near)
    steps = (near.prefill_steps + near.cut_ratio / 2) * early
    more = steps * prefill_step_s(cost, demand, room, near, beside, 1)
    longer = steps * prefill_step_s(cost, long, room, near, near.own_prompts, 1)
    cut = (near.cut_ratio > 1 - PROBABILITIES) / 2 - near.cut_ratio / 2
    lengths = NORMAL_QUANTILES * (near.own_prompts * demand.input_variation) ** 0.5 * _each_prompt_s(now)
    # of a batch of prompts computed alone the first are out after a share 2 early - 1, the last at its end
    place = (2 * PROBABILITIES - 1) * (1 - early) * now.prefill_s / early
    return more - now.prefill_s, longer - now.prefill_s, lengths, cut * now.prefill_s / steps, place


def _each_prompt_s(now: Residence) -> Values:
    """What one neighbour's prompt adds to a step."""
    return (now.mixed_s - now.quiet_s) / np.maximum(now.near.prompts, 1e-9)


def _entry_deviation(demand: Demand, now: Residence) -> Array:
    """Spread of the wait for a step boundary: which step is met (in phase), or how much of it is left."""
    met = now.near.entry_mixed_ratio
    mean = now.quiet_s + met * (now.mixed_s - now.quiet_s)
    step = np.where(met > 1 - PROBABILITIES, now.mixed_s, now.quiet_s)
    left = (now.entry_s - demand.overhead_s) * (2 * PROBABILITIES - 1)
    return np.where(np.asarray(demand.in_phase) > 0, now.near.busy_ratio * (step - mean), left)


def _prompt_quantiles(demand: Demand, near: Neighbours) -> Array:
    """Neighbours' prompts in a step, at each quantile."""
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
