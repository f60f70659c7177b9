"""Step-time coefficients of any (GPU, dtype, engine, version): measured, or the sum of what is inherited.

`python scripts/fit_coefficients.py` fits all published rows together and writes three tables:

- `data/coefficients.csv`: a row for every measured (GPU, dtype, engine, version, model). An empty version
  stands for an unstated one, an empty model for a model that the fit has not seen. Columns: what is measured, then
  for every fitted field its value and `<field>_relative_error`, and `correlations`, the lower triangle of
  their errors' correlation matrix in percent.
- `data/coefficient_effects.csv`: the effects whose sum the fields of anything else are, as logits of
  efficiencies and logarithms of the rest, with their errors; level `?` is an unknown level, zero with the width
  that levels of this effect have.
- `data/coefficient_residuals.csv`: what remains of the error when the coefficients are exact, by metric
  family and by how near the measurements are.

All of it belongs to whoever reads the tables: values of published rows, fitted here.
"""

from __future__ import annotations

import csv
import math
import re
from functools import cache
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import msgspec

from servemark.catalogue.tables import DATA
from servemark.domain.coefficients import Coefficients, Fitted, FittedRange
from servemark.domain.gpu import Gpu

FITTED_FIELDS: Final = tuple(f.name for f in msgspec.structs.fields(Coefficients) if f.type is Fitted)
"""Names of the fitted fields, in the order of the record."""
STEP_FIELDS: Final = tuple(f for f in FITTED_FIELDS if f != "request_overhead_s")
"""Those of them that a step's time depends on, which the joint fit estimates."""
SAME_RATE: Final = {"fp16": "bf16"}
"""Formats that run on the same units with the same kernels."""
FIRST_OF_TODAY: Final = {"vllm": ("vllm-v0", (0, 8)), "tensorrt-llm": ("tensorrt-llm-engines", (0, 18))}
"""Engine -> name of its earlier generation, and the first release of today's: vLLM's V1 core; TensorRT-LLM's
PyTorch backend in place of compiled engines."""
UNKNOWN: Final = "?"
Nearness = Literal["known model", "known group", "inherited"]
"""The model was measured in its group; others were; nothing of the group was."""
TOLD: Final = ("architecture", "gpu", "dtype", "engine")
"""Effects whose known levels are named where a group inherits."""
_NUMBERS = re.compile(r"(\d+)\.(\d+)")


class Group(NamedTuple):
    """What has coefficients of its own."""

    gpu: str
    dtype: str
    engine: str
    version: str | None


def generation(engine: str, version: str | None) -> str:
    """An engine rewritten is another engine; an unstated version is of today's."""
    former, first = FIRST_OF_TODAY.get(engine, (engine, (0, 0)))
    if version is None:
        return engine
    numbers = _NUMBERS.search(version)
    early = version == "2024" or (numbers is not None and (int(numbers[1]), int(numbers[2])) < first)
    return former if early else engine


def group_levels(gpu: Gpu, group: Group) -> dict[str, str]:
    """Effects that make up the parameters of a group, and their levels."""
    dtype, current = SAME_RATE.get(group.dtype, group.dtype), generation(group.engine, group.version)
    memory = "HBM" if gpu.memory_kind.startswith("HBM") else "GDDR"
    levels = {
        # chips of one architecture with HBM (A100, B200) and with GDDR (A10, RTX 5090) are different chips
        "architecture": f"{gpu.architecture.split()[0]} {memory}",
        "memory": memory,
        "joined": "PCIe" if gpu.link is None or gpu.link.optional else gpu.link.kind,
        "gpu": gpu.key,
        "dtype": dtype,
        "engine": group.engine,
        "group": f"{gpu.key} {dtype} {current}",
    }
    if group.engine in FIRST_OF_TODAY:
        levels["generation"] = current
    return levels | ({"version": f"{group.engine} {group.version}"} if group.version else {})


def model_levels(group: Group, model: str) -> dict[str, str]:
    """Effects of a model on the whole step time, and their levels."""
    dtype = SAME_RATE.get(group.dtype, group.dtype)
    return {
        "model": model,
        "model-engine": f"{model} {group.engine} {group.version}",
        "model-group": f"{model} {group.gpu} {dtype} {generation(group.engine, group.version)}",
    }


def find_coefficients(
    gpu: Gpu, *, dtype: str, engine: str, version: str | None, model: str | None = None
) -> Coefficients:
    """The coefficients of one (GPU, dtype, engine, version).

    A measured row where there is one: of that version and `model` (a key of the catalogue), else for any
    model. Otherwise the sum of the effects of its architecture, dtype, engine and so on, with
    `rows = 0`, wider errors, and `inherited_from` naming what of these was measured.
    """
    group = Group(gpu.key, dtype, engine, version)
    cells = _measured(group, model)
    return _row(cells, group) if cells else _inherited(gpu, group, model)


