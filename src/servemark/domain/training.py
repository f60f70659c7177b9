"""Training: what is trained and how, what it takes of each GPU, and the ranked answer."""

from __future__ import annotations

from typing import Literal

from servemark.domain.bill import Bill
from servemark.domain.gpu import Gpu
from servemark.domain.model import ModelArch
from servemark.domain.offer import Offer
from servemark.domain.record import Record

Method = Literal["full", "lora", "qlora"]
Optimizer = Literal["adamw-mixed", "adamw-bf16", "adamw-8bit"]
Checkpointing = Literal["none", "selective", "full", "offloaded"]
Loss = Literal["fp32", "bf16", "chunked", "fused"]
ZeroStage = Literal[0, 1, 2, 3]
PeakMoment = Literal["loss", "layer", "optimizer"]
TrainingReason = Literal["does_not_fit", "slo", "budget", "unsupported", "dominated"]
"""The vocabulary of every plan; `slo` means that it takes more hours than were promised."""


class Estimate(Record, frozen=True, kw_only=True):
    """A number with the interval that its inputs leave open; the field that holds it names the unit."""

    low: float
    value: float
    high: float


class Utilization(Record, frozen=True, kw_only=True):
    """Share of a GPU's dense 16-bit FLOP/s that the matrix products of a large transformer reach."""

    key: str
    """The class of GPUs that it was published for, or `given`."""
    share: Estimate
    source: str
    date: str = ""
    assumed: bool = False
    """Nobody published a figure for this class."""


class Recipe(Record, frozen=True, kw_only=True):
    """How the weights are changed: what is trained, in which precision, what is recomputed."""

    method: Method = "lora"
    optimizer: Optimizer = "adamw-mixed"
    """`adamw-mixed`: 16-bit weights and gradients, 32-bit master copy and moments; `adamw-bf16`: all in
    16 bits; `adamw-8bit`: 8-bit moments."""
    optimizer_in_backward: bool = False
    """Each gradient is applied and freed as soon as it is there."""
    base: Literal["bf16", "nf4", "int4"] = "bf16"
    """Storage of the frozen weights: NF4 with double quantization, or GPTQ in groups of 128."""
    rank: int = 16
    """Of the adapters, on every matrix of every layer."""
    trainable_embeddings: bool = False
    """Copies of embedding and head are trained beside the adapters."""
    checkpointing: Checkpointing = "full"
    loss: Loss = "fp32"


class Layout(Record, frozen=True, kw_only=True):
    """How one model is spread: data x tensor x pipeline, and what the data ranks share of its state."""

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    zero: ZeroStage = 0
    """What is divided over the data ranks: 1 optimizer state, 2 gradients too, 3 weights too (FSDP)."""
    micro_batch: int = 1
    """Sequences that one data rank takes at a time."""
    accumulation: int = 1
    """Micro batches per optimizer step."""

    @property
    def gpus(self) -> int:
        """All of them."""
        return self.data * self.tensor * self.pipeline


class TrainingMemory(Record, frozen=True, kw_only=True):
    """What the fullest GPU holds at its peak, part by part."""

    weights_bytes: float
    gradients_bytes: float
    optimizer_bytes: float
    """Moments and master copy."""
    activations_bytes: float
    """What the forward pass keeps for the backward pass."""
    peak_bytes: float
    """What comes on top at the fullest moment: loss, one layer recomputed, or the optimizer step."""
    peak_of: PeakMoment
    allocated_bytes: float
    """All of the above: what the framework's allocator counts."""
    runtime_bytes: float
    """CUDA context, workspaces, communication buffers."""
    total_bytes: Estimate
    """With fragmentation."""


class TrainingTime(Record, frozen=True, kw_only=True):
    """How long a run takes and where the time goes."""

    hardware_flop: float
    """Of the whole run, with what is recomputed."""
    model_flop: float
    """Without: what MFU counts."""
    mfu_ratio: Estimate
    duration_s: Estimate
    compute_ratio: float
    """Share of the duration in matrices; the rest is dequantization, communication and pipeline bubbles."""
    steps: int
    tokens_per_s: Estimate


