"""`make test-gpu`: the closed loop on a real GPU. Skipped everywhere else."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = [pytest.mark.needs("gpu"), pytest.mark.filterwarnings("default")]
LOOP = Path(__file__).parents[2] / "benchmarks" / "gpu_loop.py"


@pytest.fixture(scope="module")
def loop():
    spec = importlib.util.spec_from_file_location("gpu_loop", LOOP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def closed(loop):
    calibration, rows = loop.closed_loop("cuda")
    print(loop.keep(calibration, rows))
    return calibration, rows


def test_the_bench_finds_efficiencies_below_the_data_sheet(closed):
    calibration, _ = closed
    for each in calibration.coefficients:
        for name in ("compute_efficiency", "memory_efficiency", "kv_efficiency", "attention_efficiency"):
            assert 0.05 < getattr(each, name).value < 1.05, (each.dtype, name)


def test_both_models_were_run_at_several_batches_and_lengths(closed):
    _, rows = closed
    for kind in ("prefill", "decode"):
        for model in ("llama-3.1-8b", "qwen3-30b-a3b"):
            assert len([r for r in rows if r["kind"] == kind and r["model"] == model]) >= 3


def test_real_forward_passes_are_predicted_better_than_before_and_within_a_quarter(loop, closed):
    _, rows = closed
    after = loop.mean_error(rows, "after_s")
    assert after <= max(loop.mean_error(rows, "before_s"), 0.1)
    assert after < 0.25
