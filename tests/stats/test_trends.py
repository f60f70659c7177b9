import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from statsmodels.stats.contingency_tables import Table

from servemark.stats.trends import (
    block_trend_p,
    cell_residuals,
    cochran_armitage,
    growth_per_doubling,
    jonckheere_terpstra,
    page,
)


def test_cochran_armitage_by_hand():
    # p = 3/20; numerator 1 (3 - 1.5) = 1.5; variance 0.1275 (10 - 100 / 20) = 0.6375
    z, p_value = cochran_armitage([0, 3], [10, 10], [0, 1])
    assert z == pytest.approx(1.5 / math.sqrt(0.6375))
    assert p_value == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)))


counts = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=2, max_size=7)


@given(counts)
def test_cochran_armitage_agrees_with_statsmodels(cells):
    failed = np.array([min(r, n) for r, n in cells])
    asked = np.array([n for _, n in cells])
    scores = np.arange(len(cells))
    z, _ = cochran_armitage(failed, asked, scores)
    if 0 < failed.sum() < asked.sum():
        table = Table(np.column_stack([asked - failed, failed]), shift_zeros=False)
        oracle = table.test_ordinal_association(row_scores=scores, col_scores=np.array([0, 1]))
        n = asked.sum()
        assert z * math.sqrt((n - 1) / n) == pytest.approx(float(oracle.zscore), abs=1e-9)
    else:
        assert z == 0.0


def test_nothing_to_rise_is_no_trend():
    assert cochran_armitage([0, 0], [10, 10], [0, 1]) == (0.0, 1.0)
    assert cochran_armitage([1, 2], [10, 10], [1, 1]) == (0.0, 1.0)
    assert cochran_armitage([0, 0], [0, 0], [0, 1]) == (0.0, 1.0)
    assert jonckheere_terpstra([[1, 1], [1, 1]]) == (0.0, 1.0)
    assert jonckheere_terpstra([[1, 2], []]) == (0.0, 1.0)


def test_jonckheere_on_a_published_example():
    # offspring of mice with 0, 1, 2 copies of a mutant allele; McArdle Laboratory, Mstat manual, notes 5:
    # of 3 * 3 + 3 * 4 + 3 * 4 = 33 pairs across groups, 30.5 rise as the copies fall (16 and 16 count one half)
    two, one, none = [16, 8, 6], [27, 16, 15], [31, 29, 18, 42]
    rising = sum((x < y) + (x == y) / 2 for x in two for y in one)
    rising += sum((x < y) + (x == y) / 2 for x in two + one for y in none)
    assert rising == 30.5
    # mean (100 - 34) / 4; variance: sizes 10 | 3, 3, 4 and one tie of two
    variance = (10 * 9 * 25 - 2 * 3 * 2 * 11 - 4 * 3 * 13 - 2 * 9) / 72
    variance += (6 + 6 + 24) * 0 + (6 + 6 + 12) * 2 / (8 * 10 * 9)
    z, _ = jonckheere_terpstra([two, one, none])
    assert z == pytest.approx((30.5 - 16.5) / math.sqrt(variance))


@given(st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=9), min_size=2, max_size=5))
def test_jonckheere_is_kendalls_test_with_ties_in_both(groups):
    pooled = [value for group in groups for value in group]
    z, p_value = jonckheere_terpstra(groups)
    if len(set(pooled)) > 1:
        place = [i for i, group in enumerate(groups) for _ in group]
        oracle = kendalltau(place, pooled, method="asymptotic")
        assert 2 * min(p_value, 1 - p_value) == pytest.approx(float(oracle.pvalue), abs=1e-9)
        assert z * float(oracle.statistic) >= 0


def test_page_on_a_published_example():
    # three ways of teaching, rated by ten students: documentation of scipy.stats.page_trend_test
    table = np.array(
        [[3, 4, 3], [2, 2, 4], [3, 3, 5], [1, 3, 2], [2, 3, 2], [2, 4, 5], [1, 2, 4], [3, 4, 4], [2, 4, 5], [1, 3, 4]]
    )  # fmt: skip
    statistic, p_value = page(table.astype(float))
    assert statistic == 133.5
    assert p_value == pytest.approx(0.0012693433690751756)


def test_what_a_cell_has_above_its_units():
    values = np.array([[0, 1, 1], [1, np.nan, 0], [0, 0, 0]], dtype=float)
    cells = cell_residuals(values, np.array([0, 0, 1]))
    assert cells == pytest.approx(np.array([[-2 / 3 + 1 / 2, 1 / 3, 1 / 3 - 1 / 2], [0, 0, 0]]))


def test_one_block_of_three_loads_has_six_orders():
    values = np.array([[0.0, 1.0, 3.0]])
    p_value = block_trend_p(values, np.array([0]), [0, 1, 2], seed=3)
    assert p_value == pytest.approx(1 / 6, abs=0.02)


def test_two_loads_halve_the_p_value_with_every_block():
    values = np.tile([0.0, 1.0], (5, 1))
    assert block_trend_p(values, np.arange(5), [0, 1], seed=1) == pytest.approx(1 / 32, abs=0.01)


def test_requests_of_one_block_count_once():
    # 40 items that all fail at the upper load, but in one moment: the asymptotic test is sure, the blocks are not
    values = np.tile([0.0, 1.0], (40, 1))
    assert cochran_armitage([0, 40], [40, 40], [0, 1])[1] < 1e-15
    assert block_trend_p(values, np.zeros(40, dtype=int), [0, 1], seed=1) == pytest.approx(0.5, abs=0.03)


def test_growth_is_exact_where_latency_is_a_power_of_load():
    loads = np.array([1, 2, 4, 32])
    values = np.outer([1.0, 3.0, 7.0, 2.0], loads**0.5)
    values[2, 1] = np.nan
    found = growth_per_doubling(values, np.array([0, 0, 1, 2]), loads)
    assert found is not None and found[1] is not None
    assert found[0] == pytest.approx(math.sqrt(2))
    assert found[1] == pytest.approx((math.sqrt(2), math.sqrt(2)))


def test_growth_needs_two_loads():
    values = np.array([[1.0, np.nan], [np.nan, 2.0]])
    assert growth_per_doubling(values, np.array([0, 1]), [1, 2]) is None


def test_growth_of_one_unit_has_no_interval():
    assert growth_per_doubling(np.array([[1.0, 2.0]]), np.array([0]), [1, 2]) == (2.0, None)
