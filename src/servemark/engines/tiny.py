"""The tiny model that ships with Servemark, and the two banks of questions it knows by heart.

It answers every question of both right, in the language its system prompt asks for, when it is served
alone. So whatever goes wrong under load was done by the serving, not by the model.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec

from servemark.domain.exchange import Item

LONGEST_ANSWER_TOKENS = 64
"""Ask for at least this many tokens: no answer of either bank is longer."""


def folder() -> Path:
    """The model as a Hugging Face folder, for vLLM and transformers."""
    return Path(str(resources.files("servemark.engines") / "data" / "tiny"))


def gguf_path() -> Path:
    """The same weights for llama.cpp."""
    return folder() / "tiny.gguf"


def bank() -> list[Item]:
    """All exam questions with the answers the model gives; any front part mixes languages and topics evenly."""
    return _items("bank.jsonl")


def short_bank() -> list[Item]:
    """Items that take 76 to 84 tokens each, prompt, answer and end together: a KV pool can be counted in them."""
    return _items("short.jsonl")


def _items(name: str) -> list[Item]:
    lines = (folder() / name).read_text(encoding="utf-8").splitlines()
    decode = msgspec.json.Decoder(Item).decode
    return [decode(line) for line in lines]
