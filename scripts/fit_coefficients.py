"""Fit the step model's coefficients from published measurements, all rows together.

    python scripts/fit_coefficients.py [MEASURED.csv] [-o src/servemark/catalogue/data]

MEASURED.csv has the columns source, source_version, gpu, num_gpus, tp, pp, model, weight_dtype, kv_dtype, engine, isl,
osl, concurrency_or_batch, metric, unit, value; by default the rows that the package ships. Ambiguous rows (one
setting, values more than 5 % apart) are left out. Written are the three tables that
`servemark.catalogue.coefficients` reads. What remains of the error when the coefficients are exact is measured on rows
that the fit has not seen: curves left out (known models), models left out, GPUs left out. That takes minutes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from msgspec.structs import replace

from servemark.calibration.ambiguity import contradictions
from servemark.calibration.fitting import (
    FIELDS,
    Fit,
    PartialFits,
    fitted,
    group_of,
    model_shape,
    teaching,
)
from servemark.calibration.observations import Observation, predicted
from servemark.calibration.predictions import is_played, prediction_log_error
from servemark.calibration.replays import replayed
from servemark.calibration.rows import read_rows, shipped_rows
from servemark.calibration.settings import observation
from servemark.catalogue.architectures import model_catalogue
from servemark.catalogue.coefficients import FITTED_FIELDS, SAME_RATE, UNKNOWN, Group, Nearness, generation
from servemark.domain.coefficients import Coefficients, FittedRange

DATA = Path(__file__).parents[1] / "src/servemark/catalogue/data"
NEARNESS: tuple[Nearness, ...] = get_args(Nearness)
FAMILIES = ("throughput", "tpot", "ttft")
FOLDS = 5
LEAST_RESIDUAL = 0.03
"""Repeats of one measurement differ by 2 % at the 90th percentile."""
BAND_SHARE, BAND_WIDTH = 0.8, 1.2816
"""The band holds 80 %; so many standard deviations of a normal distribution do."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("measured", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path, default=DATA)
    parser.add_argument("--quick", action="store_true", help="keep the residuals of the last run")
    arguments = parser.parse_args()
    rows = read_rows(arguments.measured) if arguments.measured else shipped_rows()
    ambiguous = {id(row) for each in contradictions(rows) for row in each.rows}
    meanings = [observation(row.cells) for row in rows if id(row) not in ambiguous]
    found = [each for each in meanings if isinstance(each, Observation)]
    taught = teaching(found)
    print(f"{len(rows)} rows, {len(ambiguous)} ambiguous, {len(taught)} teach", flush=True)
    fit = fitted(found)
    today = date.today().isoformat()
    write(arguments.output / "coefficients.csv", measured_lines(fit, taught, today))
    write(arguments.output / "coefficient_effects.csv", effect_lines(fit))
    if not arguments.quick:
        write(arguments.output / "coefficient_residuals.csv", residual_lines(fit, taught, today))


def measured_lines(fit: Fit, taught: Sequence[Observation], today: str) -> Iterable[dict[str, object]]:
    """A line for every measured group and model, for the group with any model, and for any version."""
    by_kind: dict[tuple[str, str, str], list[Observation]] = defaultdict(list)
    for each in taught:
        group = group_of(each)
        by_kind[group.gpu, SAME_RATE.get(group.dtype, group.dtype), group.engine].append(each)
    errors = in_sample_errors(fit, taught)
    for (gpu, dtype, engine), rows in sorted(by_kind.items()):
        current = [o for o in rows if generation(engine, group_of(o).version) == engine]
        versions: dict[str, list[Observation]] = {"": current} if current else {}
        for each in rows:
            versions.setdefault(group_of(each).version or "", []).append(each)
        for version, own in sorted(versions.items()):
            group = Group(gpu, dtype, engine, version or None)
            shapes = {model_shape(o.deployment.model) for o in own}
            names = [k for k, m in model_catalogue().items() if model_shape(m) in shapes]
            for model in ("", *sorted(names)):
                seen = [o for o in own if not model or o.deployment.model.key == model] or own
                yield measured_line(fit, group, model, seen, rows, errors, today)


