import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.deployment import Speculation
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.physics.levels import closed_form_level
from servemark.physics.memory import memory_budget
from servemark.physics.speculation import (
    SpeculativeStepTime,
    acceptance_log_error,
    deployment_pace,
    pace_seconds,
    step_time,
)
from servemark.physics.step import ReplicaStepTime, step_seconds
from servemark.units import PS_PER_S

EAGLE = Speculation(method="eagle", tokens=3, acceptance_ratio=0.7)
NGRAM = Speculation(method="ngram", tokens=4, acceptance_ratio=0.5)


def test_expected_tokens_of_a_step():
    """Leviathan et al.: (1 - a^(k + 1)) / (1 - a)."""
    assert EAGLE.tokens_per_step == pytest.approx((1 - 0.7**4) / 0.3)  # 2.533
    assert NGRAM.tokens_per_step == pytest.approx(1.9375)
    assert Speculation(method="ngram", tokens=5, acceptance_ratio=1.0).tokens_per_step == 6
    assert Speculation(method="ngram", tokens=5, acceptance_ratio=0.0).tokens_per_step == 1


def test_without_speculation_the_pace_is_the_step(deploy, coefficients):
    pace = deployment_pace(deploy("llama-3.1-8b", "l40s"), coefficients())
    assert pace_seconds(pace, 8, 8000) == step_seconds(pace, 8, 8000)
    assert isinstance(step_time(deploy("llama-3.1-8b", "l40s"), coefficients()), ReplicaStepTime)


def test_ngrams_verify_k_more_tokens_and_cost_nothing_else(deploy, coefficients):
    pace = deployment_pace(deploy("llama-3.1-8b", "l40s", speculative=NGRAM), coefficients())
    assert pace.draft is None
    verify = step_seconds(pace.verify, 8 * 5, 8000)
    assert pace_seconds(pace, 8, 8000) == pytest.approx(verify / 1.9375)


def test_a_prompt_beside_decodes_costs_what_it_adds(deploy, coefficients):
    pace = deployment_pace(deploy("llama-3.1-8b", "l40s", speculative=NGRAM), coefficients())
    alone, mixed = pace_seconds(pace, 8, 8000), pace_seconds(pace, 8, 8000, 500, 125250, 1)
    added = step_seconds(pace.cost, 40, 8000, 500, 125250, 1) - step_seconds(pace.cost, 40, 8000)
    assert mixed - alone == pytest.approx(added)
    # and without decodes it is a prompt like any other
    assert pace_seconds(pace, 0, 0, 500, 125250, 1) == pytest.approx(
        step_seconds(pace.cost, 0, 0, 500, 125250, 1)
    )


def tokens_per_s(deploy, coefficients, users, **settings):
    deployment = deploy("llama-3.1-70b", "h100-sxm", tp=4, max_num_seqs=512, **settings)
    workload = Workload(input=FixedLength(tokens=500), output=FixedLength(tokens=300))
    budget = memory_budget(deployment, sequence_tokens=800)
    return closed_form_level(
        deployment, coefficients(), budget, Users(users=users), workload
    ).output_tokens_per_s


def test_speculation_wins_with_few_users_and_loses_with_many(deploy, coefficients):
    low = Speculation(method="eagle", tokens=5, acceptance_ratio=0.5)
    gains = [
        tokens_per_s(deploy, coefficients, n, speculative=low) / tokens_per_s(deploy, coefficients, n)
        for n in (1, 400)
    ]
    assert gains[0] > 1.4
    assert gains[1] < 0.9


@given(st.integers(1, 200), st.integers(0, 200_000))
def test_the_simulator_gets_the_same_in_picoseconds(deploy, coefficients, decodes, context):
    deployment = deploy("llama-3.1-8b", "l40s", speculative=EAGLE)
    times = step_time(deployment, coefficients())
    assert isinstance(times, SpeculativeStepTime)
    pace = deployment_pace(deployment, coefficients())
    seconds = pace_seconds(pace, decodes, context)
    assert times.decode(decodes).at(context) / PS_PER_S == pytest.approx(float(seconds), rel=1e-5)
    mixed = pace_seconds(pace, decodes, context, 100, 5050, 1)
    assert times.mixed(decodes, context, 100, 5050, 1) / PS_PER_S == pytest.approx(float(mixed), rel=1e-9)


def test_a_window_bends_the_cost_where_it_is_full(deploy, coefficients):
    deployment = deploy("gemma-3-12b", "l40s", speculative=NGRAM)
    cost = step_time(deployment, coefficients()).decode(4)
    assert cost.kink_tokens == 4 * 1024
    assert cost.late_slope_ps < cost.slope_ps
    pace = deployment_pace(deployment, coefficients())
    for context in (2000, 4096, 40_000):
        assert cost.at(context) / PS_PER_S == pytest.approx(float(pace_seconds(pace, 4, context)), rel=1e-5)


def test_the_chance_of_acceptance_is_itself_uncertain():
    """0.1 of it, times (1 + 2 a + 3 a^2) / E for three tokens."""
    assert acceptance_log_error(EAGLE) == pytest.approx(0.1 * (1 + 1.4 + 1.47) / 2.533, rel=1e-3)


def test_many_configurations_at_once(deploy, coefficients):
    pace = deployment_pace(deploy("llama-3.1-8b", "l40s", speculative=EAGLE), coefficients())
    batch = np.array([[1.0], [8.0], [64.0]])
    each = [float(pace_seconds(pace, n, 1000 * n)) for n in (1.0, 8.0, 64.0)]
    assert pace_seconds(pace, batch, 1000 * batch)[:, 0] == pytest.approx(each)
