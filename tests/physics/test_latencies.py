import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from servemark.physics.latencies import (
    PROBABILITIES,
    binomial_quantiles,
    closed_queue_wait,
    overload_wait,
)


@given(st.integers(1, 1000), st.floats(0.0001, 0.9999))
def test_binomial_quantiles(trials, chance):
    ours = binomial_quantiles(trials, chance)
    theirs = stats.binom.ppf(PROBABILITIES, trials, chance)
    slack = 0 if trials * chance <= 30 else 1
    # where a quantile falls on a step of the distribution, either side of it is right
    near = np.abs(stats.binom.cdf(np.minimum(ours, theirs), trials, chance) - PROBABILITIES) < 1e-8
    assert np.all((np.abs(ours - theirs) <= slack) | near)


def test_binomial_quantiles_of_many_configurations():
    trials, chance = np.array([[10.0], [500.0], [0.0]]), np.array([[0.5], [0.9], [0.3]])
    assert binomial_quantiles(trials, chance) == pytest.approx(
        np.array([[5, 8, 9], [450, 461, 465], [0, 0, 0]]), abs=1
    )


def test_waiting_behind_others_in_a_closed_loop():
    # ten ahead, two leave a second; exponential answers add sqrt(10) departures at two sigma
    wait = closed_queue_wait(10.0, 2.0, 1.0)
    assert wait.mean == 5
    assert wait.quantiles == pytest.approx([5, 5 + 1.645 * 10**0.5 / 2, 5 + 2.326 * 10**0.5 / 2], rel=1e-3)


def test_an_overload_grows():
    wait = overload_wait(1.5, 60.0)
    assert wait.mean == 15
    assert wait.quantiles == pytest.approx([15, 28.5, 29.7])