def _measured(group: Group, model: str | None) -> dict[str, str] | None:
    """The row of a group and model; of the group for any model; None."""
    dtype = SAME_RATE.get(group.dtype, group.dtype)
    rows = _rows()
    for name in (model or "", ""):
        found = rows.get((group.gpu, dtype, group.engine, group.version or "", name))
        if found:
            return found
    return None


def _row(cells: dict[str, str], group: Group) -> Coefficients:
    fields: dict[str, Any] = {
        name: Fitted(value=float(cells[name]), relative_error=float(cells[f"{name}_relative_error"]))
        for name in FITTED_FIELDS
    }
    return Coefficients(
        gpu=group.gpu,
        dtype=group.dtype,
        engine=group.engine,
        engine_version=group.version,
        **fields,
        correlations=_symmetric([int(x) / 100 for x in cells["correlations"].split()]),
        residual_log_errors=residual_log_errors("known model" if cells["model"] else "known group"),
        fitted_range=FittedRange(
            sequences=int(cells["most_sequences"]),
            context_tokens=float(cells["most_context_tokens"]),
            params=(float(cells["least_params"]), float(cells["most_params"])),
            gpus=int(cells["most_gpus"]),
        ),
        rows=int(cells["rows"]),
        source=cells["source"],
        date=cells["date"],
    )


def _inherited(gpu: Gpu, group: Group, model: str | None) -> Coefficients:
    """The sum of what is known of the levels that the group has."""
    effects = _effects()
    levels = group_levels(gpu, group) | (model_levels(group, model) if model else {})
    total = dict.fromkeys(FITTED_FIELDS, 0.0)
    variance = dict.fromkeys(FITTED_FIELDS, 0.0)
    known: list[str] = []
    for effect in effects:
        table = effects[effect]
        level = "*" if effect == "mean" else levels.get(effect, UNKNOWN)
        found = table.get(level)
        if found and effect in TOLD:
            known.append(level)
        for field, (value, error) in (found or table.get(UNKNOWN, {})).items():
            total[field] += value
            variance[field] += error * error
    fields: dict[str, Any] = {f: _natural(f, total[f], math.sqrt(variance[f])) for f in FITTED_FIELDS}
    return Coefficients(
        gpu=group.gpu,
        dtype=group.dtype,
        engine=group.engine,
        engine_version=group.version,
        **fields,
        residual_log_errors=residual_log_errors("inherited"),
        rows=0,
        inherited_from=f"measurements of {', '.join(known)}" if known else "GPUs in general",
        source="sum of effects",
        date=next(iter(_rows().values()))["date"],
    )


def residual_log_errors(nearness: Nearness) -> dict[str, float]:
    """What remains of the error when the coefficients are exact, by metric family."""
    return _residuals()[nearness]


def _natural(field: str, value: float, error: float) -> Fitted:
    """From the scale of the fit: logits of efficiencies, logarithms of the rest."""
    if field.endswith("_efficiency"):
        ratio = 1 / (1 + math.exp(-value))
        return Fitted(value=ratio, relative_error=error * (1 - ratio))
    return Fitted(value=math.exp(value), relative_error=error)


def _symmetric(lower: list[float]) -> tuple[tuple[float, ...], ...]:
    """Rows of a matrix of which `lower` holds what is below the diagonal, row by row."""
    size = (1 + math.isqrt(1 + 8 * len(lower))) // 2
    starts = [k * (k - 1) // 2 for k in range(size + 1)]
    below = [lower[a:b] for a, b in pairwise(starts)]
    return tuple(
        tuple(1.0 if j == k else below[max(j, k)][min(j, k)] for j in range(size)) for k in range(size)
    )


@cache
def _rows() -> dict[tuple[str, ...], dict[str, str]]:
    """Measured rows by GPU, dtype, engine, version and model."""
    names = ("gpu", "dtype", "engine", "engine_version", "model")
    return {tuple(cells[name] for name in names): cells for cells in _cells("coefficients.csv")}


@cache
def _effects() -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Effect -> level -> field -> (value, error) on the scale of the fit."""
    effects: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for cells in _cells("coefficient_effects.csv"):
        level = effects.setdefault(cells["effect"], {}).setdefault(cells["level"], {})
        level[cells["field"]] = float(cells["value"]), float(cells["error"])
    return effects


@cache
def _residuals() -> dict[str, dict[str, float]]:
    """Nearness -> metric family -> log error."""
    residuals: dict[str, dict[str, float]] = {}
    for cells in _cells("coefficient_residuals.csv"):
        residuals.setdefault(cells["nearness"], {})[cells["family"]] = float(cells["log_error"])
    return residuals


def _cells(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / name).read_text(encoding="utf-8").splitlines()))
