import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.domain.lengths import knots_mean, mean_tokens, quantile_tokens, require_length
from servemark.domain.workload import FixedLength, LognormalLength, QuantileLength
from servemark.errors import InputError

lognormals = st.builds(
    LognormalLength,
    median_tokens=st.floats(2, 5000),
    sigma=st.floats(0.01, 2),
    minimum_tokens=st.integers(1, 20),
    maximum_tokens=st.integers(20, 50_000),
)


@st.composite
def quantile_lengths(draw):
    inner = draw(st.lists(st.floats(0.01, 0.99), max_size=5, unique=True))
    probabilities = [0.0, *sorted(inner), 1.0]
    values = sorted(draw(st.floats(1, 1e5)) for _ in probabilities)
    return QuantileLength(knots=tuple(zip(probabilities, values, strict=True)))


def test_fixed():
    assert mean_tokens(FixedLength(tokens=300)) == 300
    assert quantile_tokens(FixedLength(tokens=300), 0.99) == 300


def test_lognormal_by_hand():
    # far from both clips: mean = median e^(sigma^2 / 2), p97.5 = median e^(1.96 sigma)
    length = LognormalLength(median_tokens=100, sigma=0.5)
    assert mean_tokens(length) == pytest.approx(100 * math.exp(0.125), rel=1e-9)
    assert quantile_tokens(length, 0.5) == pytest.approx(100)
    assert quantile_tokens(length, 0.975) == pytest.approx(100 * math.exp(1.95996 * 0.5), rel=1e-5)


def test_segment_between_knots_has_the_logarithmic_mean():
    # from 10 to 1000 in one straight line of the log: (1000 - 10) / ln 100
    assert knots_mean([(0.0, 10.0), (1.0, 1000.0)]) == pytest.approx(990 / math.log(100))
    # half at 5, half rising to 50
    assert knots_mean([(0.0, 5.0), (0.5, 5.0), (1.0, 50.0)]) == pytest.approx(2.5 + 0.5 * 45 / math.log(10))


def test_quantile_is_linear_in_the_log():
    length = QuantileLength(knots=((0.0, 10.0), (0.5, 100.0), (1.0, 10_000.0)))
    assert quantile_tokens(length, 0.25) == pytest.approx(math.sqrt(10 * 100))
    assert quantile_tokens(length, 0.75) == pytest.approx(math.sqrt(100 * 10_000))
    assert quantile_tokens(length, 1.0) == 10_000


@settings(deadline=None)
@given(st.one_of(lognormals, quantile_lengths()))
def test_mean_is_the_integral_of_the_quantile_function(length):
    grid = (np.arange(4000) + 0.5) / 4000
    assert mean_tokens(length) == pytest.approx(
        np.mean([quantile_tokens(length, q) for q in grid]), rel=0.02
    )


@settings(deadline=None)
@given(st.one_of(lognormals, quantile_lengths()), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise(length, one, other):
    low, high = sorted((one, other))
    assert quantile_tokens(length, low) <= quantile_tokens(length, high) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("length", "field"),
    [
        (FixedLength(tokens=0), "input.tokens"),
        (LognormalLength(median_tokens=-1, sigma=1), "input.median_tokens"),
        (LognormalLength(median_tokens=10, sigma=-1), "input.sigma"),
        (LognormalLength(median_tokens=10, sigma=1, minimum_tokens=0), "input.minimum_tokens"),
        (LognormalLength(median_tokens=10, sigma=1, maximum_tokens=0), "input.maximum_tokens"),
        (QuantileLength(knots=((0.0, 1.0),)), "input.knots"),
        (QuantileLength(knots=((0.1, 1.0), (1.0, 2.0))), "input.knots"),
        (QuantileLength(knots=((0.0, 1.0), (0.5, 2.0), (0.5, 3.0), (1.0, 4.0))), "input.knots[2]"),
        (QuantileLength(knots=((0.0, 5.0), (1.0, 2.0))), "input.knots[1]"),
    ],
)
def test_impossible_lengths_are_refused(length, field):
    with pytest.raises(InputError) as error:
        require_length(length, path="input")
    assert error.value.path == field


@settings(deadline=None)
@given(quantile_lengths())
def test_possible_lengths_pass(length):
    require_length(length, path="input")
