"""The texts of an exchange, as words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from servemark.domain.exchange import Exchange

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S)


def without_thoughts(text: str) -> str:
    """The text without a model's thoughts in tags, which may be in any language and weigh any option."""
    return _THOUGHTS.sub("", text) if "<think" in text else text


def words(text: str) -> list[str]:
    """Its words in lower case, without punctuation."""
    return _WORD.findall(text.casefold())


def placed_words(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Its words in lower case, and where each starts and ends in the text."""
    found = list(_WORD.finditer(text))
    return [each[0].casefold() for each in found], [each.span() for each in found]


def shingles(text: str, size: int) -> set[tuple[str, ...]]:
    """Every run of `size` words."""
    return runs(words(text), size)


def runs(of: Sequence[str], size: int) -> set[tuple[str, ...]]:
    """Every run of `size` of these words."""
    return {tuple(of[i : i + size]) for i in range(len(of) - size + 1)}


def shown(exchange: Exchange) -> str:
    """All that a user sees: the answer, and the reasons unless they are the model's own thoughts."""
    parts = [exchange.answer or ""]
    if exchange.reasoning and not exchange.thoughts and exchange.reasoning.strip() not in parts[0]:
        parts.append(exchange.reasoning)
    return "\n".join(filter(None, parts))


def asked(exchange: Exchange) -> str:
    """All that the user said: the user turns, and the passage where it stands in none of them."""
    turns = [each.content for each in exchange.messages if each.role == "user"]
    if exchange.context and not any(exchange.context.strip() in turn for turn in turns):
        turns.insert(0, exchange.context)
    return "\n".join(turns)


def question(exchange: Exchange) -> str:
    """The last user turn without its passage."""
    turns = [each.content for each in exchange.messages if each.role == "user"]
    last = turns[-1] if turns else ""
    return last.replace(exchange.context.strip(), "\n") if exchange.context.strip() else last


def prompt(exchange: Exchange) -> str:
    """All that was sent: system message, every turn, passage, codes."""
    turns = [each.content for each in exchange.messages if each.role != "user"]
    return "\n".join(
        filter(None, (exchange.system, asked(exchange), *turns, exchange.nonce, exchange.canary))
    )
