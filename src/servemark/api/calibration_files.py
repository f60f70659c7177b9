"""`--calibration FILE|last`: whether a calibration speaks for a deployment, and what it says of it."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from servemark.api.listing import DEFAULT_RUNS
from servemark.catalogue.coefficients import find_coefficients
from servemark.domain.calibration import Calibration
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Gpu
from servemark.errors import InputError, fold_name
from servemark.store.calibrations import find_calibration, read_calibration

CALIBRATED = "calibration "
"""What the source of calibrated coefficients begins with."""
RUNS_VARIABLE = "SERVEMARK_RUNS"
"""Environment variable: the folder that keeps runs, and calibrations with them."""


def default_runs() -> Path:
    """The folder that keeps the runs where none is named."""
    return Path(os.environ.get(RUNS_VARIABLE, DEFAULT_RUNS))


def open_calibration(reference: object) -> Calibration | None:
    """The calibration of a file, or the last one kept; None where none is asked for.

    Raises:
        InputError: neither a path nor `last`.
        StoreError: no such calibration, or a file that is none.
    """
    if reference is None or isinstance(reference, Calibration):
        return reference
    if not isinstance(reference, (str, Path)):
        raise InputError("calibration", expected="a file, or `last`", found=repr(reference))
    return read_calibration(find_calibration(default_runs(), reference))


def device_named(calibration: Calibration | None, name: object) -> Gpu | None:
    """The device of a calibration, where `name` is its name or nothing was named."""
    if calibration is None:
        return None
    device = calibration.device
    names = {fold_name(each) for each in (device.key, device.name, *device.aliases)}
    return device if name is None or fold_name(str(name)) in names else None


def with_measured(calibration: Calibration | None, given: dict[str, Any]) -> dict[str, Any]:
    """The options given, over what was measured: GPU, dtype and engine; without a model all of the deployment."""
    if calibration is None:
        return given
    own = calibration.coefficients
    engine, version = own[0].engine, own[0].engine_version
    measured: dict[str, Any] = {
        "gpu": calibration.device.key,
        "engine": f"{engine}@{version}" if version else engine,
    }
    if len(own) == 1:
        measured["dtype"] = own[0].dtype
    deployment = calibration.deployment
    if deployment is not None and given.get("model") is None:
        spread = deployment.parallelism
        measured |= {
            "model": deployment.model,
            "engine": deployment.engine,
            "kv_dtype": deployment.kv_dtype,
        }
        measured |= {"tp": spread.tensor, "pp": spread.pipeline, "ep": spread.expert}
    return measured | given


def matching(calibration: Calibration, deployment: Deployment) -> Coefficients:
    """The coefficients of a calibration that speak for a deployment.

    Raises:
        InputError: measured on another GPU, with another dtype or engine.
    """
    asked = {
        "gpu": deployment.node.gpu.key, "dtype": deployment.dtype, "engine": deployment.engine.name,
    }  # fmt: skip
    own = calibration.coefficients
    for field, wanted in asked.items():
        found = ", ".join(sorted({getattr(each, field) for each in own}))
        own = tuple(each for each in own if getattr(each, field) == wanted)
        if not own:
            found = f"{calibration.id}, measured with {found}"
            raise InputError("calibration", expected=f"one for {field} {wanted}", found=found)
    return own[0]


def calibrated(
    calibration: Calibration, known: Coefficients, *, model: str, version: str | None
) -> Coefficients:
    """The calibration's coefficients in place of the catalogue's, which name GPU, dtype and engine.

    For another model or engine version than those measured the residual errors are no smaller than the
    catalogue's, and what differs is said in `inherited_from`. Where the calibration does not speak for them
    (see `matching`) the catalogue's stay.

    Args:
        calibration: any.
        known: coefficients of the catalogue.
        model: key of the model that is predicted.
        version: of the engine that is predicted.
    """
    asked = (known.gpu, known.dtype, known.engine)
    pairs = zip(calibration.coefficients, calibration.prior, strict=True)
    found = next((pair for pair in pairs if (pair[0].gpu, pair[0].dtype, pair[0].engine) == asked), None)
    if found is None:
        return known
    own, before = found
    differs: list[str] = []
    if calibration.models and model not in calibration.models:
        differs.append(", ".join(calibration.models))
        own = _of_another_model(own, before, known)
    if version and own.engine_version and version != own.engine_version:
        differs.append(f"{own.engine} {own.engine_version}")
    residuals = own.residual_log_errors
    if differs:
        residuals = {k: max(e, known.residual_log_errors.get(k, e)) for k, e in residuals.items()}
    return replace(
        own,
        residual_log_errors=residuals,
        engine_version=version or own.engine_version,
        inherited_from=f"measurements with {' and '.join(differs)}" if differs else None,
        source=f"{CALIBRATED}{calibration.id} ({own.source})",
    )


def coefficient_source(calibration: Calibration | None) -> Callable[..., Coefficients]:
    """What a search asks in place of `find_coefficients`: own measurements where they speak, else the catalogue."""
    if calibration is None:
        return find_coefficients

    def find(gpu: Gpu, *, dtype: str, engine: str, version: str | None, model: str) -> Coefficients:
        known = find_coefficients(gpu, dtype=dtype, engine=engine, version=version, model=model)
        return calibrated(calibration, known, model=model, version=version)

    return find


def with_device(calibration: Calibration | None, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The GPUs to search, the device of the calibration as it was measured.

    Raises:
        InputError: it is not among them.
    """
    if calibration is None:
        return tuple(gpus)
    device = calibration.device
    if device.key not in {each.key for each in gpus}:
        raise InputError(
            "calibration",
            expected="one for a GPU of the search",
            found=f"{calibration.id}, for {device.key}",
        )
    return tuple(device if each.key == device.key else each for each in gpus)


