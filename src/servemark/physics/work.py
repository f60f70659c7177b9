"""What one engine step of a deployment has to read, compute and send, per unit of batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Gpu
from servemark.domain.model import PRECISIONS, LayerGroup, LinearAttention, Moe
from servemark.errors import InputError
from servemark.physics.attention import (
    decode_flop_per_context_token,
    kv_bytes_per_token,
    prefill_flop_per_pair,
    read_window_tokens,
    stage_share,
    state_bytes,
)
from servemark.physics.collectives import (
    all_reduce_rounds,
    all_reduce_traffic_ratio,
    group_bandwidth_bytes_per_s,
)
from servemark.physics.weights import SIXTEEN_BITS_BYTES, layer_weights, weight_bytes

Values = float | NDArray[np.float64]
"""A number, or one per configuration (any shape that broadcasts)."""


class StepWork(NamedTuple):
    """Work of one GPU on each pipeline stage, added over the stages of one pass through the model.

    A full layer attends to the whole context, a windowed one to at most `window_tokens` of a sequence.
    """

    layer_bytes: Values
    """Weights read in every step: layers outside the routed experts, and the head."""
    expert_bytes: Values
    """Weights of all routed experts."""
    layer_flop: Values
    """Per token, outside the routed experts."""
    expert_flop: Values
    """Per token, in routed experts, with tokens spread evenly over the ranks."""
    head_flop: Values
    """Per sequence that gets a token."""
    experts: Values
    """Routed experts of a layer; 1 in dense models."""
    experts_per_token: Values
    expert_ranks: Values
    full_kv_bytes: Values
    """Cache read per context token, full layers."""
    full_kv_flop: Values
    window_kv_bytes: Values
    window_kv_flop: Values
    window_tokens: Values
    """0 without windowed layers."""
    full_pair_flop: Values
    """Per (prompt token, attended token) pair, full layers."""
    window_pair_flop: Values
    both_ways: Values
    """1 where every prompt token sees the whole prompt (encoders), else 0."""
    state_bytes: Values
    """Constant state of a sequence (linear attention)."""
    layers: Values
    expert_layers: Values
    """Layers with routed experts."""
    all_reduce_rounds: Values
    """Start-up latencies of all collectives and pipeline hops of a pass."""
    all_reduce_bytes: Values
    """Through each GPU's link, per token, collectives and hops."""
    data: Values
    """Parts of a data-parallel attention; each handles its share of the sequences."""
    pipeline: Values
    microbatch_tokens: Values
    """Prompt tokens that pass the pipeline together."""
    bandwidth_bytes_per_s: Values
    flop_per_s: Values
    """Of the units that the layers' dtype runs on."""
    unquantized_flop_per_s: Values
    """For attention and head, which quantization leaves alone."""
    link_bytes_per_s: Values


def step_work(deployment: Deployment) -> StepWork:
    """The work of one replica of `deployment`."""
    model, plan, gpu = deployment.model, deployment.parallelism, deployment.node.gpu
    weights = weight_bytes(deployment)
    # every stage waits for the fullest one
    uneven = stage_share(model, plan.pipeline) * plan.pipeline
    matrices = experts = 0.0
    for group in model.groups:
        held = layer_weights(group, model.hidden, tensor=plan.tensor, expert=plan.expert, data=plan.data)
        matrices += group.count * held.matrices
        experts += group.count * held.active_experts
    routed = _routed(model.groups)
    attention = _attention_work(deployment)
    reduces = sum(g.count * _all_reduces(g, plan.data) for g in model.groups)
    hops = plan.pipeline - 1
    neighbours = plan.tensor if plan.tensor > 1 else plan.pipeline
    traffic = reduces * all_reduce_traffic_ratio(plan.tensor) + hops
    return StepWork(
        layer_bytes=uneven * weights.layers + weights.head,
        expert_bytes=uneven * weights.experts,
        layer_flop=2 * uneven * matrices / plan.data,
        expert_flop=2 * uneven * experts,
        head_flop=2 * model.vocab * model.hidden / plan.tensor * (model.kind == "decoder"),
        experts=routed.experts if routed else 1,
        experts_per_token=routed.experts_per_token if routed else 1,
        expert_ranks=plan.expert,
        full_kv_bytes=uneven * attention.full_kv_bytes,
        full_kv_flop=uneven * attention.full_kv_flop,
        window_kv_bytes=uneven * attention.window_kv_bytes,
        window_kv_flop=uneven * attention.window_kv_flop,
        window_tokens=attention.window_tokens,
        full_pair_flop=uneven * attention.full_pair_flop,
        window_pair_flop=uneven * attention.window_pair_flop,
        both_ways=float(model.kind == "encoder"),
        state_bytes=uneven * attention.state_bytes,
        layers=uneven * model.layers,
        expert_layers=uneven * sum(g.count for g in model.groups if isinstance(g.feedforward, Moe)),
        all_reduce_rounds=uneven * reduces * all_reduce_rounds(plan.tensor) + hops,
        all_reduce_bytes=traffic * model.hidden * SIXTEEN_BITS_BYTES,
        data=plan.data,
        pipeline=plan.pipeline,
        microbatch_tokens=microbatch_tokens(deployment),
        bandwidth_bytes_per_s=gpu.bandwidth_bytes_per_s,
        flop_per_s=flop_per_s(gpu, deployment.dtype),
        unquantized_flop_per_s=unquantized_flop_per_s(gpu, deployment.dtype),
        link_bytes_per_s=group_bandwidth_bytes_per_s(deployment.node, neighbours),
    )


