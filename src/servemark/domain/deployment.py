"""What is deployed: model x precision x node x parallelism x replicas x engine settings."""

from __future__ import annotations

from typing import Literal

from servemark.domain.gpu import Node
from servemark.domain.model import ModelArch
from servemark.domain.record import Record


class Parallelism(Record, frozen=True, kw_only=True):
    """How one replica is spread over GPUs."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    """Expert-parallel degree; experts are spread over ranks of the tensor group."""

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.pipeline


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
    enable_prefix_caching: bool = True
    enforce_eager: bool = False
    num_gpu_blocks_override: int | None = None
    policy: Literal["recompute", "no-evict", "slots"] = "recompute"
    """vLLM preempts and recomputes; TensorRT-LLM admits only what can finish; llama.cpp has slots."""
    shared_context: bool = False
    """llama.cpp: slots share one context pool instead of splitting it."""
    context_tokens: int | None = None
    """llama.cpp: total context over all slots (`n_ctx`)."""


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
    def title(self) -> str:
        """`Llama 3.1 8B (bf16) on 1 x L40S`."""
        return f"{self.model.name} ({self.dtype}) on {self.gpus} x {self.node.gpu.name}"
