"""How long training takes: FLOPs over utilization, and what does not overlap with them.

FLOPs per token: a forward pass multiplies every active matrix once, 2 per parameter, and attends to half of
the sequence on average. Full training takes three such passes (6 P), frozen weights need no gradient of
their own (4 P), full checkpointing recomputes the forward pass (8 P and 6 P). PaLM, arXiv 2204.02311,
appendix B; Korthikanti et al., arXiv 2205.05198.

Utilization comes with an interval from published runs. MFU counts neither what is recomputed nor what
waits; it is an outcome here, or an input that replaces everything else.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from servemark.domain.gpu import Gpu, Node
from servemark.domain.model import Attention, ModelArch
from servemark.domain.training import Estimate, Layout, Recipe, TrainingTime, Utilization
from servemark.physics.attention import prefill_flop_per_pair
from servemark.physics.collectives import (
    GPUS_PER_SERVER,
    all_reduce_traffic_ratio,
    group_bandwidth_bytes_per_s,
)
from servemark.physics.training import BASE_BYTES, OPTIMIZER_BYTES, TrainedParams, params_per_gpu
from servemark.physics.weights import SIXTEEN_BITS_BYTES, layer_weights
from servemark.physics.work import sixteen_bit_flop_per_s

LAYER_LAUNCH_S: Final = (0.002, 0.005, 0.006)
"""Least time of one layer and micro batch, all passes: kernels launched one by one. Qwen's table (README,
2023-12, A100, Hugging Face Trainer) gives 5 ms at 256 tokens for 1.8B, 7B and 14B alike; compiled or
fused code less."""
DEQUANTIZATION: Final = (2.0, 8.0, 10.0)
"""Time to unpack 4-bit weights over that of reading and writing them at full bandwidth. 9 with GPTQ on an
A100 (Qwen's table, 7B and 14B), 7 with NF4 on an RTX 4090 (torchtune README); fused kernels come near 1."""
UPDATE_BANDWIDTH: Final = 0.8
"""Share of the memory's rate that elementwise kernels reach."""
LINK_EFFICIENCY: Final = 0.8
"""Share of a link's rate that large collectives reach (NCCL's published all-reduce curves, 70-90 %)."""
NETWORK_BYTES_PER_S: Final = {"Hopper": 50e9, "Blackwell": 50e9, "Blackwell Ultra": 100e9}
"""Between servers, per GPU and direction, by architecture of linked GPUs: 400 Gb/s (DGX H100 and B200 data
sheets), 800 Gb/s (DGX B300)."""
LINKED_NETWORK_BYTES_PER_S: Final = 25e9
"""Other linked GPUs: 200 Gb/s (DGX A100 data sheet)."""
PLAIN_NETWORK_BYTES_PER_S: Final = 100e9 / 8 / 8
"""GPUs on PCIe: 100 Gb/s Ethernet of a server over its eight GPUs."""


def training_time(
    model: ModelArch,
    recipe: Recipe,
    layout: Layout,
    gpu: Gpu,
    utilization: Utilization,
    *,
    tokens: int,
    sequence_tokens: int,
    mfu: Estimate | None = None,
    network_bytes_per_s: float | None = None,
) -> TrainingTime:
    """How long `tokens` tokens take.

    Args:
        model: what is trained.
        recipe: what is trained of it, and how.
        layout: over how many GPUs, and in which pieces.
        gpu: the type of all of them.
        utilization: of its dense 16-bit FLOP/s, in the matrix products.
        tokens: all tokens, epochs included.
        sequence_tokens: length of the sequences.
        mfu: model FLOPs over what the GPUs could do in the whole time; then nothing else is modelled.
        network_bytes_per_s: between servers, per GPU and direction.
    """
    work = token_flop(model, recipe, sequence_tokens)
    step_tokens = layout.data * layout.micro_batch * layout.accumulation * sequence_tokens
    steps = math.ceil(tokens / step_tokens)
    peak = sixteen_bit_flop_per_s(gpu) * layout.gpus
    ideal_s = steps * step_tokens * work.model / peak
    if mfu is not None:
        low, value, high = (ideal_s / share for share in (mfu.high, mfu.value, mfu.low))
        compute_ratio = 1.0
    else:
        network = network_bytes_per_s or default_network_bytes_per_s(gpu)
        pieces = _pieces(model, recipe, layout, gpu, sequence_tokens, network)
        share = utilization.share
        best, usual, worst = (
            _step(pieces, layout, case, each)
            for case, each in enumerate((share.high, share.value, share.low))
        )
        low, value, high = (steps * each.total for each in (best, usual, worst))
        compute_ratio = usual.compute / usual.total
    return TrainingTime(
        hardware_flop=steps * step_tokens * work.hardware,
        model_flop=steps * step_tokens * work.model,
        mfu_ratio=Estimate(low=ideal_s / high, value=ideal_s / value, high=ideal_s / low),
        duration_s=Estimate(low=low, value=value, high=high),
        compute_ratio=compute_ratio,
        steps=steps,
        tokens_per_s=Estimate(low=tokens / high, value=tokens / value, high=tokens / low),
    )


class TokenFlop(NamedTuple):
    """FLOPs per token of all GPUs together."""

    forward: float
    model: float
    """What the method needs: what MFU counts."""
    hardware: float
    """With what is recomputed."""


def token_flop(model: ModelArch, recipe: Recipe, sequence_tokens: int) -> TokenFlop:
    """FLOPs per trained token."""
    layers = attention = 0.0
    for group in model.groups:
        held = layer_weights(group, model.hidden)
        layers += 2 * group.count * (held.matrices + held.active_experts)
        window = group.attention.window_tokens if isinstance(group.attention, Attention) else None
        both_ways = model.kind == "encoder"
        seen = sequence_tokens if both_ways else _mean_seen(sequence_tokens, window)
        attention += group.count * prefill_flop_per_pair(group.attention) * seen
    head = 2.0 * model.vocab * model.hidden if model.kind == "decoder" else 0.0
    forward = layers + head + attention
    if recipe.method == "full":
        needed = 3 * forward
    else:
        adapters = params_per_gpu(model, recipe, Layout()).adapters
        head_passes = 3 if recipe.trainable_embeddings else 2
        needed = 2 * layers + head_passes * head + 3 * attention + 6 * adapters
    again = {
        "none": 0.0,
        "selective": attention,
        "full": layers + attention,
        "offloaded": layers + attention,
    }
    return TokenFlop(forward, needed, needed + again[recipe.checkpointing])


def _mean_seen(sequence_tokens: int, window: int | None) -> float:
    """Tokens that a token attends to, on average over the sequence."""
    if window is None or window >= sequence_tokens:
        return (sequence_tokens + 1) / 2
    return window - window * (window - 1) / (2 * sequence_tokens)


def default_network_bytes_per_s(gpu: Gpu) -> float:
    """Between servers, per GPU and direction."""
    if gpu.link is None or gpu.link.optional:
        return PLAIN_NETWORK_BYTES_PER_S
    return NETWORK_BYTES_PER_S.get(gpu.architecture, LINKED_NETWORK_BYTES_PER_S)


class _Pieces(NamedTuple):
    """The parts of one optimizer step, in seconds at the data sheet's rates."""

    compute: float
    """Matrices of one micro batch."""
    launch: float
    """Layers, each of which takes at least its launch time."""
    unpack: float
    tensor: float
    data: float
    """Once per step, like the update."""
    update: float
    backward_ratio: float


def _pieces(
    model: ModelArch,
    recipe: Recipe,
    layout: Layout,
    gpu: Gpu,
    sequence_tokens: int,
    network_bytes_per_s: float,
) -> _Pieces:
    micro_tokens = layout.micro_batch * sequence_tokens
    flop = token_flop(model, recipe, sequence_tokens)
    params = params_per_gpu(model, recipe, layout)
    ranks = layout.tensor * layout.pipeline
    return _Pieces(
        compute=micro_tokens * flop.hardware / ranks / sixteen_bit_flop_per_s(gpu),
        launch=model.layers / layout.pipeline,
        unpack=_unpacking_s(params, recipe, gpu),
        tensor=_tensor_s(model, recipe, layout, gpu, micro_tokens),
        data=_data_s(params, recipe, layout, gpu, network_bytes_per_s),
        update=_update_s(params, recipe, layout, gpu),
        backward_ratio=1 - flop.forward / flop.hardware,
    )


class _Step(NamedTuple):
    compute: float
    total: float


def _step(pieces: _Pieces, layout: Layout, case: int, share: float) -> _Step:
    """Seconds of one optimizer step: fastest (0), usual (1) or slowest (2) case."""
    matrices = pieces.compute / share
    one = max(matrices, pieces.launch * LAYER_LAUNCH_S[case])
    one += pieces.unpack * DEQUANTIZATION[case] + pieces.tensor
    # the pipeline fills and drains once per step (1F1B, arXiv 2104.04473)
    computing = one * (layout.accumulation + layout.pipeline - 1)
    # gradients travel while the rest of the backward pass computes; in the worst case they wait
    hidden = 0.0 if case == 2 else pieces.backward_ratio * computing
    exposed = max(0.0, pieces.data - hidden)
    return _Step(matrices * layout.accumulation, computing + exposed + pieces.update)


def _unpacking_s(params: TrainedParams, recipe: Recipe, gpu: Gpu) -> float:
    """Reading 4-bit matrices and writing them in 16 bits, in every pass of one micro batch."""
    if recipe.base == "bf16":
        return 0.0
    passes = 3 if recipe.checkpointing in ("full", "offloaded") else 2
    moved = params.matrices * (BASE_BYTES[recipe.base] + SIXTEEN_BITS_BYTES)
    return passes * moved / gpu.bandwidth_bytes_per_s


def _tensor_s(model: ModelArch, recipe: Recipe, layout: Layout, gpu: Gpu, micro_tokens: int) -> float:
    """All-reduces of tensor parallelism: two per layer in each pass (Megatron-LM, arXiv 1909.08053)."""
    if layout.tensor == 1:
        return 0.0
    passes = 3 if recipe.checkpointing in ("full", "offloaded") else 2
    sent = 2 * passes * model.layers / layout.pipeline * micro_tokens * model.hidden * SIXTEEN_BITS_BYTES
    node = Node(gpu=gpu, gpus=layout.tensor, peer_to_peer=gpu.peer_to_peer)
    rate = group_bandwidth_bytes_per_s(node, layout.tensor) * LINK_EFFICIENCY
    return sent * all_reduce_traffic_ratio(layout.tensor) / rate


def _update_s(params: TrainedParams, recipe: Recipe, layout: Layout, gpu: Gpu) -> float:
    """The optimizer step: gradients read, weights, moments and master copy read and written."""
    trained = params.base if recipe.method == "full" else params.adapters
    moved = 2 * (OPTIMIZER_BYTES[recipe.optimizer] + SIXTEEN_BITS_BYTES) + SIXTEEN_BITS_BYTES
    shared = layout.data if layout.zero else 1
    return trained * moved / shared / (gpu.bandwidth_bytes_per_s * UPDATE_BANDWIDTH)


def _data_s(
    params: TrainedParams, recipe: Recipe, layout: Layout, gpu: Gpu, network_bytes_per_s: float
) -> float:
    """Gradients (and with ZeRO-3 weights) between the data ranks, per optimizer step.

    Stages 0 and 1 reduce the gradients once per step, stage 2 with every micro batch; stage 3 also gathers
    all weights, frozen ones too, for the forward and the backward pass (ZeRO, arXiv 1910.02054, section 7).
    """
    if layout.data == 1:
        return 0.0
    trained = params.base if recipe.method == "full" else params.adapters
    if recipe.trainable_embeddings:
        trained += params.embeddings
    one_way = all_reduce_traffic_ratio(layout.data) / 2
    gradients = trained * SIXTEEN_BITS_BYTES
    base = SIXTEEN_BITS_BYTES if recipe.method == "full" else BASE_BYTES[recipe.base]
    weights = params.matrices * base + params.rest * SIXTEEN_BITS_BYTES
    micro = layout.accumulation
    sent = {
        0: 2 * gradients,
        1: 2 * gradients,
        2: (micro + 1) * gradients,
        3: micro * (2 * weights + gradients),
    }[layout.zero]
    if layout.gpus > GPUS_PER_SERVER:
        rate = network_bytes_per_s
    else:
        node = Node(gpu=gpu, gpus=layout.gpus, peer_to_peer=gpu.peer_to_peer)
        rate = group_bandwidth_bytes_per_s(node, layout.gpus)
    return sent * one_way / (rate * LINK_EFFICIENCY)


def implied_mfu(model_flop: float, gpu: Gpu, *, gpus: int, duration_s: float) -> float:
    """MFU that a published run of so many GPUs and so long a time comes to."""
    return model_flop / (sixteen_bit_flop_per_s(gpu) * gpus * duration_s)
