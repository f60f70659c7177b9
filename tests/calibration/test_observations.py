import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servemark.calibration.observations import Observation, counted_tokens, predicted, work_of
from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.gpu import Node
from servemark.physics.step import coefficient_values, step_cost, step_seconds
from servemark.physics.work import step_work


def observed(model="llama-3.1-8b", gpu="h100-sxm", engine="vllm", dtype="bf16", tp=1, **changes):
    deployment = Deployment(
        model=find_model(model),
        node=Node(gpu=find_gpu(gpu), gpus=tp),
        dtype=dtype,
        kv_dtype="bf16",
        parallelism=Parallelism(tensor=tp),
        engine=find_engine(engine, gpu=find_gpu(gpu)),
    )
    usual = Observation(
        deployment=deployment, kind="static", sequences=4, input_tokens=512, output_tokens=128,
        metric="throughput", counted="output", value=1.0,
    )  # fmt: skip
    return replace(usual, **changes)


def coefficients(observation):
    deployed = observation.deployment
    return find_coefficients(
        deployed.node.gpu, dtype=deployed.dtype, engine=deployed.engine.name, version=None
    )


def value(observation):
    return float(predicted([observation], [coefficients(observation)])[0])


def test_a_static_batch_by_hand():
    each = observed(sequences=4, input_tokens=512, output_tokens=128)
    cost = step_cost(step_work(each.deployment), coefficient_values(coefficients(each)))
    prefill = float(step_seconds(cost, 0, 0, 2048, 2048 * 513 / 2, 4))
    decode = np.mean([step_seconds(cost, 4, 4 * (512 + s * 128)) for s in (1 / 6, 1 / 2, 5 / 6)])
    assert value(each) == pytest.approx(4 * 128 / (prefill + 127 * decode))
    assert value(replace(each, metric="ttft")) == pytest.approx(prefill)
    assert value(replace(each, counted="both")) == pytest.approx(5 * value(each))
    assert value(replace(each, metric="tpot")) == pytest.approx(decode)


def test_what_a_throughput_counts():
    each = observed(tp=2, counted="output")
    assert counted_tokens(each) == 128
    assert counted_tokens(replace(each, counted="input")) == 512
    assert counted_tokens(replace(each, counted="both", per_gpu=True)) == 320


def test_a_batch_beyond_the_pool_runs_in_waves():
    small = observed(gpu="rtx-4090", sequences=8, input_tokens=4096, output_tokens=512)
    # 2,588 blocks of 16 tokens hold 8 sequences of 4,608 tokens, not 64
    large = replace(small, sequences=64)
    assert value(large) < 1.3 * value(small)
    assert value(replace(large, metric="e2e")) > 6 * value(replace(small, metric="e2e"))


def test_equal_prompts_touch_the_experts_of_one():
    each = observed("mixtral-8x7b", tp=4, sequences=32)
    same = replace(each, same_prompts=True)
    assert work_of(same).expert_bytes == pytest.approx(work_of(each).expert_bytes / 4)
    assert value(same) > value(each)
    alone = replace(each, sequences=1, same_prompts=False)
    assert value(replace(alone, same_prompts=True)) == pytest.approx(value(alone), rel=0.02)


def test_a_saturated_run_ends_with_a_tail():
    busy = observed(kind="max", sequences=0, requests=100_000.0, input_tokens=1000, output_tokens=1000)
    short = replace(busy, requests=300.0)
    # few requests: ramp and tail weigh more
    assert value(short) < value(busy)


def test_a_pool_too_small_for_one_sequence_predicts_nothing():
    each = observed(gpu="rtx-4090", input_tokens=100_000, output_tokens=1000)
    assert math.isnan(value(each))
    assert math.isnan(value(replace(each, kind="max", requests=10.0)))


def test_an_open_loop_below_saturation_carries_its_arrivals():
    each = observed(kind="open", rate_per_s=2.0, requests=50_000.0, counted="output")
    assert value(each) == pytest.approx(2.0 * 128, rel=0.01)
    # 500 requests at 2/s are sent within 250 s, and the last has to be answered
    assert value(replace(each, requests=500.0)) == pytest.approx(500 * 128 / (250 + e2e(each)), rel=0.01)


def e2e(observation):
    return value(replace(observation, metric="e2e")) - coefficients(observation).request_overhead_s.value


@given(st.integers(1, 200), st.integers(16, 4000), st.integers(2, 2000))
def test_more_users_are_never_served_faster(users, inputs, outputs):
    few = observed(
        kind="closed", sequences=users, input_tokens=inputs, output_tokens=outputs, metric="tpot"
    )
    many = replace(few, sequences=users + 10)
    both = predicted([few, many], [coefficients(few)] * 2)
    assert both[1] >= both[0] * 0.98


def test_many_at_once_are_the_same_as_one_by_one():
    rows = [
        observed(),
        observed(kind="closed", sequences=16, metric="tpot"),
        observed(kind="max", requests=500.0, sequences=0),
        observed("mixtral-8x7b", tp=2, kind="open", rate_per_s=1.0),
    ]
    together = predicted(rows, [coefficients(o) for o in rows])
    assert together == pytest.approx([value(o) for o in rows], rel=1e-12)
    assert predicted([], []).shape == (0,)
