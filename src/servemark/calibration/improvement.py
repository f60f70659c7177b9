"""Load points and a prior -> refitted coefficients, the error before and after, and of what the fit has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from msgspec.structs import replace

from servemark.calibration.load_points import LoadKey, LoadPoint, lengths, observations_of, spanned
from servemark.calibration.playback import closed_over_simulated, simulated_values
from servemark.calibration.updating import refitted
from servemark.domain.calibration import CalibrationError, CalibrationPoint, Outcome, PointMetric, Role
from servemark.domain.coefficients import Coefficients
from servemark.domain.record import Record

FEWEST_LOADS = 3
"""A line through step times needs two; the third tells whether it is one."""
LARGEST_SHARE = 0.5
"""Of the error before, that the error after may be where both were measured in one run."""
LARGEST_ERROR = 0.25
LARGEST_NOISE = 0.15
"""Difference of the same load measured twice, beyond which a machine is too busy to tell."""

ROUNDS = 4
"""Of fit and simulation; a fifth moves nothing by 1 %."""

METRICS: tuple[PointMetric, ...] = ("tpot_s", "output_tokens_per_s", "ttft_s")


class Improvement(Record, frozen=True, kw_only=True):
    """What the load points did to the coefficients, and to the predictions."""

    coefficients: Coefficients
    points: tuple[CalibrationPoint, ...]
    errors: tuple[CalibrationError, ...]
    noise_ratio: float | None = None
    outcome: Outcome | None = None


def improvement(points: Sequence[LoadPoint], prior: Coefficients) -> Improvement:
    """Refit on the calibration points; compare everything measured with before and after.

    Each calibration load is also predicted by a fit that has not seen it, where there are `FEWEST_LOADS`.
    Validation points decide the outcome where there are any, else those held out.
    """
    fitted = [each for each in with_scatter(points) if each.role == "calibration"]
    after = fit_to(fitted, prior, prior)
    after = replace(after, fitted_range=spanned(fitted, prior.fitted_range))
    held_out = _held_out(fitted, prior, after)
    rows: list[CalibrationPoint] = []
    for point in points:
        was, now = simulated_values(point, prior), simulated_values(point, after)
        inputs, outputs = lengths(point)
        unseen = held_out.get(point.key)
        apart = simulated_values(point, unseen) if unseen else {}
        rows += (
            CalibrationPoint(
                run=point.run,
                model=point.deployment.model.key,
                load=point.load,
                input_tokens=float(inputs.mean()),
                output_tokens=float(outputs.mean()),
                metric=each.metric,
                role=point.role,
                measured=each.value,
                relative_error=each.relative_error,
                before=was[each.metric],
                after=now[each.metric],
                held_out=apart.get(each.metric),
            )
            for each in point.values
            if each.metric in was and each.metric in now
        )
    noise = max(differences(points).values(), default=None)
    return Improvement(
        coefficients=after,
        points=tuple(rows),
        errors=errors_of(rows),
        noise_ratio=noise,
        outcome=outcome_of(rows, noise),
    )


def fit_to(
    points: Sequence[LoadPoint], prior: Coefficients, start: Coefficients, rounds: int = ROUNDS
) -> Coefficients:
    """The coefficients that the simulator needs to come near the points, given the prior.

    The ratio of closed form and simulation is taken at the coefficients found so far (at first `start`), and
    its logarithm averaged with the one before, so that the two do not swing around each other.
    """
    observations = [each for point in points for each in observations_of(point)]
    found, ratios = start, closed_over_simulated(points, start)
    for turn in range(rounds):
        if turn:
            ratios = np.sqrt(ratios * closed_over_simulated(points, found))
        corrected = [
            replace(each, value=each.value * ratio)
            for each, ratio in zip(observations, ratios.tolist(), strict=True)
        ]
        found = refitted(prior, corrected)
    return found


def with_scatter(points: Sequence[LoadPoint]) -> tuple[LoadPoint, ...]:
    """The points, the errors of their values widened by how far measurements of one load lie apart.

    The mean difference of two normal values is 2 / sqrt(pi) times their standard deviation.
    """
    scatter = {metric: apart * math.sqrt(math.pi) / 2 for metric, apart in differences(points).items()}
    return tuple(
        replace(
            point,
            values=tuple(
                each._replace(relative_error=math.hypot(each.relative_error, scatter.get(each.metric, 0.0)))
                for each in point.values
            ),
        )
        for point in points
    )


def differences(points: Sequence[LoadPoint]) -> dict[PointMetric, float]:
    """Mean relative difference between two measurements of one load, of every metric measured twice.

    Of more than two measurements the first and the last are compared.
    """
    found: dict[PointMetric, float] = {}
    for metric in METRICS:
        apart = [abs(a - b) / ((a + b) / 2) for a, b in _twice(points, metric)]
        if apart:
            found[metric] = float(np.mean(apart))
    return found


def errors_of(points: Sequence[CalibrationPoint]) -> tuple[CalibrationError, ...]:
    """Mean absolute relative errors by role and metric, then over all metrics."""
    errors: list[CalibrationError] = []
    for role in get_args(Role):
        own = [each for each in points if each.role == role]
        for metric in METRICS:
            rows = [each for each in own if each.metric == metric]
            errors += (_error(role, metric, rows),) if rows else ()
        errors += (_error(role, "all", own),) if own else ()
    return tuple(errors)


def outcome_of(points: Sequence[CalibrationPoint], noise: float | None) -> Outcome | None:
    """Whether what the fit has not seen is predicted better; None where it has seen everything.

    Points measured for validation must come out at half the error at most, and below `LARGEST_ERROR`; of points
    that were only left out in turn, better is enough. A machine too noisy to tell decides nothing.
    """
    validation = [each for each in points if each.role == "validation"]
    held_out = [each for each in points if each.held_out is not None]
    if not validation and not held_out:
        return None
    if noise is not None and noise > LARGEST_NOISE:
        return "inconclusive"
    if validation:
        error = _error("validation", "all", validation)
        good = error.after_ratio <= min(LARGEST_SHARE * error.before_ratio, LARGEST_ERROR)
    else:
        error = _error("calibration", "all", held_out)
        good = (error.held_out_ratio or 0.0) <= error.before_ratio
    return "improved" if good else "not improved"


def loads_of(points: Iterable[LoadPoint]) -> int:
    """Different loads among the points."""
    return len({point.key for point in points})


def _held_out(
    points: Sequence[LoadPoint], prior: Coefficients, after: Coefficients
) -> dict[LoadKey, Coefficients]:
    """By load, the fit that has not seen it; none where too few loads would remain.

    The ratios of the whole fit are where each begins, which spares it half of the rounds.
    """
    keys = dict.fromkeys(point.key for point in points)
    if len(keys) < FEWEST_LOADS:
        return {}
    return {
        key: fit_to([point for point in points if point.key != key], prior, after, ROUNDS // 2)
        for key in keys
    }


def _twice(points: Sequence[LoadPoint], metric: PointMetric) -> Iterable[tuple[float, float]]:
    """The first and the last value of every load measured more than once."""
    values: dict[LoadKey, list[float]] = {}
    for point in points:
        for each in point.values:
            if each.metric == metric:
                values.setdefault(point.key, []).append(each.value)
    return ((found[0], found[-1]) for found in values.values() if len(found) > 1)


def _error(
    role: Role, metric: PointMetric | Literal["all"], points: Sequence[CalibrationPoint]
) -> CalibrationError:
    unseen = [each for each in points if each.held_out is not None]
    return CalibrationError(
        role=role,
        metric=metric,
        points=len(points),
        before_ratio=_mean_error([each.before for each in points], points),
        after_ratio=_mean_error([each.after for each in points], points),
        held_out_ratio=_mean_error([each.held_out or 0.0 for each in unseen], unseen) if unseen else None,
    )


def _mean_error(values: Sequence[float], points: Sequence[CalibrationPoint]) -> float:
    return float(np.mean([abs(v / p.measured - 1) for v, p in zip(values, points, strict=True)]))
