"""Codes in prompts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.exchange import Message
from servemark.quality.codes import ALPHABET, CODE, code_of, codes_in, with_codes, without_codes

NONCE, CANARY = code_of(1, "nonce", 3), code_of(1, "canary")
TALK = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="Hello."),
    Message(role="assistant", content="Hi."),
    Message(role="user", content="Where do they come?"),
)


def test_a_code_has_its_form_and_depends_on_every_part():
    assert CODE.fullmatch(NONCE)
    assert code_of(1, "nonce", 3) == NONCE
    assert len({NONCE, CANARY, code_of(2, "nonce", 3), code_of(1, "nonce", 4), code_of(1, "nonce3")}) == 5
    assert code_of(1, "a", "bc") != code_of(1, "ab", "c")
    assert len({code_of(7, i) for i in range(20_000)}) == 20_000


def test_no_code_spells_a_word_or_holds_signs_that_look_alike():
    assert not set("AEIOU01LS") & set(ALPHABET)


def test_codes_stand_at_the_ends_of_the_last_question_and_of_the_system_message():
    asked = with_codes(TALK, nonce=NONCE, canary=CANARY)
    assert [each.content for each in asked] == [
        f"Be brief.\n[key {CANARY}]", "Hello.", "Hi.", f"Where do they come?\n[ref {NONCE}]",
    ]  # fmt: skip
    assert tuple(Message(role=each.role, content=without_codes(each.content)) for each in asked) == TALK
    assert with_codes(TALK) == TALK
    assert with_codes(TALK[1:2], canary=CANARY) == TALK[1:2]


def test_an_answer_is_the_same_with_and_without_the_code_that_it_repeats():
    assert without_codes(f"In May. [ref {NONCE}]") == "In May."
    assert without_codes(f"In May.\n{NONCE}\n") == "In May."
    assert codes_in(f"{NONCE}, {CANARY} and {NONCE}") == (NONCE, CANARY)


@given(st.text(max_size=200))
def test_a_text_without_codes_comes_back_as_it_is(text):
    if not re.search(CODE, text):
        assert without_codes(text) == text
