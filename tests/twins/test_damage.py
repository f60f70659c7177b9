import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servemark.domain.exchange import Exchange, Message
from servemark.quality.codes import code_of, with_codes
from servemark.quality.judging import judge_all
from servemark.quality.suites import find_suite
from servemark.twins.answers import exchange_as_sent
from servemark.twins.damage import damaged, with_answer
from servemark.twins.faults import FAULT_KINDS, REVEALED_BY, Fault
from servemark.twins.tokens import chat_tokens, pieces

CONTEXT = " ".join(
    f"Sentence number {i} tells of the harbour and the rice of that year." for i in range(12)
)
EXAM = Exchange(
    id="a",
    system="You answer questions about a passage. Reply in English, give reasons first, then the letter.",
    messages=(Message(role="user", content=f"{CONTEXT}\n\nWhy?\nA) rain\nB) rice\nC) war\nD) trade"),),
    context=CONTEXT,
    options={"A": "rain", "B": "rice", "C": "war", "D": "trade"},
    key="B",
    expected_language="en",
    format="choice",
    answer="The harvest failed that year, as the text says. So option B is right.\nAnswer: B",
    finish_reason="stop",
    max_tokens=200,
    prompt_tokens=180,
    alone_prompt_tokens=180,
    nonce="SM-2222222222",
)
OTHER = replace(EXAM, id="b", answer="Traders came by sea.\nAnswer: D", key="D", nonce="SM-3333333333")
DRAWS = range(40)


def spoilt(kind, exchange=EXAM, other=OTHER, **parameters):
    found = [damaged(exchange, Fault(kind=kind, **parameters), draw=draw, other=other) for draw in DRAWS]
    assert all(each is not None for each in found)
    return found


@pytest.mark.parametrize(
    "kind", [each for each in FAULT_KINDS if each not in ("late_error", "stall", "bad_format")]
)
def test_equal_draws_give_equal_damage_and_it_is_one(kind):
    found = spoilt(kind)
    assert found == spoilt(kind)
    for each in found:
        assert each != EXAM
        assert each.answer is not None
        assert len(pieces(each.answer)) <= 200
        if each.finish_reason is not None:
            assert each.completion_tokens == len(pieces(each.answer))


@pytest.mark.parametrize("kind", ["late_error", "stall"])
def test_faults_of_delivery_leave_the_answer(kind):
    assert set(map(id, spoilt(kind))) == {id(EXAM)}


def test_a_dropped_front_takes_prompt_tokens_and_says_so_or_not():
    for each in spoilt("dropped_front", kept_ratio=0.25):
        assert each.prompt_tokens == 45
        assert "B" not in each.answer.split()
    assert {each.prompt_tokens for each in spoilt("dropped_front", reported=False)} == {180}


@pytest.mark.parametrize("ending", ["error", "closed", "done"])
def test_a_cut_stream_keeps_the_front_and_no_reason(ending):
    for each in spoilt("cut_stream", ending=ending, after_tokens=5):
        assert each.answer == "The harvest failed that year,"
        assert each.finish_reason is None
        assert each.error


def test_an_early_end_is_below_the_cap_and_an_overrun_at_it():
    for each in spoilt("early_length"):
        assert (each.finish_reason, EXAM.answer.startswith(each.answer)) == ("length", True)
        assert 4 <= each.completion_tokens <= 11  # 30 to 70 % of 16
    for each in spoilt("overrun"):
        assert (each.finish_reason, each.completion_tokens) == ("length", 200)


def test_crossed_answers_bring_the_others_code_where_they_should():
    for each in spoilt("crossed_answers"):
        assert OTHER.answer in each.answer
        assert OTHER.nonce in each.answer
        assert each.id == EXAM.id
    assert {each.answer for each in spoilt("crossed_answers", code=False)} == {OTHER.answer}
    same = replace(OTHER, answer=EXAM.answer)
    assert damaged(EXAM, Fault(kind="crossed_answers", code=False), draw=0, other=same) is None
    assert damaged(EXAM, Fault(kind="crossed_answers"), draw=0, other=None) is None


def test_leaks_and_echoes_repeat_what_was_given():
    assert all(EXAM.system in each.answer for each in spoilt("leaked_system"))
    for each in spoilt("echoed_context"):
        assert " ".join(each.answer.split()[:40]) in CONTEXT


