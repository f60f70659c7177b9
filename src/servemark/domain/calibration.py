"""A calibration: own measurements of one device turned into coefficients, and what that did to the error."""

from __future__ import annotations

from typing import Literal

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Gpu
from servemark.domain.record import Record
from servemark.domain.workload import Load

CALIBRATION_SCHEMA = "servemark.calibration/1"

PointMetric = Literal["tpot_s", "output_tokens_per_s", "ttft_s"]
"""Mean TPOT, output throughput, mean TTFT: keys of `METRICS`."""
Role = Literal["calibration", "validation"]
"""What the fit has seen, and what it has not."""
Outcome = Literal["improved", "not improved", "inconclusive"]


class CalibrationPoint(Record, frozen=True, kw_only=True):
    """One measured value beside what is predicted for it."""

    run: str
    """Id of the run."""
    model: str
    load: Load
    input_tokens: float
    """Mean, as the server counted."""
    output_tokens: float
    metric: PointMetric
    role: Role = "calibration"
    measured: float
    relative_error: float
    """Standard error of the measured mean, from its sample."""
    before: float
    """Predicted by the shipped coefficients."""
    after: float
    """Predicted by the calibrated ones."""
    held_out: float | None = None
    """Of a calibration point: predicted by a fit that left out every point of this load."""


class CalibrationError(Record, frozen=True, kw_only=True):
    """Mean absolute relative error of the points of one metric (`all` = of every metric)."""

    role: Role
    metric: PointMetric | Literal["all"]
    points: int
    before_ratio: float
    after_ratio: float
    held_out_ratio: float | None = None
    """By fits that have not seen the load; None where there were too few to leave one out."""


class KernelTime(Record, frozen=True, kw_only=True):
    """One kernel, timed: the median over repetitions."""

    kind: Literal["copy", "gemm", "fresh gemm", "sustained gemm", "prefill attention", "decode attention"]
    """A fresh gemm runs after a pause, a sustained one after seconds of the same."""
    dtype: str
    """A key of `PRECISIONS`."""
    shape: tuple[int, ...]
    """copy: values; gemm: m, n, k; attention: batch, heads, KV heads, head size, context tokens."""
    moved_bytes: float
    """Bytes that must be read and written at least."""
    work_flop: float
    time_s: float
    spread_ratio: float = 0.0
    """Interquartile range over median."""


class Calibration(Record, frozen=True, kw_only=True):
    """What `servemark calibrate` writes, and `--calibration` reads."""

    schema: str = CALIBRATION_SCHEMA
    id: str = ""
    """File name without suffix once kept: `0003-l40s-bf16-vllm`."""
    method: Literal["load test", "kernels"]
    started: str
    """Wall-clock time of the calibration, ISO 8601 with zone."""
    device: Gpu
    """The whole record: a device measured here stands in no catalogue."""
    coefficients: tuple[Coefficients, ...]
    """One per dtype, with covariance."""
    prior: tuple[Coefficients, ...]
    """What each of them was before, in the same order."""
    models: tuple[str, ...] = ()
    """Keys of the models measured; none where kernels were."""
    deployment: Deployment | None = None
    """What the last run measured: what a prediction takes where nothing else is said."""
    runs: tuple[str, ...] = ()
    points: tuple[CalibrationPoint, ...] = ()
    errors: tuple[CalibrationError, ...] = ()
    kernels: tuple[KernelTime, ...] = ()
    noise_ratio: float | None = None
    """Difference between two measurements of the same load, where loads were measured twice."""
    outcome: Outcome | None = None
    """Whether unseen points are predicted better; None where none were held out."""
    versions: dict[str, str] = {}
    """Servemark, engine, driver, libraries."""
    notes: tuple[str, ...] = ()
