"""A hierarchical least-squares fit: every parameter of every group is a sum of effects. Pure numpy.

A group g has K parameters theta[g, k] = mean[k] + sum over effects of u[effect, level of g, k]. Every u is
drawn from a normal distribution whose width belongs to the effect and the parameter: what groups share
(an architecture, an engine) is learned from all of them, and what nobody measured stays at zero, with that
width as its uncertainty. Measurements are y = f(theta[g]) + noise, noise being Student's t with `FREEDOM`
degrees of freedom, so that a broken row pulls little.

The posterior mode is found by Gauss-Newton with reweighting (Levenberg's damping); widths and noise by
expectation-maximisation on the way (MacKay's evidence approximation, inverse-gamma hyperpriors). The
gradient of f comes from finite differences of all rows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Forward = Callable[[Array], Array]
"""Parameters of every row, shape (rows, K) -> predictions, shape (rows,)."""

FREEDOM = 4.0
DIFFERENCE = 1e-3
HYPER_WEIGHT = 10.0
"""How many levels the assumed width of an effect counts for."""
NOISE_WEIGHT = 5.0
LONGEST_STEP = 1.5
PARTIAL_TURNS, SMALLEST_STEP = 12, 0.01
ANCHOR = 0.01
"""How far the mean of anchored effects may be from zero: what all levels share belongs to other parameters."""


class Effect(NamedTuple):
    """One way in which groups differ."""

    name: str
    levels: tuple[str | None, ...]
    """Level of each group; None where the effect does not apply."""
    widths: Array
    """Assumed width of the level's draws, shape (K,); 0 leaves a parameter out."""


class Design(NamedTuple):
    """Which effects make up which parameter of which group."""

    columns: tuple[tuple[str, str, int], ...]
    """(effect, level, parameter) of every unknown."""
    members: tuple[Whole, ...]
    """Per group: its unknowns."""
    fields: tuple[Whole, ...]
    """Per group: the parameter that each of these adds to."""
    mean: Array
    """Prior mean of the unknowns."""
    assumed: Array
    """Their assumed widths."""
    pools: tuple[Whole, ...]
    """Unknowns whose width is estimated together: one effect, one parameter."""
    anchored: tuple[Whole, ...]
    """Unknowns whose width is kept and whose mean is held at zero."""
    parameters: int


def design(effects: Sequence[Effect], centre: Array, spread: Array, *, kept: int | None = None) -> Design:
    """Lay out the unknowns: the overall means first, then effect by effect.

    Args:
        effects: their levels, one per group.
        centre: prior mean of each parameter, shape (K,).
        spread: its prior width, shape (K,).
        kept: a parameter whose effects keep their assumed widths and have a mean of zero.
    """
    count = len(effects[0].levels)
    columns = [("mean", "*", k) for k in range(len(centre))]
    widths = list(spread)
    members: list[list[int]] = [list(range(len(centre))) for _ in range(count)]
    pools: list[list[int]] = []
    anchored: list[list[int]] = []
    for effect in effects:
        names = sorted({level for level in effect.levels if level is not None})
        if not names:
            continue
        for k in np.flatnonzero(effect.widths):
            first = {name: len(columns) + i for i, name in enumerate(names)}
            columns += [(effect.name, name, int(k)) for name in names]
            widths += [effect.widths[k]] * len(names)
            (anchored if k == kept else pools).append(list(first.values()))
            for own, level in zip(members, effect.levels, strict=True):
                if level is not None:
                    own.append(first[level])
    field = np.array([k for _, _, k in columns])
    held = tuple(np.array(own) for own in members)
    mean = np.zeros(len(columns))
    mean[: len(centre)] = centre
    return Design(
        tuple(columns), held, tuple(field[own] for own in held), mean, np.array(widths),
        tuple(np.array(pool) for pool in pools), tuple(np.array(pool) for pool in anchored), len(centre),
    )  # fmt: skip


class Posterior:
    """The unknowns, how sure they are, and the widths that were estimated."""

    def __init__(
        self, layout: Design, unknowns: Array, precision: Array, widths: Array, noise: Array
    ) -> None:
        """`noise` is the scale of the noise of each kind of row."""
        self.design = layout
        self.unknowns = unknowns
        self.precision = precision
        self.widths = widths
        self.noise = noise

    @cached_property
    def covariance(self) -> Array:
        """Of the unknowns, shape (U, U)."""
        return np.asarray(np.linalg.inv(self.precision), dtype=np.float64)

    def parameters(self) -> Array:
        """Parameters of the groups of the design, shape (groups, K)."""
        return group_parameters(self.design, self.unknowns)


