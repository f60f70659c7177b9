"""Continuous batching in its steady state, seen by one request among others. Vectorised.

While a request runs, `others` sequences run beside it. Each lives for n = output - 1 + s steps: s of
prefill (one, unless the token budget spreads the prompt over more) and the rest decodes; so a step holds
a prompt of each other sequence with chance r = s / n, and the number of prompts in a step is about
Binomial(others, r).

A closed loop without pauses is in phase with the engine: an answer ends with a step, the next request
comes a moment later, and waits for the step that has just begun. If answers have one fixed length too,
requests that started in one step also end in one step and stay together: prompts then come in cohorts, as
many as the token budget holds, one cohort a step after the other; a prompt cut by the budget ends a step later.

Where prompts outweigh answers so far that every step is filled to the token budget, cohorts cannot keep
apart: s follows from n steps of the whole budget for the tokens of all sequences.

An engine that computes prompts alone (SGLang, vLLM V0) puts whole steps of prompts between two decode steps: a
gap is then a decode step, longer by the prompts that came meanwhile, and prompts never share the budget with
decodes. Prompts of one batch come out budget by budget, so a first token is on average half a batch early.

A full pool that preempts computes some prompts twice: see `Room.lost_prompts`.

Arrays have shape (configurations, 1), or (configurations, quantiles) for quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.physics.speculation import Pace, pace_seconds
from servemark.physics.work import Values

Array = NDArray[np.float64]
SECANT_STEPS = 8
"""Of false position: the batch is then within 1e-4 of itself."""


class Demand(NamedTuple):
    """The requests of one configuration, on average."""

    input_tokens: Values
    output_tokens: Values
    """At least 1: the first token comes out of the prefill."""
    cached_tokens: Values
    """Prompt tokens that the prefix cache serves."""
    input_variation: Values
    """Squared coefficient of variation of the computed prompt length."""
    output_variation: Values
    """Squared coefficient of variation of the output length."""
    overhead_s: Values
    """From sending a request to its arrival at the engine."""
    in_phase: Values
    """1 in a closed loop without pauses, else 0."""
    cohorts: Values
    """1 where moreover all answers are equally long, else 0."""


class Room(NamedTuple):
    """What bounds the batch of one replica."""

    max_running: Values
    max_step_tokens: Values
    alone: Values = 0.0
    """1 where prompts are computed in steps of their own, else 0."""
    whole: Values = 0.0
    """1 where prompts are not cut to the token budget, else 0."""
    lost_prompts: Values = 0.0
    """Preemptions per request once the batch is full; each is computed anew."""
    lost_tokens: Values = 0.0
    """Tokens computed anew per request."""


class Neighbours(NamedTuple):
    """A request's neighbours while it runs."""

    others: Values
    prefill_steps: Values
    prompt_ratio: Values
    """r: chance that a given neighbour has a prompt in a step."""
    mixed_ratio: Values
    """Share of the decode steps that hold neighbours' prompts."""
    prompts: Values
    """Neighbours' prompts in such a step."""
    own_prompts: Values
    """Neighbours' prompts in the steps of the own prefill."""
    cut_ratio: Values
    """Chance that the token budget cuts the own prompt, one of each cohort; half a step longer on average."""
    busy_ratio: Values
    """Chance that a request meets a running step."""
    entry_mixed_ratio: Values
    """Chance that this step holds prompts."""
    context_tokens: Values
    """Cached tokens of a decoding sequence."""
    lost_tokens: Values
    """Tokens per request that a full batch computes anew."""


