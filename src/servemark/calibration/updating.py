"""A few own measurements on top of shipped coefficients.

Errors of one deployment's predictions are far from independent: what the model's shapes cost more or less than the
coefficients say, they cost at every load. The residual error therefore counts twice: as an uncertainty of the
whole step time that all observations share, which they remove, and as a small error of each, which they do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from servemark.calibration.observations import Array, ForwardModel, Observation
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.physics.step import CoefficientValues

FIELDS = (*CoefficientValues._fields, "request_overhead_s")
RATIO = np.array([field.endswith("_efficiency") for field in FIELDS])
OWN_ERROR = {"throughput": 0.015, "tpot": 0.02, "ttft": 0.06}
"""What one value of a curve still differs by when the curve's level is right; the noise of repeats."""
FAMILY = {"throughput": "throughput", "ttft": "ttft", "tpot": "tpot", "itl": "tpot", "e2e": "tpot"}
TURNS = 20
FREEDOM = 4.0
"""Of Student's t: one broken value among few pulls little."""
DIFFERENCE = 1e-4


def refitted(coefficients: Coefficients, observations: Sequence[Observation]) -> Coefficients:
    """The coefficients after some observations of one deployment (3 to 5 load points).

    Prior: `coefficients` with their errors and correlations, and the residual errors of the family as an error
    of `time_ratio`; posterior: robust Gauss-Newton. Errors and residuals shrink accordingly.
    """
    usable = [o for o in observations if o.value > 0]
    model = ForwardModel(usable)
    measured = np.log([o.value for o in usable])
    centre, covariance = prior(coefficients, usable)
    precision = np.linalg.inv(covariance)
    scale = np.array([_own_error(o) for o in usable])
    x, known = centre.copy(), np.ones(len(usable), dtype=bool)
    known = np.isfinite(_forward(model, x))
    if not known.any():
        return coefficients
    curvature = precision
    for _ in range(TURNS):
        predicted = _forward(model, x)
        slope = _forward(model, x + DIFFERENCE * np.eye(len(x))) - predicted[:, None]
        slope = np.where(known[:, None], slope / DIFFERENCE, 0.0)
        residual = np.where(known, measured - predicted, 0.0)
        weight = (FREEDOM + 1) / (FREEDOM + (residual / scale) ** 2) / scale**2
        curvature = precision + (slope * weight[:, None]).T @ slope
        pull = slope.T @ (weight * residual) - precision @ (x - centre)
        move = np.clip(np.linalg.solve(curvature, pull), -1.0, 1.0)
        x = x + move
        if np.max(np.abs(move)) < 1e-6:
            break
    families = {FAMILY[o.metric] for o in usable}
    return _record(coefficients, x, np.linalg.inv(curvature), families, len(usable))


def prior(coefficients: Coefficients, observations: Sequence[Observation]) -> tuple[Array, Array]:
    """Mean and covariance of the coefficients as logits and logarithms, shapes (K,) and (K, K)."""
    values = np.array([getattr(coefficients, field).value for field in FIELDS])
    errors = np.array([getattr(coefficients, field).relative_error for field in FIELDS])
    floor = np.maximum(values, 1e-12)
    bounded = np.minimum(floor, 1 - 1e-6)
    centre = np.where(RATIO, np.log(bounded / (1 - bounded)), np.log(floor))
    deviation = np.maximum(errors / np.where(RATIO, 1 - bounded, 1.0), 1e-6)
    steps = len(CoefficientValues._fields)
    correlations = np.eye(len(FIELDS))
    if len(coefficients.correlations) == steps:
        correlations[:steps, :steps] = coefficients.correlations
    covariance = correlations * np.outer(deviation, deviation) + 1e-10 * np.eye(len(FIELDS))
    shared = [coefficients.residual_log_errors.get(FAMILY[o.metric], 0.1) for o in observations]
    covariance[steps - 1, steps - 1] += float(np.median(shared)) ** 2
    return centre, covariance


def _forward(model: ForwardModel, x: Array) -> Array:
    """Logarithms of the predicted values, shape (rows,); for many x at once, shape (many, K), (rows, many)."""
    rows = [np.broadcast_to(field, (model.count, *np.shape(field))) for field in natural(x).T]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(model.values(CoefficientValues(*rows[:-1]), rows[-1])), dtype=np.float64)


def natural(x: Array) -> Array:
    """Logits and logarithms -> values."""
    bounded = np.clip(x, -40, 40)
    return np.where(RATIO, 1 / (1 + np.exp(-bounded)), np.exp(bounded))


def _own_error(observation: Observation) -> float:
    return float(np.hypot(OWN_ERROR[FAMILY[observation.metric]], observation.relative_error))


def _record(
    coefficients: Coefficients, x: Array, covariance: NDArray[np.floating], families: set[str], rows: int
) -> Coefficients:
    values = natural(x)
    deviation = np.sqrt(np.diag(covariance))
    errors = deviation * np.where(RATIO, 1 - values, 1.0)
    steps = len(CoefficientValues._fields)
    correlations = (covariance / np.outer(deviation, deviation))[:steps, :steps]
    named = {
        field: Fitted(value=float(v), relative_error=float(e))
        for field, v, e in zip(FIELDS, values, errors, strict=True)
    }
    residuals = dict(coefficients.residual_log_errors)
    residuals |= {family: min(residuals.get(family, 1.0), 1.5 * OWN_ERROR[family]) for family in families}
    return replace(
        coefficients,
        **named,
        correlations=tuple(tuple(float(x) for x in row) for row in correlations),
        residual_log_errors=residuals,
        rows=coefficients.rows + rows,
        inherited_from=None,
    )
