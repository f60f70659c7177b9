"""Turn the hand-written questions in `tiny_bank/` into the bank that the tiny model memorises.

Every question is asked in English and in Malay, and each of these under two system prompts that differ only
in the reply language they ask for. So the system prompt alone decides the language of the answer: an engine
that loses the front of a prompt gives itself away by replying in the wrong language.
"""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
BANK = HERE.parent / "src/servemark/engines/data/tiny/bank.jsonl"
SEED = 20261120
LETTERS = "ABCD"
SYSTEM = {
    "en": "Reply in English. Give the reason first, then the letter of the answer.",
    "ms": "Jawab dalam bahasa Melayu. Beri sebab dahulu, kemudian huruf jawapan.",
}
ANSWER = {"en": "Reason: {reason}\nAnswer: {key}", "ms": "Sebab: {reason}\nJawapan: {key}"}
# language of the question, language of the reply; taken in turn, so that every front part is mixed
PAIRS = (("en", "en"), ("ms", "ms"), ("ms", "en"), ("en", "ms"))


def read_questions(folder: Path = HERE / "tiny_bank") -> list[dict]:
    questions = []
    for path in sorted(folder.glob("*.toml")):
        for number, question in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["question"], 1):
            questions.append({"id": f"{path.stem}-{number:02}", "topic": path.stem, **question})
    return questions


def check(question: dict) -> None:
    for language in SYSTEM:
        options = question[f"options_{language}"]
        if len(options) != len(LETTERS) or len(set(options)) != len(LETTERS):
            raise ValueError(f"{question['id']}: four different options wanted, found {options}")
        if not question[f"reason_{language}"].endswith("."):
            raise ValueError(f"{question['id']}: the reason in {language} is not a sentence")


def deal_orders(count: int, rng: random.Random) -> list[list[int]]:
    """An order of the options for each question, with every letter right equally often."""
    keys = [i % len(LETTERS) for i in range(count)]
    rng.shuffle(keys)
    orders = []
    for key in keys:
        order = rng.sample([1, 2, 3], 3)
        order.insert(key, 0)
        orders.append(order)
    return orders


def as_item(
    question: dict,
    order: list[int],
    asked: str,
    reply: str,
    *,
    system: dict = SYSTEM,
    answer: dict = ANSWER,
) -> dict:
    options = question[f"options_{asked}"]
    choices = [f"{letter}) {options[i]}" for letter, i in zip(LETTERS, order, strict=False)]
    key = LETTERS[order.index(0)]
    return {
        "id": f"{question['id']}-{asked}-{reply}",
        "messages": [
            {"role": "system", "content": system[reply]},
            {"role": "user", "content": "\n".join([question[asked], *choices])},
        ],
        "key": key,
        "expected_language": reply,
        "answer": answer[reply].format(reason=question[f"reason_{reply}"], key=key),
        "tags": [question["topic"], f"asked-in-{asked}"],
    }


def build() -> list[dict]:
    """All items, so ordered that any front part of a hundred holds every question once, all pairs mixed."""
    rng = random.Random(SEED)
    questions = read_questions()
    rng.shuffle(questions)
    for question in questions:
        check(question)
    orders = deal_orders(len(questions), rng)
    return [
        as_item(question, orders[i], *PAIRS[(i + turn) % len(PAIRS)])
        for turn in range(len(PAIRS))
        for i, question in enumerate(questions)
    ]


if __name__ == "__main__":
    BANK.parent.mkdir(parents=True, exist_ok=True)
    items = build()
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in items]
    BANK.write_text("".join(lines), encoding="utf-8")
    print(f"{len(items)} items in {BANK.relative_to(HERE.parent)}, {BANK.stat().st_size:,} bytes")
