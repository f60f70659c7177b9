"""Weights as one GPU holds them: what is sharded, what is copied, what stays in 16 bits.

Tensor parallelism splits projections, experts, embeddings and head; norms, routers and the
down-projections of MLA are copied to every rank (Megatron-LM, arXiv 1909.08053; vLLM's parallel
layers). Pipeline parallelism splits the layers; the first stage adds the embedding, the last the head.
Expert parallelism gives whole experts to ranks of the tensor group instead of a slice of each.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from servemark.domain.deployment import Deployment
from servemark.domain.model import (
    PRECISIONS,
    Attention,
    AttentionKind,
    Dense,
    Feedforward,
    LatentAttention,
    LayerGroup,
    LinearAttention,
    Moe,
    Precision,
)
from servemark.physics.attention import heads_per_rank, stage_share

SIXTEEN_BITS_BYTES = 2.0


class LayerWeights(NamedTuple):
    """Parameters of one layer on one GPU."""

    matrices: float
    """Attention and feed-forward matrices outside the routed experts."""
    experts: float
    """Routed experts, all that this GPU holds."""
    active_experts: float
    """Routed experts that one token passes through, shared evenly over the ranks."""
    norms: float
    """Norms and biases that stay in 16 bits."""


def layer_weights(
    group: LayerGroup, hidden: int, *, tensor: int = 1, expert: int = 1, data: int = 1
) -> LayerWeights:
    """Parameters of one layer of `group` on one GPU. With data-parallel attention everything outside the
    routed experts is split over `tensor / data` ranks only.
    """
    shared, experts, active = feedforward_params_per_rank(group.feedforward, hidden, tensor, expert)
    if data > 1:
        shared, _, _ = feedforward_params_per_rank(group.feedforward, hidden, tensor // data, 1)
    attention = attention_params_per_rank(group.attention, hidden, tensor // data)
    return LayerWeights(attention + shared, experts, active, group.norm_params)


def attention_params_per_rank(attention: AttentionKind, hidden: int, tensor: int) -> float:
    """Attention parameters of one layer on one rank."""
    match attention:
        case Attention(heads=heads, kv_heads=kv_heads, head_dim=d):
            q = heads_per_rank(heads, tensor) * d
            kv = heads_per_rank(kv_heads, tensor) * d
            n = hidden * (q + 2 * kv) + q * hidden + (hidden * q if attention.gated else 0)
            n += (q + 2 * kv) * attention.qkv_bias + hidden * attention.out_bias
            n += 2 * d * attention.qk_norm + heads_per_rank(heads, tensor) * attention.sinks
            return n + attention.extra_params
        case LatentAttention(heads=heads, q_lora_rank=rank, kv_lora_rank=kv):
            own = heads_per_rank(heads, tensor)
            qk = attention.qk_nope_head_dim + attention.qk_rope_head_dim
            n = hidden * rank + rank + rank * own * qk if rank else hidden * own * qk
            n += hidden * (kv + attention.qk_rope_head_dim) + kv
            n += kv * own * (attention.qk_nope_head_dim + attention.v_head_dim)
            return n + own * attention.v_head_dim * hidden + attention.extra_params
        case LinearAttention(params=params):
            return params / tensor


def feedforward_params_per_rank(
    part: Feedforward | None, hidden: int, tensor: int, expert: int
) -> tuple[float, float, float]:
    """Feed-forward parameters of one layer on one rank: (always read, routed, routed per token)."""
    match part:
        case None:
            return 0.0, 0.0, 0.0
        case Dense(intermediate=f, gated=gated, bias=bias):
            matrices = (3 if gated else 2) * hidden * f / tensor
            return matrices + bias * ((2 if gated else 1) * f / tensor + hidden), 0.0, 0.0
        case Moe(experts=experts, intermediate=f, gated=gated, bias=bias):
            whole = (3 if gated else 2) * hidden * f + bias * ((2 if gated else 1) * f + hidden)
            slices = tensor / expert
            held = math.ceil(experts / expert) * whole / slices
            active = part.experts_per_token * whole / tensor
            shared = (3 if gated else 2) * hidden * part.shared_intermediate / tensor
            router = hidden * experts + experts * part.router_bias + hidden * part.shared_gate
            return shared + router, held, active


class WeightBytes(NamedTuple):
    """Bytes of the weights, one pass through the whole model on one GPU of each pipeline stage."""

    layers: float
    """All layers outside the routed experts."""
    experts: float
    head: float
    embedding: float
    """Input embedding, positions and the like; read a row at a time."""


def weight_bytes(deployment: Deployment) -> WeightBytes:
    """Bytes of every part, summed over the pipeline stages (one GPU each)."""
    model, plan = deployment.model, deployment.parallelism
    precision = PRECISIONS[deployment.dtype]
    matrix, expert, rest = value_bytes(precision)
    layers = experts = 0.0
    for group in model.groups:
        held = layer_weights(group, model.hidden, tensor=plan.tensor, expert=plan.expert, data=plan.data)
        layers += group.count * (held.matrices * matrix + held.norms * rest)
        experts += group.count * held.experts * expert
    embedding = model.vocab * model.hidden / plan.tensor * rest
    head = embedding if model.kind == "decoder" else 0.0
    return WeightBytes(layers, experts, head, embedding + model.other_params * rest)


def weight_bytes_per_gpu(deployment: Deployment) -> float:
    """Weights on the fullest GPU.

    With a pipeline that is the stage with the most layers and, at its ends, embedding or head. A tied
    head is the embedding itself, unless first and last stage are different GPUs.
    """
    parts, model = weight_bytes(deployment), deployment.model
    pipeline = deployment.parallelism.pipeline
    if pipeline > 1:
        ends = max(parts.embedding, parts.head)
    else:
        ends = parts.embedding + (0.0 if model.tied_embeddings else parts.head)
    return stage_share(model, pipeline) * (parts.layers + parts.experts) + ends


def value_bytes(precision: Precision) -> tuple[float, float, float]:
    """Bytes per value of (matrices, routed experts, everything else) in a checkpoint."""
    stored = precision.bytes_per_value
    if not precision.quantized or precision.covers == "all":
        return stored, stored, stored
    if precision.covers == "experts":
        return SIXTEEN_BITS_BYTES, stored, SIXTEEN_BITS_BYTES
    return stored, stored, SIXTEEN_BITS_BYTES
