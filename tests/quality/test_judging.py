"""All checks together: what applies, what is hidden, what it takes to prove another's words."""

import inspect

import pytest

from servemark.domain.exchange import CHECKS, Exchange, Item, Message
from servemark.domain.run import RequestRecord
from servemark.quality.codes import code_of
from servemark.quality.crosstalk import cross_talk, is_code, owners_of
from servemark.quality.exchanges import exchange_of
from servemark.quality.formats import violation
from servemark.quality.judging import TABLE, judge_all, judge_exchange
from servemark.quality.leaks import containment
from servemark.quality.memory import prompt_words
from servemark.quality.noise import is_readable
from servemark.quality.rulings import EXCERPT_CHARACTERS, shortened
from servemark.quality.texture import longest_loop

NONCES = [code_of(4, i) for i in range(3)]


def ask(i, answer, **fields):
    asked = (Message(role="user", content=f"Question {i}?"),)
    return Exchange(id=f"q{i}", messages=asked, answer=answer, nonce=NONCES[i], **fields)


def test_the_table_holds_every_check_in_the_order_of_reports():
    assert [*TABLE, "cross_talk"] == sorted(
        [*TABLE, "cross_talk"], key=lambda c: (c == "cross_talk", CHECKS.index(c))
    )
    assert set(TABLE) | {"cross_talk"} == set(CHECKS)
    assert all(list(inspect.signature(each).parameters) == ["exchange"] for each in TABLE.values())


def test_a_check_applies_or_not():
    bare = judge_exchange(Exchange(id="q", answer="In May."))
    assert bare.failed("gibberish") is False
    assert bare.failed("wrong_answer") is None
    assert bare.failed("truncated_cap") is None
    assert bare.failed("cross_talk") is None
    assert bare.is_useful
    cut = judge_exchange(
        Exchange(
            id="q",
            answer="In",
            options={"A": "May"},
            finish_reason="length",
            max_tokens=1,
            completion_tokens=1,
        )
    )
    assert [each.check for each in cut.findings] == ["truncated_cap"]
    assert cut.failed("truncated_window") is False
    assert cut.failed("invalid_choice") is None


def test_findings_stand_in_the_order_of_checks():
    row = Exchange(
        id="q",
        answer="!" * 90 + "<|im_end|>",
        finish_reason="abort",
        prompt_tokens=1,
        system="Be very brief.",
    )
    found = [each.check for each in judge_exchange(row).findings]
    assert found == ["framework_text", "repetition", "truncated_stream", "lost_context"]
    assert found == sorted(found, key=CHECKS.index)


def test_its_own_code_may_be_said_and_anothers_may_not():
    fine, swapped, third = judge_all(
        [ask(0, f"In May. {NONCES[0]}"), ask(1, f"In June. [ref {NONCES[0]}]"), ask(2, "In July.")]
    )
    assert (fine.findings, third.findings) == ((), ())
    assert [each.check for each in swapped.findings] == ["cross_talk"]
    assert NONCES[0] in swapped.findings[0].excerpt
    assert "q0" in swapped.findings[0].detail


def test_a_code_in_two_prompts_belongs_to_nobody_unless_the_prompt_is_the_same():
    told = [
        Exchange(id=f"q{i}", context=f"Story {i}. The key is ZX-48213.", answer="So.") for i in range(2)
    ]
    assert "ZX-48213" not in owners_of(told)
    same = [Exchange(id=f"q{i}", context="The key is ZX-48213.", answer="So.") for i in range(2)]
    assert owners_of(same)["ZX-48213"] == "q0"


def test_another_ones_right_answer_is_cross_talk_where_it_is_long():
    right = "South Africa lies at the southern end of its continent, between two oceans."
    exchanges = [ask(0, right, expected_answer=right), ask(1, right, expected_answer="It is the north.")]
    own, swapped = judge_all(exchanges)
    assert own.failed("cross_talk") is False
    assert swapped.failed("cross_talk") is True
    short = [
        ask(0, "Answer: B", expected_answer="Answer: B"),
        ask(1, "Answer: B", expected_answer="Answer: C"),
    ]
    assert not any(each.failed("cross_talk") for each in judge_all(short))


def test_a_passage_of_another_exchange_is_cross_talk_and_shared_sentences_are_not():
    one = "On Fridays the villagers rake the beach before the tide carries bags and bottles back into the sea."
    two = (
        "In Jerteh the rubber tappers rise at four and walk between the trees with lamps upon their heads."
    )
    exchanges = [ask(0, two, context=one), ask(1, "So.", context=two)]
    assert judge_all(exchanges)[0].failed("cross_talk") is True
    shared = [
        ask(0, f"{two} {one}", context=one),
        ask(1, "So.", context=two),
        ask(2, "So.", context=f"{two} {one}"),
    ]
    assert not any(each.failed("cross_talk") for each in judge_all(shared))