def neighbours(demand: Demand, room: Room, others: Values) -> Neighbours:
    """The steady state with `others` sequences beside the one looked at."""
    full = np.asarray(others >= (room.max_running - 1) * (1 - 1e-9))
    alone, lost = room.alone, room.lost_tokens * full.astype(np.float64)
    new = demand.input_tokens - demand.cached_tokens
    decodes = demand.output_tokens - 1
    # answers of one token come out of their prefill and leave no decodes in a step
    budget = room.max_step_tokens - (1 - alone) * others * decodes / demand.output_tokens
    budget = np.maximum(budget, 1)
    again = 1 + room.lost_prompts * (lost > 0)
    steps = np.maximum(np.ceil(new / budget), 1) * again
    crowded = (others + 1) * (new + lost + decodes) / room.max_step_tokens - decodes
    packed = (crowded > steps) & (alone == 0)
    prefill_steps = np.where(alone > 0, again, np.maximum(steps, crowded))
    # alone: the chance is that of a gap between two decodes, which may hold prompts
    ratio = prefill_steps / np.where(alone > 0, np.maximum(decodes, prefill_steps), decodes + prefill_steps)

    whole = np.ceil((others + 1) / np.maximum(np.floor(budget / new), 1))
    cohorts = np.where(room.whole > 0, whole, np.ceil((others + 1) * new / budget))
    cohorts = np.where(alone > 0, 1, np.minimum(cohorts, others + 1))
    cohort = (others + 1) / cohorts
    # prompts are cut where that packs the same users into fewer steps
    cut = (np.minimum(whole, others + 1) > cohorts) / cohort * (alone == 0)
    follows = (1 - 1 / cohorts) * (demand.overhead_s > 0)
    # a cohort that has waited for the one before it does not meet that one while decoding
    cohort_mixed = np.minimum((cohorts - 1 - follows) * ratio, 1)
    expected = others * ratio
    always_mixed = np.minimum(others, 1)
    random_mixed = np.where(packed, always_mixed, 1 - (1 - ratio) ** others)
    random_prompts = expected / np.maximum(random_mixed, 1e-300)

    together = (demand.cohorts > 0) & ~packed
    mixed = np.where(together, cohort_mixed, random_mixed)
    in_phase = np.where(together, cohorts > 1, always_mixed)
    return Neighbours(
        others=others,
        prefill_steps=prefill_steps,
        prompt_ratio=ratio,
        mixed_ratio=mixed,
        prompts=np.where(mixed > 0, np.where(together, cohort, random_prompts), 0),
        own_prompts=np.where(together, cohort - 1, expected),
        cut_ratio=np.where(together, np.minimum(cut, 1), 0),
        busy_ratio=np.where(demand.in_phase > 0, in_phase, 1 - np.exp(-others)),
        entry_mixed_ratio=np.where(together, follows, random_mixed),
        # length-biased: a long answer is met more often, half of it written on average
        context_tokens=demand.input_tokens + demand.output_tokens * (1 + demand.output_variation) / 2,
        lost_tokens=lost,
    )


def _some(flags: Values) -> bool:
    """Whether any is set; numpy's own check costs microseconds on a scalar."""
    return bool(np.any(flags > 0)) if isinstance(flags, np.ndarray) else flags > 0


def prefill_step_s(
    cost: Pace, demand: Demand, room: Room, near: Neighbours, prompts: Values, own: Values
) -> Values:
    """A step with `prompts` prompts of neighbours, and the own one (`own` = 1) or the own decode (0).

    What exceeds the token budget waits for the next step. Where prompts are computed alone it is all steps
    of the batch of prompts, and with them the own decode step.
    """
    new = demand.input_tokens - demand.cached_tokens
    tokens = (prompts + own) * (new + near.lost_tokens) / near.prefill_steps
    decodes = np.maximum(near.others - prompts, 0) + (1 - own)
    some_alone = _some(room.alone)
    if some_alone:
        beside = (1 - room.alone) * decodes
        most = np.maximum(room.max_step_tokens - beside, 1)
        steps = np.where(room.alone > 0, np.maximum(tokens / most, 1), 1.0)
    else:
        beside, steps = decodes, 1.0
        most = np.maximum(room.max_step_tokens - decodes, 1)
    tokens = np.minimum(tokens / steps, most)
    pairs = tokens * (demand.cached_tokens + (new + 1) / 2)
    # whole prompts one after the other, but for the first and the last
    parts = np.minimum((prompts + own) / steps, tokens / new + 1)
    prefill = steps * pace_seconds(cost, beside, beside * near.context_tokens, tokens, pairs, parts)
    if not some_alone:
        return prefill
    every = near.others + 1
    decode = pace_seconds(cost, every, every * near.context_tokens)
    return prefill + decode * room.alone * (1 - np.asarray(own))


