"""Predictions for rows that the fit has not seen: curves, one model, GPU or engine version left out at a time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from msgspec.structs import replace

from servemark.calibration.fitting import Fit, PartialFits, model_shape
from servemark.calibration.observations import Observation
from servemark.calibration.predictions import Case
from servemark.catalogue.coefficients import residual_log_errors
from servemark.domain.coefficients import Coefficients
from servemark.domain.score import Protocol

CURVE_FOLDS = 5
GroupKey = tuple[str, str, str, str | None, str]


def left_out(found: Observation, protocol: Protocol) -> Hashable:
    """What the row shares with all that leave the fit with it.

    Curves leave in fifths: all loads of one setting together, its model mostly known from other settings.
    A model is its architecture: DeepSeek V3 and R1, or two releases of one Llama, are one model. Rows of
    an engine whose version is not stated count as one version.
    """
    deployment = found.deployment
    match protocol:
        case "unseen_curve":
            return fold_of_curve(found)
        case "unseen_model":
            return (deployment.model.groups, deployment.model.hidden, deployment.model.vocab)
        case "unseen_gpu":
            return deployment.node.gpu.key
        case _:
            return (deployment.engine.name, deployment.engine.version)


def fold_of_curve(found: Observation) -> int:
    """Which fifth of the curves a row is in: all loads and metrics of one setting go together."""
    deployment = found.deployment
    setting = (
        deployment.node.gpu.key, deployment.dtype, deployment.engine.name, deployment.engine.version,
        model_shape(deployment.model), deployment.parallelism, found.input_tokens, found.output_tokens,
    )  # fmt: skip
    return int(hashlib.md5(str(setting).encode()).hexdigest(), 16) % CURVE_FOLDS


def unseen_coefficients(
    cases: Sequence[Case], whole: Fit, protocol: Protocol, *, say: Callable[[str], None]
) -> list[Coefficients]:
    """For each row the coefficients of a fit without all rows of its model, GPU or engine version."""
    folds: dict[Hashable, list[int]] = defaultdict(list)
    for i, case in enumerate(cases):
        folds[left_out(case.observation, protocol)].append(i)
    partial = PartialFits(whole)
    found: dict[int, Coefficients] = {}
    for number, (level, members) in enumerate(folds.items(), 1):
        say(f"{protocol}: fold {number} of {len(folds)}, {len(members)} rows left out")
        fit = partial.without(lambda each, level=level: left_out(each, protocol) == level)
        found |= zip(members, coefficients_in(fit, [cases[i].observation for i in members]), strict=True)
    return [found[i] for i in range(len(cases))]


def coefficients_in(fit: Fit, observations: Sequence[Observation]) -> list[Coefficients]:
    """The coefficients of a fit for each observation; those of one deployment share the record.

    What remains of the error when they are exact is what the shipped coefficients say of rows as near.
    """
    found: dict[GroupKey, Coefficients] = {}
    for each in observations:
        key = group_key(each)
        _, dtype, engine, version, model = key
        if key not in found:
            own = fit.coefficients(
                each.deployment.node.gpu, dtype=dtype, engine=engine, version=version, model=model
            )
            found[key] = replace(own, residual_log_errors=residual_log_errors(fit.nearness(each)))
    return [found[group_key(each)] for each in observations]


def group_key(found: Observation) -> GroupKey:
    """What coefficients are looked up by: GPU, dtype, engine, version, model."""
    deployment = found.deployment
    engine = deployment.engine
    return deployment.node.gpu.key, deployment.dtype, engine.name, engine.version, deployment.model.key
