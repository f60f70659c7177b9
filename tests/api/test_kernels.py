"""From a bench to a calibration file, with plain numbers in place of a GPU."""

import pytest

import servemark as sm
from servemark.api.kernels import bench_calibration
from servemark.calibration import gpu_bench as bench_file
from servemark.calibration.gpu_bench import Bench
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.calibration import KernelTime
from servemark.errors import InputError, MissingExtra

GPU = find_gpu("l40s")
READ_BYTES = 2.0 * 28672 * 4096


def product(dtype, m, share):
    """A product that reads at a share of the data sheet, too few rows to compute much."""
    time_s = READ_BYTES / (share * GPU.bandwidth_bytes_per_s)
    return KernelTime(
        kind="gemm", dtype=dtype, shape=(m, 28672, 4096), moved_bytes=READ_BYTES, work_flop=2.0 * m * 28672 * 4096,
        time_s=time_s,
    )  # fmt: skip


def bench(*kernels, notes=()):
    copy = KernelTime(
        kind="copy", dtype="fp32", shape=(2**28,), moved_bytes=2.0**31, work_flop=0.0,
        time_s=2.0**31 / (0.9 * GPU.bandwidth_bytes_per_s),
    )  # fmt: skip
    return Bench("NVIDIA L40S", (copy, *kernels), {"torch": "2.13.0"}, notes)


def test_every_dtype_that_was_multiplied_gets_its_coefficients():
    timed = bench(
        *(product(dtype, m, 0.6) for dtype in ("bf16", "fp8") for m in (1, 8)), notes=("int8 left out",)
    )
    found = bench_calibration(timed, GPU, find_engine("vllm"))
    assert [each.dtype for each in found.coefficients] == ["bf16", "fp8"]
    assert found.id == "" and found.method == "kernels" and found.kernels == timed.kernels
    assert found.versions["board"] == "NVIDIA L40S" and found.versions["torch"] == "2.13.0"
    assert found.notes == ("copies run at 90 % of the L40S's data sheet", "int8 left out")
    for before, after in zip(found.prior, found.coefficients, strict=True):
        distances = [abs(each.memory_efficiency.value - 0.6) for each in (before, after)]
        assert distances[1] < distances[0]
        assert after.memory_efficiency.relative_error < before.memory_efficiency.relative_error


def test_a_board_that_multiplies_nothing_is_refused():
    with pytest.raises(InputError, match="one format that can be multiplied, found bf16 left out"):
        bench_calibration(bench(notes=("bf16 left out",)), GPU, find_engine("vllm"))


def test_without_torch_it_says_which_extra_brings_it(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_file, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"servemark\[gpu\]"):
        sm.calibrate(gpu_bench=True, runs=tmp_path)