STARTUP_S = Estimate(low=180.0, value=300.0, high=900.0)
"""From the order to the first step, on every GPU: a cloud machine boots in 1 to 5 minutes, then comes the image,
the weights and the compilation. It is paid for like the rest."""


class TrainingQuestion(Record, frozen=True, kw_only=True):
    """What is to be trained, within which limits, on which hardware."""

    model: ModelArch
    tokens: int
    """All tokens that are trained on, epochs included."""
    tokens_source: str = ""
    """How words became tokens, where words were given."""
    recipe: Recipe = Recipe()
    checkpointing: Checkpointing | None = None
    """Only this kind; None = the fastest that fits."""
    sequence_tokens: int = 2048
    batch_tokens: int = 65536
    """Tokens of one optimizer step, all GPUs together."""
    gpus: tuple[Gpu, ...]
    counts: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    offers: tuple[Offer, ...] = ()
    priced_only: bool = False
    """What no offer covers is unsupported: a budget or providers were named."""
    max_s: float | None = None
    budget_usd: float | None = None
    """For the whole run."""
    took_s: float | None = None
    """How long a published run took: the MFU it implies is part of the answer."""
    startup_s: Estimate = STARTUP_S
    mfu: Estimate | None = None
    """Instead of the sourced default; then communication is in it, too."""
    network_bytes_per_s: float | None = None
    """Between servers, per GPU and direction, instead of the sourced default."""


class TrainingCandidate(Record, frozen=True, kw_only=True):
    """One way to do it."""

    gpu: str
    gpus: int
    recipe: Recipe
    layout: Layout
    memory: TrainingMemory
    usable_bytes: float
    time: TrainingTime
    total_s: Estimate
    """With start-up: what is paid for, and what the limit is held against."""
    utilization: Utilization
    bill: Bill | None = None
    """The cheapest dated offer that holds the GPUs, or an undated one; None = no offer, ranked by time."""
    cost_usd: Estimate | None = None
    marks: tuple[str, ...] = ()
    """What a reader should know: tight memory, hours that may be exceeded, an undated price."""

    safe: bool = True
    """It keeps every limit at the unfavourable end of its intervals, too."""


class TrainingRejection(Record, frozen=True, kw_only=True):
    """One way that lost, and why."""

    gpu: str
    gpus: int
    recipe: Recipe
    layout: Layout
    reason: TrainingReason
    detail: str
    excess_ratio: float | None = None
    """By how much, as a share: memory over what there is, hours over the limit, dollars over the budget."""
    fastest: bool = False
    """The fastest setting of its GPU and count: it fits, and lost against a limit or another GPU."""


class ImpliedMfu(Record, frozen=True, kw_only=True):
    """What a published run comes to: so many GPUs of one type for so long."""

    gpu: str
    gpus: int
    duration_s: float
    mfu_ratio: float
    recomputed_ratio: float
    """With the forward pass counted twice, as runs with full checkpointing are often quoted (HFU)."""
    usual: Utilization
    """What others reach there, in matrices."""


class TrainingPlan(Record, frozen=True, kw_only=True):
    """The ranked answer. Every enumerated way is the choice, an alternative or a rejection."""

    question: TrainingQuestion
    choice: TrainingCandidate | None
    alternatives: tuple[TrainingCandidate, ...]
    """Not dominated: dearer but faster, or without a dated price. Cheapest first."""
    rejected: tuple[TrainingRejection, ...]
    candidates_evaluated: int
    """choice + alternatives + rejected."""
    elapsed_s: float
    nearest: TrainingRejection | None = None
    """Where there is no choice: the one that misses by least."""
    remedies: tuple[str, ...] = ()
    """What would make it feasible."""
    implied: ImpliedMfu | None = None
    """Where the question says how long a published run took, on one GPU type and count."""
