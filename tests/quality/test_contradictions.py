# ruff: noqa: E501 - tables of texts
"""Answers against their own reasons: in one text, and beside it."""

import random

import answer_corpus
import pytest
from msgspec.structs import replace

from servemark.domain.exchange import Exchange, Message
from servemark.quality.contradictions import self_contradiction

OPTIONS = {"A": "Pests", "B": "War", "C": "Late rain", "D": "A fire"}
FINALS = ("{l}", "({l})", "Answer: {l}", "**{l}**", "{l}. {t}", "{t}")


def ruling(answer, reasoning=None, question="Why did it fail?", **fields):
    message = Message(role="user", content=question)
    return self_contradiction(
        Exchange(id="x", messages=(message,), options=OPTIONS, answer=answer, reasoning=reasoning, **fields)
    )


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_no_alarm_on_clean_answers_in_one_text_or_two(language):
    rng = random.Random(41)
    for _ in range(400):
        exchange, template = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        assert self_contradiction(exchange).defect is None, (template, exchange.answer)
        final = rng.choice(FINALS).format(l=exchange.key, t=exchange.options[exchange.key])
        two = replace(exchange, reasoning=exchange.answer, answer=final)
        assert self_contradiction(two).defect is None, (template, two)


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_every_contradiction_in_one_text_is_found(language):
    rng = random.Random(42)
    for _ in range(400):
        exchange, template = answer_corpus.drawn(answer_corpus.CONTRADICTIONS, language, rng)
        found = self_contradiction(exchange).defect
        assert (
            found and found.severity == "major" and found.detail.startswith(f"argues for {exchange.key}")
        ), template


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_every_contradiction_between_reasons_and_answer_is_found(language):
    rng = random.Random(43)
    for _ in range(400):
        exchange, template = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        other = rng.choice([label for label in exchange.options if label != exchange.key])
        final = rng.choice(FINALS).format(l=other, t=exchange.options[other])
        two = replace(exchange, reasoning=exchange.answer, answer=final)
        if "{l}" in template:
            assert self_contradiction(two).defect, (template, two)


@pytest.mark.parametrize(
    "text",
    [
        "A says pests, B says war. The text speaks of rain.\nAnswer: C",
        "B is wrong. D is wrong. A is not mentioned.\nAnswer: C",
        "The answer is B. Wait, no, it is C.\nAnswer: C",
        "The answer is B. Actually, the text says rain, so C.\nAnswer: C",
        "The correct answer is B. However, the text says Late rain, and that fits better.\nAnswer: C",
        "At first I thought the answer was B.\nAnswer: C",
        "Jawapannya ialah B. Tunggu, saya silap.\nJawapan: C",
        "Jawapannya ialah B. Namun teks menyebut Late rain.\nJawapan: C",
        "Option A is correct in saying that insects eat rice, but that is not asked. The answer is C.",
        "If you chose A, you are partly right.\nAnswer: C",
        "The answer would be A had the rain come.\nAnswer: C",
        "Some readers claim that the answer is B.\nAnswer: C",
        "Is the answer B? The text does not say so.\nAnswer: C",
    ],
)
def test_weighing_eliminating_and_correcting_are_no_contradiction(text):
    assert ruling(text).defect is None
    reasons, _, final = text.rpartition("\n")
    if reasons:
        assert ruling(final, reasons).defect is None


@pytest.mark.parametrize("question", ["Which statement is NOT true?", "All are true EXCEPT", "Which statement is false?",
                                      "Antara berikut, yang manakah BUKAN punca?", "Pernyataan manakah yang salah?",
                                      "Semua benar KECUALI", "Manakah yang tidak benar?"])  # fmt: skip
def test_in_a_question_for_the_wrong_statement_a_correct_one_is_not_the_answer(question):
    text = "Option A is correct. Option B is correct. Pilihan D tepat.\nAnswer: C"
    assert ruling(text, question=question).defect is None
    assert ruling("The answer is B.\nAnswer: C", question=question).defect
    assert ruling("Therefore option B is correct.\nAnswer: C", question=question).defect


def test_a_teaching_item_says_so():
    found = ruling("Answer: A", "The correct answer is C because of the rain.", eval_type="teaching").defect
    assert (
        found.detail == "argues for C, answers A; a teaching item: the key may have been given to the model"
    )
    assert "The correct answer is C" in found.excerpt and "Answer: A" in found.excerpt


def test_by_the_text_of_an_option():
    assert ruling("Answer: B", "It rained. The correct answer is Late rain.").defect
    assert ruling("Answer: C", "It rained. The correct answer is Late rain.").defect is None


def test_where_it_does_not_apply():
    for answer, reasoning in ((None, None), ("", None), ("It rained.", None), ("Answer: C", None), ("Answer: C", "It rained."),
                              (None, "The answer is C.")):  # fmt: skip
        assert not ruling(answer, reasoning).applied
