"""The memory budget of one GPU: weights, activations, KV pool, graphs and runtime, each its own line.

How vLLM divides a GPU: `gpu_memory_utilization` x CUDA's total is what it may take; weights and the
peak of a profiling run are subtracted, and all that is left becomes the KV pool, before any user comes.
CUDA context and captured graphs come on top. nvidia-smi therefore *reports* nearly the whole card,
whatever is *needed*.

Other engines divide otherwise (`EngineConfig.memory_rule`): TensorRT-LLM gives a fraction of what is free
beside weights and activations, SGLang lets weights and pool share a fraction of the whole.

The figures of `EngineMemory` were derived from startup logs of vLLM: the differences between total, weights
and pool in 49 runs of 28 models on an H100 (vLLM 0.15 to 0.19), one L40S, A100, RTX 4090 and RTX PRO 6000 run
each. `benchmarks/kv_pools.py` prints them beside what this module says.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from servemark.domain.deployment import Deployment
from servemark.domain.memory import MemoryBudget
from servemark.domain.model import (
    PRECISIONS,
    Attention,
    Dense,
    LatentAttention,
    LayerGroup,
    LinearAttention,
    Moe,
)
from servemark.errors import DoesNotFit
from servemark.physics.attention import heads_per_rank
from servemark.physics.drafts import draft_bytes, draft_cache_bytes
from servemark.physics.kv_layout import sequence_cache_bytes
from servemark.physics.weights import SIXTEEN_BITS_BYTES, weight_bytes_per_gpu
from servemark.units import KIB, MIB

PLAIN_SAMPLER_BYTES_PER_LOGIT = 6.0
"""TensorRT-LLM and llama.cpp do not sort: logits in 16 and in 32 bits."""
MATRIX_WORKSPACE_BYTES = 32 * MIB
"""cuBLAS keeps so much on Hopper and later cards."""
GRAPH_BYTES_PER_LAYER = 320 * KIB
"""Nodes and parameters of the captured kernels, per layer and captured batch size: 0.5 GiB for the 51
sizes of an 8B model, as vLLM logs it."""
RUNTIME_BYTES = 600 * MIB
"""CUDA context, library workspaces and allocator slack: what the L40S reading leaves beside graphs."""
COMMUNICATION_BYTES = 400 * MIB
"""NCCL's buffers where several GPUs serve one replica (aiconfigurator's system files: 342-392 MiB)."""


def memory_budget(deployment: Deployment, *, sequence_tokens: int = 1) -> MemoryBudget:
    """The budget of the fullest GPU, whether or not it fits.

    Args:
        deployment: one replica of it is budgeted.
        sequence_tokens: longest sequence (prompt and answer) that has to fit. It also settles what a
            KV token costs where that depends on length: layers with a sliding window keep at most a
            window of each sequence and linear attention keeps a constant state, so `kv_bytes_per_token`
            is the mean over a sequence of this length, and `kv_tokens` counts tokens of such sequences.
            With full attention the length does not matter.

    Encoders have no KV pool: they need weights and activations, and nothing is set aside.
    """
    gpu = deployment.node.gpu
    weights = weight_bytes_per_gpu(deployment) + draft_bytes(deployment)
    activation = activation_bytes(deployment)
    graph, runtime = graph_bytes(deployment), runtime_bytes(deployment)
    pool = kv_pool(deployment, weights, activation, sequence_tokens)
    sequence = pool.sequence_blocks * pool.block_bytes
    reserved = weights + activation + max(pool.bytes, 0.0)
    short_of_pool = sequence - pool.bytes
    short_of_card = reserved + graph + runtime - gpu.memory_usable_bytes
    missing = max(short_of_pool, short_of_card)
    return MemoryBudget(
        fits=missing <= 0,
        usable_bytes=gpu.memory_usable_bytes,
        total_reported_bytes=gpu.memory_reported_bytes,
        weights_bytes=weights,
        activation_bytes=activation,
        graph_bytes=graph,
        runtime_bytes=runtime,
        kv_pool_bytes=pool.bytes,
        kv_bytes_per_token=pool.block_bytes / deployment.engine.block_size,
        kv_blocks=pool.blocks,
        kv_tokens=pool.blocks * deployment.engine.block_size,
        reserved_bytes=reserved,
        reported_bytes=reserved + graph + runtime,
        needed_bytes=weights + activation + sequence + graph + runtime,
        missing_bytes=missing if missing > 0 else None,
        sum=_sum(deployment, weights, activation, pool, graph + runtime, sequence_tokens, missing),
    )


def require_fit(deployment: Deployment, *, sequence_tokens: int = 1) -> MemoryBudget:
    """The budget, if one sequence of `sequence_tokens` fits.

    Raises:
        DoesNotFit: it does not; the message is the sum that failed.
    """
    budget = memory_budget(deployment, sequence_tokens=sequence_tokens)
    if not budget.fits:
        raise DoesNotFit(f"{deployment.title} does not fit: {budget.sum}", budget)
    return budget


def activation_bytes(deployment: Deployment) -> float:
    """What the profiling run finds beside the weights: activations or sampler, and libraries.

    A layer holds its input, the residual, their sum and the embedding beside its widest intermediate
    tensors, in 16 bits. All but the last hidden states are freed before the sampler works on
    `max_num_seqs` sequences over the whole vocabulary, so the larger counts.
    """
    model, engine = deployment.model, deployment.engine
    plan, tokens = deployment.parallelism, engine.max_num_batched_tokens
    widest = max(
        layer_width(group, model.hidden, plan.tensor, plan.attention_tensor) for group in model.groups
    )
    layer = tokens * (4 * model.hidden + widest) * SIXTEEN_BITS_BYTES
    if model.kind == "encoder":
        return layer
    if engine.policy != "recompute":
        return max(layer, engine.max_num_seqs * model.vocab * PLAIN_SAMPLER_BYTES_PER_LOGIT)
    logits = min(engine.max_num_seqs, tokens) * model.vocab * engine.memory.logit_bytes
    sampler = logits + tokens * model.hidden * SIXTEEN_BITS_BYTES
    return max(layer, sampler + workspace_bytes(deployment)) + library_bytes(deployment)


def workspace_bytes(deployment: Deployment) -> float:
    """What stays allocated beside the sampler: workspaces of matrix products and of routed experts."""
    engine, model = deployment.engine, deployment.model
    if not engine.memory.keeps_workspace:
        return 0.0
    experts = 0.0
    if PRECISIONS[deployment.dtype].covers != "experts":
        split = deployment.parallelism.tensor / deployment.parallelism.expert
        experts = max((_expert_values(group, model.hidden, split) for group in model.groups), default=0.0)
    return MATRIX_WORKSPACE_BYTES + engine.max_num_batched_tokens * experts * SIXTEEN_BITS_BYTES


def _expert_values(group: LayerGroup, hidden: int, split: float) -> float:
    """Values per token in the two buffers of fused experts: up-projections or outputs, products or outputs."""
    part = group.feedforward
    if not isinstance(part, Moe):
        return 0.0
    width = part.intermediate / split
    return part.experts_per_token * (max((1 + part.gated) * width, hidden) + max(width, hidden))


def library_bytes(deployment: Deployment) -> float:
    """Memory outside PyTorch that counts against the fraction."""
    memory, gpus = deployment.engine.memory, deployment.parallelism.gpus
    if gpus == 1:
        return memory.library_bytes
    nvlink = deployment.parallelism.tensor > 1 and deployment.node.link.kind == "nvlink"
    return memory.library_bytes + memory.group_bytes + memory.nvlink_bytes * nvlink


def layer_width(group: LayerGroup, hidden: int, tensor: int, attention_tensor: int) -> float:
    """Values per token in the widest part of a layer on one GPU.

    Feed-forward: up-projections and their product; for routed experts also the k outputs before they
    are added. Attention: queries, keys, values and output.
    """
    match group.attention:
        case Attention(heads=heads, kv_heads=kv_heads, head_dim=d):
            own, kv = heads_per_rank(heads, attention_tensor), heads_per_rank(kv_heads, attention_tensor)
            attention = (2 * own + 2 * kv) * d
        case LatentAttention(heads=heads, v_head_dim=v, qk_nope_head_dim=nope):
            width = 2 * (nope + group.attention.qk_rope_head_dim) + 2 * v
            attention = heads_per_rank(heads, attention_tensor) * width
        case LinearAttention():
            attention = 4 * hidden / attention_tensor
    match group.feedforward:
        case Dense(intermediate=f, gated=gated):
            return max(attention, (3 if gated else 2) * f / tensor)
        case Moe(intermediate=f, gated=gated, experts_per_token=k):
            return max(attention, k * ((3 if gated else 2) * f / tensor + hidden))
        case None:
            return attention


def graph_bytes(deployment: Deployment) -> float:
    """CUDA-graph pool of one GPU; 0 where nothing is captured (eager mode, encoders, llama.cpp)."""
    engine, model = deployment.engine, deployment.model
    if engine.enforce_eager or engine.policy == "slots" or model.kind == "encoder":
        return 0.0
    layers = math.ceil(model.layers / deployment.parallelism.pipeline)
    return len(engine.captured_sizes) * layers * GRAPH_BYTES_PER_LAYER


def runtime_bytes(deployment: Deployment) -> float:
    """CUDA context and libraries, and NCCL's buffers where several GPUs serve a replica."""
    return RUNTIME_BYTES + (COMMUNICATION_BYTES if deployment.parallelism.gpus > 1 else 0)


