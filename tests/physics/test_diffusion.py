"""Images: FLOPs of a step by hand, published step times, memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.gpu_types import find_gpu, gpu_catalogue
from servemark.catalogue.utilization import find_utilization
from servemark.catalogue.workload_points import workload_points
from servemark.physics.diffusion import FLUX, image_bytes, image_seconds, step_flop


def seconds(gpu, **more):
    found = find_gpu(gpu)
    return image_seconds(FLUX, found, find_utilization(found), **more)


def test_a_step_of_flux_by_hand():
    tokens = 64 * 64 + 512
    flop = step_flop(FLUX, 1024, 1024)
    assert flop.matrices == 57 * 24 * 3072**2 * tokens == pytest.approx(59.5e12, rel=1e-3)
    assert flop.attention == 57 * 4 * tokens**2 * 3072 == pytest.approx(14.9e12, rel=2e-3)
    assert flop.total == pytest.approx(74.4e12, rel=1e-3)


def test_an_image_is_steps_times_flop_over_what_is_reached():
    # 28 x 74.36e12 / (989.5e12 x 0.45)
    assert seconds("h100-sxm").value == pytest.approx(28 * 74.36e12 / (989.5e12 * 0.45), rel=1e-3)
    assert seconds("h100-sxm", steps=4).value == pytest.approx(seconds("h100-sxm").value / 7)


@pytest.mark.parametrize("point", workload_points("images"), ids=lambda p: f"{p.gpu} {p.value}")
def test_published_step_times_lie_inside(point):
    side = 512 if "512 x" in point.settings else 1024
    dtype = "fp8" if "fp8" in point.settings else "bf16"
    found = seconds(point.gpu, dtype=dtype, width=side, height=side, steps=1)
    assert found.low <= point.value <= found.high


def test_memory():
    assert image_bytes(FLUX, "bf16") == pytest.approx(2 * 11.9e9 + 2 * 4.96e9 + 3e9)
    assert image_bytes(FLUX, "fp8") < 24e9 < image_bytes(FLUX, "bf16", encoders=False)


def test_fp8_without_units_gains_no_time():
    assert seconds("a100-sxm-80gb", dtype="fp8") == seconds("a100-sxm-80gb")


@given(side=st.sampled_from([256, 512, 1024, 2048]), key=st.sampled_from(sorted(gpu_catalogue())))
def test_monotone(side, key):
    small, large = (seconds(key, width=w, height=side) for w in (side, 2 * side))
    assert large.value > 1.5 * small.value or side == 256
    assert small.low < small.value < small.high
    assert seconds(key, dtype="fp8").value <= seconds(key).value