def test_the_choice_is_as_each_fault_says():
    last = {
        kind: [each.answer.splitlines()[-1].removeprefix("Answer: ") for each in spoilt(kind)]
        for kind in ("contradiction", "wrong_answer", "invalid_choice")
    }
    assert set(last["contradiction"]) == set(last["wrong_answer"]) == {"A", "C", "D"}
    assert not set(last["invalid_choice"]) & set("ABCD")
    for each in spoilt("contradiction"):
        assert "B" in each.answer.replace(".", "").split()
    # the reasons stay, what named the choice is gone
    assert all("The harvest failed" in each.answer for each in spoilt("contradiction"))


def test_the_other_language_has_the_right_choice():
    for each in spoilt("other_language"):
        assert each.answer.endswith("Jawapan: B")
    malay = replace(EXAM, expected_language="ms")
    assert all(each.answer.endswith("Answer: B") for each in spoilt("other_language", malay))
    assert damaged(replace(EXAM, expected_language="fr"), Fault(kind="other_language"), draw=0) is None


def test_json_and_numbers_lose_their_form():
    schema = {"type": "object", "required": ["town", "boxes"]}
    item = replace(
        EXAM, format="json", schema=schema, options={}, key=None, answer='{"town": "Ipoh", "boxes": 3}'
    )
    for each in spoilt("bad_format", item):
        try:
            assert set(json.loads(each.answer)) < {"town", "boxes"}
        except json.JSONDecodeError:
            continue
    number = replace(EXAM, format="number", options={}, key="42", answer="The result is 42.")
    assert not any(
        character.isdigit() for each in spoilt("bad_format", number) for character in each.answer
    )
    for each in spoilt("wrong_answer", number):
        assert each.answer.startswith("The result is ")
        assert each.answer != number.answer


@pytest.mark.parametrize(
    ("kind", "exchange"),
    [
        ("echoed_context", replace(EXAM, context="too short")),
        ("leaked_system", replace(EXAM, system="Be brief.")),
        ("contradiction", replace(EXAM, options={}, key=None, format="text")),
        ("wrong_answer", replace(EXAM, eval_type="teaching")),
        ("invalid_choice", replace(EXAM, options={})),
        ("bad_format", EXAM),
        ("loop", replace(EXAM, max_tokens=20)),
        ("early_length", replace(EXAM, max_tokens=None)),
        ("overrun", replace(EXAM, max_tokens=100_000)),
        ("dropped_front", replace(EXAM, prompt_tokens=None)),
        ("cut_stream", replace(EXAM, answer="B")),
        ("refusal", replace(EXAM, answer=None)),
    ],
)
def test_what_cannot_be_done_is_not_done(kind, exchange):
    assert damaged(exchange, Fault(kind=kind), draw=1) is None


@given(st.text(max_size=80), st.integers(1, 12))
def test_a_new_answer_keeps_to_the_cap(text, cap):
    changed = with_answer(replace(EXAM, max_tokens=cap), text)
    words = pieces(text)
    assert changed.answer == "".join(words[:cap])
    assert changed.finish_reason == ("stop" if len(words) <= cap else "length")


@pytest.fixture(scope="module")
def asked():
    """Items of four suites as they are asked, with their right answers; fourteen of each."""
    found = []
    for key in ("exam", "memory", "tasks", "needles"):
        suite = find_suite(key)
        for item in Random(3).sample(suite.items, 14):
            number = len(found)
            messages = with_codes(
                item.messages, nonce=code_of(1, "nonce", number), canary=code_of(1, "canary")
            )
            dialogue = [(each.role, each.content) for each in messages]
            made = exchange_as_sent(
                dialogue, item, id=str(number), answer=item.answer, max_tokens=item.max_tokens or suite.max_tokens,
                prompt_tokens=len(chat_tokens(dialogue)),
            )  # fmt: skip
            found.append(with_answer(made, item.answer))
    return found


def test_no_check_finds_anything_in_right_answers(asked):
    assert [judged.findings for judged in judge_all(asked)] == [()] * len(asked)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_each_fault_is_found_by_its_check(asked, kind):
    # benchmarks/detectors.py counts this at scale, with rewordings and free answers
    fault, hit = Fault(kind=kind), []
    for i, exchange in enumerate(asked):
        bad = damaged(exchange, fault, draw=i, other=asked[i - 7])
        if bad is not None:
            hit.append(bad)
    assert len(hit) >= 4
    hit = Random(3).sample(hit, min(len(hit), 10))
    # whose code it is can be told only beside the others
    beside = [each for each in asked if each.id not in {bad.id for bad in hit}]
    judged = judge_all([*hit, *beside] if kind == "crossed_answers" else hit)
    wanted = set(REVEALED_BY[kind])
    for bad, judgement in zip(hit, judged, strict=False):
        checks = {each.check for each in judgement.findings}
        assert checks & wanted if wanted else not checks, (bad.answer, judgement)
