"""How engines differ in what they promise a request before it runs.

vLLM takes blocks as a sequence grows and, when none is left, preempts the newest and recomputes it later.
TensorRT-LLM (guaranteed no evict) admits a request only when all the blocks it can ever need are free.
llama.cpp has fixed slots: each with its share of the context, or all drawing on one pool; when that pool is
exhausted, every request in flight breaks (llama.cpp server, `kv_unified`, observed November 2026).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from servemark.domain.deployment import EngineConfig
from servemark.errors import InputError
from servemark.simulation.blocks import blocks_of


class Policy(NamedTuple):
    """What a replica grants."""

    blocks: int
    block_size: int
    most_tokens: int
    """Input plus output that one request may come to."""
    because: str
    """What sets `most_tokens`, for people."""
    caches: bool = False
    """Full prompt blocks with a known hash are reused."""
    cuts: bool = False
    """An answer that outgrows `most_tokens` is cut short there; elsewhere the request is refused."""
    breaks: bool = False
    """When no block is left, everything in flight breaks; elsewhere the newest is preempted."""
    reserve: Callable[[int], int] | None = None
    """Input plus output tokens -> blocks taken at admission; None = taken as the sequence grows."""

    def refusal(self, input_tokens: int, output_tokens: int) -> str | None:
        """Why such a request can never be served; None = it can."""
        asked = input_tokens + (1 if self.cuts else output_tokens)
        if asked <= self.most_tokens:
            return None
        return (
            f"{input_tokens} input and {output_tokens} output tokens exceed the {self.most_tokens} "
            f"that one request may hold ({self.because})"
        )

    def granted(self, input_tokens: int, output_tokens: int) -> int:
        """Output tokens that such a request will get."""
        return min(output_tokens, self.most_tokens - input_tokens) if self.cuts else output_tokens


def policy_of(engine: EngineConfig, kv_blocks: int) -> Policy:
    """The policy of an engine with a KV pool of `kv_blocks` blocks.

    Raises:
        InputError: a setting is not positive, or the token budget cannot hold one token per sequence
            (vLLM refuses that too).
    """
    _check(engine, kv_blocks)
    if engine.policy == "slots":
        return _slots(engine, kv_blocks)
    size = engine.block_size
    limits = [(kv_blocks * size, "KV pool")]
    if engine.max_model_len is not None:
        limits.append((engine.max_model_len, "max_model_len"))
    if not engine.enable_chunked_prefill:
        limits.append((engine.max_num_batched_tokens, "max_num_batched_tokens without chunked prefill"))
    most, because = min(limits)
    return Policy(
        blocks=kv_blocks, block_size=size, most_tokens=most, because=because,
        caches=engine.enable_prefix_caching,
        reserve=(lambda tokens: blocks_of(tokens, size)) if engine.policy == "no-evict" else None,
    )  # fmt: skip


def _slots(engine: EngineConfig, kv_blocks: int) -> Policy:
    """llama.cpp. A shared pool counts single tokens; of split slots only the number is counted."""
    context = engine.context_tokens or kv_blocks * engine.block_size
    window = context if engine.shared_context else context // engine.max_num_seqs
    most, because = min(
        (window, "context" if engine.shared_context else "context of a slot"),
        (engine.max_model_len or window, "max_model_len"),
    )
    if engine.shared_context:
        return Policy(
            blocks=context, block_size=1, most_tokens=most, because=because, cuts=True, breaks=True
        )
    return Policy(
        blocks=engine.max_num_seqs, block_size=engine.block_size, most_tokens=most, because=because,
        cuts=True, reserve=lambda _: 1,
    )  # fmt: skip


def _check(engine: EngineConfig, kv_blocks: int) -> None:
    positive = {
        "kv_blocks": kv_blocks,
        "engine.block_size": engine.block_size,
        "engine.max_num_seqs": engine.max_num_seqs,
    }
    for path, value in positive.items():
        if value < 1:
            raise InputError(path, expected="at least 1", found=value)
    if engine.max_num_batched_tokens < engine.max_num_seqs:
        raise InputError(
            "engine.max_num_batched_tokens",
            expected=f"at least max_num_seqs ({engine.max_num_seqs})",
            found=engine.max_num_batched_tokens,
        )
