import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from servemark.catalogue.gpu_types import find_gpu
from servemark.physics.speculation import step_time
from servemark.physics.step import (
    CoefficientValues,
    ReplicaStepTime,
    StepCost,
    coefficient_values,
    step_cost,
    step_seconds,
)
from servemark.physics.work import stacked, step_work
from servemark.units import PS_PER_S

MODELS = (
    "llama-3.1-8b",
    "gemma-3-27b",
    "mistral-7b-v0.1",
    "mixtral-8x7b",
    "deepseek-v3",
    "qwen3.5-397b-a17b",
    "gpt-oss-120b",
)
PLANS = ({"tp": 1}, {"tp": 8}, {"tp": 2, "pp": 3}, {"tp": 8, "ep": 8})
models, plans = st.sampled_from(MODELS), st.sampled_from(PLANS)
batches = st.fixed_dictionaries(
    {
        "decodes": st.integers(0, 300),
        "context_each": st.integers(0, 30_000),
        "prefill_tokens": st.integers(0, 8192),
        "cached": st.integers(0, 8192),
        "prompts": st.integers(1, 16),
    }
)


def arguments(batch):
    tokens = batch["prefill_tokens"]
    pairs = tokens * batch["cached"] + tokens * (tokens + 1) // 2
    prompts = min(batch["prompts"], tokens)
    return batch["decodes"], batch["decodes"] * batch["context_each"], tokens, pairs, prompts


@pytest.fixture(scope="module")
def cost_of(deploy, coefficients):
    def build(model, gpu="h200-sxm", coefficients_=None, **plan):
        work = step_work(deploy(model, gpu, **plan))
        return step_cost(work, coefficient_values(coefficients_ or coefficients()))

    return build


def test_one_decode_reads_the_weights_once(cost_of, ideal, deploy):
    cost = cost_of("llama-3.1-8b", "l40s", ideal)
    weights_s = step_work(deploy("llama-3.1-8b", "l40s")).layer_bytes / 864e9
    assert step_seconds(cost, 1, 0) == pytest.approx(weights_s, rel=1e-6)
    # each token of context is 128 KiB more to read, and 32 layers x 4 x 32 heads x 128 FLOPs
    added = step_seconds(cost, 1, 1000) - step_seconds(cost, 1, 0)
    assert added == pytest.approx(1000 * (131072 / 864e9 + 32 * 4 * 32 * 128 / 362.05e12), rel=1e-6)


def test_a_long_prompt_is_bound_by_compute(cost_of, ideal, deploy):
    cost = cost_of("llama-3.1-8b", "l40s", ideal)
    work = step_work(deploy("llama-3.1-8b", "l40s"))
    tokens, pairs = 8192, 8192 * 8193 // 2
    compute_s = (tokens * work.layer_flop + work.head_flop) / 362.05e12
    scores_s = pairs * 32 * 4 * 32 * 128 / 362.05e12
    assert step_seconds(cost, 0, 0, tokens, pairs, 1) == pytest.approx(compute_s + scores_s, rel=1e-4)


def test_where_reading_and_computing_meet_the_roofline_is_rounded(cost_of, ideal):
    cost = cost_of("llama-3.1-8b", "l40s", ideal)
    tokens = (cost.read_s - cost.head_s) / cost.token_s
    assert step_seconds(cost, 0, 0, tokens, 0, 1) == pytest.approx(2**0.25 * cost.read_s, rel=1e-6)


def test_all_reduces(cost_of, ideal, coefficients):
    latency = coefficients(
        **{f: getattr(ideal, f).value for f in CoefficientValues._fields} | {"collective_latency_s": 1e-5}
    )
    slow, fast = (cost_of("llama-3.1-8b", "h100-sxm", c, tp=4) for c in (latency, ideal))
    assert slow.overhead_s - fast.overhead_s == pytest.approx(64 * 2 * 1e-5)
    # 64 all-reduces x 1.5 x 8 KiB a token over 450 GB/s
    assert fast.overhead_token_s == pytest.approx(64 * 1.5 * 8192 / 450e9)


def test_experts_touched(cost_of, ideal):
    cost = cost_of("mixtral-8x7b", "h200-sxm", ideal)
    # two of eight for one token; 8 (1 - (6/8)^(2^0.8)) = 3.15 for two, which route alike a little
    one, two = (step_seconds(cost, n, 0) for n in (1, 2))
    assert one == pytest.approx(cost.read_s + cost.expert_read_s * 2 / 8, rel=1e-4)
    assert two == pytest.approx(cost.read_s + cost.expert_read_s * 3.1519 / 8, rel=1e-4)
    assert step_seconds(cost, 64, 0) == pytest.approx(cost.read_s + cost.expert_read_s, rel=0.01)


