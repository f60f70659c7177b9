"""What attention costs: bytes of KV cache, FLOPs per token pair, bytes of constant state.

All figures are per GPU of a tensor-parallel group. Query heads are split over its ranks; KV heads are
split until each rank holds one, then copied (grouped-query attention with more ranks than KV heads);
the latent of MLA belongs to every head, so every rank holds all of it.
Sources: GQA, arXiv 2305.13245; MLA, DeepSeek-V2, arXiv 2405.04434; FLOPs, arXiv 2205.14135.
"""

from __future__ import annotations

import math

from servemark.domain.model import (
    Attention,
    AttentionKind,
    LatentAttention,
    LayerGroup,
    LinearAttention,
    ModelArch,
)


def heads_per_rank(heads: int, tensor: int) -> int:
    """Heads that one rank holds: an even share, rounded up, at least one."""
    return math.ceil(heads / tensor)


def kv_bytes_per_token(attention: AttentionKind, *, bytes_per_value: float, tensor: int = 1) -> float:
    """Bytes that one token adds to one GPU's cache in one layer (0 for linear attention)."""
    match attention:
        case Attention(kv_heads=kv_heads, head_dim=head_dim):
            return 2 * heads_per_rank(kv_heads, tensor) * head_dim * bytes_per_value
        case LatentAttention(kv_lora_rank=rank, qk_rope_head_dim=rope):
            return (rank + rope) * bytes_per_value
        case LinearAttention():
            return 0.0


def memory_window_tokens(attention: AttentionKind) -> int | None:
    """Most tokens of one sequence that a layer keeps; None = all."""
    return attention.window_tokens if isinstance(attention, Attention) else None


def read_window_tokens(attention: AttentionKind) -> int | None:
    """Most tokens of one sequence that a decode reads: a sliding window, or a sparse indexer's top-k."""
    if isinstance(attention, LatentAttention):
        return attention.index_tokens
    return memory_window_tokens(attention)


def decode_flop_per_context_token(attention: AttentionKind, *, tensor: int = 1) -> float:
    """FLOPs of one decode per token it attends to: scores and weighted sum, 2 FLOPs per value each.

    MLA decodes in the latent space: scores over latent and rotary part, sum over the latent.
    """
    match attention:
        case Attention(heads=heads, head_dim=head_dim):
            return 4.0 * heads_per_rank(heads, tensor) * head_dim
        case LatentAttention(heads=heads, kv_lora_rank=rank, qk_rope_head_dim=rope):
            return 2.0 * heads_per_rank(heads, tensor) * (2 * rank + rope)
        case LinearAttention():
            return 0.0


def prefill_flop_per_pair(attention: AttentionKind, *, tensor: int = 1) -> float:
    """FLOPs per (query token, attended token) in prefill, where MLA works with full heads."""
    match attention:
        case LatentAttention(heads=heads, qk_nope_head_dim=nope, qk_rope_head_dim=rope):
            return 2.0 * heads_per_rank(heads, tensor) * (nope + rope + attention.v_head_dim)
        case Attention() | LinearAttention():
            return decode_flop_per_context_token(attention, tensor=tensor)


def state_bytes(attention: AttentionKind, *, tensor: int = 1) -> float:
    """Bytes of state that one sequence keeps in one layer, however long it is."""
    return attention.state_bytes / tensor if isinstance(attention, LinearAttention) else 0.0


def sequence_bytes(
    model: ModelArch, tokens: int, *, bytes_per_value: float, tensor: int = 1, pipeline: int = 1
) -> float:
    """Cache and state of one sequence of `tokens` tokens on one GPU (the fullest pipeline stage)."""

    def layer_bytes(group: LayerGroup) -> float:
        window = memory_window_tokens(group.attention)
        kept = tokens if window is None else min(tokens, window)
        per_token = kv_bytes_per_token(group.attention, bytes_per_value=bytes_per_value, tensor=tensor)
        return kept * per_token + state_bytes(group.attention, tensor=tensor)

    return stage_share(model, pipeline) * sum(g.count * layer_bytes(g) for g in model.groups)


def stage_share(model: ModelArch, pipeline: int) -> float:
    """Share of the layers that the fullest of `pipeline` stages holds."""
    return math.ceil(model.layers / pipeline) / model.layers