class KvPool(NamedTuple):
    """The KV pool of one GPU. `bytes` is negative when nothing is left for it."""

    bytes: float
    blocks: int
    block_bytes: float
    sequence_blocks: int
    """Blocks that one sequence of the length asked for takes."""
    limit: str
    """What bounds it, in words."""


def kv_pool(deployment: Deployment, weights: float, activation: float, sequence_tokens: int) -> KvPool:
    """What weights and activations leave for the cache, in blocks."""
    engine = deployment.engine
    room, limit = pool_bytes(deployment, weights, activation)
    if deployment.model.kind == "encoder":
        return KvPool(min(0.0, room), 0, 0.0, 0, limit)
    sequence_blocks = max(1, math.ceil(sequence_tokens / engine.block_size))
    tokens = sequence_blocks * engine.block_size
    sequence = sequence_cache_bytes(deployment, tokens) + draft_cache_bytes(deployment, tokens)
    block_bytes = sequence / sequence_blocks
    blocks = fixed_blocks(deployment)
    if blocks is None:
        return KvPool(room, max(0, int(room / block_bytes)), block_bytes, sequence_blocks, limit)
    return KvPool(blocks * block_bytes, blocks, block_bytes, sequence_blocks, f"{blocks} blocks as set")


def pool_bytes(deployment: Deployment, weights: float, activation: float) -> tuple[float, str]:
    """Bytes for the KV pool of one GPU, and in words what bounds it."""
    engine, usable = deployment.engine, deployment.node.gpu.memory_usable_bytes
    share = engine.gpu_memory_utilization
    match engine.memory_rule:
        case "total":
            return share * usable - weights - activation, _share_of(share, usable)
        case "total-and-graphs":
            room = share * usable - weights - activation - graph_bytes(deployment)
            return room, f"{_share_of(share, usable)} with graphs"
        case "free":
            free = usable - runtime_bytes(deployment) - weights - activation
            return share * free, _share_of(share, free, " free")
        case "static":
            free = usable - runtime_bytes(deployment)
            return share * free - weights, _share_of(share, free, " for weights and pool")


