"""Fit the step model's coefficients from published measurements.

    python scripts/fit_coefficients.py MEASURED.csv [-o src/servemark/catalogue/data/coefficients.csv]

MEASURED.csv is not part of the repository. Its columns: source, source_version, gpu, num_gpus, tp, pp,
model, weight_dtype, kv_dtype, engine, isl, osl, concurrency_or_batch, metric, unit, value. For each
(GPU, dtype, engine) with enough rows, coefficients are fitted to log measurements by robust least squares
(soft L1): overheads by their logarithm, efficiencies by their logit, so that none exceeds its data sheet.
Several coefficients pull the same way (compute, memory and overheads at small batch), so each has a
Gaussian prior there, from `coefficients_prior.csv`; a field that the rows do not narrow is left empty and
keeps the prior. Relative errors come from the Jacobian at the solution, priors included.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.optimize import least_squares

from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import FITTED_FIELDS
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.gpu import Node
from servemark.physics.batching import Demand, Room, residence
from servemark.physics.memory import memory_budget
from servemark.physics.step import CoefficientValues, StepCost, step_cost, step_seconds
from servemark.physics.work import StepWork, stacked, step_work

DATA = Path(__file__).parents[1] / "src/servemark/catalogue/data"
LEAST_ROWS = 15
NOISE = 0.08
"""Log noise of one measurement, engine versions included; the loss turns linear beyond it."""
LEAST_ERROR = 0.02
"""Rows share their source's systematic error, which a Jacobian cannot see."""
OVERHEAD_WIDTH = 1.5
"""Overheads are known by their order of magnitude: 100 % in the prior's table is a factor of 4.5."""
STEP_TOKENS = 8192
MAX_LOAD_SEQUENCES = 2048
MAX_LOAD_MEMORY = 0.95
MAX_LOAD_REQUESTS = {
    (128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (500, 2000): 3000, (1000, 1000): 3000,
    (2048, 128): 3000, (20000, 2000): 1000,
}  # fmt: skip
"""Requests per shape in TensorRT-LLM's performance overview; 1,500 for the others."""
SUPERSEDED = ("vllm", "SC24 snapshot")
"""Engine and source version left out: vLLM before its V1 engine spent 65 to 100 us of host time on every
sequence of a step, which is what these rows would teach."""
STATIC = {
    # metric: (tokens counted, whether per GPU); None counts a time in ms
    "total_throughput_in_plus_out": ("both", False),
    "output_throughput_per_gpu": ("output", True),
    "output_throughput_total": ("output", False),
    "decode_throughput_bs1": ("output", False),
    "prefill_throughput_bs1": ("input", False),
    "ttft": (None, False),
}
Predict = Callable[[CoefficientValues], np.ndarray]


class Row(NamedTuple):
    """One measurement, ready to be predicted."""

    kind: str
    """`static`: a batch that starts and ends together; `closed`: known concurrency; `max`: saturated."""
    model: str
    work: StepWork
    batch: float
    inputs: float
    outputs: float
    counted: float
    """Tokens (or, negative, 1000 for a time in ms) by which the predicted seconds are turned into value."""
    value: float
    source: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=DATA / "coefficients.csv")
    arguments = parser.parse_args()
    groups = read_groups(arguments.measured)
    priors = read_priors()
    lines = []
    for (gpu, dtype, engine), rows in sorted(groups.items()):
        if len(rows) < LEAST_ROWS:
            print(f"{gpu:26s} {dtype:7s} {engine:13s} n {len(rows):4d}   too few: inherits")
            continue
        lines.append(fitted_line(gpu, dtype, engine, rows, priors))
    with arguments.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def read_groups(path: Path) -> dict[tuple[str, str, str], list[Row]]:
    """Usable rows by (GPU key, dtype, engine)."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            if row := read_row(cells):
                gpu, engine = find_gpu(cells["gpu"]).key, find_engine(cells["engine"]).name
                groups[gpu, weight_dtype(cells), engine].append(row)
    return groups


def weight_dtype(cells: dict[str, str]) -> str:
    """The dtype under Servemark's names. gpt-oss checkpoints are MXFP4, whatever a table calls them."""
    name = cells["weight_dtype"]
    if name == "fp4" and cells["model"].startswith("gpt-oss"):
        return "mxfp4"
    return {"f16": "fp16"}.get(name, name)


