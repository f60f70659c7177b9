import numpy as np
import pytest

from servemark.domain.lengths import mean_tokens, quantile_tokens
from servemark.domain.workload import FixedLength, LognormalLength, QuantileLength
from servemark.traffic.lengths import sample_tokens

LENGTHS = [
    FixedLength(tokens=300),
    LognormalLength(median_tokens=200, sigma=0.8, minimum_tokens=16, maximum_tokens=900),
    QuantileLength(knots=((0.0, 3.0), (0.5, 129.0), (0.9, 424.0), (1.0, 1000.0))),
]


@pytest.mark.parametrize("length", LENGTHS, ids=lambda each: type(each).__name__)
def test_samples_have_the_mean_and_quantiles_stated(length):
    sample = sample_tokens(length, np.random.default_rng(1), 40_000)
    assert sample.mean() == pytest.approx(mean_tokens(length), rel=0.02)
    for q in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(sample, q) == pytest.approx(quantile_tokens(length, q), rel=0.04, abs=1)


@pytest.mark.parametrize("length", LENGTHS, ids=lambda each: type(each).__name__)
def test_a_longer_sample_begins_with_the_shorter(length):
    short = sample_tokens(length, np.random.default_rng(7), 100)
    long = sample_tokens(length, np.random.default_rng(7), 1000)
    assert (long[:100] == short).all()


def test_clipped_to_whole_tokens():
    length = LognormalLength(median_tokens=10, sigma=3, minimum_tokens=4, maximum_tokens=50)
    sample = sample_tokens(length, np.random.default_rng(0), 1000)
    assert sample.dtype == np.int64
    assert (sample.min(), sample.max()) == (4, 50)