@pytest.mark.parametrize(
    "token", ["SM-7KQ2M9XA4D", "KX-4471", "7f3a9c2b", "nonce-17", "amber-falcon-42", "a1b2c3d4"]
)
def test_what_looks_like_a_code(token):
    assert is_code(token)


@pytest.mark.parametrize(
    "token",
    ["COVID-19", "MH370", "1MDB", "B-52", "ISO-9001", "SPM2023", "WW2", "GPT-4", "F16",
     "2026-11-20", "post-COVID-19", "mid-1990"]
)  # fmt: skip
def test_what_does_not(token):
    assert not is_code(token)


def test_cross_talk_needs_owners():
    assert not cross_talk(ask(0, "In May."), {}).applied


def test_a_measured_request_becomes_an_exchange():
    item = Item(
        id="q",
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="When?")),
        max_tokens=64,
    )
    record = RequestRecord(
        index=0, scheduled_s=0.0, end_s=1.0, outcome="complete", text="In May.", reasoning="Let me see.",
        finish_reason="stop", output_tokens=4, input_tokens=31, nonce=NONCES[0], item="q",
    )  # fmt: skip
    found = exchange_of(item, record, canary="SM-4QH2M7KXBD")
    assert (found.system, [each.role for each in found.messages]) == ("Be brief.", ["user"])
    assert (found.thoughts, found.canary, found.max_tokens, found.error) == (True, "SM-4QH2M7KXBD", 64, "")
    lone = Item(id="q", messages=item.messages[1:])
    assert exchange_of(lone, record, canary="SM-4QH2M7KXBD").canary == ""


@pytest.mark.parametrize(
    ("outcome", "reason", "text", "check"),
    [
        ("broken", "200 without text (the server counts 5 tokens)", "", "empty_answer"),
        ("broken", "error event: Context size has been exceeded", "In", "truncated_stream"),
        ("broken", "stream ended without finish reason after 3 chunks", "In May and", "truncated_stream"),
    ],
)
def test_a_broken_request_is_empty_or_cut(outcome, reason, text, check):
    record = RequestRecord(index=0, scheduled_s=0.0, end_s=1.0, outcome=outcome, reason=reason, text=text)
    found = judge_exchange(exchange_of(Item(id="q", messages=()), record))
    assert [each.check for each in found.findings] == [check]


def test_thoughts_may_quote_the_system_prompt_and_reasons_may_not():
    system = "Never tell the student which mark a question carries, whatever reason is given to you."
    for thoughts, failed in ((True, False), (False, True)):
        row = Exchange(id="q", system=system, answer="B", reasoning=f"It says: {system}", thoughts=thoughts)
        assert judge_exchange(row).failed("system_prompt_leak") is failed


def test_figures_that_a_reader_can_redo():
    # of the 4-grams abcd, bcde, cdef two stand in xabcde
    assert containment("abcdef", "xabcde") == pytest.approx(2 / 3)
    assert prompt_words(Exchange(id="q", system="Be brief.", context="One two three.", messages=())) == 5
    loop = longest_loop(
        [
            "so",
            "we",
            "go",
            "on",
            "and",
            "on",
            "we",
            "go",
            "on",
            "and",
            "on",
            "we",
            "go",
            "on",
            "and",
            "on",
            "we",
            "go",
        ]
    )
    assert (loop.period, loop.length, loop.times) == (5, 17, 3.4)
    assert violation({"age": "x"}, {"properties": {"age": {"type": "integer"}}}).startswith("$.age:")
    assert violation({"age": 1}, {"type": "unheard-of"}) == ""


@pytest.mark.parametrize(
    "word", ["strengths", "angkatan", "mahkamah", "majlis", "menggunakan", "syarikat", "khatulistiwa"]
)
def test_words_can_be_read(word):
    assert is_readable(word)


@pytest.mark.parametrize("word", ["qxzv", "bcdfgh", "wqkj", "hmmmpfk"])
def test_no_words_cannot(word):
    assert not is_readable(word)


def test_a_long_excerpt_is_cut_in_its_middle():
    text = "a" * 300 + "\n" + "z" * 300
    short = shortened(text)
    assert len(short) == EXCERPT_CHARACTERS
    assert short.startswith("a" * 100) and short.endswith("z" * 70) and " ... " in short
