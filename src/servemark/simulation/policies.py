"""How engines differ: what a request is promised before it runs, and with whom it shares a step.

vLLM takes blocks as a sequence grows and, when none is left, preempts the newest and recomputes it later;
prompts share steps with decoding sequences. TensorRT-LLM (guaranteed no evict) admits a request only when
all the blocks it can ever need are free; a prompt that is not chunked waits until it fits into a step.
SGLang computes prompts in steps of their own, before any decode, and admits a request only where there is
room for it and for a share of what the running ones have yet to write.
llama.cpp has fixed slots: each with its share of the context, or all drawing on one pool; when that pool is
exhausted, every request in flight breaks (llama.cpp server, `kv_unified`, observed November 2026).
"""

from __future__ import annotations

import msgspec

from servemark.domain.deployment import EngineConfig
from servemark.errors import InputError


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica grants."""

    blocks: int
    block_size: int
    most_tokens: int
    """Input plus output that one request may come to."""
    because: str
    """What sets `most_tokens`, for people."""
    longest_prompt: int | None = None
    """Tokens of the longest prompt that fits into a step, where prompts are not cut."""
    chunks: bool = True
    """Prompts are computed in parts that fit the token budget; elsewhere they wait for a step that fits."""
    alone: bool = False
    """Prompts are computed in steps of their own, before any decode."""
    ahead_ratio: float = 0.0
    """Share of the output still to come that is kept free for running sequences at an admission."""
    looks_ahead: bool = False
    """At admission there is room for the whole prompt (and, with an `ahead_ratio`, for its output)."""
    caches: bool = False
    """Full prompt blocks with a known hash are reused."""
    cuts: bool = False
    """An answer that outgrows `most_tokens` is cut short there; elsewhere the request is refused."""
    breaks: bool = False
    """When no block is left, everything in flight breaks; elsewhere the newest is preempted."""
    reserves: bool = False
    """All blocks are taken at admission, for input and output; elsewhere as the sequence grows."""

    def refusal(self, input_tokens: int, output_tokens: int) -> str | None:
        """Why such a request can never be served; None = it can."""
        if input_tokens < 1 or output_tokens < 1:
            return f"{input_tokens} input and {output_tokens} output tokens: at least one each is needed"
        if self.longest_prompt is not None and input_tokens > self.longest_prompt:
            return (
                f"{input_tokens} input tokens exceed the {self.longest_prompt} of a step "
                "(max_num_batched_tokens without chunked prefill)"
            )
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
    reserves, whole = engine.policy == "no-evict", not engine.enable_chunked_prefill
    if whole and not reserves:
        # a preempted sequence comes back with its answer so far as part of its prompt
        limits.append((engine.max_num_batched_tokens, "max_num_batched_tokens without chunked prefill"))
    most, because = min(limits)
    alone = engine.prefill == "alone"
    ahead = alone or engine.scheduler_reserve_full_isl or engine.new_token_ratio > 0
    return Policy(
        blocks=kv_blocks,
        block_size=size,
        most_tokens=most,
        because=because,
        longest_prompt=engine.max_num_batched_tokens if whole else None,
        chunks=not whole,
        alone=alone,
        ahead_ratio=engine.new_token_ratio,
        looks_ahead=ahead and not reserves,
        caches=engine.enable_prefix_caching,
        reserves=reserves,
    )


def _slots(engine: EngineConfig, kv_blocks: int) -> Policy:
    """llama.cpp. A shared pool counts single tokens; a split slot is one block, as large as its window."""
    context = engine.context_tokens or kv_blocks * engine.block_size
    shared = engine.shared_context
    window = context if shared else context // engine.max_num_seqs
    most, because = min(
        (window, "context" if shared else "context of one slot"),
        (engine.max_model_len or window, "max_model_len"),
    )
    return Policy(
        blocks=context if shared else engine.max_num_seqs,
        block_size=1 if shared else window,
        most_tokens=most,
        because=because,
        cuts=True,
        breaks=shared,
        reserves=not shared,
    )


def _check(engine: EngineConfig, kv_blocks: int) -> None:
    positive = {
        "kv_blocks": kv_blocks,
        "engine.block_size": engine.block_size,
        "engine.max_num_seqs": engine.max_num_seqs,
    }
    for path, value in positive.items():
        if value < 1:
            raise InputError(path, expected="at least 1", found=value)
    if engine.context_tokens is not None and engine.context_tokens < engine.max_num_seqs:
        raise InputError(
            "engine.context_tokens",
            expected=f"at least one token for each of {engine.max_num_seqs} slots",
            found=engine.context_tokens,
        )
    if not 0 <= engine.new_token_ratio <= 1:
        raise InputError("engine.new_token_ratio", expected="0 to 1", found=engine.new_token_ratio)
    if engine.prefill == "mixed" and engine.max_num_batched_tokens < engine.max_num_seqs:
        raise InputError(
            "engine.max_num_batched_tokens",
            expected=f"at least max_num_seqs ({engine.max_num_seqs})",
            found=engine.max_num_batched_tokens,
        )
