"""The closed form over all shapes at once: how much load one replica of each carries within the promises.

A promise is looked at as a ratio, value over limit (limit over value where more is better); the worst of a
shape's ratios decides, and 1 just holds. It is taken to rise with the load, and the load at which it
reaches 1 is found by halving on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.domain.metrics import METRICS
from servemark.domain.run import OUTCOMES, Distribution, Level
from servemark.domain.workload import Rate, Slo, Users, Workload, load_value
from servemark.physics.batching import Array, Room
from servemark.physics.latencies import Requests, Spread
from servemark.physics.levels import (
    Figures,
    closed_loop_figures,
    gap_variation,
    open_loop_figures,
    replica_room,
    workload_requests,
)
from servemark.physics.scaled_levels import scaled_cost
from servemark.physics.step import CoefficientValues, StepCost, coefficient_values, step_cost
from servemark.physics.work import Values, stacked, step_work
from servemark.planning.shapes import Shape

BLOCK: Final = 1024
"""Configurations per call: their arrays stay in the cache."""
HALVINGS: Final = 8
"""Of the logarithm of the load: for 100 users, from 1 to 100, it is then within 1.8 %."""
BEYOND: Final = 4.0
"""Loads up to so many times the one asked for are looked at: enough for a headroom."""
LEAST_SHARE: Final = 1 / 1024
"""Of a rate, the least that a replica is asked to carry."""
_COLUMN: Final = {"mean": -1, "p50": 0, "p95": 1, "p99": 2}


Rows = slice | list[int]


class Forms(NamedTuple):
    """Shapes as columns, shape (configurations, 1) in each field."""

    cost: StepCost
    requests: Requests
    room: Room
    rows: int

    def of(self, rows: Rows) -> Forms:
        """Some of the rows."""
        cut = lambda values: _rows(values, rows)  # noqa: E731
        demand = type(self.requests.demand)(*map(cut, self.requests.demand))
        requests = self.requests._replace(demand=demand)
        count = len(range(*rows.indices(self.rows))) if isinstance(rows, slice) else len(rows)
        return Forms(StepCost(*map(cut, self.cost)), requests, Room(*map(cut, self.room)), count)

    def slower(self, factor: Values) -> Forms:
        """Every step and the request overhead take `factor` times as long."""
        demand = self.requests.demand
        demand = demand._replace(overhead_s=demand.overhead_s * factor)
        return self._replace(
            cost=scaled_cost(self.cost, factor), requests=self.requests._replace(demand=demand)
        )


class Figured(NamedTuple):
    """What the closed form says of every shape at one load each; arrays of shape (configurations,)."""

    worst: Array
    """Worst ratio of a value to its limit."""
    binding: NDArray[np.intp]
    """Which promise that is; -1: the rate is not carried."""
    ttft_p95_s: Array
    tpot_p95_s: Array
    requests_per_s: Array
    """Of one replica."""


def columns(shapes: Sequence[Shape], load: Users | Rate, workload: Workload) -> Forms:
    """The shapes stacked; work is computed once for shapes that differ in batch limits alone."""
    works: dict[tuple[object, ...], object] = {}
    rows = []
    for deployment, _, _ in shapes:
        key = (deployment.model.key, deployment.node.gpu.key, deployment.node.topology)
        key = (*key, deployment.dtype, deployment.kv_dtype, deployment.parallelism)
        key = (*key, deployment.engine.name, deployment.engine.version)
        if key not in works:
            works[key] = step_work(deployment)
        rows.append(works[key])
    values = [coefficient_values(each.coefficients) for each in shapes]
    cost = step_cost(stacked(rows), CoefficientValues(*_columns(values)))
    by_block: dict[tuple[int, bool], Requests] = {}
    demands = []
    for each in shapes:
        engine = each.deployment.engine
        key = (engine.block_size, engine.enable_prefix_caching)
        if key not in by_block:
            by_block[key] = workload_requests(each.deployment, each.coefficients, load, workload)
        overhead_s = each.coefficients.request_overhead_s.value
        demands.append(by_block[key].demand._replace(overhead_s=overhead_s))
    requests = next(iter(by_block.values()))._replace(demand=type(demands[0])(*_columns(demands)))
    rooms = [replica_room(e.deployment, e.budget, d) for e, d in zip(shapes, demands, strict=True)]
    return Forms(cost, requests, Room(*_columns(rooms)), len(shapes))


def figured(forms: Forms, slos: Sequence[Slo], load: Users | Rate, per_replica: Array) -> Figured:
    """The figures of every shape at its own load per replica, shape (configurations,)."""
    parts = [
        _figured_block(forms.of(rows), slos, load, per_replica[rows])
        for rows in (slice(i, i + BLOCK) for i in range(0, forms.rows, BLOCK))
    ]
    return Figured(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def most_load(
    forms: Forms, slos: Sequence[Slo], load: Users | Rate, up_to: float, *, at: float | Array | None = None
) -> Array:
    """The most load that one replica of each shape carries within the promises. Shape (configurations,).

    Where `at` holds it is looked for from there on, else below; 0 where not even the least load holds. Long
    steps that serve the prompts of many users in phase can break TTFT at few users and keep it at more: the
    search therefore begins at the load that matters.

    Args:
        forms: the shapes.
        slos: the promises.
        load: says whether users or a rate are meant.
        up_to: most load per replica that is looked at.
        at: load per replica to begin at; None = the least.
    """
    least = 1.0 if isinstance(load, Users) else load.per_s * LEAST_SHARE
    most = max(up_to, least)
    begin = np.clip(np.broadcast_to(least if at is None else at, forms.rows), least, most)
    found = np.empty(forms.rows)
    for start in range(0, forms.rows, BLOCK):
        rows = slice(start, start + BLOCK)
        found[rows] = _most(forms.of(rows), slos, load, (least, begin[rows], most))
    return found


def _most(
    forms: Forms, slos: Sequence[Slo], load: Users | Rate, loads: tuple[float, Array, float]
) -> Array:
    """By halving between the load to begin at and, as it holds or not, the most or the least; of the two ends
    the one that holds is kept. Only where the ends differ: it is all the cost.
    """
    least, begin, most = loads
    at_begin = _figured_block(forms, slos, load, begin).worst <= 1
    outer = np.where(at_begin, most, least)
    at_outer = _figured_block(forms, slos, load, outer).worst <= 1
    found = np.where(at_begin, np.where(at_outer, most, begin), np.where(at_outer, least, 0.0))
    between = np.flatnonzero(at_begin != at_outer).tolist()
    if not between:
        return found
    own = forms.of(between)
    held, broken = np.log(found[between]), np.log(np.where(at_begin, most, begin)[between])
    for _ in range(HALVINGS):
        middle = (held + broken) / 2
        holds = _figured_block(own, slos, load, np.exp(middle)).worst <= 1
        held, broken = np.where(holds, middle, held), np.where(holds, broken, middle)
    found[between] = np.exp(held)
    return found


def _figured_block(forms: Forms, slos: Sequence[Slo], load: Users | Rate, per_replica: Array) -> Figured:
    share = per_replica[:, None]
    if isinstance(load, Users):
        found = closed_loop_figures(forms.cost, forms.requests, forms.room, share, load.think_s)
        worst = np.zeros(forms.rows)
    else:
        found = open_loop_figures(forms.cost, forms.requests, forms.room, share, gap_variation(load))
        # a rate that is not carried keeps no promise for long
        worst = found.load_ratio[:, 0]
    binding = np.full(forms.rows, -1)
    for i, slo in enumerate(slos):
        ratio = _ratio(found, forms.requests, slo, load_value(load) / per_replica)
        if ratio is not None:
            binding = np.where(ratio >= worst, i, binding)
            worst = np.maximum(worst, ratio)
    ttft, tpot = found.latencies.ttft, found.latencies.tpot
    return Figured(worst, binding, _quantile(ttft, 1), _quantile(tpot, 1), _flat(found.requests_per_s))


def _ratio(found: Figures, requests: Requests, slo: Slo, replicas: Array) -> Array | None:
    """Value over limit; None where the closed form does not know the metric. Throughput is that of all replicas
    that share the load.
    """
    spreads = {
        "ttft_s": found.latencies.ttft, "ttft_scheduled_s": found.latencies.ttft, "itl_s": found.latencies.itl,
        "tpot_s": found.latencies.tpot, "e2e_s": found.latencies.e2e, "e2e_scheduled_s": found.latencies.e2e,
    }  # fmt: skip
    if slo.metric in spreads:
        value = _quantile(spreads[slo.metric], _COLUMN[slo.statistic])
    elif slo.metric == "requests_per_s":
        value = _flat(found.requests_per_s) * replicas
    elif slo.metric == "output_tokens_per_s":
        value = _flat(found.requests_per_s * requests.demand.output_tokens) * replicas
    else:
        return None
    if METRICS[slo.metric].better == "higher":
        return slo.limit / np.maximum(value, 1e-300)
    # an answer of one token has no gaps
    return np.nan_to_num(value, nan=0.0) / max(slo.limit, 1e-300)


def levels_of(forms: Forms, load: Users | Rate, per_replica: Array, replicas: Sequence[int]) -> list[Level]:
    """The level of each row at its load per replica, over its replicas; as `closed_form_level`, all at once and
    without notes.
    """
    share = per_replica[:, None]
    if isinstance(load, Users):
        found = closed_loop_figures(forms.cost, forms.requests, forms.room, share, load.think_s)
    else:
        found = open_loop_figures(forms.cost, forms.requests, forms.room, share, gap_variation(load))
    spreads = {"ttft_s": found.latencies.ttft, "tpot_s": found.latencies.tpot, "itl_s": found.latencies.itl}
    spreads |= {"e2e_s": found.latencies.e2e, "e2e_scheduled_s": found.latencies.e2e}
    spreads |= {"ttft_scheduled_s": found.latencies.ttft}
    carried = _flat(found.requests_per_s)
    tokens = _flat(found.requests_per_s * forms.requests.demand.output_tokens)
    return [
        Level(
            load=load,
            requests_sent=0,
            outcomes=dict.fromkeys(OUTCOMES, 0),
            metrics={key: _distribution(spread, row) for key, spread in spreads.items()},
            output_tokens_per_s=float(tokens[row]) * count,
            requests_per_s=float(carried[row]) * count,
            failures_ratio=0.0,
        )
        for row, count in enumerate(replicas)
    ]


def _distribution(spread: Spread, row: int) -> Distribution:
    """Without n: nothing was counted."""
    mean = float(_flat(spread.mean)[row])
    if math.isnan(mean):
        return Distribution(n=0)
    p50, p95, p99 = (float(each) for each in np.asarray(spread.quantiles)[row])
    return Distribution(n=0, mean=mean, p50=p50, p95=p95, p99=p99)


def _quantile(spread: Spread, column: int) -> Array:
    if column < 0:
        return _flat(spread.mean)
    return np.asarray(spread.quantiles)[:, column]


def _flat(values: Values) -> Array:
    return np.asarray(values)[:, 0]


def _columns(rows: Sequence[Sequence[Values]]) -> list[Array]:
    """Rows of numbers as columns of shape (rows, 1)."""
    return [column[:, None] for column in np.array(rows, dtype=np.float64).T]


def _rows(values: Values, rows: Rows) -> Values:
    return values[rows] if isinstance(values, np.ndarray) and values.ndim == 2 else values