def test_the_busiest_expert_rank_sets_the_time(cost_of, ideal):
    spread = cost_of("mixtral-8x7b", "h200-sxm", ideal, tp=8, ep=8)
    sliced = cost_of("mixtral-8x7b", "h200-sxm", ideal, tp=8, ep=1)
    assert spread.expert_read_s == sliced.expert_read_s
    assert step_seconds(spread, 2, 0) > step_seconds(sliced, 2, 0)
    assert step_seconds(spread, 256, 0) > step_seconds(sliced, 256, 0)


def test_a_pipeline_fills_with_sequences(cost_of, ideal):
    cost = cost_of("llama-3.1-8b", "h100-sxm", ideal, pp=4)
    # a lone prompt passes the stages one by one; four prompts keep all of them busy
    lone, four = (step_seconds(cost, 0, 0, 8192, 0, prompts) for prompts in (1, 4))
    assert four == pytest.approx(lone / 4, rel=0.05)


def test_an_encoder_sees_the_whole_prompt(cost_of, ideal):
    encoder = cost_of("bert-base-uncased", "h100-sxm", ideal)
    causal = encoder._replace(both_ways=0.0)
    n, pairs = 512, 512 * 513 // 2
    added = step_seconds(encoder, 0, 0, n, pairs, 1) - step_seconds(causal, 0, 0, n, pairs, 1)
    assert added == pytest.approx((n * n - pairs) * encoder.full_pair_s)


@given(models, plans, batches)
def test_integers_agree_with_floats(deploy, coefficients, model, plan, batch):
    """Within 1e-6 and 2 ps; a slope in whole picoseconds adds at most half of one per context token."""
    deployment = deploy(model, "b200-sxm", **plan)
    cost = step_cost(step_work(deployment), coefficient_values(coefficients()))
    exact = step_time(deployment, coefficients())
    decodes, context, tokens, pairs, prompts = arguments(batch)
    expected = step_seconds(cost, decodes, context, tokens, pairs, prompts) * PS_PER_S
    assert abs(exact.mixed(decodes, context, tokens, pairs, prompts) - expected) <= 1e-6 * expected + 2
    if decodes:
        decode = exact.decode(decodes)
        assert all(isinstance(x, int | None) for x in decode)
        expected = step_seconds(cost, decodes, context) * PS_PER_S
        assert abs(decode.at(context) - expected) <= 1e-6 * expected + 2 + 0.5 * context


def test_decodes_of_windowed_models_bend_at_the_window(deploy, coefficients):
    decode = step_time(deploy("gemma-3-27b", "h200-sxm"), coefficients()).decode(10)
    assert decode.kink_tokens == 10 * 1024
    assert 0 < decode.late_slope_ps < decode.slope_ps
    # every layer of Mistral 7B v0.1 has a window: nothing grows beyond it
    mistral = step_time(deploy("mistral-7b-v0.1", "h200-sxm"), coefficients()).decode(10)
    assert (mistral.kink_tokens, mistral.late_slope_ps) == (10 * 4096, 0)
    assert step_time(deploy("llama-3.1-8b", "l40s"), coefficients()).decode(10).kink_tokens is None


@given(models, plans, batches, st.floats(1.0, 4.0))
def test_a_better_gpu_is_never_slower(deploy, coefficients, model, plan, batch, factor):
    gpu = find_gpu("h200-sxm")
    flops = {k: v * factor for k, v in gpu.dense_flop_per_s.items()}
    better = [
        msgspec.structs.replace(gpu, bandwidth_bytes_per_s=gpu.bandwidth_bytes_per_s * factor),
        msgspec.structs.replace(gpu, dense_flop_per_s=flops),
    ]
    values = coefficient_values(coefficients())
    now, *then = (
        step_seconds(step_cost(step_work(deploy(model, g, **plan)), values), *arguments(batch))
        for g in (gpu, *better)
    )
    assert all(t <= now * (1 + 1e-12) for t in then)


@given(models, plans, batches, st.sampled_from(["decodes", "context_each", "prefill_tokens", "cached"]))
def test_more_tokens_are_never_faster(cost_of, model, plan, batch, grown):
    cost = cost_of(model, **plan)
    more = batch | {grown: batch[grown] + 1}
    # a pipeline fills with sequences: until it is full, one more lets prompts pass in more parts
    assume(batch["decodes"] >= plan.get("pp", 1) or grown != "decodes")
    assert step_seconds(cost, *arguments(more)) >= step_seconds(cost, *arguments(batch)) * (1 - 1e-12)


