"""Curves -> efficiencies -> coefficients, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servemark.calibration.kernels import (
    ENGINE_ERRORS,
    FIELDS,
    gemm_efficiencies,
    kernel_efficiencies,
    updated,
)
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.calibration import KernelTime
from servemark.domain.coefficients import Fitted

GPU = find_gpu("l40s")
PRIOR = replace(
    find_coefficients(GPU, dtype="bf16", engine="vllm", version=None),
    memory_efficiency=Fitted(value=0.75, relative_error=0.2),
    correlations=(),
)


def kernel(kind, *, moved=0.0, work=0.0, time_s, shape=(1,), dtype="bf16"):
    return KernelTime(kind=kind, dtype=dtype, shape=shape, moved_bytes=moved, work_flop=work, time_s=time_s)


def curve(memory, compute, rows=(1, 16, 64, 256, 1024, 8192)):
    """GEMM times that follow the smooth roofline exactly."""
    kernels = []
    for n, k in ((6144, 4096), (4096, 14336)):
        for m in rows:
            moved, work = 2.0 * (n * k + m * k + m * n), 2.0 * m * n * k
            read = moved / (memory * GPU.bandwidth_bytes_per_s)
            computed = work / (compute * GPU.dense_flop_per_s["bf16"])
            time_s = (read**4 + computed**4) ** 0.25
            kernels.append(kernel("gemm", moved=moved, work=work, time_s=time_s, shape=(m, n, k)))
    return kernels


@given(memory=st.floats(0.3, 0.98), compute=st.floats(0.3, 0.98))
def test_a_roofline_curve_gives_back_its_two_efficiencies(memory, compute):
    found = gemm_efficiencies(curve(memory, compute), GPU)
    assert [each.value for each in found] == pytest.approx([memory, compute], rel=0.01)


def test_a_curve_of_few_rows_says_nothing_of_compute():
    memory, compute = gemm_efficiencies(curve(0.8, 0.6, rows=(1, 8)), GPU)
    assert memory.value == pytest.approx(0.8, rel=0.02)
    assert compute.relative_error > 5 * memory.relative_error


def test_attention_and_power_in_shares_of_the_data_sheet():
    peak = GPU.dense_flop_per_s["bf16"]
    kernels = [
        kernel("decode attention", moved=GPU.bandwidth_bytes_per_s, time_s=2.0),
        kernel("prefill attention", work=peak, time_s=4.0),
        kernel("fresh gemm", time_s=1.0),
        kernel("sustained gemm", time_s=1.25),
    ]
    found = kernel_efficiencies(kernels, GPU, "bf16")
    assert {name: each.value for name, each in found.items()} == pytest.approx(
        {"kv_efficiency": 0.5, "attention_efficiency": 0.25, "power_drop": 0.25}
    )


def test_products_of_another_dtype_do_not_count():
    assert "memory_efficiency" not in kernel_efficiencies(curve(0.8, 0.6), GPU, "fp8")


def test_the_prior_moves_by_the_weight_of_its_error():
    # prior 0.75 +- 20 %, measured 0.60 +- 5 % by kernels that stand for the engine's within 7 %; in logits an
    # error is 1 / (1 - value) times as large
    found = updated(PRIOR, {"memory_efficiency": Fitted(value=0.6, relative_error=0.05)})
    own = (0.2 / 0.25) ** 2
    gain = own / (own + (0.05**2 + ENGINE_ERRORS["memory_efficiency"] ** 2) / 0.4**2)
    logit = math.log(0.75 / 0.25) + gain * (math.log(0.6 / 0.4) - math.log(0.75 / 0.25))
    value = 1 / (1 + math.exp(-logit))
    assert found.memory_efficiency.value == pytest.approx(value)
    assert found.memory_efficiency.relative_error == pytest.approx(
        math.sqrt(own * (1 - gain)) * (1 - value)
    )
    assert found.compute_efficiency == PRIOR.compute_efficiency


def test_no_measurement_carries_an_efficiency_beyond_the_data_sheet():
    found = updated(PRIOR, {"memory_efficiency": Fitted(value=1.4, relative_error=0.01)})
    assert 0.75 < found.memory_efficiency.value < 1


def test_what_is_correlated_with_a_measured_coefficient_moves_with_it():
    i, j = FIELDS.index("memory_efficiency"), FIELDS.index("layer_overhead_s")
    shared = np.eye(len(FIELDS))
    shared[i, j] = shared[j, i] = 0.9
    prior = replace(
        PRIOR,
        layer_overhead_s=Fitted(value=1e-5, relative_error=0.5),
        correlations=tuple(map(tuple, shared.tolist())),
    )
    found = updated(prior, {"memory_efficiency": Fitted(value=0.6, relative_error=0.05)})
    assert found.layer_overhead_s.value < 1e-5
    assert found.layer_overhead_s.relative_error < 0.5
    assert len(found.correlations) == len(FIELDS)
    assert found.correlations[i][j] == pytest.approx(found.correlations[j][i])


def test_nothing_measured_changes_nothing():
    assert updated(PRIOR, {}) == PRIOR
