"""Parameter counts that a reader can redo by hand."""

from servemark.domain.model import (
    Attention,
    Dense,
    LatentAttention,
    LayerGroup,
    Moe,
    attention_params,
    feedforward_params,
    group_params,
)


def test_grouped_query_attention():
    # hidden 8, 4 heads and 2 kv heads of 2: q 8x8, k and v 8x4 each, o 8x8
    attention = Attention(heads=4, kv_heads=2, head_dim=2)
    assert attention_params(attention, 8) == 64 + 32 + 32 + 64


def test_biases_norms_and_sinks():
    attention = Attention(
        heads=4, kv_heads=2, head_dim=2, qkv_bias=True, out_bias=True, qk_norm=True, sinks=True
    )
    # biases 8 + 4 + 4 and 8; two norms of 2; one sink per head
    assert attention_params(attention, 8) == 192 + 16 + 8 + 4 + 4


def test_latent_attention():
    latent = LatentAttention(
        heads=2, q_lora_rank=4, kv_lora_rank=3, qk_nope_head_dim=2, qk_rope_head_dim=1, v_head_dim=2
    )
    # q: 8x4 + norm 4 + 4x2x3; kv down: 8x(3+1) + norm 3; kv up: 3x2x(2+2); o: 2x2x8
    assert attention_params(latent, 8) == (32 + 4 + 24) + (32 + 3) + 24 + 32


def test_feedforward_dense_and_routed():
    assert feedforward_params(Dense(intermediate=10), 8) == 3 * 80
    assert feedforward_params(Dense(intermediate=10, gated=False, bias=True), 8) == 2 * 80 + 10 + 8
    moe = Moe(experts=4, experts_per_token=2, intermediate=10, shared_intermediate=5)
    assert feedforward_params(moe, 8) == 4 * 240 + 120 + 32
    assert feedforward_params(moe, 8, active=True) == 2 * 240 + 120 + 32


def test_a_layer_is_the_sum_of_its_parts():
    group = LayerGroup(
        count=3,
        attention=Attention(heads=4, kv_heads=4, head_dim=2),
        feedforward=Dense(intermediate=10),
        norm_params=16,
    )
    assert group_params(group, 8) == 4 * 64 + 240 + 16
