import pytest

from servemark.domain.exchange import Item, Message, Suite
from servemark.quality.codes import code_of, with_codes
from servemark.twins.answers import AnswerBook, exchange_as_sent


def dialogue(*messages):
    return tuple((each.role, each.content) for each in messages)


def item(name, *messages, answer="Right.", **fields):
    return Item(
        id=name,
        messages=tuple(Message(role=role, content=text) for role, text in messages),
        answer=answer,
        **fields,
    )


SINGLE = item(
    "single",
    ("system", "Be brief.\nSay why."),
    ("user", "Which?\nA) one\nB) two"),
    key="A",
    options={"A": "", "B": ""},
)
LONG = item("long", ("user", "The word is KITE."), ("assistant", "Noted."), ("user", "Which word?"))
OTHER = item("other", ("user", "The word is MOON."), ("assistant", "Noted."), ("user", "Which word?"))
SILENT = item("silent", ("user", "Anything?"), answer=None)
BOOK = AnswerBook(Suite(key="s", title="s", items=(SINGLE, LONG, OTHER, SILENT)))


@pytest.mark.parametrize("each", [SINGLE, LONG, OTHER], ids=lambda each: each.id)
def test_a_prompt_is_known_with_codes_and_other_white_space(each):
    coded = with_codes(each.messages, nonce=code_of(1, "nonce"), canary=code_of(1, "canary"))
    assert BOOK.find(dialogue(*each.messages)) is each
    assert BOOK.find(dialogue(*coded)) is each
    assert BOOK.find([(role, f" {text}  \n") for role, text in dialogue(*coded)]) is each


def test_a_prompt_with_other_turns_is_known_by_its_ends_where_only_one_item_has_them():
    system, user = dialogue(*SINGLE.messages)
    assert BOOK.find([system, ("user", "Hello"), ("assistant", "Hello."), user]) is SINGLE
    # both long items end alike
    assert (
        BOOK.find([("user", "The word is SALT."), ("assistant", "Noted."), ("user", "Which word?")]) is None
    )


def test_another_prompt_and_an_item_without_answer_are_not_known():
    assert BOOK.find([("user", "Which?\nA) one\nB) two")]) is None
    assert BOOK.find(dialogue(*SILENT.messages)) is None
    assert BOOK.find([]) is None


def test_an_exchange_has_the_codes_and_the_fields_of_its_item():
    nonce, canary = code_of(1, "nonce"), code_of(1, "canary")
    sent = dialogue(*with_codes(SINGLE.messages, nonce=nonce, canary=canary))
    found = exchange_as_sent(sent, SINGLE, id="r", answer="A", max_tokens=9, prompt_tokens=20)
    assert (found.nonce, found.canary) == (nonce, canary)
    assert found.system == f"Be brief.\nSay why.\n[key {canary}]"
    assert (found.key, found.options, found.expected_answer) == ("A", {"A": "", "B": ""}, "Right.")
    assert [each.role for each in found.messages] == ["user"]
    plain = exchange_as_sent((), None, id="r", answer="words", max_tokens=None, prompt_tokens=2)
    assert (plain.nonce, plain.system, plain.key) == ("", "", None)