def measured_line(
    fit: Fit,
    group: Group,
    model: str,
    seen: Sequence[Observation],
    rows: Sequence[Observation],
    errors: dict[int, float],
    today: str,
) -> dict[str, object]:
    """One line of `coefficients.csv`."""
    found = of_fit(fit, seen[0], group, model)
    sources = ", ".join(sorted({o.source for o in seen}))
    off = np.array([errors[id(o)] for o in seen])
    spans = range_of(rows)
    line: dict[str, object] = {
        "gpu": group.gpu, "dtype": group.dtype, "engine": group.engine,
        "engine_version": group.version or "", "model": model, "rows": len(seen),
        "source": f"{sources}; in-sample error median {100 * np.median(off):.1f} %, mean {100 * off.mean():.1f} %",
        "date": today, "most_sequences": spans.sequences,
        "most_context_tokens": f"{spans.context_tokens:g}", "least_params": f"{spans.params[0]:.3g}",
        "most_params": f"{spans.params[1]:.3g}", "most_gpus": spans.gpus,
    }  # fmt: skip
    for field in FITTED_FIELDS:
        each = getattr(found, field)
        line[field], line[f"{field}_relative_error"] = f"{each.value:.4g}", f"{each.relative_error:.2g}"
    lower = (f"{100 * row[j]:.0f}" for i, row in enumerate(found.correlations) for j in range(i))
    return line | {"correlations": " ".join(lower)}


def of_fit(fit: Fit, each: Observation, group: Group, model: str) -> Coefficients:
    gpu = each.deployment.node.gpu
    return fit.coefficients(
        gpu, dtype=group.dtype, engine=group.engine, version=group.version, model=shape_of(model)
    )


def shape_of(model: str) -> str | None:
    return model_shape(model_catalogue()[model]) if model else None


def range_of(rows: Sequence[Observation]) -> FittedRange:
    """What the rows of a (GPU, dtype, engine) span."""
    params = [o.deployment.model.params for o in rows]
    return FittedRange(
        sequences=int(max(2048 if o.kind == "max" else o.sequences for o in rows)),
        context_tokens=max(o.input_tokens + o.output_tokens for o in rows),
        params=(min(params), max(params)),
        gpus=max(o.deployment.parallelism.gpus for o in rows),
    )


def in_sample_errors(fit: Fit, taught: Sequence[Observation]) -> dict[int, float]:
    return {id(o): abs(math.exp(e) - 1) for o, e in zip(taught, log_errors(fit, taught), strict=True)}


def log_errors(fit: Fit, rows: Sequence[Observation]) -> np.ndarray:
    """Logarithm of predicted over measured."""
    values = predicted(rows, [fit.coefficients_for(o) for o in rows])
    return np.log(values / np.array([o.value for o in rows]))


def effect_lines(fit: Fit) -> Iterable[dict[str, object]]:
    """Every effect, in words of the catalogue; `?` an unknown level."""
    posterior = fit.posterior
    errors = np.sqrt(np.diag(posterior.covariance)) * shares_of_errors(fit)
    shapes: dict[str, list[str]] = defaultdict(list)
    for key, model in model_catalogue().items():
        shapes[model_shape(model)].append(key)
    widths: dict[tuple[str, int], float] = {}
    for i, (effect, level, k) in enumerate(posterior.design.columns):
        widths[effect, k] = posterior.widths[i]
        shape, space, rest = level.partition(" ")
        names = shapes.get(shape, [shape]) if effect.startswith("model") else [shape]
        for name in names:
            yield effect_line(effect, f"{name}{space}{rest}", FIELDS[k], posterior.unknowns[i], errors[i])
    for (effect, k), width in widths.items():
        if effect != "mean":
            yield effect_line(effect, UNKNOWN, FIELDS[k], 0.0, width)


def shares_of_errors(fit: Fit) -> np.ndarray:
    """What the errors of effects count where they are added in squares: those of one sum partly cancel.

    By unknown, the root of the variance of the sum over the sum of the variances, over all measured groups.
    """
    design, covariance = fit.posterior.design, fit.posterior.covariance
    together, apart = np.zeros(design.parameters), np.zeros(design.parameters)
    for own, fields in zip(design.members, design.fields, strict=True):
        for k in range(design.parameters):
            mine = own[fields == k]
            together[k] += covariance[np.ix_(mine, mine)].sum()
            apart[k] += np.diag(covariance)[mine].sum()
    return np.sqrt(together / apart)[[k for _, _, k in design.columns]]


