import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servemark.calibration.observations import Observation
from servemark.calibration.replays import (
    REQUESTS_PER_USER,
    arrival_plan,
    burst_and_steady_mean,
    drawn_lengths,
    held_back_s,
    replayed,
)
from servemark.calibration.saturation import utilization_ratio
from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Node

GPU = find_gpu("h100-sxm")
DEPLOYMENT = Deployment(
    model=find_model("llama-3.1-8b"),
    node=Node(gpu=GPU),
    dtype="bf16",
    kv_dtype="bf16",
    engine=find_engine("vllm", gpu=GPU),
)
COEFFICIENTS = find_coefficients(GPU, dtype="bf16", engine="vllm", version=None)
CLOSED = Observation(
    deployment=DEPLOYMENT, kind="closed", sequences=8, input_tokens=900, output_tokens=90, metric="ttft",
    input_variation=0.004, output_variation=0.004, value=0.1,
)  # fmt: skip
OPEN = replace(CLOSED, kind="open", sequences=0, rate_per_s=2.0, requests=200, input_variation=0.0)


def test_a_closed_loop_sends_ten_requests_per_user():
    plan, warmup = arrival_plan(CLOSED)
    assert (len(plan.requests), warmup) == (80, 0)
    assert plan.load.users == 8
    inputs = [r.input_tokens for r in plan.requests]
    assert 800 <= min(inputs) < max(inputs) <= 1000


def test_fixed_lengths_start_out_of_step_and_first_answers_do_not_count():
    plan, warmup = arrival_plan(replace(CLOSED, input_variation=0.0, output_variation=0.0))
    assert (len(plan.requests), warmup) == (96, 16)
    assert [r.output_tokens for r in plan.requests[:8]] == [1, 13, 26, 39, 51, 64, 77, 90]
    assert {r.output_tokens for r in plan.requests[8:]} == {90}


def test_an_open_loop_arrives_at_its_rate_or_all_at_once():
    plan, _ = arrival_plan(OPEN)
    assert len(plan.requests) == 200
    assert plan.requests[-1].scheduled_s == pytest.approx(100, rel=0.2)
    at_once, _ = arrival_plan(replace(OPEN, rate_per_s=math.inf))
    assert {r.scheduled_s for r in at_once.requests} == {0.0}


@given(st.floats(1, 1e4), st.floats(0, 2))
def test_drawn_lengths_have_their_mean_and_variation(mean, variation):
    lengths = drawn_lengths(mean, variation, 4000, np.random.default_rng(1))
    assert lengths.min() >= 1
    if mean > 50:
        assert lengths.mean() == pytest.approx(mean, rel=0.1)
    if mean > 50 and variation < 0.3:
        assert (lengths.std() / lengths.mean()) ** 2 == pytest.approx(variation, rel=0.1, abs=1e-3)


def test_part_of_the_steady_requests_weighs_as_all_of_them():
    values = np.array([10.0, 20.0, 1.0, 3.0])
    assert burst_and_steady_mean(values, 2) == pytest.approx((15 + 9 * 2) / REQUESTS_PER_USER)
    assert burst_and_steady_mean(values, 4) == values.mean()


def test_a_lonely_user_waits_for_its_own_prefill_alone():
    alone = replace(CLOSED, sequences=1)
    slow = replace(COEFFICIENTS, request_overhead_s=replace(COEFFICIENTS.request_overhead_s, value=1.0))
    fast = replace(COEFFICIENTS, request_overhead_s=replace(COEFFICIENTS.request_overhead_s, value=0.0))
    assert replayed(alone, slow) - replayed(alone, fast) == pytest.approx(1.0, abs=1e-9)
    assert replayed(alone, fast) < replayed(CLOSED, fast)


def test_polling_holds_requests_back_by_so_many_steps():
    polled = replace(CLOSED, wait_steps=10.0)
    held = held_back_s(polled, COEFFICIENTS)
    assert held == pytest.approx(2 * held_back_s(replace(CLOSED, wait_steps=5.0), COEFFICIENTS))
    assert replayed(polled, COEFFICIENTS) > replayed(CLOSED, COEFFICIENTS)
    assert held_back_s(CLOSED, COEFFICIENTS) == 0.0


def test_percentiles_and_answer_times():
    mean, median, p99 = (replayed(replace(OPEN, statistic=s), COEFFICIENTS) for s in ("mean", "p50", "p99"))
    assert median <= p99
    assert mean <= p99
    assert replayed(replace(OPEN, metric="e2e"), COEFFICIENTS) > mean


def test_no_room_for_one_sequence_is_no_number():
    engine = replace(DEPLOYMENT.engine, gpu_memory_utilization=0.1)
    assert math.isnan(
        replayed(replace(CLOSED, deployment=replace(DEPLOYMENT, engine=engine)), COEFFICIENTS)
    )


def test_utilisation_rises_with_load_and_is_full_when_users_do_not_fit():
    few, many = (utilization_ratio(replace(CLOSED, sequences=n), COEFFICIENTS) for n in (1, 64))
    assert 0 < few < many < 1
    small = replace(DEPLOYMENT, engine=replace(DEPLOYMENT.engine, max_num_seqs=16))
    assert utilization_ratio(
        replace(CLOSED, deployment=small, sequences=64), COEFFICIENTS
    ) == pytest.approx(1)
    slow, fast = (utilization_ratio(replace(OPEN, rate_per_s=r), COEFFICIENTS) for r in (1, 10))
    assert fast == pytest.approx(10 * slow)
    assert utilization_ratio(replace(OPEN, rate_per_s=math.inf), COEFFICIENTS) == math.inf
    assert utilization_ratio(replace(CLOSED, kind="max"), COEFFICIENTS) == math.inf
