"""What an engine says of itself: its shape, and its state over time. What it does not say is None, never 0."""

from __future__ import annotations

from servemark.domain.record import Record


class EngineFacts(Record, frozen=True, kw_only=True):
    """The shape of an engine, as far as its own endpoints tell."""

    engine: str = ""
    """Key of the engine's sheet: `vllm`, `llama.cpp`."""
    version: str = ""
    source: str = ""
    """Which endpoints told: `/metrics, /slots, /props`."""
    slots: int | None = None
    """Sequences that run at once."""
    context_tokens_per_slot: int | None = None
    kv_pool_tokens: int | None = None
    shared_pool: bool | None = None
    """Sequences take from one pool as they grow; None where unknown."""
    block_size: int | None = None
    kv_blocks: int | None = None
    gpu_memory_utilization: float | None = None
    enable_prefix_caching: bool | None = None
    max_model_len: int | None = None
    template: str | None = None
    """Chat template, where the engine publishes it."""


class EngineSample(Record, frozen=True, kw_only=True):
    """One scrape. Counters are as the engine counts, since its start."""

    at_s: float
    running: int | None = None
    waiting: int | None = None
    kv_used_ratio: float | None = None
    kv_used_tokens: int | None = None
    """Tokens that running sequences hold, where the engine tells."""
    preemptions: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    prefix_query_tokens: int | None = None
    prefix_hit_tokens: int | None = None
    finished: dict[str, int] = {}
    """Requests by how they ended, as the engine says: stop, length, abort, error; `any` where it does not say."""
    rejected: int | None = None
    corrupted: int | None = None
    """Answers with numbers that are none, where the engine counts them."""
    queue_s: tuple[float, float] | None = None
    """Sum and count of its own histogram of queue times."""
    ttft_s: tuple[float, float] | None = None
    itl_s: tuple[float, float] | None = None
    e2e_s: tuple[float, float] | None = None
    process_start_s: float | None = None
    """Its start, in seconds since the epoch: a change means that it restarted."""