@given(plans, st.integers(1, 16384))
def test_step_time_has_no_jump(cost_of, plan, tokens):
    """Not where reading hands over to computing either: one token more costs at most its own work."""
    cost = cost_of("llama-3.1-8b", **plan)
    one, two = (step_seconds(cost, 0, 0, n, 0, 1) for n in (tokens, tokens + 1))
    # longer steps lose clock: up to 10 %, half of it within 2,048 tokens
    own = cost.token_s * 1.1 + cost.overhead_token_s
    assert 0 <= two - one <= own * (1 + 1e-6)


def test_arrays_give_what_numbers_give(deploy, coefficients):
    deployments = [deploy(m, "h200-sxm", tp=2) for m in MODELS[:4]]
    values = coefficient_values(coefficients())
    together = step_cost(stacked([step_work(d) for d in deployments]), values)
    decodes = np.array([1.0, 32.0, 256.0])
    table = step_seconds(together, decodes, decodes * 1000, 100.0, 5050.0, 1.0)
    assert table.shape == (4, 3)
    for i, deployment in enumerate(deployments):
        alone = step_cost(step_work(deployment), values)
        assert isinstance(alone, StepCost)
        for j, n in enumerate(decodes):
            assert table[i, j] == pytest.approx(step_seconds(alone, n, n * 1000, 100, 5050, 1), rel=1e-12)


def test_clocks_fall_in_long_steps(cost_of, ideal):
    hot = msgspec.structs.replace(ideal, power_drop=msgspec.structs.replace(ideal.power_drop, value=1.0))
    cool, drops = (cost_of("llama-3.1-8b", "l40s", c) for c in (ideal, hot))
    # 2,048 tokens are half of the way: computing takes 1.5 times as long
    ratio = step_seconds(drops, 0, 0, 2048, 0, 1) / step_seconds(cool, 0, 0, 2048, 0, 1)
    assert ratio == pytest.approx(1.5, rel=0.01)
    assert step_seconds(drops, 1, 0) == pytest.approx(step_seconds(cool, 1, 0), rel=1e-3)


def test_a_model_of_slow_kernels_is_slower_throughout(cost_of, coefficients):
    usual, slow = (
        cost_of("mixtral-8x7b", "h100-sxm", coefficients(time_ratio=r), tp=2) for r in (1.0, 1.3)
    )
    for batch in ((1, 0), (64, 64_000), (16, 16_000, 2048, 3_000_000, 2)):
        assert step_seconds(slow, *batch) == pytest.approx(1.3 * step_seconds(usual, *batch), rel=1e-9)


def test_data_parallel_attention_shares_out_the_sequences(deploy, ideal):
    whole = deploy("qwen3-235b-a22b", "h200-sxm", dtype="fp8", tp=8, ep=8)
    shared = msgspec.structs.replace(whole, parallelism=msgspec.structs.replace(whole.parallelism, data=8))
    tensor, data = step_work(whole), step_work(shared)
    # experts are where they were; everything else is held whole by every rank, for an eighth of the tokens
    assert data.expert_bytes == tensor.expert_bytes
    assert data.expert_flop == tensor.expert_flop
    assert data.layer_bytes > 6 * tensor.layer_bytes
    # 4 KV heads on 8 ranks: tensor parallelism reads each twice, data parallelism once
    assert tensor.full_kv_bytes == pytest.approx(2 * data.full_kv_bytes)
    # one collective for a layer of experts in place of two
    assert data.all_reduce_bytes == pytest.approx(tensor.all_reduce_bytes / 2)


def test_a_batch_is_padded_to_the_captured_graph(cost_of):
    cost = cost_of("llama-3.1-8b")
    bare, captured = ReplicaStepTime(cost), ReplicaStepTime(cost, (1, 2, 4, 8))
    assert captured.decode(8) == bare.decode(8)
    # above the largest graph the batch runs at its own size
    assert captured.decode(9) == bare.decode(9)
    # five sequences compute like eight, but only five are sampled and read their context
    empty_ps = round(3 * float(cost.overhead_sequence_s) * PS_PER_S)
    assert captured.decode(5).base_ps == pytest.approx(bare.decode(8).base_ps - empty_ps, abs=2)
    assert captured.decode(5).slope_ps == bare.decode(5).slope_ps