def group_parameters(layout: Design, unknowns: Array) -> Array:
    """Sums of the effects, shape (groups, K)."""
    result = np.zeros((len(layout.members), layout.parameters))
    for g, (own, field) in enumerate(zip(layout.members, layout.fields, strict=True)):
        np.add.at(result[g], field, unknowns[own])
    return result


class Rows(NamedTuple):
    """The measurements."""

    forward: Forward
    measured: Array
    group: Whole
    kind: Whole
    """Of noise."""


class Start(NamedTuple):
    """Where a fit begins."""

    unknowns: Array
    widths: Array
    noise: Array


def fit(
    layout: Design, rows: Rows, start: Start, *, turns: int = 30, estimate_after: int | None = 6
) -> Posterior:
    """The posterior mode. `estimate_after` turns, widths and noise are estimated too; None keeps them."""
    unknowns, widths, noise = (np.array(part, dtype=np.float64) for part in start)
    damping = 1.0
    theta = group_parameters(layout, unknowns)[rows.group]
    predicted = rows.forward(theta)
    loss = _loss(layout, rows, unknowns, widths, noise, predicted)
    settled = 0
    for turn in range(turns):
        curvature, pull = _normal_equations(layout, rows, theta, predicted, noise)
        prior = _precision(layout, widths)
        pull = pull - prior @ (unknowns - layout.mean)
        gain = 0.0
        for _ in range(6):
            lifted = curvature + prior + damping * 1e-3 * np.diag(np.diag(curvature) + widths**-2)
            move = np.clip(np.linalg.solve(lifted, pull), -LONGEST_STEP, LONGEST_STEP)
            tried = group_parameters(layout, unknowns + move)[rows.group]
            outcome = rows.forward(tried)
            tried_loss = _loss(layout, rows, unknowns + move, widths, noise, outcome)
            if tried_loss <= loss:
                gain, loss = loss - tried_loss, tried_loss
                unknowns, theta, predicted = unknowns + move, tried, outcome
                damping = max(damping / 6, 1e-6)
                break
            damping = max(damping * 8, 1e-3)
        if estimate_after is not None and turn >= estimate_after and turn % 2 == 0 and turn < turns - 4:
            covariance = np.linalg.inv(curvature + _precision(layout, widths))
            widths = _estimated_widths(layout, unknowns, np.diag(covariance), widths)
            noise = _estimated_noise(rows, predicted, noise)
            loss = _loss(layout, rows, unknowns, widths, noise, predicted)
        else:
            settled = settled + 1 if gain < 0.05 else 0
            if settled >= 2 and (estimate_after is None or turn > turns - 4):
                break
    curvature, _ = _normal_equations(layout, rows, theta, predicted, noise)
    return Posterior(layout, unknowns, curvature + _precision(layout, widths), widths, noise)


def _loss(
    layout: Design, rows: Rows, unknowns: Array, widths: Array, noise: Array, predicted: Array
) -> float:
    z = (predicted - rows.measured) / noise[rows.kind]
    away = unknowns - layout.mean
    prior = np.sum((away / widths) ** 2) + sum((away[own].mean() / ANCHOR) ** 2 for own in layout.anchored)
    loss = (FREEDOM + 1) / 2 * np.sum(np.log1p(z * z / FREEDOM)) + prior / 2
    return float(loss) if np.isfinite(loss) else np.inf


def _precision(layout: Design, widths: Array) -> Array:
    """Of the prior."""
    precision = np.diag(widths**-2)
    for own in layout.anchored:
        precision[np.ix_(own, own)] += 1 / (len(own) * ANCHOR) ** 2
    return precision