def plan_notes(calibration: Calibration | None) -> tuple[str, ...]:
    """What a plan says of the calibration behind a part of it."""
    if calibration is None:
        return ()
    dtypes = " and ".join(each.dtype for each in calibration.coefficients)
    what = f"{calibration.device.name}, {dtypes}, {calibration.coefficients[0].engine}"
    return (
        f"{what}: predicted with {CALIBRATED}{calibration.id}, all else with the catalogue's coefficients",
    )


def calibration_notes(coefficients: Coefficients) -> tuple[str, ...]:
    """What a prediction says of the calibration behind it; nothing where there is none."""
    if not coefficients.source.startswith(CALIBRATED):
        return ()
    borrowed = f"; inherited from {coefficients.inherited_from}" if coefficients.inherited_from else ""
    return (f"predicted with {coefficients.source}{borrowed}",)


def _of_another_model(own: Coefficients, before: Coefficients, known: Coefficients) -> Coefficients:
    """The calibrated coefficients with the factor of another model (`time_ratio`).

    What the measured model's factor moved by is partly that model's, as far as models differ (its prior error m),
    and partly this device's, as far as devices differ from their kind (the residual error r): the other model takes
    over r^2 / (r^2 + m^2) of the logarithm.
    """
    residual = statistics.median(before.residual_log_errors.values() or (0.0,))
    spread = residual**2 + before.time_ratio.relative_error**2
    share = residual**2 / spread if spread else 0.0
    moved = (own.time_ratio.value / before.time_ratio.value) ** share
    error = math.hypot(known.time_ratio.relative_error, own.time_ratio.relative_error)
    lone = len(own.correlations) - 1  # the last of the fields
    apart = tuple(
        tuple(float(i == j) if lone in (i, j) else shared for j, shared in enumerate(row))
        for i, row in enumerate(own.correlations)
    )
    ratio = Fitted(value=known.time_ratio.value * moved, relative_error=error)
    return replace(own, time_ratio=ratio, correlations=apart)