def _share_of(share: float, total: float, what: str = "") -> str:
    return f"{share:g} x {_mib(total)}{what} = {_mib(share * total)}"


def fixed_blocks(deployment: Deployment) -> int | None:
    """Blocks where the engine does not fill a fraction: an override, or llama.cpp's context size."""
    engine = deployment.engine
    if engine.num_gpu_blocks_override is not None:
        return engine.num_gpu_blocks_override
    if engine.policy != "slots":
        return None
    context = engine.context_tokens or engine.max_model_len or deployment.model.max_context_tokens
    return context // engine.block_size


def _sum(
    deployment: Deployment,
    weights: float,
    activation: float,
    pool: KvPool,
    outside: float,
    sequence_tokens: int,
    missing: float,
) -> str:
    """The addition in words; when it fails, what it fails by."""
    parts = f"{_mib(weights)} weights + {_mib(activation)} activations"
    gpus = deployment.parallelism.gpus
    where = f" per GPU, {gpus} GPUs" if gpus > 1 else ""
    if missing <= 0:
        taken = weights + activation + pool.bytes
        middle = f" + {_mib(pool.bytes)} KV pool = {_mib(taken)} ({pool.limit})"
        if deployment.engine.memory_rule in ("free", "static"):
            middle = f" + {_mib(pool.bytes)} KV pool ({pool.limit})"
        return f"{parts}{middle} + {_mib(outside)} graphs and runtime{where}"
    sequence = pool.sequence_blocks * pool.block_bytes
    if sequence > pool.bytes and deployment.engine.memory_rule != "total":
        left = f"leave {_mib(max(pool.bytes, 0.0))} of {pool.limit}"
        kv = f"one sequence of {sequence_tokens:,} tokens takes {_mib(sequence)}"
        return f"{parts} {left}, {kv}: {_mib(missing)} missing{where}"
    if sequence > pool.bytes:
        needed = weights + activation + sequence
        plural = "" if sequence_tokens == 1 else "s"
        kv = f" + {_mib(sequence)} KV of one sequence of {sequence_tokens} token{plural}"
        have = f"= {_mib(needed)}, against {pool.limit}"
    else:
        needed = weights + activation + pool.bytes + outside
        kv = f" + {_mib(pool.bytes)} KV pool + {_mib(outside)} graphs and runtime"
        usable = deployment.node.gpu.memory_usable_bytes
        have = f"= {_mib(needed)}, against {_mib(usable)} of memory"
    return f"{parts}{kv} {have}: {_mib(missing)} missing{where}"


def _mib(value_bytes: float) -> str:
    """One unit throughout, so that the sum can be checked by eye."""
    return f"{value_bytes / MIB:,.0f} MiB"
