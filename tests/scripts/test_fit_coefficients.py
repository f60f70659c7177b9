"""The fit finds the coefficients that its own measurements were made with."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from servemark.physics.step import CoefficientValues

SCRIPT = Path(__file__).parents[2] / "scripts/fit_coefficients.py"
COLUMNS = (
    "source", "source_version", "gpu", "num_gpus", "tp", "pp", "model", "weight_dtype", "kv_dtype", "engine",
    "isl", "osl", "concurrency_or_batch", "metric", "unit", "value",
)  # fmt: skip
TRUE = CoefficientValues(0.55, 0.82, 0.7, 0.5, 0.6, 1.5e-5, 1e-5, 2e-7, 4e-6, 2e-3)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fit_coefficients", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(path, values):
    """A CSV of static batches, known concurrencies and saturated runs on one H100."""
    rows = []
    for inputs, outputs in ((128, 128), (1000, 1000), (2048, 128)):
        for batch in (1, 4, 16, 64):
            rows.append((inputs, outputs, batch, "total_throughput_in_plus_out"))
            rows.append((inputs, outputs, batch, "tpot_ref"))
        rows.append((inputs, outputs, "max", "output_throughput_total"))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for (inputs, outputs, batch, metric), value in zip(rows, values or [1.0] * len(rows), strict=True):
            fixed = ["own", "1", "H100-SXM-80GB", 1, 1, 1, "Llama-3.1-8B", "fp8", "fp8", "tensorrt-llm"]
            writer.writerow([*fixed, inputs, outputs, batch, metric, "", value])
    return path


def test_true_coefficients_are_found(script, tmp_path, capsys):
    key = ("h100-sxm", "fp8", "tensorrt-llm")
    blank = script.read_groups(table(tmp_path / "blank.csv", None))[key]
    measured = script.prediction(blank)(TRUE)
    rows = script.read_groups(table(tmp_path / "measured.csv", measured.tolist()))[key]
    line = script.fitted_line(*key, rows, script.read_priors())
    assert "n   27   MAPE   0." in capsys.readouterr().out
    told = [f for f in CoefficientValues._fields if line[f]]
    assert {"compute_efficiency", "kv_efficiency", "step_overhead_s"} <= set(told)
    for field in told:
        error = 2 * float(line[f"{field}_relative_error"])
        assert float(line[field]) == pytest.approx(getattr(TRUE, field), rel=error)
    # one GPU says nothing of links
    assert line["link_efficiency"] == line["collective_latency_s"] == line["request_overhead_s"] == ""


def test_the_loss_spares_the_priors(script):
    rho, slope, _ = script.robust_loss(1)(np.array([8.0, 8.0]))
    assert rho == pytest.approx([4, 8])
    assert slope == pytest.approx([1 / 3, 1])


def test_unknown_settings_are_left_out(script):
    known = dict.fromkeys(COLUMNS, "") | {
        "source": "own", "gpu": "L40S-48GB", "num_gpus": "1", "tp": "1", "pp": "1", "model": "Llama-3.1-8B",
        "weight_dtype": "fp8", "kv_dtype": "fp8", "engine": "vllm", "isl": "100", "osl": "100",
        "concurrency_or_batch": "8", "metric": "tpot_ref", "value": "10",
    }  # fmt: skip
    assert script.read_row(known) is not None
    for change in (
        {"weight_dtype": ""},
        {"num_gpus": "16"},
        {"num_gpus": "2"},
        {"metric": "ttft_ref"},
        {"concurrency_or_batch": "100000"},  # more than the KV pool holds
        {"source_version": "SC24 snapshot"},
        {"value": "0"},
    ):
        assert script.read_row(known | change) is None