class PartialPosteriors:
    """Posteriors of a fit without some of its rows.

    Left out, a row weighs nothing. The unknowns move from the whole fit's by Gauss-Newton with the slopes and
    the curvature that stood there; widths and noise stay.
    """

    def __init__(self, whole: Posterior, rows: Rows) -> None:
        """`whole` is the posterior of all `rows`."""
        self._whole = whole
        self._rows = rows
        theta = whole.parameters()[rows.group]
        self._slope = gradient(rows.forward, theta, rows.forward(theta))

    def without(self, outside: NDArray[np.bool_]) -> Posterior:
        """The posterior of the rows that are not `outside`."""
        layout, rows, noise = self._whole.design, self._rows, self._whole.noise
        prior = _precision(layout, self._whole.widths)
        weight = np.where(outside, 0.0, _weights(rows, self._residual(self._whole.unknowns), noise))
        curvature, _ = _spread(layout, rows, self._slope, np.zeros(len(weight)), weight)
        found = Posterior(layout, self._whole.unknowns, curvature + prior, self._whole.widths, noise)
        for _ in range(PARTIAL_TURNS):
            residual = self._residual(found.unknowns)
            weight = np.where(outside, 0.0, _weights(rows, residual, noise))
            pull = _pull(layout, rows, self._slope * (weight * residual)[:, None])
            pull = pull - prior @ (found.unknowns - layout.mean)
            move = np.clip(found.covariance @ pull, -LONGEST_STEP, LONGEST_STEP)
            found.unknowns = found.unknowns + move
            if np.max(np.abs(move)) < SMALLEST_STEP:
                break
        return found

    def _residual(self, unknowns: Array) -> Array:
        """Measured less predicted, of every row."""
        rows = self._rows
        theta = group_parameters(self._whole.design, unknowns)[rows.group]
        return np.asarray(rows.measured - rows.forward(theta), dtype=np.float64)


def _normal_equations(
    layout: Design, rows: Rows, theta: Array, predicted: Array, noise: Array
) -> tuple[Array, Array]:
    """Curvature and gradient of the data, in the unknowns."""
    slope, residual = gradient(rows.forward, theta, predicted), rows.measured - predicted
    return _spread(layout, rows, slope, residual, _weights(rows, residual, noise))


def _weights(rows: Rows, residual: Array, noise: Array) -> Array:
    """Of the rows: what Student's t leaves of them."""
    scale = noise[rows.kind]
    return np.asarray((FREEDOM + 1) / (FREEDOM + (residual / scale) ** 2) / scale**2, dtype=np.float64)


def _spread(
    layout: Design, rows: Rows, slope: Array, residual: Array, weight: Array
) -> tuple[Array, Array]:
    """Curvature and gradient: gathered per group, then spread out over the unknowns."""
    k = layout.parameters
    blocks = np.zeros((len(layout.members), k, k))
    weighted = slope * weight[:, None]
    np.add.at(blocks, rows.group, weighted[:, :, None] * slope[:, None, :])
    curvature = np.zeros((len(layout.columns),) * 2)
    for own, field, block in zip(layout.members, layout.fields, blocks, strict=True):
        curvature[np.ix_(own, own)] += block[np.ix_(field, field)]
    return curvature, _pull(layout, rows, weighted * residual[:, None])


def _pull(layout: Design, rows: Rows, weighted: Array) -> Array:
    """Gradient in the unknowns, of rows' weighted residuals times slopes."""
    pulls = np.zeros((len(layout.members), layout.parameters))
    np.add.at(pulls, rows.group, weighted)
    pull = np.zeros(len(layout.columns))
    for own, field, part in zip(layout.members, layout.fields, pulls, strict=True):
        pull[own] += part[field]
    return pull


def gradient(forward: Forward, theta: Array, predicted: Array) -> Array:
    """Finite differences of every row to its own parameters, shape (rows, K)."""
    slope = np.empty_like(theta)
    for k in range(theta.shape[1]):
        moved = theta.copy()
        moved[:, k] += DIFFERENCE
        slope[:, k] = (forward(moved) - predicted) / DIFFERENCE
    return slope


def _estimated_widths(layout: Design, unknowns: Array, variance: NDArray[Any], widths: Array) -> Array:
    result = widths.copy()
    for pool in layout.pools:
        assumed = layout.assumed[pool[0]] ** 2
        seen = np.sum(unknowns[pool] ** 2 + variance[pool])
        result[pool] = np.sqrt((seen + HYPER_WEIGHT * assumed) / (len(pool) + HYPER_WEIGHT))
    return result


def _estimated_noise(rows: Rows, predicted: Array, noise: Array) -> Array:
    result = noise.copy()
    residual = rows.measured - predicted
    for kind in range(len(noise)):
        own = residual[rows.kind == kind]
        weight = (FREEDOM + 1) / (FREEDOM + (own / noise[kind]) ** 2)
        total = np.sum(weight * own * own) + NOISE_WEIGHT * 0.05**2
        result[kind] = np.sqrt(total / (len(own) + NOISE_WEIGHT))
    return result