def effect_line(effect: str, level: str, field: str, value: float, error: float) -> dict[str, object]:
    return {
        "effect": effect,
        "level": level,
        "field": field,
        "value": f"{value:.4g}",
        "error": f"{error:.2g}",
    }


def residual_lines(fit: Fit, rows: Sequence[Observation], today: str) -> Iterable[dict[str, object]]:
    """Residual errors such that 80 % of unseen values fall inside the band."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for fold_of in (fold_of_curve, fold_of_model, fold_of_gpu):
        for each in unseen(fit, rows, fold_of):
            if (each.nearness == "known model") == (fold_of is fold_of_curve):
                found[each.nearness, each.family].append((each.log_error, each.propagated))
    for nearness in NEARNESS:
        for family in FAMILIES:
            errors, own = np.array(found[nearness, family]).T
            residual, off = residual_error(errors, own), np.abs(np.exp(errors) - 1)
            figures = f"mean {100 * off.mean():.1f} %, median {100 * np.median(off):.1f} %"
            print(
                f"{nearness:12s} {family:10s} n {len(off):5d} {figures}, residual {residual:.3f}",
                flush=True,
            )
            yield {
                "nearness": nearness, "family": family, "log_error": f"{residual:.3f}",
                "rows": len(off), "mean_error": f"{off.mean():.4f}",
                "median_error": f"{np.median(off):.4f}", "date": today,
            }  # fmt: skip


def residual_error(errors: np.ndarray, own: np.ndarray) -> float:
    """The residual that, added in squares to the propagated errors, makes the band hold its share."""
    low, high = LEAST_RESIDUAL, 2.0
    for _ in range(40):
        middle = (low + high) / 2
        inside = np.mean(np.abs(errors) <= BAND_WIDTH * np.hypot(own, middle))
        low, high = (middle, high) if inside < BAND_SHARE else (low, middle)
    return high


class Unseen(NamedTuple):
    """How a row came out under a fit that had not seen it."""

    nearness: str
    family: str
    log_error: float
    """Of the prediction, with its sign."""
    propagated: float
    """What the errors of the coefficients account for."""


def unseen(
    fit: Fit, rows: Sequence[Observation], fold_of: Callable[[Observation], Hashable]
) -> Iterable[Unseen]:
    """Every row under a fit without its fold."""
    folds: dict[Hashable, list[int]] = defaultdict(list)
    for i, each in enumerate(rows):
        folds[fold_of(each)].append(i)
    partial_fits = PartialFits(fit)
    for level, members in folds.items():
        partial = partial_fits.without(lambda each, level=level: fold_of(each) == level)
        own = [rows[i] for i in members]
        coefficients = [exact(partial.coefficients_for(o)) for o in own]
        for each, c, value in zip(own, coefficients, predicted(own, coefficients), strict=True):
            value = replayed(each, c) if is_played(each) else value
            error = math.log(value / each.value)
            yield Unseen(partial.nearness(each), family_of(each), error, prediction_log_error(each, c))


def exact(coefficients: Coefficients) -> Coefficients:
    """Without residual errors, so that a band holds what is propagated and nothing else."""
    return replace(coefficients, residual_log_errors=dict.fromkeys(FAMILIES, 0.0))


def fold_of_curve(each: Observation) -> Hashable:
    """A fifth of the curves; all loads of a curve go together."""
    deployed = each.deployment
    curve = (
        deployed.node.gpu.key, deployed.dtype, deployed.engine.name, deployed.engine.version,
        model_shape(deployed.model), deployed.parallelism, each.input_tokens, each.output_tokens, each.metric,
    )  # fmt: skip
    return int(hashlib.md5(str(curve).encode()).hexdigest(), 16) % FOLDS


def fold_of_model(each: Observation) -> Hashable:
    return model_shape(each.deployment.model)


def fold_of_gpu(each: Observation) -> Hashable:
    return each.deployment.node.gpu.key


def family_of(each: Observation) -> str:
    return {"throughput": "throughput", "ttft": "ttft"}.get(each.metric, "tpot")


def write(path: Path, lines: Iterable[dict[str, object]]) -> None:
    rows = list(lines)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{path.name}: {len(rows)} lines", flush=True)


if __name__ == "__main__":
    main()