LLAMA_CPP_MICROBATCH = 512
"""llama.cpp's `--ubatch-size`: longer prompts pass the GPUs of a pipeline in parts of so many tokens."""


def microbatch_tokens(deployment: Deployment) -> float:
    """Prompt tokens that pass a pipeline together: a whole step's, in llama.cpp a micro-batch."""
    budget = deployment.engine.max_num_batched_tokens
    return min(budget, LLAMA_CPP_MICROBATCH) if deployment.engine.name == "llama.cpp" else budget


def stacked(works: Sequence[StepWork]) -> StepWork:
    """Many works as one whose fields are arrays, shape (configurations, 1)."""
    columns = np.array(works, dtype=np.float64).T
    return StepWork(*(column[:, None] for column in columns))


def flop_per_s(gpu: Gpu, dtype: str) -> float:
    """Dense FLOP/s at which matrices of a precision are multiplied.

    A dtype the GPU has no unit for is converted and multiplied in 16 bits; 32 bits run on the tensor
    cores at half the 16-bit rate (TF32, which PyTorch has to be told to use) where the catalogue has no
    figure of its own.

    Raises:
        InputError: the GPU lists no 16-bit figure.
    """
    compute = PRECISIONS[dtype].compute
    if compute in gpu.dense_flop_per_s:
        return gpu.dense_flop_per_s[compute]
    return sixteen_bit_flop_per_s(gpu) * (0.5 if compute == "fp32" else 1.0)


def unquantized_flop_per_s(gpu: Gpu, dtype: str) -> float:
    """Dense FLOP/s of attention and head: 16 bits, but 32 where the whole model is in 32.

    Raises:
        InputError: the GPU lists no 16-bit figure.
    """
    return flop_per_s(gpu, dtype) if PRECISIONS[dtype].compute == "fp32" else sixteen_bit_flop_per_s(gpu)


def sixteen_bit_flop_per_s(gpu: Gpu) -> float:
    """Dense 16-bit FLOP/s, BF16 before FP16.

    Raises:
        InputError: the GPU lists neither.
    """
    for dtype in ("bf16", "fp16"):
        if dtype in gpu.dense_flop_per_s:
            return gpu.dense_flop_per_s[dtype]
    raise InputError(
        f"gpus.{gpu.key}.dense_flop_per_s",
        expected="a bf16 or fp16 figure",
        found=sorted(gpu.dense_flop_per_s),
    )


class _AttentionWork(NamedTuple):
    """Sums over the layers, per GPU: full layers, windowed layers, constant state."""

    full_kv_bytes: float
    full_kv_flop: float
    full_pair_flop: float
    window_kv_bytes: float
    window_kv_flop: float
    window_pair_flop: float
    window_tokens: float
    state_bytes: float


def _attention_work(deployment: Deployment) -> _AttentionWork:
    """Attention of all layers. Windows of several sizes count as one of their mean size, weighted by
    the bytes they read, which keeps the cost of a full window exact.
    """
    plan = deployment.parallelism
    tensor = plan.attention_tensor
    value = PRECISIONS[deployment.kv_dtype].bytes_per_value
    full = np.zeros(3)
    windowed = np.zeros(3)
    window_bytes = state = 0.0
    for group in deployment.model.groups:
        kind = group.attention
        cost = np.array(
            (
                kv_bytes_per_token(kind, bytes_per_value=value, tensor=tensor),
                decode_flop_per_context_token(kind, tensor=tensor),
                prefill_flop_per_pair(kind, tensor=tensor),
            )
        )
        cost *= group.count / plan.data
        window = read_window_tokens(kind)
        if window is None:
            full += cost
        else:
            windowed += cost
            window_bytes += window * cost[0]
        if isinstance(kind, LinearAttention):
            state += group.count * state_bytes(kind, tensor=tensor) / plan.data
    window_tokens = round(window_bytes / windowed[0]) if windowed[0] else 0
    kv, flop, pair = (float(x) for x in full)
    window_kv, window_flop, window_pair = (float(x) for x in windowed)
    return _AttentionWork(kv, flop, pair, window_kv, window_flop, window_pair, window_tokens, state)


def _all_reduces(group: LayerGroup, data: int) -> int:
    """Collectives of a layer, each of the traffic of one all-reduce: after attention and after the
    feed-forward part. With data-parallel attention only routed experts need one: tokens are gathered
    before them and scattered after them.
    """
    if data > 1:
        return int(isinstance(group.feedforward, Moe))
    return 1 if group.feedforward is None else 2


def _routed(groups: Sequence[LayerGroup]) -> Moe | None:
    """The mixture of experts of the most layers; it speaks for all of them."""
    mixtures = [g for g in groups if isinstance(g.feedforward, Moe)]
    if not mixtures:
        return None
    chosen = max(mixtures, key=lambda g: g.count).feedforward
    return chosen if isinstance(chosen, Moe) else None
