"""Continuous batching in its steady state, seen by one request among others. Vectorised.

While a request runs, `others` sequences run beside it. Each lives for n = output - 1 + s steps: s of
prefill (one, unless the token budget spreads the prompt over more) and the rest decodes; so a step holds
a prompt of each other sequence with chance r = s / n, and the number of prompts in a step is about
Binomial(others, r). Where a closed loop has answers of one fixed length, requests that started in one
step also end in one step and stay together: then prompts come in whole cohorts, as many as the
token budget holds, and a request never meets the prefill of its own cohort twice.

Arrays have shape (configurations, 1), or (configurations, quantiles) for quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.physics.step import StepCost, step_seconds
from servemark.physics.work import Values

Array = NDArray[np.float64]
SECANT_STEPS = 8
"""Of false position: the batch is then within 1e-6 of itself."""


class Demand(NamedTuple):
    """The requests of one configuration, on average."""

    input_tokens: Values
    output_tokens: Values
    """At least 1: the first token comes out of the prefill."""
    cached_tokens: Values
    """Prompt tokens that the prefix cache serves."""
    output_variation: Values
    """Squared coefficient of variation of the output length."""
    cohorts: Values
    """1 where prompts come in cohorts, else 0."""


class Room(NamedTuple):
    """What bounds the batch of one replica."""

    max_running: Values
    max_step_tokens: Values


class Neighbours(NamedTuple):
    """A request's neighbours while it runs."""

    others: Values
    steps: Values
    """Steps that a request lives."""
    prefill_steps: Values
    prompt_ratio: Values
    """r: chance that a given neighbour has a prompt in a step."""
    mixed_ratio: Values
    """Chance that a step holds at least one neighbour's prompt."""
    prompts: Values
    """Neighbours' prompts in such a step."""
    own_prompts: Values
    """Neighbours' prompts in the steps of the own prefill."""
    context_tokens: Values
    """Cached tokens of a decoding sequence."""


def neighbours(demand: Demand, room: Room, others: Values) -> Neighbours:
    """The steady state with `others` sequences beside the one looked at."""
    new = demand.input_tokens - demand.cached_tokens
    decodes = demand.output_tokens - 1
    budget = np.maximum(room.max_step_tokens - others, 1)
    alone = np.ceil(new / budget)
    crowded = (others + 1) * (new + decodes) / room.max_step_tokens - decodes
    prefill_steps = np.maximum(np.maximum(alone, crowded), 1)
    steps = decodes + prefill_steps
    ratio = prefill_steps / steps
    cohort = np.clip(np.floor(budget / new), 1, others + 1)
    # a share of the steps is met by no prompt: (1 - r)^others, or what the other cohorts leave
    random_mixed = 1 - (1 - ratio) ** others
    cohort_mixed = np.minimum(np.maximum((others + 1) / cohort - 1, 0) * ratio, 1)
    together = demand.cohorts > 0
    mixed = np.where(together, cohort_mixed, random_mixed)
    expected = others * ratio
    per_step = np.where(together, cohort, expected / np.maximum(random_mixed, 1e-300))
    # length-biased: a long answer is met more often, half of it written on average
    written = demand.output_tokens * (1 + demand.output_variation) / 2
    return Neighbours(
        others=others,
        steps=steps,
        prefill_steps=prefill_steps,
        prompt_ratio=ratio,
        mixed_ratio=mixed,
        prompts=np.where(mixed > 0, per_step, 0),
        own_prompts=np.where(together, cohort - 1, expected),
        context_tokens=demand.input_tokens + written,
    )


def prefill_step_s(
    cost: StepCost, demand: Demand, room: Room, near: Neighbours, prompts: Values, own: Values
) -> Values:
    """A step with `prompts` prompts of neighbours, and the own one (`own` = 1) or the own decode (0).

    What exceeds the token budget waits for the next step.
    """
    new = demand.input_tokens - demand.cached_tokens
    decodes = np.maximum(near.others - prompts, 0) + (1 - own)
    tokens = (prompts + own) * new / near.prefill_steps
    tokens = np.minimum(tokens, np.maximum(room.max_step_tokens - decodes, 1))
    pairs = tokens * (demand.cached_tokens + (new + 1) / 2)
    context = decodes * near.context_tokens
    return step_seconds(cost, decodes, context, tokens, pairs, prompts + own)


