"""The suites that ship, and a user's own."""

import re
from collections import Counter, defaultdict

import pytest

from servemark.domain.exchange import Item, Message
from servemark.errors import InputError, UnknownName
from servemark.quality.item_faults import item_problems
from servemark.quality.judging import judge_all
from servemark.quality.model_answers import answered
from servemark.quality.suites import KEYS, find_suite, suite_of, suite_text

EXAM = find_suite("exam")


@pytest.mark.parametrize("key", KEYS)
def test_every_shipped_item_is_in_order_and_its_answer_passes_every_check(key):
    suite = find_suite(key)
    assert [each for item in suite.items for each in item_problems(item, item.id)] == []
    assert len({item.id for item in suite.items}) == len(suite.items) >= 120
    # a swapped answer must show: no two are alike
    assert len({item.answer for item in suite.items}) == len(suite.items)
    exchanges = [answered(item, max_tokens=suite.max_tokens) for item in suite.items]
    assert [
        (e.id, j.findings) for e, j in zip(exchanges, judge_all(exchanges), strict=True) if j.findings
    ] == []


@pytest.mark.parametrize("key", [key for key in KEYS if key != "exam"])
def test_a_seed_gives_the_same_items_and_another_one_others(key):
    assert find_suite(key, seed=3) == find_suite(key, seed=3)
    assert not {item.answer for item in find_suite(key, seed=3).items} & {
        item.answer for item in find_suite(key).items
    }


@pytest.mark.parametrize("key", KEYS)
def test_a_suite_is_read_back_from_its_text(key, tmp_path):
    suite = find_suite(key)
    path = tmp_path / f"{key}.jsonl"
    path.write_text(suite_text(suite), encoding="utf-8")
    read = find_suite(path)
    assert (read.items, read.title, read.max_tokens) == (suite.items, suite.title, suite.max_tokens)
    assert (read.key, read.source) == (key, str(path))


def test_the_two_halves_of_the_exam_are_alike():
    of = {code: [item for item in EXAM.items if item.expected_language == code] for code in ("en", "ms")}
    for measure in (
        lambda item: item.tags[-1],
        lambda item: item.eval_type,
        lambda item: len(item.options),
        lambda item: bool(item.context),
    ):
        counts = [Counter(map(measure, items)) for items in of.values()]
        assert counts[0] == counts[1]
    for items in of.values():
        assert len(items) == 120
        assert Counter(item.eval_type for item in items) == {"answer": 110, "teaching": 10}
        keys = Counter(item.key for item in items)
        assert max(keys[label] for label in "ABCD") - min(keys[label] for label in "ABCD") <= 1
        assert keys["E"] + keys["F"] >= 3
    # every front part is mixed
    assert Counter(item.expected_language for item in EXAM.items[:40]) == {"en": 20, "ms": 20}
    assert len({item.tags[-1] for item in EXAM.items[:40]}) == 7


def test_passages_of_the_exam_are_of_a_readable_length_and_shared_by_five_items():
    items = defaultdict(list)
    for item in EXAM.items:
        if item.context:
            items[item.context].append(item)
    assert len(items) == 20
    for passage, group in items.items():
        assert 80 <= len(passage.split()) <= 200
        assert len(group) == 5


def test_the_language_is_demanded_without_condition_and_the_format_said():
    for item in EXAM.items:
        system = item.messages[0].content
        assert {"en": "Reply in English only.", "ms": "Jawab dalam bahasa Melayu sahaja."}[
            item.expected_language
        ] in system
        assert {"en": "`Answer: X`", "ms": "`Jawapan: X`"}[item.expected_language] in system
        word = {"en": "Answer", "ms": "Jawapan"}[item.expected_language]
        assert item.answer.splitlines()[-1] == f"{word}: {item.key}"


def test_a_teaching_item_is_given_its_key_and_an_answer_item_is_not():
    for item in EXAM.items:
        given = re.search(r"^(?:Right option|Pilihan yang betul): (\w)$", item.messages[-1].content, re.M)
        assert (given and given[1]) == (item.key if item.eval_type == "teaching" else None)


INDONESIAN = set(
    re.findall(
        r"\w+",
        "karena mobil bisa kantor sepeda Prancis Spanyol Juli Agustus Maret jawaban kalian toko kualitas universitas "
        "polisi listrik pabrik perusahaan delapan kue resep handuk gratis pria bensin bandara apotek ponsel koran "
        "Tiongkok Yunani Swiss ibukota propinsi",
    )
)
"""Words of everyday Indonesian where Malay has another."""


def test_the_malay_of_the_suites_is_not_indonesian():
    for key in KEYS:
        for item in find_suite(key).items:
            if "ms" in item.tags:
                text = " ".join([item.answer or "", *(each.content for each in item.messages)])
                said = set(re.findall(r"[A-Za-z]+", text))
                assert not said & INDONESIAN, (item.id, said & INDONESIAN)


def test_a_name_that_nobody_knows():
    with pytest.raises(UnknownName) as caught:
        find_suite("exma")
    assert caught.value.nearest == ("exam",)
    assert find_suite("Exam").key == "exam"


def test_the_first_fault_of_a_file_and_how_many_more(tmp_path):
    path = tmp_path / "my.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b"}\n{"id": "c", "question": "?"}\n')
    with pytest.raises(InputError) as caught:
        find_suite(path)
    assert str(caught.value) == (
        "my.jsonl:1 question: expected either question or messages, "
        f"found neither (and 1 more: servemark suite check {path})"
    )


def test_a_bank_becomes_a_suite_with_its_options():
    message = Message(role="user", content="Who?\nA) Ali\nB) Ben")
    bank = [Item(id="a", messages=(message,), key="B"), Item(id="b", messages=(message,))]
    suite = suite_of(bank, key="tiny", title="Tiny", nonce=False, canary=False, max_tokens=64)
    assert (suite.nonce, suite.canary, suite.max_tokens) == (False, False, 64)
    assert (suite.items[0].options, suite.items[0].format) == ({"A": "Ali", "B": "Ben"}, "choice")
    assert (suite.items[1].options, suite.items[1].format) == ({}, "text")
