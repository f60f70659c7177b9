import pytest

from servemark.catalogue.architectures import find_model
from servemark.domain.model import Attention, LatentAttention, LinearAttention
from servemark.physics.attention import (
    decode_flop_per_context_token,
    heads_per_rank,
    kv_bytes_per_token,
    prefill_flop_per_pair,
    read_window_tokens,
    sequence_bytes,
    stage_share,
    state_bytes,
)
from servemark.units import KIB

GROUPED = Attention(heads=32, kv_heads=8, head_dim=128)
LATENT = LatentAttention(
    heads=128, q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128
)
LINEAR = LinearAttention(params=1000, state_bytes=4096.0)


@pytest.mark.parametrize(("tensor", "expected"), [(1, 4096), (4, 1024), (8, 512), (16, 512), (32, 512)])
def test_kv_heads_are_split_until_each_rank_has_one_and_then_copied(tensor, expected):
    # 2 (K, V) x 8 heads x 128 values x 2 bytes = 4,096 bytes per token and layer
    assert kv_bytes_per_token(GROUPED, bytes_per_value=2, tensor=tensor) == expected


def test_heads_that_do_not_divide_round_up():
    assert heads_per_rank(25, 4) == 7


@pytest.mark.parametrize("tensor", [1, 8])
def test_the_latent_of_mla_is_whole_on_every_rank(tensor):
    assert kv_bytes_per_token(LATENT, bytes_per_value=2, tensor=tensor) == (512 + 64) * 2


def test_linear_attention_keeps_a_state_and_no_tokens():
    assert kv_bytes_per_token(LINEAR, bytes_per_value=2) == 0
    assert state_bytes(LINEAR, tensor=4) == 1024
    assert state_bytes(GROUPED) == 0


def test_flops_per_attended_token():
    # scores and weighted sum: 2 x 2 FLOPs x 32 heads x 128
    assert decode_flop_per_context_token(GROUPED) == 4 * 32 * 128
    assert prefill_flop_per_pair(GROUPED, tensor=4) == 4 * 8 * 128
    # MLA decodes over the latent, but is prefilled with its full heads
    assert decode_flop_per_context_token(LATENT) == 2 * 128 * (512 + 64 + 512)
    assert prefill_flop_per_pair(LATENT) == 2 * 128 * (128 + 64 + 128)
    assert decode_flop_per_context_token(LINEAR) == prefill_flop_per_pair(LINEAR) == 0


def test_a_sparse_indexer_bounds_what_is_read_not_what_is_kept():
    sparse = LatentAttention(
        heads=2, q_lora_rank=None, kv_lora_rank=8, qk_nope_head_dim=4, qk_rope_head_dim=2, v_head_dim=4,
        index_tokens=2048,
    )  # fmt: skip
    assert read_window_tokens(sparse) == 2048
    assert kv_bytes_per_token(sparse, bytes_per_value=2) == 20


def test_llama_8b_keeps_128_kib_per_token():
    model = find_model("llama-3.1-8b")
    assert sequence_bytes(model, 1000, bytes_per_value=2) == 1000 * 128 * KIB


def test_windowed_layers_stop_growing_at_their_window():
    model = find_model("gemma-3-27b")
    windows = {g.attention.window_tokens: g for g in model.groups}
    (window,) = [w for w in windows if w is not None]
    grown = [sequence_bytes(model, n, bytes_per_value=2) for n in (window, window + 1)]
    full = windows[None]
    per_token = kv_bytes_per_token(full.attention, bytes_per_value=2)
    assert grown[1] - grown[0] == full.count * per_token


def test_the_fullest_stage_counts():
    model = find_model("llama-3.1-8b")
    assert stage_share(model, 1) == 1
    assert stage_share(model, 5) == 7 / 32
