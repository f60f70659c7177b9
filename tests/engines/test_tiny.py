"""The shipped model and its banks, read without any engine."""

import json
import math
import re
import struct
from collections import Counter

from servemark.engines import tiny

QUESTIONS = 100
SHORT = 16
"""Items of the short bank for each pair of languages."""


def tensors():
    with (tiny.folder() / "model.safetensors").open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def test_every_question_is_asked_and_answered_in_both_languages():
    bank = tiny.bank()
    assert len(bank) == len({item.id for item in bank}) == 4 * QUESTIONS
    assert Counter((item.tags[1], item.expected_language) for item in bank) == {
        ("asked-in-en", "en"): QUESTIONS,
        ("asked-in-en", "ms"): QUESTIONS,
        ("asked-in-ms", "en"): QUESTIONS,
        ("asked-in-ms", "ms"): QUESTIONS,
    }


def test_any_letter_is_right_equally_often():
    assert set(Counter(item.key for item in tiny.bank()).values()) == {QUESTIONS}


def test_the_first_hundred_items_are_a_hundred_questions_with_the_languages_mixed():
    front = tiny.bank()[:QUESTIONS]
    assert len({item.id[: -len("-en-en")] for item in front}) == QUESTIONS
    assert Counter(item.expected_language for item in front) == {"en": 50, "ms": 50}


def test_only_the_system_prompt_tells_the_language_of_the_reply():
    systems = {}
    replies = {}
    for item in tiny.bank():
        system, user = item.messages
        assert (system.role, user.role) == ("system", "user")
        systems.setdefault(item.expected_language, set()).add(system.content)
        replies.setdefault(user.content, set()).add(item.expected_language)
    assert {language: len(prompts) for language, prompts in systems.items()} == {"en": 1, "ms": 1}
    assert set(map(frozenset, replies.values())) == {frozenset({"en", "ms"})}


def test_answers_give_a_reason_and_then_the_letter():
    shape = {"en": r"Reason: .+\.\nAnswer: {}", "ms": r"Sebab: .+\.\nJawapan: {}"}
    for item in tiny.bank():
        assert re.fullmatch(shape[item.expected_language].format(item.key), item.answer), item.id
        assert f"\n{item.key}) " in item.messages[1].content, item.id


def test_the_short_bank_mixes_the_languages_item_by_item():
    short = tiny.short_bank()
    assert len({item.id for item in short}) == len(short) == 4 * SHORT
    for start in range(0, len(short), 4):
        pairs = {(item.tags[1], item.expected_language) for item in short[start : start + 4]}
        assert len(pairs) == 4
    assert [item.expected_language for item in short[:6]] == ["en", "ms", "en", "ms", "en", "ms"]


def test_the_short_bank_has_prompts_of_its_own():
    prompts = [item.messages for item in (*tiny.bank(), *tiny.short_bank())]
    assert len(set(prompts)) == len(prompts) == 4 * (QUESTIONS + SHORT)


def test_answers_of_the_short_bank_give_the_reason_and_then_the_letter():
    shape = {"en": r"[^\n]+\.\nAnswer: {}", "ms": r"[^\n]+\.\nJawapan: {}"}
    reasons = {item.answer.split("\n")[0].partition(": ")[2] for item in tiny.bank()}
    for item in tiny.short_bank():
        assert re.fullmatch(shape[item.expected_language].format(item.key), item.answer), item.id
        assert item.answer.split("\n")[0] in reasons, item.id
        assert 2 <= item.messages[1].content.count(") ") <= 4, item.id
        assert f"\n{item.key}) " in item.messages[1].content, item.id


def test_parameter_count_of_the_weights_equals_the_card():
    count = sum(math.prod(entry["shape"]) for entry in tensors().values())
    card = (tiny.folder() / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{count:,} parameters" in card
    assert {entry["dtype"] for entry in tensors().values()} == {"F16"}


def test_the_folder_is_small_and_complete():
    names = {path.name for path in tiny.folder().iterdir()}
    assert names >= {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.safetensors",
        "tiny.gguf",
        "bank.jsonl",
        "short.jsonl",
        "MODEL_CARD.md",
    }
    assert tiny.gguf_path().parent == tiny.folder()
    assert sum(path.stat().st_size for path in tiny.folder().iterdir()) < 4e6