def early_ratio(demand: Demand, room: Room, near: Neighbours) -> Array:
    """Share of a batch of prompts after which an average one of them has its first token: all of it, or
    where they are computed alone budget by budget, a little over half.
    """
    new = demand.input_tokens - demand.cached_tokens
    steps = np.maximum((near.own_prompts + 1) * new / room.max_step_tokens, 1)
    own = np.maximum(np.ceil(new / room.max_step_tokens), 1)
    early = np.minimum((steps + own) / (2 * steps), 1.0)
    return np.asarray(np.where(np.asarray(room.alone) > 0, early, 1.0), dtype=np.float64)


class Residence(NamedTuple):
    """A request's way through the engine."""

    near: Neighbours
    quiet_s: Values
    """A step without any prompt."""
    mixed_s: Values
    """A step with neighbours' prompts, given that there are some."""
    gap_s: Values
    """Mean gap between two tokens."""
    entry_s: Values
    """From sending to the next step boundary, where the engine can take the request up."""
    prefill_s: Values
    """All steps of the own prefill."""
    total_s: Values
    """Prefill and decodes."""


def residence(cost: Pace, demand: Demand, room: Room, others: Values) -> Residence:
    """Times of a request that has `others` neighbours."""
    near = neighbours(demand, room, others)
    decodes = others + 1
    quiet = pace_seconds(cost, decodes, decodes * near.context_tokens)
    mixed = prefill_step_s(cost, demand, room, near, near.prompts, 0)
    gap = quiet + near.mixed_ratio * (mixed - quiet)

    step = quiet + near.entry_mixed_ratio * (mixed - quiet)
    whole = np.maximum(np.ceil(demand.overhead_s / quiet) * step - demand.overhead_s, 0)
    # a random instant falls into a long step: E[t^2] / 2 E[t] of it is left, and in E[t^2] / E[t] arrive
    # those who share the own prefill step
    each_prompt = (mixed - quiet) / np.maximum(near.prompts, 1e-9)
    count_variance = others * near.prompt_ratio * (1 - near.prompt_ratio + demand.input_variation)
    square = gap * gap + each_prompt * each_prompt * count_variance
    if _some(room.alone):
        # a decode step and the prompts after it are two steps to meet
        met = each_prompt * each_prompt * (count_variance + (others * near.prompt_ratio) ** 2)
        square = np.where(room.alone > 0, quiet * quiet + met, square)
    longer = square / (gap * gap)
    in_phase = demand.in_phase > 0
    near = near._replace(own_prompts=near.own_prompts * np.where(in_phase, 1, longer))
    entry = demand.overhead_s + near.busy_ratio * np.where(in_phase, whole, gap * longer / 2)
    own_steps = near.prefill_steps + near.cut_ratio / 2
    own = own_steps * prefill_step_s(cost, demand, room, near, near.own_prompts, 1)
    first = own * early_ratio(demand, room, near) / (1 + room.lost_prompts * (near.lost_tokens > 0))
    gap = gap + (own - first) / np.maximum(demand.output_tokens - 1, 1)
    total = first + (demand.output_tokens - 1) * gap
    packed = packed_request_s(cost, demand, room, near) * (1 - room.alone)
    slower = np.maximum(decodes * packed / total, 1)
    return Residence(near, quiet, mixed, gap * slower, entry, first * slower, total * slower)


