"""How an engine lays out the KV cache of a model whose layers are not all alike.

vLLM cuts its pool into blocks that are all of one size. Layers of one kind (full attention, one sliding
window, one linear state) form groups of equally many layers, the last padded; a block holds one page of every
layer of one group, so that any group can use any block. Where layers keep a state per sequence, attention
pages are made as large as the state. Source: vLLM, `kv_cache_utils`, 2026-11-20; with it the 7,160 blocks, 544
tokens a page and 14.77 sequences of 262,144 tokens that vLLM 0.11 logs for Qwen3-Next come out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from servemark.domain.deployment import Deployment
from servemark.domain.model import PRECISIONS, AttentionKind, LatentAttention, LinearAttention
from servemark.physics.attention import (
    kv_bytes_per_token,
    memory_window_tokens,
    stage_share,
    state_bytes,
)

ALIKE = 1.25
"""Kinds whose numbers of layers differ by less than this factor share groups of the larger number."""
INDEX_KEY_BYTES = 132.0
"""A sparse indexer keeps a key of 128 values in FP8 with a 32-bit scale per token and layer: GLM-5 under vLLM
0.19 takes 1,284 bytes per token and layer, 1,152 of them latent."""


class LayerKind(NamedTuple):
    """Layers that cache alike, on one GPU."""

    token_bytes: float
    """Per token and layer."""
    state_bytes: float
    """Per sequence and layer."""
    window_tokens: int | None


def sequence_cache_bytes(deployment: Deployment, tokens: int) -> float:
    """Cache and state of one sequence of `tokens` tokens on the GPU of the fullest pipeline stage.

    Blocks that are only partly filled count whole.
    """
    model, engine, plan = deployment.model, deployment.engine, deployment.parallelism
    value = PRECISIONS[deployment.kv_dtype].bytes_per_value
    full = engine.memory.windows == "full"
    counts: dict[LayerKind, int] = {}
    for group in model.groups:
        kind = layer_kind(group.attention, value, plan.attention_tensor, full=full)
        if kind.token_bytes or kind.state_bytes:
            counts[kind] = counts.get(kind, 0) + group.count
    if engine.memory.windows == "grouped" and len(counts) > 1:
        total = grouped_bytes(counts, tokens, engine.block_size)
    else:
        total = sum(n * kind_bytes(kind, tokens, engine.block_size) for kind, n in counts.items())
    # with data-parallel attention each rank holds its share of the sequences
    return stage_share(model, plan.pipeline) * total / plan.data


def layer_kind(attention: AttentionKind, value_bytes: float, tensor: int, *, full: bool) -> LayerKind:
    """What one layer caches; `full` forgets its window."""
    per_token = kv_bytes_per_token(attention, bytes_per_value=value_bytes, tensor=tensor)
    if isinstance(attention, LatentAttention) and attention.index_tokens is not None:
        per_token += INDEX_KEY_BYTES
    window = None if full else memory_window_tokens(attention)
    state = state_bytes(attention, tensor=tensor) if isinstance(attention, LinearAttention) else 0.0
    return LayerKind(per_token, state, window)


def kind_bytes(kind: LayerKind, tokens: int, block_size: int) -> float:
    """One layer's cache of a sequence, in whole blocks."""
    return kind.token_bytes * block_size * _blocks(kind, tokens, block_size) + kind.state_bytes


def grouped_bytes(counts: dict[LayerKind, int], tokens: int, block_size: int) -> float:
    """The same for all layers of one GPU, in vLLM's groups of layers with pages of one size."""
    fewest, most = min(counts.values()), max(counts.values())
    layers = most if most < ALIKE * fewest else fewest
    widest = max(kind.token_bytes for kind in counts)
    state = max(kind.state_bytes for kind in counts)
    page_tokens = block_size
    if widest and state:
        page_tokens = max(block_size, math.ceil(state / widest / block_size) * block_size)
    page = page_tokens * widest or state
    blocks = sum(math.ceil(n / layers) * _blocks(kind, tokens, page_tokens) for kind, n in counts.items())
    return blocks * layers * page


def _blocks(kind: LayerKind, tokens: int, block_size: int) -> int:
    """Blocks of one layer (or group); a state takes one, a window begins and ends inside a block."""
    if not kind.token_bytes:
        return 1
    if kind.window_tokens is None or tokens <= kind.window_tokens:
        return math.ceil(tokens / block_size)
    return math.ceil(kind.window_tokens / block_size) + (block_size > 1)
