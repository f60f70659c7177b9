import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.physics.batching import (
    Demand,
    Room,
    carried_when_full,
    closed_loop,
    early_ratio,
    neighbours,
    open_loop,
    prefill_step_s,
    residence,
)
from servemark.physics.step import coefficient_values, step_cost, step_seconds
from servemark.physics.work import step_work

ROOM = Room(max_running=256.0, max_step_tokens=8192.0)


def demand(inputs=1000.0, outputs=300.0, *, overhead_s=0.0, in_phase=0.0, cohorts=0.0, cached=0.0):
    return Demand(inputs, outputs, cached, 0.0, 0.0, overhead_s, in_phase, cohorts)


@pytest.fixture(scope="module")
def cost(deploy, coefficients):
    return step_cost(step_work(deploy("llama-3.1-8b", "l40s")), coefficient_values(coefficients()))


def test_one_request_alone(cost):
    alone = residence(cost, demand(1000.0, 3.0), ROOM, 0.0)
    prefill = step_seconds(cost, 0, 0, 1000, 1000 * 1001 / 2, 1)
    decode = step_seconds(cost, 1, 1001.5)
    assert alone.prefill_s == pytest.approx(prefill)
    assert alone.total_s == pytest.approx(prefill + 2 * decode)
    assert alone.entry_s == 0


def test_prompts_of_others_fall_into_a_step_by_chance():
    near = neighbours(demand(1000.0, 10.0), ROOM, 9.0)
    # each of nine others is in its one prefill step of ten
    assert near.prompt_ratio == pytest.approx(0.1)
    assert near.mixed_ratio == pytest.approx(1 - 0.9**9)
    assert near.mixed_ratio * near.prompts == pytest.approx(0.9)


def test_a_prompt_beyond_the_token_budget_takes_more_steps():
    near = neighbours(demand(20000.0, 10.0), ROOM, 0.0)
    assert near.prefill_steps == 3
    # where prompts outrun the budget all wait for it: (100 prompts x 1000 tokens) / 8192
    crowded = neighbours(demand(1000.0, 1.0), ROOM, 99.0)
    assert crowded.prefill_steps == pytest.approx(100 * 1000 / 8192)


def test_equal_answers_keep_users_together():
    # 8192 tokens hold 8 prompts of 1000: 32 users go round in four cohorts
    near = neighbours(demand(in_phase=1.0, cohorts=1.0), ROOM, 31.0)
    assert (near.prompts, near.own_prompts) == (8, 7)
    assert near.mixed_ratio == pytest.approx(3 / 300)
    # sent a moment after the step has ended, three of four cohorts wait for the one before
    late = neighbours(demand(in_phase=1.0, cohorts=1.0, overhead_s=1e-3), ROOM, 31.0)
    assert late.entry_mixed_ratio == 0.75
    assert late.mixed_ratio == pytest.approx(2.25 / 300)
    # a budget of 1.98 prompts packs 64 users into 33 steps by cutting one prompt in each
    tight = neighbours(demand(in_phase=1.0, cohorts=1.0), ROOM._replace(max_step_tokens=2048.0), 63.0)
    assert tight.prompts == pytest.approx(64 / 33)
    assert tight.cut_ratio == pytest.approx(33 / 64)
    assert near.cut_ratio == 0
    # one cohort never waits
    assert neighbours(demand(in_phase=1.0, cohorts=1.0), ROOM, 7.0).busy_ratio == 0


def test_prompts_that_fill_every_step_set_the_pace(cost):
    # 32 users, 512 tokens each, answers of one token: a step of 2,048 tokens ends four requests
    room = ROOM._replace(max_step_tokens=2048.0)
    step_s = step_seconds(cost, 0, 0, 2048, 2048 * 513 / 2, 4)
    balance = closed_loop(cost, demand(512.0, 1.0, in_phase=1.0, cohorts=1.0), room, 32.0, 0.0)
    assert balance.requests_per_s == pytest.approx(4 / step_s, rel=1e-3)
    assert balance.residence.total_s + balance.residence.entry_s == pytest.approx(8 * step_s, rel=1e-3)
    # with 8 tokens to decode the budget carries 4,007 tokens a request, decodes among them
    long = closed_loop(cost, demand(4000.0, 8.0, in_phase=1.0, cohorts=1.0), room, 32.0, 0.0)
    full_s = step_seconds(cost, 4, 4 * 4004, 2044, 2044 * 4001 / 2, 1.5)
    assert long.requests_per_s == pytest.approx(2048 / 4007 / full_s, rel=0.02)