def packed_request_s(cost: Pace, demand: Demand, room: Room, near: Neighbours) -> Values:
    """The least time between two finished requests: all their tokens in steps that fill the budget."""
    new = demand.input_tokens - demand.cached_tokens + near.lost_tokens
    tokens = new + demand.output_tokens - 1
    prompts = room.max_step_tokens / tokens
    prompt_tokens = prompts * new
    decodes = room.max_step_tokens - prompt_tokens
    pairs = prompt_tokens * (demand.cached_tokens + (new + 1) / 2)
    context = decodes * near.context_tokens
    return pace_seconds(cost, decodes, context, prompt_tokens, pairs, prompts) / prompts


class Balance(NamedTuple):
    """Where load and batch meet."""

    running: Array
    full: NDArray[np.bool_]
    """The batch is at its bound and requests wait."""
    residence: Residence
    requests_per_s: Array


def closed_loop(cost: Pace, demand: Demand, room: Room, users: Values, pause_s: Values) -> Balance:
    """`users` who send again `pause_s` after their last answer.

    Running, pausing and entering users add up: b + (pause + entry) x throughput = users.
    """

    def others(running: Values) -> Values:
        alone = running * (1 - 1 / np.maximum(users, 1))
        return np.minimum(alone, np.maximum(room.max_running - 1, 0))

    return _balance(cost, demand, room, others, pause_s=pause_s, target=users, closed=True)


def open_loop(cost: Pace, demand: Demand, room: Room, rate_per_s: Values) -> Balance:
    """Arrivals at a rate: throughput = rate. A Poisson arrival sees the mean batch beside itself."""

    def others(running: Values) -> Values:
        return np.minimum(running, np.maximum(room.max_running - 1, 0))

    return _balance(cost, demand, room, others, pause_s=0.0, target=rate_per_s, closed=False)


def carried_when_full(cost: Pace, demand: Demand, room: Room) -> Array:
    """Requests per second of a full batch: the most a replica carries."""
    full = residence(cost, demand, room, np.maximum(room.max_running - 1, 0))
    return np.asarray(room.max_running / full.total_s)


def _balance(
    cost: Pace,
    demand: Demand,
    room: Room,
    others: Callable[[Values], Values],
    *,
    pause_s: Values,
    target: Values,
    closed: bool,
) -> Balance:
    """The batch b at which b + (pause + entry) b / T(b) (closed) or b / T(b) (open) is `target`.

    Little's law; the left side rises with b. Solved by false position (Illinois).
    """
    high = np.asarray(room.max_running + 0.0 * (target + demand.input_tokens))
    low = np.zeros_like(high)

    def excess(running: Array) -> Array:
        state = residence(cost, demand, room, others(running))
        if closed:
            outside = (pause_s + state.entry_s) / state.total_s
            return np.asarray(running * (1 + outside) - target)
        return np.asarray(running / state.total_s - target)

    low_value, high_value = low - target, excess(high)
    full = high_value < 0
    was_below = np.zeros_like(full)
    best, least = high, abs(high_value)
    running = high
    for turn in range(SECANT_STEPS):
        rise = np.where(full, 1.0, high_value - low_value)
        running = np.where(full, high, low - low_value * (high - low) / rise)
        value = excess(running)
        # where prompts begin to fill every step the left side jumps: the last try may lie on the wrong side
        best = np.where(abs(value) < least, running, best)
        least = np.minimum(least, abs(value))
        below = value < 0
        # an end that stays twice in a row loses half its weight
        stays = (below == was_below) & (turn > 0)
        low_value = np.where(below, value, low_value * np.where(stays, 0.5, 1.0))
        high_value = np.where(below, high_value * np.where(stays, 0.5, 1.0), value)
        low, high = np.where(below, running, low), np.where(below, high, running)
        was_below = below
    state = residence(cost, demand, room, others(best))
    return Balance(best, full, state, best / np.asarray(state.total_s))
