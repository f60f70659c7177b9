"""Memory of training, part by part, on the fullest GPU.

State: weights, gradients and optimizer of everything that is trained, and the frozen rest. In mixed
precision a trained parameter takes 2 + 2 + 12 bytes (ZeRO, arXiv 1910.02054), in pure bf16 2 + 2 + 4,
with 8-bit moments 2 + 2 + 2 (arXiv 2110.02861). ZeRO divides the optimizer state over the data ranks
(stage 1), gradients too (2), weights too (3; there two layers are held whole).
NF4 with double quantization stores 4 bits, an 8-bit scale per 64 values and a 32-bit one per 256 scales
(QLoRA, arXiv 2305.14314); embeddings, head and norms stay in 16 bits.

Activations: without checkpointing a token keeps 18 h + 10 f bytes per layer (gated; 18 h + 4 f
otherwise) where queries, keys and values are as wide as h and attention is fused (Korthikanti et al.,
arXiv 2205.05198, without their 5 a s^2 term); with full checkpointing the layer's input, 2 h.

On top comes the fullest moment, which is one of three and never their sum: the loss (logits and their
gradients), one layer recomputed in the backward pass, or the optimizer step (gradients in the precision
of the moments). Without accumulation there are no gradients yet while the loss is computed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from servemark.domain.model import (
    Attention,
    AttentionKind,
    Dense,
    Feedforward,
    LatentAttention,
    LayerGroup,
    LinearAttention,
    ModelArch,
    Moe,
)
from servemark.domain.training import (
    Estimate,
    Layout,
    Loss,
    Optimizer,
    PeakMoment,
    Recipe,
    TrainingMemory,
)
from servemark.errors import InputError
from servemark.physics.attention import stage_share
from servemark.physics.weights import SIXTEEN_BITS_BYTES, layer_weights
from servemark.units import GB

OPTIMIZER_BYTES: Final[dict[Optimizer, float]] = {"adamw-mixed": 12.0, "adamw-bf16": 4.0, "adamw-8bit": 2.0}
"""Per trained parameter, beside weights and gradients: master copy and two moments."""
STEP_BYTES: Final[dict[Optimizer, float]] = {"adamw-mixed": 4.0, "adamw-bf16": 0.0, "adamw-8bit": 0.0}
"""What the step holds on top, per trained parameter: gradients in the precision of the moments (PyTorch's
grouped AdamW, DeepSpeed's step). Pure bf16 recipes use the fused kernel, 8-bit optimizers small blocks."""
COPY_STEP_BYTES: Final = 2.0
"""The same for trained copies of the embeddings, whose moments are in 16 bits but grouped."""
BASE_BYTES: Final = {"bf16": 2.0, "nf4": 0.5 + 1 / 64 + 4 / (64 * 256), "int4": 0.5 + 2.5 / 128}
"""Per value of a frozen matrix."""
LOGIT_BYTES: Final[dict[Loss, float]] = {"fp32": 12.0, "bf16": 8.0, "chunked": 2.5, "fused": 0.0}
"""Per logit at the peak. fp32: log-probabilities, their gradient and that of the logits, 4 bytes each; bf16:
the same and the logits, 2 bytes each; chunked: 16-bit logits and the 32-bit copy of one chunk in eight;
fused: the logits of a few tokens at a time."""
CONTEXT_BYTES: Final = 1.0 * GB
"""CUDA context, cuBLAS and cuDNN workspaces."""
COMMUNICATION_BYTES: Final = 1.0 * GB
"""Where several GPUs train: two buckets of 2e8 16-bit values (DeepSpeed's defaults) and NCCL's buffers."""
FRAGMENTATION: Final = (1.0, 1.05, 1.25)
"""Allocator waste as a factor: none; the middle of the 3 to 10 % usually quoted; a careless pattern."""
GATHERED_LAYERS: Final = 2
"""Layers that ZeRO-3 holds whole: the one that computes and the one fetched ahead."""


def training_memory(
    model: ModelArch, recipe: Recipe, layout: Layout, *, sequence_tokens: int
) -> TrainingMemory:
    """What the fullest GPU holds at its peak.

    Args:
        model: what is trained.
        recipe: what is trained of it, and how.
        layout: each data rank takes `micro_batch` sequences at a time.
        sequence_tokens: length that every sequence is packed or padded to.

    Raises:
        InputError: a layer for whose training nobody has a formula (linear attention).
    """
    params = params_per_gpu(model, recipe, layout)
    state = _state(params, recipe, layout)
    tokens = layout.micro_batch * sequence_tokens
    kept = tokens * kept_bytes_per_token(model, recipe, layout)
    moment, peak = _fullest(model, recipe, layout, params, state, kept, tokens)
    weights = state.weights + (_gathered_bytes(model, recipe, layout) if layout.zero == 3 else 0.0)
    allocated = weights + state.optimizer + peak.gradients + peak.kept + peak.working
    runtime = CONTEXT_BYTES + (COMMUNICATION_BYTES if layout.gpus > 1 else 0.0)
    low, value, high = (allocated * factor + runtime for factor in FRAGMENTATION)
    return TrainingMemory(
        weights_bytes=weights,
        gradients_bytes=peak.gradients,
        optimizer_bytes=state.optimizer,
        activations_bytes=peak.kept,
        peak_bytes=peak.working,
        peak_of=moment,
        allocated_bytes=allocated,
        runtime_bytes=runtime,
        total_bytes=Estimate(low=low, value=value, high=high),
    )


class TrainedParams(NamedTuple):
    """Parameters on the fullest GPU before ZeRO divides anything."""

    matrices: float
    """Of the layers: what a quantized base stores in 4 bits."""
    rest: float
    """Norms, embedding, head: always 16 bits."""
    embeddings: float
    """Embedding and head alone."""
    adapters: float
    """0 in full fine-tuning."""

    @property
    def base(self) -> float:
        return self.matrices + self.rest


def params_per_gpu(model: ModelArch, recipe: Recipe, layout: Layout) -> TrainedParams:
    """Parameters on the fullest GPU of a tensor- and pipeline-parallel group."""
    share = stage_share(model, layout.pipeline)
    matrices = norms = adapters = 0.0
    for group in model.groups:
        held = layer_weights(group, model.hidden, tensor=layout.tensor)
        matrices += group.count * (held.matrices + held.experts)
        norms += group.count * held.norms
        if recipe.method != "full":
            adapters += group.count * recipe.rank * _adapter_width(group, model.hidden) / layout.tensor
    embeddings = model.embedding_params / layout.tensor
    if layout.pipeline > 1 and not model.tied_embeddings:
        embeddings /= 2  # the first stage has the embedding, the last the head
    rest = share * norms + embeddings + model.other_params
    return TrainedParams(share * matrices, rest, embeddings, share * adapters)


class _State(NamedTuple):
    weights: float
    gradients: float
    optimizer: float
    step: float
    """What the optimizer step holds on top."""


def _state(params: TrainedParams, recipe: Recipe, layout: Layout) -> _State:
    """Bytes of weights, gradients and optimizer state on one GPU."""
    base = BASE_BYTES[recipe.base]
    trained = params.base if recipe.method == "full" else params.adapters
    copies = params.embeddings if recipe.trainable_embeddings else 0.0
    frozen = 0.0
    if recipe.method != "full":
        frozen = params.matrices * base + params.rest * SIXTEEN_BITS_BYTES
    held = (trained + copies) * SIXTEEN_BITS_BYTES
    # PEFT trains copies in the base's 16 bits, and the moments follow the parameter
    optimizer = trained * OPTIMIZER_BYTES[recipe.optimizer] + copies * OPTIMIZER_BYTES["adamw-bf16"]
    step = trained * STEP_BYTES[recipe.optimizer] + copies * COPY_STEP_BYTES
    over = {stage: layout.data if layout.zero >= stage else 1 for stage in (1, 2, 3)}
    gradients = 0.0 if recipe.optimizer_in_backward else held / over[2]
    return _State((frozen + held) / over[3], gradients, optimizer / over[1], step / over[1])


class _Moment(NamedTuple):
    """One moment of a step: what is there beside weights and optimizer state."""

    gradients: float
    kept: float
    working: float

    @property
    def total(self) -> float:
        return self.gradients + self.kept + self.working


def _fullest(
    model: ModelArch,
    recipe: Recipe,
    layout: Layout,
    params: TrainedParams,
    state: _State,
    kept: float,
    tokens: int,
) -> tuple[PeakMoment, _Moment]:
    """The moment of a step at which most is held."""
    before = state.gradients if layout.accumulation > 1 else 0.0
    classes = model.vocab if model.kind == "decoder" else 0
    logits = LOGIT_BYTES[recipe.loss] * classes * tokens / layout.tensor
    widest = max(_all_kept_bytes(group, model.hidden) for group in model.groups)
    layer = tokens * widest / layout.tensor
    one_layer = kept / max(1.0, model.layers * stage_share(model, layout.pipeline))
    fused = (
        _largest_matrix_params(model, params) * SIXTEEN_BITS_BYTES if recipe.optimizer_in_backward else 0.0
    )
    moments: dict[PeakMoment, _Moment] = {
        "loss": _Moment(before, kept, logits),
        "layer": max(
            _Moment(before, kept, 0.0 if recipe.checkpointing == "none" else layer),
            _Moment(state.gradients, one_layer, layer + fused),
            key=lambda moment: moment.total,
        ),
        "optimizer": _Moment(state.gradients, 0.0, 0.0 if recipe.optimizer_in_backward else state.step),
    }
    return max(moments.items(), key=lambda item: item[1].total)


def kept_bytes_per_token(model: ModelArch, recipe: Recipe, layout: Layout) -> float:
    """Bytes that the forward pass keeps for the backward pass, per token of a micro batch, on one GPU.

    Tensor parallelism divides them (with sequence parallelism, arXiv 2205.05198); the first stage of a
    pipeline keeps as many micro batches as there are stages (1F1B, arXiv 2104.04473).
    """
    per_layer = {
        "none": _all_kept_bytes,
        "selective": _matrix_kept_bytes,
        "full": _input_bytes,
        "offloaded": _no_bytes,
    }[recipe.checkpointing]
    layers = sum(group.count * per_layer(group, model.hidden) for group in model.groups)
    flying = min(layout.pipeline, max(1, layout.accumulation))
    return layers * stage_share(model, layout.pipeline) * flying / layout.tensor


def _no_bytes(group: LayerGroup, hidden: int) -> float:
    return 0.0


def _input_bytes(group: LayerGroup, hidden: int) -> float:
    return SIXTEEN_BITS_BYTES * hidden


def _all_kept_bytes(group: LayerGroup, hidden: int) -> float:
    """One layer without checkpointing: inputs and outputs of both norms, residuals, queries, keys, values,
    the attention's output, and the feed-forward part's intermediate tensors. 18 h where q = k = v = h.
    """
    queries, keys, values, out = _attention_widths(group.attention)
    width, gated = _feedforward_width(group.feedforward)
    return 10 * hidden + 2 * (queries + keys + values + out) + (10 if gated else 4) * width


def _matrix_kept_bytes(group: LayerGroup, hidden: int) -> float:
    """One layer with selective checkpointing: its input and what the matrices and attention put out."""
    queries, keys, values, out = _attention_widths(group.attention)
    width, gated = _feedforward_width(group.feedforward)
    return 6 * hidden + 2 * (queries + keys + values + out) + (4 if gated else 2) * width


def _attention_widths(attention: AttentionKind) -> tuple[int, int, int, int]:
    """Values per token: queries, keys, values, output.

    Raises:
        InputError: linear attention.
    """
    match attention:
        case Attention(heads=heads, kv_heads=kv_heads, head_dim=d):
            return heads * d, kv_heads * d, kv_heads * d, heads * d
        case LatentAttention(heads=heads, v_head_dim=v):
            qk = attention.qk_nope_head_dim + attention.qk_rope_head_dim
            return heads * qk, heads * qk, heads * v, heads * v
        case LinearAttention():
            raise InputError(
                "model",
                expected="attention whose training memory is known (full, windowed or latent)",
                found="linear attention",
            )


def _feedforward_width(part: Feedforward | None) -> tuple[int, bool]:
    """Values per token between the matrices, and whether there is a gate."""
    match part:
        case None:
            return 0, False
        case Dense(intermediate=width, gated=gated):
            return width, gated
        case Moe(experts_per_token=k, intermediate=width, gated=gated):
            return k * width + part.shared_intermediate, gated


def _adapter_width(group: LayerGroup, hidden: int) -> float:
    """Inputs and outputs of every matrix of one layer: parameters of its adapters per rank."""
    match group.attention:
        case Attention():
            q, k, v, out = _attention_widths(group.attention)
            attention = (hidden + q) + (hidden + k) + (hidden + v) + (out + hidden)
        case LatentAttention(heads=heads, q_lora_rank=low, kv_lora_rank=kv, v_head_dim=v):
            q = heads * (group.attention.qk_nope_head_dim + group.attention.qk_rope_head_dim)
            attention = (hidden + low) + (low + q) if low else hidden + q
            attention += hidden + kv + group.attention.qk_rope_head_dim
            attention += kv + heads * (group.attention.qk_nope_head_dim + v) + heads * v + hidden
        case LinearAttention():
            attention = sum(_attention_widths(group.attention))
    match group.feedforward:
        case None:
            return attention
        case Dense(intermediate=width, gated=gated):
            return attention + (3 if gated else 2) * (hidden + width)
        case Moe(experts=experts, intermediate=width, gated=gated, shared_intermediate=shared):
            matrices = 3 if gated else 2
            return attention + matrices * (experts * (hidden + width) + (hidden + shared if shared else 0))


def _gathered_bytes(model: ModelArch, recipe: Recipe, layout: Layout) -> float:
    """The layers that ZeRO-3 holds whole, beyond this GPU's own share of them."""
    base = BASE_BYTES[recipe.base] if recipe.method != "full" else SIXTEEN_BITS_BYTES
    largest = 0.0
    for group in model.groups:
        held = layer_weights(group, model.hidden, tensor=layout.tensor)
        largest = max(largest, (held.matrices + held.experts) * base + held.norms * SIXTEEN_BITS_BYTES)
    return GATHERED_LAYERS * largest * (1 - 1 / layout.data)


def _largest_matrix_params(model: ModelArch, params: TrainedParams) -> float:
    """The largest single parameter: its gradient is there even where the optimizer is fused."""
    embedding = params.embeddings / (1 if model.tied_embeddings else 2)
    return max(embedding, params.matrices / model.layers / 3)
