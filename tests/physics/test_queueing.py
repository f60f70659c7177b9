import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from servemark.physics.batching import Demand, Room, open_loop, residence
from servemark.physics.latencies import PROBABILITIES
from servemark.physics.queueing import (
    Swing,
    batch_swing,
    exponential_wait,
    full_batch_wait,
    servers_busy,
    step_budget_wait,
    upper_tail,
)
from servemark.physics.speculation import deployment_pace

ROOM = Room(max_running=256.0, max_step_tokens=2048.0)


def demand(inputs=1000.0, outputs=100.0):
    return Demand(inputs, outputs, 0.0, 0.0, 0.0, 5e-3, 0.0, 0.0)


@pytest.fixture(scope="module")
def cost(deploy, coefficients):
    return deployment_pace(deploy("llama-3.1-8b", "l40s"), coefficients())


def test_one_place_waits_as_pollaczek_khinchine_says():
    # M/M/1 and M/D/1 at load 0.8 with one request a second at most: rho / (1 - rho) and half of it
    swing = Swing(np.array([[0.8]]), np.array([[0.8]]), np.array([[0.05]]))
    for variation, expected in ((1.0, 4.0), (0.5, 2.0)):
        wait = full_batch_wait(swing, Room(1.0, 2048.0), 1.0, 0.8, variation)
        assert wait.mean.item() == pytest.approx(expected)
    # P(W > t) = 0.8 exp(-0.2 t)
    quantiles = exponential_wait(0.8, 5.0).quantiles
    assert quantiles == pytest.approx(5 * np.log(0.8 / (1 - PROBABILITIES)))


def test_nobody_waits_for_one_of_many_free_places():
    swing = Swing(np.array([[128.0]]), np.array([[128.0]]), np.array([[128.0**0.5]]))
    wait = full_batch_wait(swing, ROOM, 10.0, 0.7, 1.0)
    assert wait.mean.item() < 1e-6
    assert not np.any(wait.quantiles)


@given(st.floats(-4, 4))
def test_the_tail_of_a_normal(deviations):
    assert upper_tail(deviations) == pytest.approx(stats.norm.sf(deviations), abs=0.007)


@given(st.floats(0.01, 0.99), st.integers(1, 500))
def test_more_servers_are_less_often_all_busy(occupancy, servers):
    assert servers_busy(occupancy, servers + 1) <= servers_busy(occupancy, servers)
    assert servers_busy(occupancy, 1) == pytest.approx(occupancy)


def test_a_batch_that_does_not_slow_down_swings_like_a_poisson_number(cost):
    """At a low rate X(n) = n / T: the variance is the mean (M/G/infinity)."""
    balance = open_loop(cost, demand(), ROOM, np.array([[0.2]]))
    swing = batch_swing(cost, demand(), ROOM, balance.running, 0.2, 1.0)
    assert swing.deviation.item() ** 2 == pytest.approx(swing.mean.item(), rel=0.2)


def test_a_batch_near_saturation_swings_more_and_higher(cost):
    most = 200 / residence(cost, demand(), ROOM, np.array([[199.0]])).total_s.item()
    rate = 0.9 * most
    balance = open_loop(cost, demand(), ROOM, np.array([[rate]]))
    swing = batch_swing(cost, demand(), ROOM, balance.running, rate, 1.0)
    assert swing.deviation.item() ** 2 > 2 * swing.mean.item()
    assert balance.running.item() < swing.mean.item() < 256


def test_prompts_wait_for_the_tokens_of_a_step(cost):
    waits = []
    for rate in (1.0, 4.0, 8.0):
        balance = open_loop(cost, demand(), ROOM, np.array([[rate]]))
        waits.append(step_budget_wait(cost, demand(), ROOM, balance.residence, rate, 1.0).mean.item())
    assert waits[0] < 1e-3 < waits[1] < waits[2]
    roomy = ROOM._replace(max_step_tokens=65536.0)
    balance = open_loop(cost, demand(), roomy, np.array([[8.0]]))
    assert step_budget_wait(cost, demand(), roomy, balance.residence, 8.0, 1.0).mean.item() < 1e-3