@given(st.sampled_from((1, 2, 8, 32, 128)), st.floats(1.0, 30000.0), st.floats(1.0, 300.0), st.booleans())
def test_no_load_computes_more_than_the_tensor_cores(cost, users, inputs, outputs, together):
    load = demand(inputs, outputs, overhead_s=0.004, in_phase=1.0, cohorts=float(together))
    balance = closed_loop(cost, load, ROOM._replace(max_step_tokens=2048.0), float(users), 0.0)
    a_token_s = cost.token_s
    assert balance.requests_per_s * (inputs + outputs - 1) * a_token_s <= 1


@given(st.integers(1, 600), st.floats(0.0, 20.0))
def test_a_closed_loop_accounts_for_every_user(cost, users, pause_s):
    balance = closed_loop(cost, demand(overhead_s=0.004), ROOM, users, pause_s)
    now = balance.residence
    outside = (pause_s + now.entry_s) * balance.requests_per_s
    if balance.full:
        assert balance.running == ROOM.max_running
        assert balance.running + outside <= users * (1 + 1e-9)
    else:
        assert balance.running + outside == pytest.approx(users, rel=2e-4)


@given(st.floats(0.01, 20.0))
def test_an_open_loop_carries_its_rate_or_is_full(cost, rate_per_s):
    balance = open_loop(cost, demand(), ROOM, rate_per_s)
    most = carried_when_full(cost, demand(), ROOM)
    assert balance.full == (rate_per_s > most)
    assert balance.requests_per_s == pytest.approx(min(rate_per_s, most), rel=2e-4)


def test_arrays_of_configurations(cost):
    users = np.array([[1.0], [8.0], [64.0], [1024.0]])
    in_phase = demand(in_phase=1.0)
    together = closed_loop(cost, in_phase, ROOM, users, 0.0)
    assert together.running[:, 0] == pytest.approx([1, 8, 64, 256])
    alone = [closed_loop(cost, in_phase, ROOM, u, 0.0).requests_per_s for u in users[:, 0]]
    assert together.requests_per_s[:, 0] == pytest.approx(alone)


def test_prompts_alone_make_gaps_longer_and_leave_decodes_out_of_their_steps(cost):
    """A gap is a decode step and the prompts that came meanwhile, in steps without decodes."""
    alone = ROOM._replace(alone=1.0)
    busy = demand(2000.0, 100.0)
    near = neighbours(busy, alone, 31.0)
    assert near.prompt_ratio == pytest.approx(1 / 99)
    gap = prefill_step_s(cost, busy, alone, near, 1.0, 0)
    prompt = step_seconds(cost, 0, 0, 2000, 2000 * 2001 / 2, 1)
    decode = step_seconds(cost, 32, 32 * near.context_tokens)
    assert gap == pytest.approx(prompt + decode, rel=1e-6)
    # the own prompt is computed without the neighbours' decodes
    assert prefill_step_s(cost, busy, alone, near, 0.0, 1) == pytest.approx(prompt, rel=1e-6)


def test_a_batch_of_prompts_alone_comes_out_budget_by_budget(cost):
    alone = Room(max_running=256.0, max_step_tokens=2048.0, alone=1.0)
    even = demand(1024.0, 100.0, in_phase=1.0, cohorts=1.0)
    near = neighbours(even, alone, 15.0)
    assert near.own_prompts == 15
    # 16 prompts are 8 steps: the mean first token is out after 4.5 of them
    assert early_ratio(even, alone, near) == pytest.approx(4.5 / 8)
    assert early_ratio(even, ROOM, near) == 1


def test_a_full_pool_that_preempts_carries_less(cost):
    few = Room(max_running=50.0, max_step_tokens=8192.0)
    losing = few._replace(lost_prompts=0.5, lost_tokens=600.0)
    plain, lossy = (carried_when_full(cost, demand(), room) for room in (few, losing))
    assert 0.7 * plain < lossy < 0.97 * plain
    # nothing is lost before the batch is full
    assert residence(cost, demand(), losing, 20.0).total_s == residence(cost, demand(), few, 20.0).total_s
