import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.contingency_tables import mcnemar as oracle_mcnemar

from servemark.stats.pairs import (
    cochran_q,
    difference_interval,
    mcnemar,
    mcnemar_items,
    mcnemar_power,
    noninferiority_items,
    noninferiority_p,
    noninferiority_power,
)

discordant = st.tuples(st.integers(0, 40), st.integers(0, 40))


def test_mcnemar_by_hand():
    # 5 of 5: (1/2)^5; 4 or more of 5: 6/32
    assert mcnemar(5, 0) == pytest.approx(1 / 32)
    assert mcnemar(4, 1) == pytest.approx(6 / 32)
    assert mcnemar(0, 5) == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0, two_sided=True) == pytest.approx(1 / 16)


@given(discordant)
def test_mcnemar_is_a_binomial_test(pair):
    broke, healed = pair
    expected = oracle_mcnemar([[50, broke], [healed, 50]], exact=True).pvalue if broke + healed else 1.0
    assert mcnemar(broke, healed, two_sided=True) == pytest.approx(float(expected))
    if broke + healed:
        one_sided = binomtest(broke, broke + healed, alternative="greater").pvalue
        assert mcnemar(broke, healed) == pytest.approx(float(one_sided))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # airway hyper-responsiveness before and after transplantation, 7 and 1 of 21 discordant: Fagerland,
        # Lydersen and Laake, Statistics in Medicine 33 (2014), table of intervals of the difference
        ((7, 1, 21, 0.95), (0.026, 0.517)),
        # R package PropCIs, scoreci.mp(25, 28, 618, 0.90), as printed in a public test vector
        ((28, 25, 618, 0.90), (-0.0148, 0.0247)),
    ],
)
def test_tango_on_published_examples(table, expected):
    assert difference_interval(*table) == pytest.approx(expected, abs=5e-4 if table[2] == 21 else 5e-5)


def test_no_discordant_pair_leaves_a_known_remainder():
    z = 1.959963984540054
    low, high = difference_interval(0, 0, 200) or (0, 0)
    assert (low, high) == pytest.approx((-(z**2) / (200 + z**2), z**2 / (200 + z**2)), abs=1e-8)
    assert difference_interval(0, 0, 0) is None


@given(discordant, st.integers(0, 200))
def test_the_interval_holds_the_loss_and_mirrors(pair, agreeing):
    broke, healed = pair
    n = broke + healed + agreeing
    if n:
        low, high = difference_interval(broke, healed, n) or (0, 0)
        assert -1 <= low <= (broke - healed) / n <= high <= 1
        assert difference_interval(healed, broke, n) == pytest.approx((-high, -low), abs=1e-7)


@given(discordant, st.integers(1, 200), st.sampled_from([0.01, 0.03, 0.1]))
def test_non_inferior_exactly_where_the_interval_ends_below_the_margin(pair, agreeing, margin):
    broke, healed = pair
    n = broke + healed + agreeing
    _, high = difference_interval(broke, healed, n, 0.9) or (0, 0)
    if abs(high - margin) > 1e-6:
        assert (noninferiority_p(broke, healed, n, margin) <= 0.05) == (high <= margin)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=20))
def test_cochrans_q_agrees_with_statsmodels(rows):
    table = np.array(rows, dtype=float)
    q, p_value = cochran_q(table)
    if any(len(set(row)) > 1 for row in rows):
        oracle = cochrans_q(table)
        assert (q, p_value) == pytest.approx((float(oracle.statistic), float(oracle.pvalue)))
    else:
        assert (q, p_value) == (0.0, 1.0)


def test_mcnemar_power_by_hand():
    # one-sided at 5 %: five of five; with six pairs, none of which heals, at least five must break
    broke = 0.5
    expected = sum(math.comb(6, k) * broke**k * (1 - broke) ** (6 - k) for k in (5, 6))
    assert mcnemar_power(6, broke, 0.0) == pytest.approx(expected)
    assert mcnemar_power(6, 0.0, 0.0) == 0.0


def test_power_is_that_of_the_tests_themselves():
    """Every table of 12 pairs, weighed by its chance."""
    n, broke, healed = 12, 0.3, 0.1
    tables = [(b, c) for b, c in itertools.product(range(n + 1), repeat=2) if b + c <= n]
    chance = {
        (b, c): math.comb(n, b)
        * math.comb(n - b, c)
        * broke**b
        * healed**c
        * (1 - broke - healed) ** (n - b - c)
        for b, c in tables
    }
    worse = sum(chance[each] for each in tables if mcnemar(*each) <= 0.05)
    assert mcnemar_power(n, broke, healed) == pytest.approx(worse)
    ruled_out = sum(chance[each] for each in tables if noninferiority_p(*each, n, 0.5) <= 0.05)
    assert noninferiority_power(n, broke, healed, 0.5) == pytest.approx(ruled_out, abs=1e-6)


def test_items_needed():
    # two-sided 5 % and power 80 % as in the usual tables: 5 % break, none heals
    assert mcnemar_items(0.05, 0.0, alpha=0.025) == 157
    assert mcnemar_items(0.05, 0.0) == 134
    assert mcnemar_items(0.0, 0.05) is None
    # without a discordant pair z = -sqrt(n m / (1 - m)): 88 pairs reach 1.645 at 3 points
    assert noninferiority_items(0.0, 0.0, 0.03) == math.ceil(1.6448536**2 * 0.97 / 0.03)
    assert noninferiority_items(0.03, 0.0, 0.03) is None
    for n, power in ((157, mcnemar_power), (206, None)):
        found = power(n, 0.05, 0.0, 0.025) if power else noninferiority_power(n, 0.01, 0.01, 0.03)
        assert found >= 0.8