def read_row(cells: dict[str, str]) -> Row | None:
    """One measurement; None where its setting is not known well enough to predict it."""
    dtype, metric, batch = weight_dtype(cells), cells["metric"], cells["concurrency_or_batch"]
    if not dtype or int(cells["num_gpus"]) > 8:
        return None
    if (cells["engine"], cells["source_version"]) == SUPERSEDED:
        return None
    tensor, pipeline = int(cells["tp"]), int(cells["pp"] or 1)
    if tensor * pipeline != int(cells["num_gpus"]):
        return None
    if metric == "tpot_ref":
        kind = "closed"
    elif metric in STATIC and batch.isdigit():
        kind = "static"
    elif metric in STATIC and batch == "max":
        kind = "max"
    else:
        return None
    gpu = find_gpu(cells["gpu"])
    model = find_model(cells["model"])
    kv_dtype = {"f16": "fp16"}.get(cells["kv_dtype"], cells["kv_dtype"])
    if kv_dtype in ("", "auto"):
        kv_dtype = "fp8" if dtype in ("fp8", "fp4") else "bf16"
    engine = msgspec.structs.replace(
        find_engine(cells["engine"], gpu=gpu),
        max_num_batched_tokens=STEP_TOKENS,
        max_num_seqs=MAX_LOAD_SEQUENCES if kind == "max" else 256,
        gpu_memory_utilization=MAX_LOAD_MEMORY,
    )
    deployment = Deployment(
        model=model,
        node=Node(gpu=gpu, gpus=tensor * pipeline),
        dtype=dtype,
        kv_dtype=kv_dtype,
        parallelism=Parallelism(tensor=tensor, pipeline=pipeline),
        engine=engine,
    )
    inputs, outputs, value = float(cells["isl"]), float(cells["osl"]), float(cells["value"])
    running = batch_of(kind, batch, deployment, inputs, outputs)
    if running is None or not value > 0:
        return None
    counted = counted_tokens(kind, metric, running, inputs, outputs, tensor * pipeline)
    source = cells["source"].split(" (")[0]
    return Row(kind, model.key, step_work(deployment), running, inputs, outputs, counted, value, source)


def batch_of(kind: str, batch: str, deployment: Deployment, inputs: float, outputs: float) -> float | None:
    """Sequences that run at once; None where the KV pool cannot hold what was asked."""
    budget = memory_budget(deployment, sequence_tokens=int(inputs + outputs))
    held = budget.kv_tokens / (inputs + outputs)
    if kind == "max":
        requests = max_load_requests(inputs, outputs)
        return min(held, MAX_LOAD_SEQUENCES, requests) if held >= 1 else None
    if deployment.engine.policy == "slots":
        return float(batch)
    return float(batch) if float(batch) <= held else None


def counted_tokens(kind: str, metric: str, batch: float, inputs: float, outputs: float, gpus: int) -> float:
    """What the predicted seconds are divided into to give the measured value."""
    if kind == "closed":
        return -1000.0
    counts, per_gpu = STATIC[metric]
    if counts is None:
        return -1000.0
    tokens = {"both": inputs + outputs, "output": outputs, "input": inputs}[counts]
    if kind == "max":
        batch = max_load_requests(inputs, outputs)
    return batch * tokens / (gpus if per_gpu else 1)


def read_priors() -> dict[str, tuple[float, float]]:
    """(value, relative error) by field, of GPUs in general."""
    with (DATA / "coefficients_prior.csv").open(encoding="utf-8", newline="") as file:
        cells = next(csv.DictReader(file))
    return {f: (float(cells[f]), float(cells[f"{f}_relative_error"])) for f in FITTED_FIELDS}


def fitted_line(
    gpu: str, dtype: str, engine: str, rows: list[Row], priors: dict[str, tuple[float, float]]
) -> dict[str, object]:
    """Fit one group; print how well; the line of the CSV."""
    fields = CoefficientValues._fields
    prior = np.array([priors[f] for f in fields])
    ratio = np.array([f.endswith("_efficiency") for f in fields])
    centre = np.log(prior[:, 0] / np.where(ratio, 1 - prior[:, 0], 1))
    width = prior[:, 1] * np.where(ratio, 1 / (1 - prior[:, 0]), OVERHEAD_WIDTH)
    predict = prediction(rows)
    measured = np.log([r.value for r in rows])

    def values_at(x: np.ndarray) -> np.ndarray:
        return np.where(ratio, 1 / (1 + np.exp(-x)), np.exp(x))

    def log_ratios(x: np.ndarray) -> np.ndarray:
        return np.log(predict(CoefficientValues(*values_at(x)))) - measured

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.concatenate([log_ratios(x) / NOISE, (x - centre) / width])

    fit = least_squares(residuals, centre, loss=robust_loss(len(rows)), x_scale=width, max_nfev=200)
    best = values_at(fit.x)
    spread = np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))
    errors = np.maximum(spread * np.where(ratio, 1 - best, 1), LEAST_ERROR)
    ratios = np.exp(log_ratios(fit.x)) - 1
    mape, median = 100 * np.mean(abs(ratios)), 100 * np.median(abs(ratios))
    values = dict(zip(fields, zip(best, errors, strict=True), strict=True))
    narrowed = spread < 0.9 * width
    told = {f: bool(narrowed[i] or abs(fit.x[i] - centre[i]) > width[i]) for i, f in enumerate(fields)}
    shown = " ".join(f"{v:.2g}±{100 * e:.0f}%" for v, e in values.values())
    title = f"{gpu:26s} {dtype:7s} {engine:13s} n {len(rows):4d}"
    print(f"{title}   MAPE {mape:5.1f} %  median {median:4.1f} %   {shown}", flush=True)
    sources = ", ".join(sorted({r.source for r in rows}))
    line: dict[str, object] = {
        "gpu": gpu, "dtype": dtype, "engine": engine, "engine_version": "", "rows": len(rows),
        "source": f"{sources}; in-sample MAPE {mape:.1f} %", "date": date.today().isoformat(),
    }  # fmt: skip
    for field in FITTED_FIELDS:
        value, error = values.get(field, (math.nan, math.inf))
        line[field] = f"{value:.4g}" if told.get(field) else ""
        line[f"{field}_relative_error"] = f"{error:.2g}" if told.get(field) else ""
    return line


