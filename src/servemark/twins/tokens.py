"""Tokens of the twin: one word is one token, so that every count can be known beforehand.

A prompt has one token per whitespace-separated word. A chat adds what the template of Llama 3 adds: one
token at the very front, five around each message, four that open the answer. A completion adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

FRONT_TOKENS: Final = 1
MESSAGE_TOKENS: Final = 5
ANSWER_TOKENS: Final = 4

WORDS: Final = tuple(
    """
    amber birch cedar delta ember field glade heron inlet jetty kayak larch maple north ocean pearl
    quiet river slate thorn umbra vapor water xenon yield zephyr acorn brook cliff drift eagle frost
    grove hazel ivory jolly knoll lunar meadow nectar olive plume quartz ridge stone tidal upland valley
    willow yarrow arbor basin coral dunes earth flint grain haven islet juniper kelp lagoon marsh nimbus
    """.split()  # noqa: SIM905 - a list of 64 strings is harder to read
)
"""The vocabulary of the answers: 64 words."""

# 64-bit linear congruential generator of Knuth's MMIX; its top bits are good enough to pick words
_MULTIPLIER: Final = 6364136223846793005
_INCREMENT: Final = 1442695040888963407
_MASK: Final = (1 << 64) - 1
_TOP: Final = 64 - (len(WORDS) - 1).bit_length()
_WORD: Final = re.compile(r"\s*\S+(?:\s+\Z)?")


def chat_tokens(messages: Iterable[tuple[str, str]]) -> list[str]:
    """The tokens of a chat prompt of (role, content) messages, template included."""
    tokens = ["<begin>"]
    for role, content in messages:
        tokens += ["<start>", role, "<end>", "<break>"]
        tokens += content.split()
        tokens.append("<over>")
    return [*tokens, "<start>", "assistant", "<end>", "<break>"]


def prefix_hashes(tokens: Sequence[str], block_tokens: int) -> tuple[int, ...]:
    """One hash per full block, each over the block and all before it; equal prompts share a prefix.

    Good within one process only: Python salts the hashes of strings.
    """
    chain = 0
    hashes: list[int] = []
    for end in range(block_tokens, len(tokens) + 1, block_tokens):
        chain = hash((chain, *tokens[end - block_tokens : end]))
        hashes.append(chain)
    return tuple(hashes)


def answer_words(seed: int, number: int) -> Iterator[str]:
    """The words of one answer, without end: a function of the seed and the request's number alone."""
    state = (seed * _INCREMENT + number + 1) * _MULTIPLIER & _MASK
    while True:
        state = (state * _MULTIPLIER + _INCREMENT) & _MASK
        yield WORDS[state >> _TOP]


def spaced(words: Iterable[str]) -> Iterator[str]:
    """The words with the blank before each but the first, so that they join to a text."""
    blank = ""
    for word in words:
        yield blank + word
        blank = " "


def pieces(text: str) -> list[str]:
    """The tokens of a text: each word with the white space before it, the last with what follows too.

    They join to the text exactly; a text without words is one token, the empty text none.
    """
    found = _WORD.findall(text)
    return found or ([text] if text else [])
