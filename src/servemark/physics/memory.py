"""The memory budget of one GPU: weights, activations, KV pool, graphs and runtime, each its own line.

How vLLM divides a GPU: `gpu_memory_utilization` x CUDA's total is what it may take; weights and the
peak of a profiling run are subtracted, and all that is left becomes the KV pool, before any user comes.
CUDA context and captured graphs come on top. nvidia-smi therefore *reports* nearly the whole card,
whatever is *needed*.

The constants were derived once, from two readings of vLLM with Llama 3.1 8B in BF16 at 0.90. RTX 4090,
24,081 MiB, 256 sequences, 2,048 batched tokens: 2,588 blocks of 16 tokens (LLMServingSim 2.0, vLLM 0.19),
which leaves 1,180 MiB for activations. L40S, 45,486 MiB: nvidia-smi shows 42,055 MiB, which is 1,118 MiB
beyond the fraction.
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
from servemark.physics.attention import heads_per_rank, sequence_bytes
from servemark.physics.weights import SIXTEEN_BITS_BYTES, weight_bytes_per_gpu
from servemark.units import KIB, MIB

SORTING_SAMPLER_BYTES_PER_LOGIT = 38.0
"""vLLM's profiling run samples with top-k and top-p: logits in 16 and 32 bits, sorted values, 64-bit
indices, probabilities, running sums, masks and random numbers. The RTX 4090 reading gives 37.7, and
1.26 GiB for the same model on an H100, whatever the tensor parallelism (vLLM PR 10511), 41."""
PLAIN_SAMPLER_BYTES_PER_LOGIT = 6.0
"""TensorRT-LLM and llama.cpp do not sort: logits in 16 and in 32 bits."""
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
    weights, activation = weight_bytes_per_gpu(deployment), activation_bytes(deployment)
    graph, runtime = graph_bytes(deployment), runtime_bytes(deployment)
    pool = kv_pool(deployment, weights + activation, sequence_tokens)
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
    """Peak of the profiling run: `max_num_batched_tokens` through the widest layer, or the sampler.

    A layer holds its input, the residual and its widest intermediate tensors in 16 bits. They are freed
    before the sampler works on `max_num_seqs` sequences over the whole vocabulary, so the larger counts.
    """
    model, engine = deployment.model, deployment.engine
    tensor = deployment.parallelism.tensor
    widest = max(layer_width(group, model.hidden, tensor) for group in model.groups)
    layer = engine.max_num_batched_tokens * (2 * model.hidden + widest) * SIXTEEN_BITS_BYTES
    if model.kind == "encoder":
        return layer
    sorting = engine.policy == "recompute"
    per_logit = SORTING_SAMPLER_BYTES_PER_LOGIT if sorting else PLAIN_SAMPLER_BYTES_PER_LOGIT
    return max(layer, engine.max_num_seqs * model.vocab * per_logit)


def layer_width(group: LayerGroup, hidden: int, tensor: int) -> float:
    """Values per token in the widest part of a layer on one GPU.

    Feed-forward: up-projections and their product; for routed experts also the k outputs before they
    are added. Attention: queries, keys, values and output.
    """
    match group.attention:
        case Attention(heads=heads, kv_heads=kv_heads, head_dim=d):
            own, kv = heads_per_rank(heads, tensor), heads_per_rank(kv_heads, tensor)
            attention = (2 * own + 2 * kv) * d
        case LatentAttention(heads=heads, v_head_dim=v, qk_nope_head_dim=nope):
            width = 2 * (nope + group.attention.qk_rope_head_dim) + 2 * v
            attention = heads_per_rank(heads, tensor) * width
        case LinearAttention():
            attention = 4 * hidden / tensor
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
    return len(captured_batch_sizes(engine.max_num_seqs)) * layers * GRAPH_BYTES_PER_LAYER


def captured_batch_sizes(max_num_seqs: int) -> tuple[int, ...]:
    """Batch sizes vLLM captures: 1, 2, 4, every 8 up to 256, every 16 up to min(2 x seqs, 512).

    Versions 0.19 and 0.28 log exactly these.
    """
    top = min(2 * max_num_seqs, 512)
    sizes = (1, 2, 4, *range(8, 256, 8), *range(256, 513, 16))
    return tuple(size for size in sizes if size <= top)


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


def kv_pool(deployment: Deployment, taken_bytes: float, sequence_tokens: int) -> KvPool:
    """What weights and activations (`taken_bytes`) leave for the cache, in blocks."""
    engine, usable = deployment.engine, deployment.node.gpu.memory_usable_bytes
    allowed = engine.gpu_memory_utilization * usable
    limit = f"{engine.gpu_memory_utilization:g} x {_mib(usable)} = {_mib(allowed)}"
    if deployment.model.kind == "encoder":
        return KvPool(min(0.0, allowed - taken_bytes), 0, 0.0, 0, limit)
    sequence_blocks = max(1, math.ceil(sequence_tokens / engine.block_size))
    tokens = sequence_blocks * engine.block_size
    plan = deployment.parallelism
    block_bytes = (
        sequence_bytes(
            deployment.model,
            tokens,
            bytes_per_value=PRECISIONS[deployment.kv_dtype].bytes_per_value,
            tensor=plan.tensor,
            pipeline=plan.pipeline,
        )
        / sequence_blocks
    )
    blocks = fixed_blocks(deployment)
    if blocks is None:
        pool = allowed - taken_bytes
        return KvPool(pool, max(0, int(pool / block_bytes)), block_bytes, sequence_blocks, limit)
    return KvPool(blocks * block_bytes, blocks, block_bytes, sequence_blocks, f"{blocks} blocks as set")


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
        return f"{parts}{middle} + {_mib(outside)} graphs and runtime{where}"
    sequence = pool.sequence_blocks * pool.block_bytes
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
