import itertools

import numpy as np
import pytest
from scipy.stats import norm, t

from servemark.stats.resampling import (
    block_weights,
    bootstrap_interval,
    expanded_tail,
    quantile_replicates,
    ratio_interval_over_blocks,
    within_block_p,
)


def test_every_replicate_draws_as_many_blocks_as_there_are():
    weights = block_weights(6, seed=1)
    assert (weights.sum(axis=1) == 6).all()
    assert (weights == block_weights(6, seed=1)).all()
    assert (weights != block_weights(6, seed=2)).any()


def test_few_blocks_are_read_further_out():
    assert expanded_tail(6, 0.025) == pytest.approx(norm.cdf(-np.sqrt(6 / 5) * t.ppf(0.975, 5)))
    assert expanded_tail(10_000, 0.025) == pytest.approx(0.025, abs=1e-4)


def test_blocks_that_agree_leave_no_doubt():
    weights = block_weights(4, seed=0)
    found = ratio_interval_over_blocks(np.full(4, 2.0), np.full(4, 10.0), weights)
    assert found == pytest.approx((0.2, 0.2))


def test_one_block_has_no_interval():
    weights = block_weights(1, seed=0)
    assert ratio_interval_over_blocks(np.array([2.0]), np.array([10.0]), weights) is None
    assert bootstrap_interval(np.full(10, np.nan), 3) is None


def test_block_means_of_a_normal_are_covered_as_promised():
    rng = np.random.default_rng(5)
    hits = 0
    weights = block_weights(6, seed=0)
    for _ in range(600):
        totals = rng.normal(3.0, 1.0, 6)
        low, high = ratio_interval_over_blocks(totals, np.ones(6), weights) or (0, 0)
        hits += low <= 3.0 <= high
    assert 0.92 <= hits / 600 <= 0.98


def test_quantiles_of_drawn_blocks():
    values, block = np.array([1.0, 2.0, 3.0, 10.0, 20.0, 30.0]), np.array([0, 0, 0, 1, 1, 1])
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    assert quantile_replicates(values, block, 0.5, weights).tolist() == [3.0, 2.0, 20.0]
    assert np.isnan(quantile_replicates(values, block, 0.5, np.array([[0.0, 0.0]]))).all()
    assert np.isnan(quantile_replicates(values[:0], block[:0], 0.5, weights)).all()


def test_permutation_agrees_with_all_orders():
    cells = np.array([[-1.0, 0.2, 0.8], [0.1, -0.4, 0.3]])
    scores = np.array([0.0, 1.0, 2.0])
    orders = list(itertools.permutations(range(3)))
    seen = (cells @ scores).sum()
    exact = np.mean(
        [
            cells[0] @ scores[list(one)] + cells[1] @ scores[list(other)] >= seen - 1e-9
            for one in orders
            for other in orders
        ]
    )
    assert within_block_p(cells, scores, seed=2) == pytest.approx(exact, abs=0.02)


def test_nothing_differs_is_no_evidence():
    assert within_block_p(np.zeros((3, 2)), np.array([0.0, 1.0]), seed=0) == 1.0


def test_two_loads_flip_signs():
    # differences 3, 1, -1 of three blocks: 3 is reached by +++, ++-, +-+ of eight patterns
    sums = np.array([3.0, 1.0, -1.0])
    cells = np.column_stack([-sums / 2, sums / 2])
    assert within_block_p(cells, np.array([0.0, 1.0]), seed=0) == pytest.approx(3 / 8, abs=0.02)


def test_few_blocks_are_as_uncertain_as_student_says():
    # shares 0, 20 and 40 % of ten each: residuals -2, 0, 2; error sqrt(3 / 2 * 8) / 30; t(2) = 4.303
    low, high = ratio_interval_over_blocks(
        np.array([0.0, 2.0, 4.0]), np.full(3, 10.0), block_weights(3, 0)
    ) or (0, 0)
    assert (low, high) == pytest.approx((0.2 - 4.303 * 12**0.5 / 30, 0.2 + 4.303 * 12**0.5 / 30), abs=1e-3)


def test_five_blocks_cover_about_as_promised():
    """Bootstrap alone: 92 % with five blocks, 74 % with three."""
    rng = np.random.default_rng(3)
    for blocks in (3, 5):
        weights = block_weights(blocks, 0)
        held = 0
        for totals in rng.normal(10, 3, (400, blocks)):
            low, high = ratio_interval_over_blocks(totals, np.ones(blocks), weights) or (0, 0)
            held += low <= 10 <= high
        assert held >= 0.93 * 400
