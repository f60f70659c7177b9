"""How wrong a prediction may be: an 80 % band around it, and what it extrapolates from.

The log error of a predicted value has three parts, added in squares: the errors of the coefficients, with their
correlations, propagated to first order through the time of a typical step; what remained in rows that the fit
had not seen (`Coefficients.residual_log_errors`); and a widening beyond the fitted range.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.physics.step import CoefficientValues, coefficient_values, step_cost, step_seconds
from servemark.physics.work import step_work

MetricFamily = Literal["throughput", "tpot", "ttft"]

BAND_DEVIATIONS = 1.2815515655446004
"""80 % of a normal distribution lie within so many standard deviations."""
BEYOND_RANGE = 0.1
"""Log error added per factor of e beyond the fitted range; judgement, of the size of the residuals."""
UNMEASURED_RESIDUAL = 0.15
"""Residual of coefficients that name none (a user's own, say)."""
SAME_SIZE = 1.1
"""Models within 10 % of a measured one are of its size."""


def log_error(
    deployment: Deployment,
    coefficients: Coefficients,
    *,
    metric: MetricFamily,
    decodes: float,
    context_tokens: float,
    prefill_tokens: float = 0.0,
) -> float:
    """Standard error of the logarithm of a predicted value.

    Args:
        deployment: what is predicted.
        coefficients: its coefficients.
        metric: family of the value.
        decodes: sequences that decode in a typical step.
        context_tokens: sum of their cached tokens.
        prefill_tokens: prompt tokens of a typical step.
    """
    propagated = step_log_error(
        deployment,
        coefficients,
        decodes=decodes,
        context_tokens=context_tokens,
        prefill_tokens=prefill_tokens,
        request=metric == "ttft",
    )
    residual = coefficients.residual_log_errors.get(metric, UNMEASURED_RESIDUAL)
    each = context_tokens / decodes if decodes > 0 else prefill_tokens
    return math.hypot(propagated, residual, BEYOND_RANGE * _beyond(deployment, coefficients, decodes, each))


def step_log_error(
    deployment: Deployment,
    coefficients: Coefficients,
    *,
    decodes: float,
    context_tokens: float,
    prefill_tokens: float = 0.0,
    request: bool = False,
) -> float:
    """Standard error of the logarithm of a step's time, from the errors of the coefficients alone.

    `request` counts the overhead of one request to the step.
    """
    names = CoefficientValues._fields
    values = np.array(coefficient_values(coefficients), dtype=float)
    errors = np.array([getattr(coefficients, name).relative_error for name in names])
    # one row as it is, and one for each coefficient, that one moved by its standard error
    moved = np.tile(values, (len(names) + 1, 1))
    moved[1:] *= np.exp(np.diag(errors))
    cost = step_cost(step_work(deployment), CoefficientValues(*moved.T))
    prompts = float(prefill_tokens > 0)
    pairs = prefill_tokens * (prefill_tokens + 1) / 2
    seconds = np.asarray(step_seconds(cost, decodes, context_tokens, prefill_tokens, pairs, prompts))
    overhead = coefficients.request_overhead_s
    once = overhead.value if request else 0.0
    slopes = np.log(seconds[1:] + once) - np.log(seconds[0] + once)
    known = coefficients.correlations
    correlations = np.array(known) if len(known) == len(names) else np.eye(len(names))
    own = overhead.relative_error * once / (seconds[0] + once)
    return math.sqrt(max(float(slopes @ correlations @ slopes), 0.0) + own * own)


def band(value: float, log_error: float) -> tuple[float, float]:
    """The 80 % band: value x exp(-+ 1.2816 log_error)."""
    width = math.exp(BAND_DEVIATIONS * log_error)
    return value / width, value * width


def extrapolations(
    deployment: Deployment,
    coefficients: Coefficients,
    *,
    decodes: float | None = None,
    context_tokens: float | None = None,
) -> tuple[str, ...]:
    """What lies outside the fitted range, one short phrase each.

    Args:
        deployment: what is predicted.
        coefficients: its coefficients.
        decodes: sequences in one step.
        context_tokens: of one sequence.
    """
    found: list[str] = []
    if coefficients.rows == 0:
        origin = coefficients.inherited_from or "other GPUs"
        found.append(
            f"{deployment.node.gpu.name} with {deployment.dtype} on {deployment.engine.name} was not measured: "
            f"inherited from {origin}"
        )
    span = coefficients.fitted_range
    if span is None:
        return tuple(found)
    if decodes is not None and decodes > span.sequences:
        found.append(f"{decodes:,.0f} sequences at once: measured up to {span.sequences:,.0f}")
    if context_tokens is not None and context_tokens > span.context_tokens:
        found.append(
            f"sequences of {context_tokens:,.0f} tokens: measured up to {span.context_tokens:,.0f}"
        )
    params, (least, most) = deployment.model.params, span.params
    if not least / SAME_SIZE <= params <= most * SAME_SIZE:
        measured = _billions(least) if least == most else f"{_billions(least)} to {_billions(most)}"
        found.append(f"{_billions(params)} parameters: measured with {measured}")
    if deployment.parallelism.gpus > span.gpus:
        found.append(f"{deployment.parallelism.gpus} GPUs per replica: measured up to {span.gpus}")
    return tuple(found)


def _beyond(
    deployment: Deployment, coefficients: Coefficients, decodes: float, sequence_tokens: float
) -> float:
    """How far outside the fitted range, in factors of e, added in squares."""
    span = coefficients.fitted_range
    if span is None:
        return 0.0
    params, (least, most) = deployment.model.params, span.params
    ratios = (
        decodes / span.sequences,
        sequence_tokens / span.context_tokens,
        params / (most * SAME_SIZE),
        least / (params * SAME_SIZE),
        deployment.parallelism.gpus / span.gpus,
    )
    return math.hypot(*(math.log(max(ratio, 1.0)) for ratio in ratios))


def _billions(params: float) -> str:
    return f"{params / 1e9:.3g}B"
