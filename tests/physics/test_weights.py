import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.architectures import find_model, model_catalogue
from servemark.domain.model import PRECISIONS, Moe
from servemark.physics.weights import (
    feedforward_params_per_rank,
    layer_weights,
    value_bytes,
    weight_bytes_per_gpu,
)
from servemark.units import GIB, MIB


def test_llama_8b_takes_15317_mib(deploy):
    assert weight_bytes_per_gpu(deploy("llama-3.1-8b", "l40s")) / MIB == pytest.approx(15316.5, abs=0.05)


@pytest.mark.parametrize("key", sorted(model_catalogue()))
def test_one_gpu_in_16_bits_holds_two_bytes_per_parameter(deploy, key):
    deployment = deploy(key, "h100-sxm")
    assert weight_bytes_per_gpu(deployment) == pytest.approx(2 * deployment.model.params, rel=1e-9)


@given(
    tensor=st.sampled_from([1, 2, 4, 8]),
    key=st.sampled_from(["llama-3.1-8b", "qwen2.5-72b", "mixtral-8x7b", "qwen3-235b-a22b"]),
)
def test_shards_add_up_to_the_whole(deploy, tensor, key):
    """Even shards: all ranks together hold the model once, and what is copied once per rank."""
    one = deploy(key, "h100-sxm")
    model = one.model
    copied = model.other_params
    for group in model.groups:
        copied += group.count * group.norm_params
        if isinstance(group.feedforward, Moe):
            copied += group.count * model.hidden * group.feedforward.experts
        if group.attention.qk_norm:
            copied += group.count * 2 * group.attention.head_dim
    whole, shard = weight_bytes_per_gpu(one), weight_bytes_per_gpu(deploy(key, "h100-sxm", tp=tensor))
    kv_copies = 0
    for group in model.groups:
        extra = max(0, tensor - group.attention.kv_heads)
        kv_copies += group.count * 2 * model.hidden * group.attention.head_dim * extra * 2
    assert tensor * shard == pytest.approx(whole + (tensor - 1) * copied * 2 + kv_copies, rel=1e-9)


def test_quantized_checkpoints_keep_the_ends_in_16_bits(deploy):
    model = find_model("llama-3.1-8b")
    stored = weight_bytes_per_gpu(deploy("llama-3.1-8b", "l40s", dtype="fp8"))
    norms = 32 * 2 * 4096 + 4096
    assert stored == (model.params - model.embedding_params - norms) + 2 * (model.embedding_params + norms)


def test_what_a_format_covers():
    assert value_bytes(PRECISIONS["bf16"]) == (2, 2, 2)
    assert value_bytes(PRECISIONS["fp8"]) == (1, 1, 2)
    assert value_bytes(PRECISIONS["mxfp4"]) == (2, 0.53125, 2)
    assert len(set(value_bytes(PRECISIONS["q4_k_m"]))) == 1


def test_published_file_sizes(deploy):
    # the published checkpoints weigh 60.8 GiB (gpt-oss-120b) and 4.58 GiB (Llama 3.1 8B Q4_K_M)
    gpt_oss = weight_bytes_per_gpu(deploy("gpt-oss-120b", "h100-sxm", dtype="mxfp4"))
    assert gpt_oss / GIB == pytest.approx(60.8, rel=0.01)
    gguf = weight_bytes_per_gpu(deploy("llama-3.1-8b", "rtx-4090", dtype="q4_k_m"))
    assert gguf / GIB == pytest.approx(4.58, rel=0.02)


def test_a_pipeline_end_holds_embedding_or_head(deploy):
    model = find_model("llama-3.1-8b")
    layers = 2 * model.layer_params
    end = 2 * (model.vocab * model.hidden + model.other_params)
    assert weight_bytes_per_gpu(deploy("llama-3.1-8b", "l40s", pp=2)) == pytest.approx(
        layers / 2 + end, rel=1e-12
    )
    # five stages: the fullest has seven of 32 layers
    assert weight_bytes_per_gpu(deploy("llama-3.1-8b", "l40s", pp=5)) == pytest.approx(
        layers * 7 / 32 + end, rel=1e-12
    )


def test_expert_parallelism_gives_whole_experts():
    moe = Moe(experts=10, experts_per_token=2, intermediate=100)
    expert = 3 * 64 * 100
    _, split, active = feedforward_params_per_rank(moe, 64, tensor=4, expert=1)
    assert (split, active) == (10 * expert / 4, 2 * expert / 4)
    # ten experts on four ranks: one rank holds three
    _, held, active = feedforward_params_per_rank(moe, 64, tensor=4, expert=4)
    assert (held, active) == (3 * expert, 2 * expert / 4)


def test_norms_stand_apart():
    group = find_model("llama-3.1-8b").groups[0]
    held = layer_weights(group, 4096)
    assert held.norms == 2 * 4096
    assert held.matrices == 4096 * 4096 * 2 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert held.experts == held.active_experts == 0
