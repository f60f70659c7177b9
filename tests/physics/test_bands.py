import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servemark.domain.coefficients import Fitted, FittedRange
from servemark.physics.bands import band, extrapolations, log_error, step_log_error
from servemark.physics.step import CoefficientValues

RANGE = FittedRange(sequences=128, context_tokens=8192, params=(7e9, 9e9), gpus=2)


@pytest.fixture(scope="module")
def exact(coefficients):
    """Coefficients without any error."""
    found = coefficients()
    names = (f for f in found.__struct_fields__ if isinstance(getattr(found, f), Fitted))
    return replace(found, **{f: replace(getattr(found, f), relative_error=0.0) for f in names})


def moved(coefficients, **errors):
    return replace(
        coefficients,
        **{f: replace(getattr(coefficients, f), relative_error=e) for f, e in errors.items()},
    )


def test_the_band_holds_80_percent_of_a_normal_distribution():
    low, high = band(100.0, 0.1)
    assert (low, high) == pytest.approx((100 * math.exp(-0.12816), 100 * math.exp(0.12816)), rel=1e-4)
    assert low * high == pytest.approx(100**2)


def test_an_error_of_everything_is_the_error_of_the_step(deploy, exact):
    slow = moved(exact, time_ratio=0.07)
    assert step_log_error(
        deploy("llama-3.1-8b", "l40s"), slow, decodes=8, context_tokens=8000
    ) == pytest.approx(0.07)


def test_what_a_step_does_not_use_makes_no_error(deploy, exact):
    unsure = moved(exact, link_efficiency=0.5, expert_overhead_s=1.0, prompt_overhead_s=1.0)
    assert step_log_error(deploy("llama-3.1-8b", "l40s"), unsure, decodes=8, context_tokens=8000) == 0


def test_errors_that_cancel(deploy, exact):
    """Twice the same error, with opposite signs, is none."""
    both = moved(exact, layer_overhead_s=0.1, step_overhead_s=0.1, time_ratio=0.0)
    each = [
        step_log_error(
            deploy("llama-3.1-8b", "l40s"), moved(exact, **{f: 0.1}), decodes=1, context_tokens=0
        )
        for f in ("layer_overhead_s", "step_overhead_s")
    ]
    fields = ("layer_overhead_s", "step_overhead_s")
    ordered = CoefficientValues._fields
    for sign, expected in ((1.0, sum(each)), (-1.0, abs(each[0] - each[1]))):
        matrix = [[float(i == j) for j in range(len(ordered))] for i in range(len(ordered))]
        a, b = (ordered.index(f) for f in fields)
        matrix[a][b] = matrix[b][a] = sign
        known = replace(both, correlations=tuple(map(tuple, matrix)))
        found = step_log_error(deploy("llama-3.1-8b", "l40s"), known, decodes=1, context_tokens=0)
        assert found == pytest.approx(expected, rel=1e-9)


def test_residuals_add_in_squares(deploy, exact):
    slow = replace(moved(exact, time_ratio=0.03), residual_log_errors={"tpot": 0.04})
    found = log_error(deploy("llama-3.1-8b", "l40s"), slow, metric="tpot", decodes=1, context_tokens=100)
    assert found == pytest.approx(0.05)


def test_beyond_the_range_the_band_widens(deploy, exact):
    known = replace(exact, fitted_range=RANGE, residual_log_errors={"tpot": 0.06})
    inside, outside = (
        log_error(deploy("llama-3.1-8b", "l40s"), known, metric="tpot", decodes=n, context_tokens=1000)
        for n in (128, 128 * math.exp(0.8))
    )
    # a tenth per factor of e: 0.08 beside 0.06 is 0.10
    assert (inside, outside) == pytest.approx((0.06, 0.10))


@given(st.floats(1, 1000), st.floats(10, 1e6))
def test_a_band_is_never_narrower_than_its_residual(deploy, coefficients, decodes, context):
    known = replace(coefficients(), residual_log_errors={"throughput": 0.08}, fitted_range=RANGE)
    found = log_error(
        deploy("llama-3.1-8b", "l40s"), known, metric="throughput", decodes=decodes, context_tokens=context
    )
    assert found >= 0.08
    assert math.isfinite(found)


def test_extrapolations_in_words(deploy, exact):
    known = replace(exact, fitted_range=RANGE, rows=5)
    small, large = deploy("llama-3.1-8b", "l40s"), deploy("llama-3.1-70b", "l40s", tp=4)
    assert extrapolations(small, known, decodes=128, context_tokens=8192) == ()
    assert extrapolations(large, known, decodes=500, context_tokens=20_000) == (
        "500 sequences at once: measured up to 128",
        "sequences of 20,000 tokens: measured up to 8,192",
        "70.6B parameters: measured with 7B to 9B",
        "4 GPUs per replica: measured up to 2",
    )


def test_what_is_inherited_says_so(deploy, exact):
    found = extrapolations(deploy("llama-3.1-8b", "l4"), replace(exact, inherited_from="Ada GDDR, bf16"))
    assert found == ("L4 with bf16 on vllm was not measured: inherited from Ada GDDR, bf16",)