class Residence(NamedTuple):
    """How long a request runs once it is admitted."""

    near: Neighbours
    quiet_s: Values
    """A step without any prompt."""
    mixed_s: Values
    """A step with neighbours' prompts, given that there are some."""
    gap_s: Values
    """Mean gap between two tokens."""
    prefill_s: Values
    """All steps of the own prefill."""
    total_s: Values


def residence(cost: StepCost, demand: Demand, room: Room, others: Values) -> Residence:
    """Steps, gaps and total time with `others` neighbours."""
    near = neighbours(demand, room, others)
    decodes = others + 1
    quiet = step_seconds(cost, decodes, decodes * near.context_tokens)
    mixed = prefill_step_s(cost, demand, room, near, near.prompts, 0)
    gap = quiet + near.mixed_ratio * (mixed - quiet)
    own = near.prefill_steps * prefill_step_s(cost, demand, room, near, near.own_prompts, 1)
    return Residence(near, quiet, mixed, gap, own, own + (demand.output_tokens - 1) * gap)


class Balance(NamedTuple):
    """Where load and batch meet."""

    running: Array
    full: NDArray[np.bool_]
    """The batch is at its bound and requests wait."""
    residence: Residence
    requests_per_s: Array


def closed_loop(cost: StepCost, demand: Demand, room: Room, users: Values, pause_s: Values) -> Balance:
    """`users` who send again `pause_s` after their last answer: running + pause x throughput = users."""

    def others(running: Values) -> Values:
        alone = running * (1 - 1 / np.maximum(users, 1))
        return np.minimum(alone, np.maximum(room.max_running - 1, 0))

    return _balance(cost, demand, room, others, in_system=1.0, pause_s=pause_s, target=users)


def open_loop(cost: StepCost, demand: Demand, room: Room, rate_per_s: Values) -> Balance:
    """Arrivals at a rate: throughput = rate. A Poisson arrival sees the mean batch beside itself."""

    def others(running: Values) -> Values:
        return np.minimum(running, np.maximum(room.max_running - 1, 0))

    return _balance(cost, demand, room, others, in_system=0.0, pause_s=1.0, target=rate_per_s)


def carried_when_full(cost: StepCost, demand: Demand, room: Room) -> Array:
    """Requests per second of a full batch: the most a replica carries."""
    full = residence(cost, demand, room, np.maximum(room.max_running - 1, 0))
    return np.asarray(room.max_running / full.total_s)


def _balance(
    cost: StepCost,
    demand: Demand,
    room: Room,
    others: Callable[[Values], Values],
    *,
    in_system: float,
    pause_s: Values,
    target: Values,
) -> Balance:
    """Solve in_system x b + pause_s x b / T(b) = target for the batch b (Little's law).

    The left side rises with b. False position (Illinois), which is exact at once without pauses.
    """
    high = np.asarray(room.max_running + 0.0 * (target + demand.input_tokens))
    low = np.zeros_like(high)

    def excess(running: Array) -> Array:
        total = residence(cost, demand, room, others(running)).total_s
        return np.asarray(in_system * running + pause_s * running / total - target)

    low_value, high_value = low - target, excess(high)
    full = high_value < 0
    was_below = np.zeros_like(full)
    running = high
    for turn in range(SECANT_STEPS):
        rise = np.where(full, 1.0, high_value - low_value)
        running = np.where(full, high, low - low_value * (high - low) / rise)
        value = excess(running)
        below = value < 0
        # an end that stays twice in a row loses half its weight
        stays = (below == was_below) & (turn > 0)
        low_value = np.where(below, value, low_value * np.where(stays, 0.5, 1.0))
        high_value = np.where(below, high_value * np.where(stays, 0.5, 1.0), value)
        low, high = np.where(below, running, low), np.where(below, high, running)
        was_below = below
    state = residence(cost, demand, room, others(running))
    return Balance(running, full, state, running / np.asarray(state.total_s))
