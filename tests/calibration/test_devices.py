from datetime import date

import pytest

from servemark.calibration.devices import CpuRate, cpu_device, cpu_name, cpu_rates, unfamiliar
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu

RATES = (
    CpuRate(threads=1, copy_bytes_per_s=12e9, gemm_flop_per_s=80e9),
    CpuRate(threads=2, copy_bytes_per_s=20e9, gemm_flop_per_s=150e9),
)


def test_the_device_is_what_the_last_thread_count_reached():
    device = cpu_device(RATES, measured_on=date(2026, 11, 20))
    assert device.bandwidth_bytes_per_s == 20e9
    assert device.dense_flop_per_s["fp16"] == 150e9
    assert device.key.startswith("cpu-") and device.key.endswith("-2t")
    assert device.notes == (
        "1 thread: copies 12 GB/s, multiplies 80.0 GFLOP/s (FP32)",
        "2 threads: copies 20 GB/s, multiplies 150 GFLOP/s (FP32)",
    )
    assert device.source_of("bandwidth_bytes_per_s").date == "2026-11-20"
    assert cpu_name() in device.name


def test_for_a_device_of_no_known_class_overheads_may_be_seven_times_off():
    known = find_coefficients(find_gpu("l40s"), dtype="bf16", engine="vllm", version=None)
    wide = unfamiliar(known)
    assert wide.step_overhead_s.value == known.step_overhead_s.value
    assert wide.step_overhead_s.relative_error == 2.0 and wide.memory_efficiency.relative_error >= 0.5
    assert wide.time_ratio == known.time_ratio and wide.correlations == ()


@pytest.mark.parametrize(("threads", "counts"), [(1, (1,)), (3, (1, 2, 3)), (4, (1, 2, 4))])
def test_rates_are_measured_at_doubling_thread_counts(threads, counts, monkeypatch):
    monkeypatch.setattr("servemark.calibration.devices.COPY_BYTES", 2**20)
    monkeypatch.setattr("servemark.calibration.devices.MATRIX", 32)
    rates = cpu_rates(threads)
    assert tuple(each.threads for each in rates) == counts
    assert all(each.copy_bytes_per_s > 0 and each.gemm_flop_per_s > 0 for each in rates)
