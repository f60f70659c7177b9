"""Synthetic prompts: plain words of a set length, unique from the first one on."""

from __future__ import annotations

import zlib
from functools import lru_cache
from random import Random

from servemark.domain.exchange import Message
from servemark.domain.workload import PlannedRequest
from servemark.traffic.words import WORDS

_NONCE_WORDS = 4
_NONCES = len(WORDS) ** _NONCE_WORDS
_STRIDE = 2654435761
"""Odd, so that multiplying by it permutes the nonces (their number is a power of two)."""


def synthetic_messages(
    request: PlannedRequest, *, seed: int, tokens_per_word: float = 1.0
) -> tuple[Message, ...]:
    """The prompt of a planned request: as recorded, or about `input_tokens` tokens of English words.

    The text depends on `seed`, the request's index and its prefix blocks alone. It starts with words
    that no other index below 2^32 starts with, so that a prefix cache finds nothing to reuse; blocks
    of a shared prefix come before them, as the system message, the same for the same hash. Give each
    level another seed: equal seeds and indices give equal prompts.

    Args:
        request: what is planned; its `messages`, where recorded, are returned as they are.
        seed: of the texts.
        tokens_per_word: tokens that the server's tokenizer makes of one of our words; calibrate it by
            one counted request. The chat template's own tokens come on top.
    """
    if request.messages:
        return request.messages
    words = max(1, round(request.input_tokens / tokens_per_word))
    shared = _shared_words(request, seed, words, tokens_per_word)
    nonce = _nonce(seed, request.index)
    rng = Random((seed << 40) + request.index)
    own = [*nonce, *rng.choices(WORDS, k=max(0, words - len(shared) - _NONCE_WORDS))]
    user = Message(role="user", content=" ".join(own[: max(1, words - len(shared))]))
    if not shared:
        return (user,)
    return Message(role="system", content=" ".join(shared)), user


def _shared_words(request: PlannedRequest, seed: int, words: int, tokens_per_word: float) -> list[str]:
    """Words of the shared prefix; at least one word is left to the request itself."""
    shared: list[str] = []
    size = round(request.prefix_block_tokens / tokens_per_word)
    for block in request.prefix_blocks:
        if len(shared) >= words - 1:
            break
        shared += _block_words(seed, block, size)
    return shared[: words - 1]


@lru_cache(maxsize=4096)
def _block_words(seed: int, block: int, size: int) -> tuple[str, ...]:
    return tuple(Random(f"{seed} {block}").choices(WORDS, k=size))


def _nonce(seed: int, index: int) -> list[str]:
    """The index in base 256, shifted by the seed and scattered so that neighbours look unlike."""
    number = (index * _STRIDE + zlib.crc32(str(seed).encode())) % _NONCES
    digits: list[str] = []
    for _ in range(_NONCE_WORDS):
        number, digit = divmod(number, len(WORDS))
        digits.append(WORDS[digit])
    return digits
