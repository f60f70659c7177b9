"""The memory budget of one GPU of a deployment, part by part."""

from __future__ import annotations

from servemark.domain.deployment import Deployment
from servemark.domain.record import Record


class MemoryBudget(Record, frozen=True, kw_only=True):
    """What one GPU's memory goes to. Bytes per GPU, except the KV counts (per replica)."""

    fits: bool
    usable_bytes: float
    """CUDA's total: what `gpu_memory_utilization` multiplies."""
    total_reported_bytes: float
    """nvidia-smi's total."""
    weights_bytes: float
    activation_bytes: float
    """Peak of the profiling run: `max_num_batched_tokens` through the widest layer and the head."""
    graph_bytes: float
    """CUDA-graph pool, allocated outside the fraction."""
    runtime_bytes: float
    """CUDA context, communication buffers, allocator slack: outside the fraction."""
    kv_pool_bytes: float
    """What is left for the KV cache; negative when the sum fails."""
    kv_bytes_per_token: float
    """Per replica GPU: bytes that one token adds to this GPU's cache."""
    kv_blocks: int
    kv_tokens: int
    reserved_bytes: float
    """What the engine takes before any user comes: fraction x usable."""
    reported_bytes: float
    """What nvidia-smi then shows as used: reserved + graphs + runtime."""
    needed_bytes: float
    """The least that serves one sequence of the longest context asked for."""
    missing_bytes: float | None = None
    """How much is missing per GPU when it does not fit."""
    sum: str = ""
    """The addition in words, for people."""


class Fit(Record, frozen=True, kw_only=True):
    """Whether a deployment fits, with the budget of one of its GPUs."""

    deployment: Deployment
    memory: MemoryBudget
    sequence_tokens: int
    """Length of the sequence that has to fit beside the weights."""

    @property
    def sequences(self) -> int:
        """Sequences of that length that one replica's KV pool holds at once."""
        return self.memory.kv_tokens // max(1, self.sequence_tokens)
