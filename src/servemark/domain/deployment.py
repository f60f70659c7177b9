"""What is deployed: model x precision x node x parallelism x replicas x engine settings."""

from __future__ import annotations

from typing import Literal

import msgspec

from servemark.domain.gpu import Node
from servemark.domain.model import ModelArch
from servemark.domain.record import Record


class Parallelism(Record, frozen=True, kw_only=True):
    """How one replica is spread over GPUs."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    """Expert-parallel degree; experts are spread over ranks of the tensor group."""
    data: int = 1
    """Data-parallel attention: the tensor group splits into so many parts that each hold whole sequences,
    with their own copy of everything outside the routed experts."""

    @property
    def attention_tensor(self) -> int:
        """GPUs that share one sequence's attention."""
        return self.tensor // self.data

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.pipeline


class Speculation(Record, frozen=True, kw_only=True):
    """Speculative decoding: k tokens are drafted cheaply, then verified in one step of the model.

    How many are accepted depends on the text and on the pair of models: an input, never a default.
    """

    method: Literal["draft", "ngram", "eagle"]
    """A smaller model, a look-up in the prompt, or one extra layer on the model's hidden states."""
    tokens: int
    """k: tokens drafted per step of the model (`num_speculative_tokens`)."""
    acceptance_ratio: float
    """Chance that a drafted token is accepted, given that those before it were; vLLM logs it as the first of
    its per-position acceptance rates (its draft acceptance rate is lower: accepted over all drafted)."""
    draft: ModelArch | None = None
    """The smaller model; None for the other methods."""

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens of a sequence per step: 1 + a + a^2 + ... + a^k.

        Source: Leviathan, Kalman and Matias 2023, arXiv 2211.17192, equation 1.
        """
        return sum(self.acceptance_ratio**i for i in range(self.tokens + 1))


class EngineMemory(Record, frozen=True, kw_only=True):
    """What an engine takes of a GPU beside weights and KV blocks; `physics/memory.py` adds it up."""

    logit_bytes: float = 37.0
    """Peak of the sampler per sequence and vocabulary entry."""
    library_bytes: float = 50 * 1024.0**2
    """Kernels and workspaces outside PyTorch that the profiling run finds."""
    group_bytes: float = 100 * 1024.0**2
    """The same for communication, where several GPUs serve a replica."""
    nvlink_bytes: float = 0.0
    """More of it where these are joined by NVLink (symmetric memory, fused all-reduce)."""
    keeps_workspace: bool = False
    """The workspace of routed experts stays allocated while the sampler works."""
    windows: Literal["grouped", "exact", "full"] = "exact"
    """Layers with a sliding window or a state: in groups of equal size with full ones, whose pages are
    alike (vLLM); as they are; or cached like full layers."""


class EngineConfig(Record, frozen=True, kw_only=True):
    """Engine and settings, under vLLM's names; other engines' own settings below."""

    name: str = "vllm"
    version: str | None = None
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    gpu_memory_utilization: float = 0.9
    block_size: int = 16
    max_model_len: int | None = None
    enable_chunked_prefill: bool = True
    """Prompts longer than what is left of the token budget are cut; otherwise they wait for a whole one."""
    prefill: Literal["mixed", "alone"] = "mixed"
    """Prompts share a step with decoding sequences (vLLM V1, TensorRT-LLM), or are computed before them in
    steps of their own while decoding pauses (SGLang, vLLM V0)."""
    new_token_ratio: float = 0.0
    """Share of the output still to come that running sequences and newcomers must find room for when a
    request is admitted: 0 in vLLM; SGLang estimates it."""
    scheduler_reserve_full_isl: bool = False
    """A request is admitted only where its whole prompt finds room, not just the part of the next step."""
    enable_prefix_caching: bool = True
    enforce_eager: bool = False
    cuda_graph_sizes: tuple[int, ...] = ()
    """Decode batch sizes captured as CUDA graphs, rising: a batch is padded up to the next one. Above the
    largest, and where empty, steps run eagerly. See `captured_sizes`."""
    memory_rule: Literal["total", "total-and-graphs", "free", "static"] = "total"
    """What `gpu_memory_utilization` is a share of: all memory, for weights, activations and KV pool (vLLM),
    since 0.21 for CUDA graphs too; what is free beside weights and activations, for the KV pool
    (TensorRT-LLM); all memory, for weights and KV pool (SGLang)."""
    memory: EngineMemory = EngineMemory()
    speculative: Speculation | None = None
    num_gpu_blocks_override: int | None = None
    policy: Literal["recompute", "no-evict", "slots"] = "recompute"
    """vLLM preempts and recomputes; TensorRT-LLM admits only what can finish; llama.cpp has slots."""
    shared_context: bool = False
    """llama.cpp: slots share one context pool instead of splitting it."""
    context_tokens: int | None = None
    """llama.cpp: total context over all slots (`n_ctx`)."""

    @property
    def captured_sizes(self) -> tuple[int, ...]:
        """`cuda_graph_sizes` that are captured: none in eager mode, none that no batch ever needs."""
        if self.enforce_eager:
            return ()
        return tuple(size for size in self.cuda_graph_sizes if size <= 2 * self.max_num_seqs)


class Deployment(Record, frozen=True, kw_only=True):
    """One deployment; `replicas` copies behind a router."""

    model: ModelArch
    node: Node
    dtype: str
    """Weights: a key of `PRECISIONS`."""
    kv_dtype: str
    """KV cache: a key of `PRECISIONS`."""
    parallelism: Parallelism = Parallelism()
    replicas: int = 1
    router: Literal["round-robin", "least-loaded"] = "round-robin"
    engine: EngineConfig = EngineConfig()

    @property
    def gpus(self) -> int:
        """GPUs of the whole deployment."""
        return self.replicas * self.parallelism.gpus

    @property
    def group(self) -> Node:
        """The GPUs that exchange activations: of the tensor group, or the stages of the pipeline."""
        plan = self.parallelism
        gpus = plan.tensor if plan.tensor > 1 else plan.pipeline
        return msgspec.structs.replace(self.node, gpus=gpus)

    @property
    def title(self) -> str:
        """`Llama 3.1 8B (bf16) on 1 x L40S`."""
        return f"{self.model.name} ({self.dtype}) on {self.gpus} x {self.node.gpu.name}"
