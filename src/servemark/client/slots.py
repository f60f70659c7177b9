"""llama.cpp's `/slots` and `/props`: the slots, and what the busy ones hold."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from servemark.domain.engine_sample import EngineFacts, EngineSample


class _Following(msgspec.Struct):
    n_decoded: int = 0


class Slot(msgspec.Struct):
    """One slot; the token counts of an idle one are those of its last request."""

    n_ctx: int
    is_processing: bool = False
    n_prompt_tokens: int = 0
    """Newer builds count the answer so far in, older ones do not."""
    n_prompt_tokens_processed: int = 0
    n_prompt_tokens_cache: int = 0
    next_token: list[_Following] | _Following | None = None

    @property
    def held_tokens(self) -> int:
        """Tokens of its running request in the KV cache."""
        if not self.is_processing:
            return 0
        following = self.next_token if isinstance(self.next_token, list) else [self.next_token]
        decoded = sum(each.n_decoded for each in following[:1] if each)
        return max(
            self.n_prompt_tokens, self.n_prompt_tokens_processed + self.n_prompt_tokens_cache + decoded
        )


class _Settings(msgspec.Struct):
    n_ctx: int | None = None


class Props(msgspec.Struct):
    """What the server says of its settings."""

    total_slots: int
    default_generation_settings: _Settings = msgspec.field(default_factory=_Settings)
    chat_template: str | None = None
    build_info: str = ""


decode_slots = msgspec.json.Decoder(list[Slot]).decode
decode_props = msgspec.json.Decoder(Props).decode


def with_slots(sample: EngineSample, slots: Sequence[Slot], facts: EngineFacts) -> EngineSample:
    """With what the busy slots hold. The share is that of the whole pool: unknown where the pool is.

    A slot counts its prompt before there is room for it, so the tokens may come to more than the pool.
    """
    held = sum(slot.held_tokens for slot in slots)
    running = sample.running if sample.running is not None else sum(slot.is_processing for slot in slots)
    pool = facts.kv_pool_tokens
    return replace(
        sample,
        running=running,
        kv_used_tokens=held,
        kv_used_ratio=min(1.0, held / pool) if pool else sample.kv_used_ratio,
    )


def slot_facts(
    facts: EngineFacts,
    *,
    slots: Sequence[Slot] = (),
    props: Props | None = None,
    shared_pool: bool | None = None,
    context_tokens: int | None = None,
) -> EngineFacts:
    """With the shape that the slots have.

    With `--kv-unified` every slot may grow to the whole context, otherwise it holds an equal share; the server
    shows how far a slot may grow, and not which of the two it is.

    Args:
        facts: what is known already.
        slots: as `/slots` lists them.
        props: as `/props` tells.
        shared_pool: as whoever started the server knows it.
        context_tokens: of the whole server, likewise; a slot never shows more than the model was trained for.
    """
    count = len(slots) or (props.total_slots if props else None)
    each = slots[0].n_ctx if slots else (props.default_generation_settings.n_ctx if props else None)
    pool = None
    if count and each and (shared_pool is not None or count == 1):
        pool = max(each, context_tokens or 0) if shared_pool else count * each
    return replace(
        facts,
        slots=count,
        context_tokens_per_slot=each,
        max_model_len=each,
        shared_pool=shared_pool,
        kv_pool_tokens=pool,
        version=facts.version or (props.build_info if props else ""),
        template=props.chat_template if props else None,
    )
