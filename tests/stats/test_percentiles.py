import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.stats.percentiles import (
    mean_interval,
    pooled_mean_interval,
    pooled_quantiles,
    quantile_interval,
    quantile_ranks,
    ratio_interval,
    student_quantile,
)


def binomial_cdf(k, n, q):
    return sum(math.comb(n, i) * q**i * (1 - q) ** (n - i) for i in range(k + 1))


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_smallest_sample_with_an_interval(q, needed):
    # the largest of n samples lies above the quantile with 97.5 % once q^n <= 2.5 %
    assert max(q, 1 - q) ** needed <= 0.025 < max(q, 1 - q) ** (needed - 1)
    assert quantile_ranks(needed - 1, q) is None
    ranks = quantile_ranks(needed, q)
    assert ranks is not None and ranks[1] == needed


def test_median_of_ten_lies_between_the_second_and_ninth():
    # P(B <= 1) = 11 / 1024 = 1.07 % and P(B <= 2) = 56 / 1024 = 5.5 %
    assert quantile_ranks(10, 0.5) == (2, 9)
    assert quantile_interval(np.arange(1.0, 11.0), 0.5) == (2.0, 9.0)


@settings(deadline=None)
@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_ranks_cover_with_equal_tails(n, q):
    ranks = quantile_ranks(n, q)
    if ranks is None:
        assert q**n > 0.025 or (1 - q) ** n > 0.025
        return
    lower, upper = ranks
    assert binomial_cdf(lower - 1, n, q) <= 0.025 < binomial_cdf(lower, n, q)
    assert 1 - binomial_cdf(upper - 1, n, q) <= 0.025 + 1e-12
    assert 1 - binomial_cdf(upper - 2, n, q) > 0.025 - 1e-12


def test_ranks_of_a_large_sample():
    # normal approximation: 1e6 * 0.95 +- 1.96 * sqrt(1e6 * 0.95 * 0.05)
    lower, upper = quantile_ranks(1_000_000, 0.95)
    assert lower == pytest.approx(950_000 - 427.2, abs=2)
    assert upper == pytest.approx(950_000 + 427.2, abs=2)


@pytest.mark.parametrize(("n", "q"), [(100, 0.5), (100, 0.95), (500, 0.99)])
def test_interval_covers_in_95_percent_of_samples(n, q):
    samples = np.sort(np.random.default_rng(3).exponential(size=(4000, n)), axis=1)
    lower, upper = quantile_ranks(n, q)
    truth = -math.log(1 - q)
    covered = np.mean((samples[:, lower - 1] <= truth) & (truth <= samples[:, upper - 1]))
    assert 0.943 <= covered <= 0.99


def test_mean_interval_by_hand():
    # 1, 2, 3: mean 2, s = 1, t(2) = 4.3027, half = 4.3027 / sqrt 3
    assert student_quantile(2) == pytest.approx(4.30265, rel=1e-5)
    assert mean_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2 - 2.48414, 2 + 2.48414), rel=1e-5)
    assert mean_interval(np.array([1.0])) is None


def test_pooled_mean_is_robust_to_what_happens_inside_a_cluster():
    # each cluster repeats one value: the interval is that of the cluster values themselves
    values = np.array([1.0, 2.0, 4.0, 9.0])
    pooled = pooled_mean_interval(values * 50, np.full(4, 50.0))
    assert pooled == pytest.approx(mean_interval(values))
    assert pooled_mean_interval(values[:1], np.ones(1)) is None


def test_pooled_quantiles_of_equal_gaps_are_those_of_the_clusters():
    values = np.sort(np.random.default_rng(0).exponential(size=100))
    alone = quantile_interval(values, 0.5)
    (_, _), (pooled, none) = pooled_quantiles(np.repeat(values, 30), [0.5, 0.99], 100)
    assert pooled == alone
    assert none is None


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40))
def test_ratio_interval_is_clopper_pearson(hits, misses):
    n = hits + misses
    interval = ratio_interval(hits, n)
    if n == 0:
        assert interval is None
        return
    low, high = interval
    assert 0 <= low <= hits / n <= high <= 1
    if hits:
        assert 1 - binomial_cdf(hits - 1, n, low) == pytest.approx(0.025, abs=1e-9)
    if misses:
        assert binomial_cdf(hits, n, high) == pytest.approx(0.025, abs=1e-9)


def test_no_failure_in_a_hundred_is_not_no_failure():
    # (1 - p)^100 = 2.5 % gives p = 3.62 %
    assert ratio_interval(0, 100) == pytest.approx((0.0, 1 - 0.025**0.01))
