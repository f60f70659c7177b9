import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from servemark.stats.multiplicity import holm, holm_mcnemar
from servemark.stats.pairs import mcnemar


def test_holm_agrees_with_statsmodels():
    rng = np.random.default_rng(9)
    for n in (1, 2, 3, 7, 20):
        p_values = np.round(rng.random(n) ** 3, 2)
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_of_nothing():
    assert len(holm([])) == 0
    assert len(holm_mcnemar([], [])) == 0


def test_checks_that_never_failed_cost_nothing():
    assert holm_mcnemar([6, 0, 0, 0], [0, 0, 0, 0])[0] == pytest.approx(1 / 64)


def test_only_what_could_have_been_as_small_is_added():
    # 6 of 6 gives 1/64; of five pairs the least is 1/32, which is above it; of seven 1/128, which is below
    found = holm_mcnemar([6, 3, 4], [0, 2, 3])
    assert found[0] == pytest.approx(1 / 64 + 1 / 128)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=12))
def test_never_above_holm_and_never_below_the_test_itself(pairs):
    broke, healed = zip(*pairs, strict=True)
    plain = np.array([mcnemar(b, c) for b, c in pairs])
    found = holm_mcnemar(broke, healed)
    assert (found <= holm(plain) + 1e-12).all()
    assert (found >= plain - 1e-12).all()


def test_the_family_keeps_its_error():
    """Twelve true null hypotheses with different numbers of discordant pairs: a false one in at most 5 %."""
    rng = np.random.default_rng(4)
    m = np.array([3, 5, 6, 8, 10, 12, 15, 20, 7, 9, 11, 4])
    wrong = 0
    for _ in range(2000):
        broke = rng.binomial(m, 0.5)
        wrong += holm_mcnemar(broke, m - broke).min() <= 0.05
    assert wrong / 2000 <= 0.05