def robust_loss(rows: int) -> Callable[[np.ndarray], np.ndarray]:
    """Soft L1 for the measurements, plain squares for the priors behind them."""

    def loss(z: np.ndarray) -> np.ndarray:
        rho = np.array([z, np.ones_like(z), np.zeros_like(z)])
        root = np.sqrt(1 + z[:rows])
        rho[:, :rows] = 2 * (root - 1), 1 / root, -0.5 / root**3
        return rho

    return loss


def prediction(rows: list[Row]) -> Predict:
    """The predicted values of all rows, as a function of the coefficients."""
    parts: list[tuple[np.ndarray, Predict]] = []
    for kind, seconds in (("static", static_seconds), ("closed", closed_seconds), ("max", max_seconds)):
        chosen = np.array([i for i, r in enumerate(rows) if r.kind == kind], dtype=int)
        if len(chosen):
            parts.append((chosen, part_prediction([rows[i] for i in chosen], seconds)))

    def predict(values: CoefficientValues) -> np.ndarray:
        result = np.empty(len(rows))
        for chosen, part in parts:
            result[chosen] = part(values)
        return result

    return predict


def part_prediction(rows: list[Row], seconds: Callable[..., np.ndarray]) -> Predict:
    """The same for rows of one kind."""
    work = stacked([r.work for r in rows])
    batch, inputs, outputs, counted = (
        np.array([getattr(r, name) for r in rows])[:, None]
        for name in ("batch", "inputs", "outputs", "counted")
    )

    def predict(values: CoefficientValues) -> np.ndarray:
        time_s = seconds(step_cost(work, values), batch, inputs, outputs)
        return np.where(counted < 0, -counted * time_s, counted / time_s)[:, 0]

    return predict


def static_seconds(cost: StepCost, batch: np.ndarray, inputs: np.ndarray, outputs: np.ndarray):
    """All prompts, in as many steps as the token budget needs; then all decodes together."""
    steps = np.maximum(batch * inputs / STEP_TOKENS, 1)
    tokens = batch * inputs / steps
    prefill = steps * step_seconds(cost, 0.0, 0.0, tokens, tokens * (inputs + 1) / 2, batch / steps)
    decode = sum(
        step_seconds(cost, batch, batch * (inputs + share * outputs)) for share in (1 / 6, 1 / 2, 5 / 6)
    )
    first = np.where(inputs > 0, 1, 0)
    return first * prefill + np.maximum(outputs - first, 0) / 3 * decode


def closed_seconds(cost: StepCost, batch: np.ndarray, inputs: np.ndarray, outputs: np.ndarray):
    """Mean gap between tokens at a known concurrency, lengths spread (InferenceX draws them)."""
    return residence(cost, demand(inputs, outputs), Room(batch, STEP_TOKENS), batch - 1).gap_s


def max_seconds(cost: StepCost, batch: np.ndarray, inputs: np.ndarray, outputs: np.ndarray):
    """All requests of a saturated run: full batches, then half of one running out."""
    requests = np.array(
        [max_load_requests(i, o) for i, o in zip(inputs[:, 0], outputs[:, 0], strict=True)]
    )[:, None]
    full = residence(cost, demand(inputs, outputs), Room(batch, STEP_TOKENS), batch - 1).total_s
    tail = outputs / 2 * step_seconds(cost, batch / 2, batch / 2 * (inputs + outputs / 2))
    return requests / batch * full + tail


def max_load_requests(inputs: float, outputs: float) -> int:
    """Requests of a saturated run of this shape."""
    return MAX_LOAD_REQUESTS.get((int(inputs), int(outputs)), 1500)


def demand(inputs: np.ndarray, outputs: np.ndarray) -> Demand:
    zero = np.zeros_like(inputs)
    return Demand(inputs, outputs, zero, zero, zero, overhead_s=zero, in_phase=zero, cohorts=zero)


if __name__ == "__main__":
    main()
