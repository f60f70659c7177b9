"""Kernel times of one GPU -> how near it comes to its data sheet -> coefficients. Pure functions.

    gemm                (bytes / (e_m bandwidth))^4 + (flop / (e_c peak))^4 = t^4 over all m: e_m memory, e_c compute
    decode attention    KV bytes / (t bandwidth)
    prefill attention   flop of the causal half / (t 16-bit peak)
    power drop          sustained over fresh time of one product, less 1

The first is the smooth roofline of `physics/step.py`. A kernel run by itself is not the engine's: `ENGINE_ERRORS` says
by how much the two may differ, and the coefficients move from their prior towards what was measured as far as the
errors of both allow (the linear update of a normal prior, Kalman 1960).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.optimize import least_squares

from servemark.domain.calibration import KernelTime
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.gpu import Gpu
from servemark.physics.step import CoefficientValues
from servemark.physics.work import flop_per_s, sixteen_bit_flop_per_s

FIELDS: Final = CoefficientValues._fields
"""The fields of `Coefficients.correlations`, in their order."""
SHARE: Final = "_efficiency"
LEAST: Final = 1e-3
ENGINE_ERRORS: Final = {
    "compute_efficiency": 0.05,
    "memory_efficiency": 0.07,
    "kv_efficiency": 0.20,
    "attention_efficiency": 0.20,
    "power_drop": 0.30,
}
"""How far an engine's kernels differ from these: the same library multiplies in both, but engines bring their own
attention over paged caches. Judgement, until `make test-gpu` has run on several GPUs."""
START: Final = 0.7
START_ERROR: Final = 0.5
"""Log error of an efficiency that a curve cannot tell: only small m says nothing of compute."""
NOISE: Final = 0.03
LEAST_DROP: Final = 0.005


def kernel_efficiencies(kernels: Sequence[KernelTime], gpu: Gpu, dtype: str) -> dict[str, Fitted]:
    """What the kernels say of the coefficients of one dtype, by field; only what was measured.

    Args:
        kernels: of any dtypes; attention counts whatever its dtype, since caches are not quantized with weights.
        gpu: whose data sheet they are compared with.
        dtype: of the weights.
    """
    found: dict[str, Fitted] = {}
    gemms = [each for each in kernels if each.kind == "gemm" and each.dtype == dtype]
    if gemms:
        memory, compute = gemm_efficiencies(gemms, gpu)
        found |= {"memory_efficiency": memory, "compute_efficiency": compute}
    decodes = [
        each.moved_bytes / each.time_s / gpu.bandwidth_bytes_per_s
        for each in kernels
        if each.kind == "decode attention"
    ]
    prefills = [
        each.work_flop / each.time_s / sixteen_bit_flop_per_s(gpu)
        for each in kernels
        if each.kind == "prefill attention"
    ]
    if decodes:
        found["kv_efficiency"] = _middle(decodes)
    if prefills:
        found["attention_efficiency"] = _middle(prefills)
    times = {each.kind: each.time_s for each in kernels}
    if "fresh gemm" in times and "sustained gemm" in times:
        drop = max(times["sustained gemm"] / times["fresh gemm"] - 1, LEAST_DROP)
        found["power_drop"] = Fitted(value=drop, relative_error=NOISE / drop)
    return found


def gemm_efficiencies(gemms: Sequence[KernelTime], gpu: Gpu) -> tuple[Fitted, Fitted]:
    """Memory and compute efficiency of a GEMM curve over m, by robust least squares of log times.

    Args:
        gemms: of one dtype.
        gpu: whose data sheet they are compared with.
    """
    memory_s = np.array([each.moved_bytes for each in gemms]) / gpu.bandwidth_bytes_per_s
    compute_s = np.array([each.work_flop for each in gemms]) / flop_per_s(gpu, gemms[0].dtype)
    measured = np.log([each.time_s for each in gemms])

    def residuals(logs: NDArray[np.float64]) -> NDArray[np.float64]:
        memory, compute = memory_s / math.exp(logs[0]), compute_s / math.exp(logs[1])
        roofline = (memory**4 + compute**4) ** 0.25
        beside = (logs - math.log(START)) / START_ERROR
        return np.concatenate(((np.log(roofline) - measured) / NOISE, beside))

    fit = least_squares(residuals, np.full(2, math.log(START)), loss="soft_l1")
    left = float(np.std(residuals(fit.x)[: len(gemms)]) * NOISE)
    errors = np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))
    memory, compute = (
        Fitted(value=math.exp(log), relative_error=math.hypot(error, left))
        for log, error in zip(fit.x.tolist(), errors.tolist(), strict=True)
    )
    return memory, compute


def updated(prior: Coefficients, measured: Mapping[str, Fitted]) -> Coefficients:
    """The prior moved towards measured coefficients, all fields together as far as they are correlated.

    With x the logits of efficiencies and logarithms of all else, P their covariance, H the measured ones and
    R the errors of measuring and of the engine: K = P H' (H P H' + R)^-1; x += K (measured - x), P -= K H P.
    """
    own = {name: getattr(prior, name) for name in FIELDS}
    measured = {name: found for name, found in measured.items() if own[name].value}
    if not measured:
        return prior
    index = [FIELDS.index(name) for name in measured]
    errors = np.array([_inward_error(name, each) for name, each in own.items()])
    shared = np.array(prior.correlations or np.eye(len(FIELDS)), dtype=np.float64)
    covariance = shared * np.outer(errors, errors)
    apart = np.array(
        [_inward(name, found.value) - _inward(name, own[name].value) for name, found in measured.items()]
    )
    noise = np.diag([_inward_error(name, _as_engine(name, found)) ** 2 for name, found in measured.items()])
    gain = covariance[:, index] @ np.linalg.inv(covariance[np.ix_(index, index)] + noise)
    after = covariance - gain @ covariance[index]
    widths = np.sqrt(np.maximum(np.diag(after), 0.0))
    changes = {
        name: _moved(name, each, move, width)
        for (name, each), move, width in zip(
            own.items(), (gain @ apart).tolist(), widths.tolist(), strict=True
        )
    }
    return replace(
        prior, **changes, correlations=_correlations(after, widths) if prior.correlations else ()
    )


def _inward(name: str, value: float) -> float:
    """The logit of an efficiency, which no update then carries beyond 1; the logarithm of all else."""
    if not name.endswith(SHARE):
        return math.log(value) if value else 0.0
    share = min(max(value, LEAST), 1 - LEAST)
    return math.log(share / (1 - share))


def _inward_error(name: str, fitted: Fitted) -> float:
    """The error there of a relative error."""
    if not name.endswith(SHARE):
        return fitted.relative_error
    return fitted.relative_error / (1 - min(fitted.value, 1 - LEAST))


def _moved(name: str, fitted: Fitted, move: float, width: float) -> Fitted:
    if not move and width == _inward_error(name, fitted):
        return fitted
    value = _inward(name, fitted.value) + move
    if not name.endswith(SHARE):
        return Fitted(value=math.exp(value) if fitted.value else 0.0, relative_error=width)
    share = 1 / (1 + math.exp(-value))
    return Fitted(value=share, relative_error=width * (1 - share))


def _as_engine(name: str, found: Fitted) -> Fitted:
    """With the error that an engine's own kernels add."""
    return Fitted(value=found.value, relative_error=math.hypot(found.relative_error, ENGINE_ERRORS[name]))


def _correlations(
    covariance: NDArray[np.float64], widths: NDArray[np.float64]
) -> tuple[tuple[float, ...], ...]:
    scale = np.where(widths > 0, widths, 1.0)
    shared = covariance / np.outer(scale, scale)
    np.fill_diagonal(shared, 1.0)
    return tuple(tuple(row) for row in shared.tolist())


def _middle(shares: Sequence[float]) -> Fitted:
    """Median, and the spread of its logarithm over the shapes."""
    logs = np.log(shares)
    return Fitted(value=math.exp(float(np.median(logs))), relative_error=max(float(np.std(logs)), NOISE))
