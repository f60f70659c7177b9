"""Cut questions of `tiny_bank/` down to the short bank: items so alike in length that a KV pool can be counted in them.

Every item takes 76 to 84 tokens, prompt, answer and end together: a pool of 512 tokens holds six of them at their
longest (6 x 84 = 504) and never eight (8 x 76 = 608). To get there the system prompt is short, and a question keeps
as many of its options as fit. The vocabulary is that of the bank, so the bank comes first.
"""

from __future__ import annotations

import json
import random

from build_tiny_bank import BANK, HERE, LETTERS, PAIRS, SEED, as_item, read_questions
from train_tiny_model import encode, read_items, train_tokenizer

SHORT_BANK = BANK.with_name("short.jsonl")
PER_PAIR = 16
LEAST_TOKENS, MOST_TOKENS = 76, 84
SYSTEM = {"en": "Reply in English.", "ms": "Jawab dalam bahasa Melayu."}
ANSWER = {"en": "{reason}\nAnswer: {key}", "ms": "{reason}\nJawapan: {key}"}


def cut(question: dict, asked: str, reply: str, turn: int, tokenizer) -> dict | None:
    """The item with as many options as fit; None where no number of them does."""
    for count in range(len(LETTERS), 1, -1):
        order = [*range(1, count)]
        order.insert(turn % count, 0)
        item = as_item(question, order, asked, reply, system=SYSTEM, answer=ANSWER)
        ((prompt, answer),) = encode([item], tokenizer)
        if LEAST_TOKENS <= len(prompt) + len(answer) <= MOST_TOKENS:
            return item | {"id": f"short-{item['id']}"}
    return None


def build() -> list[dict]:
    """All items, the pairs of languages taken in turn."""
    tokenizer = train_tokenizer(read_items(BANK))
    questions = read_questions()
    random.Random(SEED).shuffle(questions)
    found = {pair: [] for pair in PAIRS}
    for pair, items in found.items():
        for question in questions:
            item = cut(question, *pair, len(items), tokenizer)
            if item is not None and len(items) < PER_PAIR:
                items.append(item)
        if len(items) < PER_PAIR:
            raise ValueError(f"{len(items)} questions can be cut to length for {pair}, {PER_PAIR} wanted")
    return [item for row in zip(*found.values(), strict=True) for item in row]


if __name__ == "__main__":
    items = build()
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in items]
    SHORT_BANK.write_text("".join(lines), encoding="utf-8")
    print(
        f"{len(items)} items in {SHORT_BANK.relative_to(HERE.parent)}, {SHORT_BANK.stat().st_size:,} bytes"
    )
