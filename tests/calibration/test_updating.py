"""A few points on top of shipped coefficients: what they tell is learned, the rest stays."""

import numpy as np
import pytest
from msgspec.structs import replace

from servemark.calibration.observations import predicted
from servemark.calibration.updating import natural, prior, refitted
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu

from .test_observations import observed

LOADS = (1, 2, 4, 8, 16, 32, 64)


def curve(truth):
    """TPOT at rising concurrency as `truth` has it."""
    rows = [observed(kind="closed", sequences=n, metric="tpot", counted="") for n in LOADS]
    values = predicted(rows, [truth] * len(rows))
    return [replace(o, value=float(v)) for o, v in zip(rows, values, strict=True)]


@pytest.fixture(scope="module")
def shipped():
    return find_coefficients(find_gpu("h100-sxm"), dtype="bf16", engine="vllm", version=None)


def other(coefficients, **factors):
    return replace(
        coefficients,
        **{
            field: replace(getattr(coefficients, field), value=getattr(coefficients, field).value * factor)
            for field, factor in factors.items()
        },
    )


@pytest.mark.parametrize(
    "factors",
    [
        {"time_ratio": 1.3},
        {"step_overhead_s": 3.0, "memory_efficiency": 0.8},
        {"sequence_overhead_s": 3.0, "layer_overhead_s": 0.4},
    ],
)
def test_three_points_bring_the_others_near(shipped, factors):
    rows = curve(other(shipped, **factors))
    found = refitted(shipped, [rows[0], rows[3], rows[6]])
    before = np.array(predicted(rows, [shipped] * 7)) / [o.value for o in rows] - 1
    after = np.array(predicted(rows, [found] * 7)) / [o.value for o in rows] - 1
    assert np.abs(after).max() < 0.03
    assert np.abs(after).mean() < np.abs(before).mean() / 3


def test_what_is_confirmed_stays_and_is_surer(shipped):
    found = refitted(shipped, curve(shipped))
    assert found.memory_efficiency.value == pytest.approx(shipped.memory_efficiency.value, rel=1e-3)
    assert found.memory_efficiency.relative_error < shipped.memory_efficiency.relative_error
    assert found.rows == shipped.rows + len(LOADS)
    assert found.residual_log_errors["tpot"] <= shipped.residual_log_errors["tpot"]
    # nothing was said of links, of which one GPU has none
    assert found.link_efficiency.value == pytest.approx(shipped.link_efficiency.value, rel=1e-3)
    assert found.residual_log_errors["throughput"] == shipped.residual_log_errors["throughput"]


def test_a_broken_point_pulls_little(shipped):
    rows = curve(shipped)
    rows[3] = replace(rows[3], value=rows[3].value * 5)
    found = refitted(shipped, rows)
    after = np.array(predicted(rows, [found] * 7))
    kept = [i for i in range(7) if i != 3]
    assert after[kept] == pytest.approx([rows[i].value for i in kept], rel=0.05)


def test_nothing_usable_changes_nothing(shipped):
    impossible = observed(gpu="rtx-4090", kind="max", requests=9.0, input_tokens=100_000, output_tokens=10)
    assert refitted(shipped, [impossible]) is shipped


def test_the_prior_is_the_coefficients(shipped):
    centre, covariance = prior(shipped, curve(shipped))
    values = natural(centre)
    assert values[1] == pytest.approx(shipped.memory_efficiency.value)
    assert values[-1] == pytest.approx(shipped.request_overhead_s.value)
    assert np.linalg.eigvalsh(covariance).min() > 0
