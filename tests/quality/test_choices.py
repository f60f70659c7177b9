# ruff: noqa: E501 - tables of texts
"""Right and wrong choices, and choices that are none."""

import random

import answer_corpus
import pytest
from msgspec.structs import replace

from servemark.domain.exchange import Exchange, Message
from servemark.quality.choices import invalid_choice, key_label, wrong_answer

OPTIONS = {"A": "Pests", "B": "War", "C": "Late rain", "D": "A fire"}


def asked(answer, key="C", options=OPTIONS, **fields):
    fields = {"format": "choice", "finish_reason": "stop"} | fields
    return Exchange(id="x", options=options, key=key, answer=answer, **fields)


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_clean_answers_raise_no_alarm(language):
    rng = random.Random(31)
    for _ in range(400):
        exchange, template = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        for check in (wrong_answer, invalid_choice):
            ruling = check(exchange)
            assert ruling.applied and ruling.defect is None, (template, exchange.answer, ruling)


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_every_wrong_choice_is_found(language):
    rng = random.Random(32)
    for _ in range(400):
        exchange, template = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        other = rng.choice([label for label in exchange.options if label != exchange.key])
        found = wrong_answer(replace(exchange, key=other)).defect
        assert found and found.severity == "major", (template, exchange.answer)
        assert found.detail == f"chose {exchange.key}, the key is {other}"


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_every_choice_that_is_not_offered_is_found(language):
    rng = random.Random(33)
    labelled = {
        key: tuple(each for each in rows if not each.startswith("{s}") or "{z}" in each)
        for key, rows in answer_corpus.INVALID.items()
    }
    for _ in range(400):
        exchange, template = answer_corpus.drawn(labelled, language, rng)
        found = invalid_choice(exchange).defect
        assert found and "offered: A, B" in found.detail, (template, exchange.answer)
        assert wrong_answer(exchange).defect is None


def test_no_choice_at_all():
    prose = "The river was high, and people had to leave their houses for three weeks."
    assert invalid_choice(asked(prose)).defect.detail == "no choice made; offered: A, B, C, D"
    assert not invalid_choice(asked(prose, eval_type="teaching")).applied
    assert not invalid_choice(asked(prose, finish_reason="length")).applied
    assert not invalid_choice(asked(prose, format="text")).applied
    assert not invalid_choice(asked("I'm sorry, but I can't help with that.")).applied
    assert not invalid_choice(asked("")).applied
    assert not wrong_answer(asked(prose)).applied


def test_an_option_named_without_its_label_counts_only_where_no_label_is_asked_for():
    prose = (
        "There were no pests in that year and there was no war, so people thought of the weather at once."
    )
    assert not invalid_choice(asked(prose)).applied
    system = "End with a last line `Answer: X`, where X is the letter of the right option."
    for eval_type in ("answer", "teaching"):
        assert invalid_choice(asked(prose, system=system, eval_type=eval_type)).defect
    spoken = (
        "It was the late rain that ruined the harvest of the whole valley in the end, as the text says."
    )
    assert invalid_choice(asked(spoken, system=system)).defect
    assert not invalid_choice(asked(spoken)).defect


def test_a_wrong_option_mentioned_in_a_long_answer_is_not_chosen():
    prose = "The war is mentioned in the second line, but the text goes on to speak of the weather in that year."
    assert not wrong_answer(asked(prose)).applied
    assert wrong_answer(asked("It was the war.")).defect


@pytest.mark.parametrize(("key", "label"), [("C", "C"), ("c", "C"), ("Late rain", "C"), ("C. Late rain", "C"), ("(C) Late rain", "C"),
                                            ("late rain.", "C"), ("snow", None)])  # fmt: skip
def test_keys(key, label):
    assert key_label(asked("", key=key)) == label


def test_the_key_may_have_been_given_to_a_teaching_item():
    found = wrong_answer(asked("Answer: A", eval_type="teaching")).defect
    assert found.detail == "chose A, the key is C (teaching item: the key may have been given)"
    assert wrong_answer(asked("Late rain destroyed it.", eval_type="teaching")).defect is None


def test_reasons_stand_in_for_a_missing_answer():
    assert wrong_answer(asked(None, reasoning="The correct answer is B.")).defect
    assert wrong_answer(asked("<think>Maybe the answer is B.</think>\nAnswer: C")).defect is None


def test_keys_without_options():
    assert wrong_answer(asked("Answer: B", options={}, format="text")).defect
    assert (
        wrong_answer(
            asked("The capital is Kuala Lumpur.", key="Kuala Lumpur", options={}, format="text")
        ).defect
        is None
    )
    assert wrong_answer(asked("Johor Bahru.", key="Kuala Lumpur", options={}, format="text")).defect
    long = "It is the town at the mouth of the river where tin was found, and it grew very fast after that."
    assert not wrong_answer(asked(long, key="Kuala Lumpur", options={}, format="text")).applied


def test_a_message_is_not_needed():
    assert wrong_answer(Exchange(id="x", answer="C", key="C", options=OPTIONS)).applied
    assert not wrong_answer(Exchange(id="x", answer="C", options=OPTIONS)).applied
    exchange = Exchange(id="x", messages=(Message(role="user", content="Jawab dengan huruf sahaja."),), answer="Hmm", options=OPTIONS,
                        format="choice")  # fmt: skip
    assert invalid_choice(exchange).defect
