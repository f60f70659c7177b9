"""Refusals in three languages, and what only sounds like one."""

import random

import answer_corpus
import pytest

from servemark.domain.exchange import Exchange
from servemark.quality.refusals import refusal


def said(answer, **fields):
    return refusal(Exchange(id="x", answer=answer, **fields))


@pytest.mark.parametrize("text", [each for rows in answer_corpus.REFUSALS.values() for each in rows])
def test_every_refusal_is_found(text):
    found = said(text).defect
    assert found and found.severity == "major" and found.excerpt
    assert said(f"{text} Sila tanya soalan lain.").defect
    assert said(f"Hello. {text}").defect


@pytest.mark.parametrize("text", [each for rows in answer_corpus.NOT_REFUSALS.values() for each in rows])
def test_what_cannot_be_known_or_is_said_by_someone_is_none(text):
    answer = text.format(s="The rain came too late.")
    assert said(answer).defect is None and said(answer).applied


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_clean_answers(language):
    rng = random.Random(51)
    for _ in range(400):
        exchange, template = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        assert refusal(exchange).defect is None, (template, exchange.answer)


def test_an_answer_after_all_is_a_remark():
    options = {"A": "Pests", "B": "War"}
    assert said("I cannot answer this question with certainty. Answer: B", options=options).notes
    assert said("I'm sorry, I can't help with that. The capital is Kuala Lumpur.", key="Kuala Lumpur").notes
    story = " ".join(["The rain came too late for the harvest of that year."] * 8)
    assert said(f"I can't answer that exactly. {story}").defect is None
    assert said(f"{story} I cannot help with that.").defect is None
    assert not said("").applied and not said(None).applied and not said("42").applied
