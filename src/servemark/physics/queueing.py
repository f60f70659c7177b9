"""Waiting in an open loop below saturation: for a place in the batch, and for the tokens of a step. Vectorised.

The batch is a birth and death process: requests come at a rate and leave at X(n), which rises with the n that
run, ever more slowly. Near the balance its swing is that of a linear one, variance rate x v / X'(n) with v the
mean of the squared variations of arrivals and departures (Poisson with X = n / T: variance n); the bend of X
lifts the mean by -X'' variance / 2 X'.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from servemark.physics.batching import Array, Demand, Residence, Room, residence
from servemark.physics.latencies import PROBABILITIES, Spread
from servemark.physics.speculation import Pace, pace_seconds
from servemark.physics.work import Values

REACH = 0.15
"""The slope of X(n) is taken over so much of n on either side."""


class Swing(NamedTuple):
    """How many sequences run at a random moment."""

    balance: Array
    """Where arrivals and departures balance."""
    mean: Array
    deviation: Array


def batch_swing(
    cost: Pace, demand: Demand, room: Room, running: Array, rate_per_s: Values, gap_variation: Values
) -> Swing:
    """The swing of the batch around its balance of `running`."""
    limit = np.asarray(room.max_running - 1e-6 * room.max_running)
    reach = np.minimum(REACH * running, np.maximum(limit - running, 0.02 * running))
    low, high = running - reach, running + reach
    slow, balanced, fast = (
        n / np.asarray(residence(cost, demand, room, n).total_s) for n in (low, running, high)
    )
    slope = np.maximum((fast - slow) / (2 * reach), 0.02 * balanced / running)
    bend = np.minimum((fast - 2 * balanced + slow) / (reach * reach), 0.0)
    variance = np.asarray(rate_per_s * (gap_variation + 1) / 2 / slope)
    deviation = np.minimum(variance**0.5, np.maximum(limit - running, running**0.5))
    lift = np.minimum(-bend * deviation * deviation / (2 * slope), np.maximum(limit - running, 0) / 2)
    return Swing(running, np.asarray(running + lift), np.asarray(deviation))


def full_batch_wait(
    swing: Swing, room: Room, carried_when_full: Values, load_ratio: Values, variation: Values
) -> Spread:
    """Waiting for a place in the batch.

    The chance that none is free is that of a normal swing past the bound; with few places that of
    Sakasegawa (1977) for G/G/c, occupancy^(sqrt(2 (c + 1)) - 1), which is the larger there. Who waits does so
    for `variation` / ((1 - load) capacity) on average, exponentially spread, as behind a queue that empties at
    full capacity (Kingman). `variation` is half the sum of the squared variations of arrivals and service.
    """
    swung = upper_tail((room.max_running - swing.mean) / np.maximum(swing.deviation, 1e-9))
    chance = np.maximum(servers_busy(swing.balance / room.max_running, room.max_running), swung)
    when_waiting = variation / (np.maximum(1 - load_ratio, 1e-9) * carried_when_full)
    return exponential_wait(chance, when_waiting)


def servers_busy(occupancy: Values, servers: Values) -> Array:
    """Chance that all servers are busy (Sakasegawa 1977)."""
    return np.clip(occupancy, 0, 1) ** (np.sqrt(2 * (servers + 1)) - 1)


def step_budget_wait(
    cost: Pace, demand: Demand, room: Room, now: Residence, rate_per_s: Values, gap_variation: Values
) -> Spread:
    """Waiting for prompt tokens of a step, behind other prompts.

    Steps whose prompts fill the token budget serve like c = budget / prompt servers, each as long as such a
    step: Sakasegawa (1977) for G/G/c.
    """
    new = demand.input_tokens - demand.cached_tokens
    beside = (1 - room.alone) * now.near.others
    tokens = np.maximum(room.max_step_tokens - beside, 1)
    servers = np.maximum(tokens / new, 1)
    pairs = tokens * (demand.cached_tokens + (new + 1) / 2)
    full = pace_seconds(cost, beside, beside * now.near.context_tokens, tokens, pairs, tokens / new)
    each = full * new / tokens
    busy = np.minimum(rate_per_s * each, 0.999)
    when_waiting = (gap_variation + demand.input_variation) / 2 * each / (1 - busy)
    wait = exponential_wait(servers_busy(busy, servers), when_waiting)
    # on average the rest of the step that runs is part of the entry already
    return wait._replace(mean=wait.mean * busy)


def upper_tail(deviations: Values) -> Array:
    """Chance that a normal lies so many deviations above its mean.

    Within 0.007 everywhere and 4 % up to four deviations: an exponential of a parabola.
    """
    far = np.maximum(np.abs(deviations), 0.0)
    tail = 0.5 * np.exp(-0.717 * far - 0.416 * far * far)
    return np.where(np.asarray(deviations) >= 0, tail, 1 - tail)


def exponential_wait(chance: Values, when_waiting: Values) -> Spread:
    """A wait that is 0 or, with a chance, exponentially spread."""
    late = np.log(np.maximum(chance / (1 - PROBABILITIES), 1.0))
    return Spread(chance * when_waiting, late * when_waiting)
