"""Step-time coefficients: `data/coefficients.csv` -> `Coefficients`.

One row per (gpu key, dtype, engine, engine_version). Columns: `gpu, dtype, engine, engine_version,
rows, source, date`, then for every fitted field of `Coefficients` two columns named after it: `<field>`
and `<field>_relative_error`. `engine_version` is empty for a fit over several versions; an empty value
means that the data could not tell it, and the prior's stands there. `coefficients_prior.csv` has the
same columns and one row (`gpu = *`): what is known of GPUs in general.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from typing import Final, NamedTuple

import msgspec

from servemark.catalogue.gpu_types import gpu_catalogue
from servemark.catalogue.tables import DATA
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.gpu import Gpu

FITTED_FIELDS: Final = tuple(f.name for f in msgspec.structs.fields(Coefficients) if f.type is Fitted)
"""Names of the fitted fields, in the order of the record."""


class Kinship(NamedTuple):
    """How near a row stands to what was asked, and what borrowing it costs."""

    rank: int
    widening: float
    """Relative error added in quadrature. Releases differ by 5 to 20 %; the rest is judgement, to be
    replaced when leave-one-out errors are known."""


EXACT = Kinship(0, 0.0)
OTHER_VERSION = Kinship(1, 0.10)
OTHER_ENGINE = Kinship(2, 0.20)
OTHER_DTYPE = Kinship(3, 0.25)
SAME_ARCHITECTURE = Kinship(4, 0.30)
SAME_TIER = Kinship(5, 0.45)
PRIOR = Kinship(6, 0.0)
"""The prior's own errors are wide already."""

_SAME_RATE = {"fp16": "bf16", "mxfp4": "fp4"}
"""Formats that run on the same units at the same rate."""


def find_coefficients(gpu: Gpu, *, dtype: str, engine: str, version: str | None) -> Coefficients:
    """The coefficients of one (GPU, dtype, engine, version), inherited where nothing was measured.

    The nearest row wins: exact; another version; another engine; another dtype on this GPU; another GPU
    of its architecture; of its vendor and tier; the prior. Of several other GPUs the one nearest in
    `_distance` is taken. A borrowed row has `rows = 0`, names its origin in
    `inherited_from`, and each relative error e becomes sqrt(e^2 + w^2) with w the `Kinship.widening`.
    Without `version` a fit over several versions is preferred, else the one with the most rows.
    """

    def key(row: Coefficients) -> tuple[float, ...]:
        kin = _kinship(row, gpu, dtype, engine, version)
        return (
            kin.rank,
            *_distance(row, gpu),
            not _same_rate(row.dtype, dtype),
            row.engine != engine,
            row.engine_version is not None and row.engine_version != version,
            row.dtype != dtype,
            -row.rows,
        )

    row = min(_rows(), key=key)
    kin = _kinship(row, gpu, dtype, engine, version)
    asked = {
        "gpu": gpu.key,
        "dtype": dtype,
        "engine": engine,
        "engine_version": version or row.engine_version,
    }
    if kin is EXACT:
        return msgspec.structs.replace(row, **asked)
    borrowed = {name: _widened(getattr(row, name), kin.widening) for name in FITTED_FIELDS}
    asked["engine_version"] = version
    return msgspec.structs.replace(row, **asked, **borrowed, rows=0, inherited_from=_title(row))


def _kinship(row: Coefficients, gpu: Gpu, dtype: str, engine: str, version: str | None) -> Kinship:
    if row.gpu == "*":
        return PRIOR
    if row.gpu != gpu.key:
        other = gpu_catalogue()[row.gpu]
        if other.architecture == gpu.architecture:
            return SAME_ARCHITECTURE
        alike = (other.vendor, other.tier) == (gpu.vendor, gpu.tier)
        return SAME_TIER if alike else Kinship(PRIOR.rank + 1, 0.0)
    if not _same_rate(row.dtype, dtype):
        return OTHER_DTYPE
    if row.engine != engine:
        return OTHER_ENGINE
    return EXACT if version is None or row.engine_version == version else OTHER_VERSION


def _distance(row: Coefficients, gpu: Gpu) -> tuple[float, ...]:
    """How unlike two GPUs are: one GeForce and one not (FP32 accumulation at half rate); compute
    capability; one on PCIe and one not, which link efficiency and latency depend on.
    """
    if row.gpu in ("*", gpu.key):
        return (0, 0, 0)
    other = gpu_catalogue()[row.gpu]
    return (
        (other.tier == "consumer") != (gpu.tier == "consumer"),
        abs(_capability(other) - _capability(gpu)),
        ("PCIe" in other.form_factor) != ("PCIe" in gpu.form_factor),
    )


def _capability(gpu: Gpu) -> float:
    """CUDA compute capability; 0 for other makers' GPUs."""
    return float(gpu.compute_capability or 0) if gpu.vendor == "nvidia" else 0.0


def _same_rate(one: str, other: str) -> bool:
    return _SAME_RATE.get(one, one) == _SAME_RATE.get(other, other)


def _widened(fitted: Fitted, widening: float) -> Fitted:
    return Fitted(value=fitted.value, relative_error=math.hypot(fitted.relative_error, widening))


def _title(row: Coefficients) -> str:
    if row.gpu == "*":
        return "generic prior"
    return f"{row.gpu} {row.dtype} {row.engine}" + (f"@{row.engine_version}" if row.engine_version else "")


@cache
def _rows() -> tuple[Coefficients, ...]:
    """All fitted rows, the prior last."""
    (prior,) = (_row(cells, None) for cells in _cells("coefficients_prior.csv"))
    return (*(_row(cells, prior) for cells in _cells("coefficients.csv")), prior)


def _cells(name: str) -> list[dict[str, str]]:
    """Rows of one CSV; none when the file is not there."""
    file = DATA / name
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else []


def _row(cells: dict[str, str], prior: Coefficients | None) -> Coefficients:
    fitted = {}
    for name in FITTED_FIELDS:
        if cells[name] or prior is None:
            error = float(cells[f"{name}_relative_error"])
            fitted[name] = Fitted(value=float(cells[name]), relative_error=error)
        else:
            fitted[name] = getattr(prior, name)
    return Coefficients(
        gpu=cells["gpu"],
        dtype=cells["dtype"],
        engine=cells["engine"],
        engine_version=cells["engine_version"] or None,
        rows=int(cells["rows"]),
        source=cells["source"],
        date=cells["date"],
        **fitted,
    )
