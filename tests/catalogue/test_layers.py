"""Layers one by one: windows, experts, latent and linear attention, searched architectures."""

import pytest

from servemark.catalogue.architectures import find_model
from servemark.catalogue.families import FAMILIES
from servemark.catalogue.fields import Fields
from servemark.catalogue.layers import layers_of
from servemark.domain.model import Attention, Dense, LatentAttention, LinearAttention, Moe
from servemark.errors import InputError

TINY = {
    "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 6, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64,
}  # fmt: skip


def layers(model_type, **changes):
    family = FAMILIES[model_type]
    return layers_of(Fields({**TINY, **changes}, path="config.json", defaults=family.defaults), family)


def windows(model_type, **changes):
    return [layer.attention.window_tokens for layer in layers(model_type, **changes)]


def test_windows_by_family():
    assert windows("mistral", sliding_window=16) == [16] * 6
    assert windows("mistral", sliding_window=None) == [None] * 6
    assert windows("gemma2", sliding_window=16) == [16, None] * 3
    assert windows("gemma3_text", sliding_window=16) == [16] * 5 + [None]
    assert windows("gemma3_text", sliding_window=16, sliding_window_pattern=3) == [16, 16, None] * 2
    assert windows("qwen2", sliding_window=16) == [None] * 6
    assert windows("qwen2", sliding_window=16, use_sliding_window=True, max_window_layers=4) == [
        None, None, None, None, 16, 16,
    ]  # fmt: skip


def test_layer_types_win_over_the_family():
    kinds = ["full_attention", "sliding_attention"] * 3
    assert windows("gpt_oss", sliding_window=16, layer_types=kinds) == [None, 16] * 3


def test_a_window_as_long_as_the_context_is_none():
    assert windows("mistral", sliding_window=64) == [None] * 6


def test_the_first_layers_of_a_mixture_may_be_dense():
    parts = [layer.feedforward for layer in layers(
        "glm4_moe", n_routed_experts=8, num_experts_per_tok=2, moe_intermediate_size=4, n_shared_experts=2,
        first_k_dense_replace=1, mlp_only_layers=[3],
    )]  # fmt: skip
    moe = Moe(experts=8, experts_per_token=2, intermediate=4, shared_intermediate=8, router_bias=True)
    assert parts == [Dense(intermediate=16), moe, moe, Dense(intermediate=16), moe, moe]


def test_every_second_layer_may_be_sparse():
    parts = [layer.feedforward for layer in layers(
        "qwen2_moe", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=4,
        shared_expert_intermediate_size=12, decoder_sparse_step=2,
    )]  # fmt: skip
    assert [isinstance(part, Moe) for part in parts] == [False, True] * 3
    assert parts[1].shared_intermediate == 12
    assert parts[1].shared_gate


def test_latent_attention_of_deepseek():
    first, rest = find_model("deepseek-v3").groups
    assert (first.count, rest.count) == (3, 58)
    assert rest.attention == LatentAttention(
        heads=128,
        q_lora_rank=1536,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
    )
    assert rest.feedforward == Moe(
        experts=256, experts_per_token=8, intermediate=2048, shared_intermediate=2048, router_bias=True
    )


def test_the_indexer_of_glm_5_by_hand():
    attention = find_model("glm-5").groups[0].attention
    assert attention.index_tokens == 2048
    assert attention.extra_params == 2048 * 32 * 128 + 6144 * 128 + 2 * 128 + 6144 * 32


def test_linear_layers_of_qwen_3_5_by_hand():
    linear, full = find_model("qwen3.5-397b-a17b").groups
    assert (linear.count, full.count) == (45, 15)
    keys, values, heads = 16 * 128, 64 * 128, 64
    projections = 4096 * (2 * keys + 2 * values + 2 * heads) + values * 4096
    convolution = (2 * keys + values) * 4
    assert linear.attention == LinearAttention(
        params=projections + convolution + 2 * heads + 128,
        state_bytes=64 * 128 * 128 * 4 + (2 * keys + values) * 3 * 2,
    )
    assert full.attention == Attention(heads=32, kv_heads=2, head_dim=256, qk_norm=True, gated=True)


def test_key_value_heads_may_differ_by_layer():
    groups = find_model("decilm-7b").groups
    assert sum(g.count * g.attention.kv_heads for g in groups) == 67
    with pytest.raises(InputError, match="num_key_value_heads_per_layer: expected a divisor of the 4"):
        layers("deci", num_key_value_heads_per_layer=[4, 4, 4, 3, 4, 4])


def test_sinks_and_biases_of_gpt_oss():
    group = find_model("gpt-oss-20b").groups[0]
    assert group.attention == Attention(
        heads=64, kv_heads=8, head_dim=64, window_tokens=128, qkv_bias=True, out_bias=True, sinks=True
    )
    assert group.feedforward.bias
    assert group.feedforward.router_bias


def test_a_searched_architecture_may_skip_parts():
    blocks = [
        {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 24.0}},
        {"attention": {"no_op": True}, "ffn": {"intermediate_size": 32}},
        {"attention": {"replace_with_linear": True}, "ffn": {"no_op": True}},
        {"attention": {"n_heads_in_group": 4}, "ffn": {"replace_with_linear": True}},
    ]
    first, second, third, last = layers("nemotron-nas", num_hidden_layers=4, block_configs=blocks)
    assert first.attention == Attention(heads=4, kv_heads=2, head_dim=2)
    assert first.feedforward == Dense(intermediate=256)  # 2 x 24 x 8 / 3 = 128, up to a multiple of 256
    assert second.attention == LinearAttention(params=0, state_bytes=0.0)
    assert second.feedforward == Dense(intermediate=32)
    assert third == (LinearAttention(params=64, state_bytes=0.0), None)
    assert last.feedforward == Dense(intermediate=4, gated=False)


@pytest.mark.parametrize(
    "block",
    [3, {}, {"attention": {"n_heads_in_group": 9}, "ffn": {}}, {"attention": {"no_op": True}, "ffn": {}}],
)
def test_a_malformed_block_is_refused(block):
    with pytest.raises(InputError, match=r"config\.json: block_configs"):
        layers("nemotron-nas", num_hidden_layers=1, block_configs=[block])
