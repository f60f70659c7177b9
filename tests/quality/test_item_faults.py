"""What is wrong with an item."""

import pytest

from servemark.domain.exchange import Item, Message
from servemark.quality.item_faults import item_problems


def user(text):
    return Message(role="user", content=text)


def asked(text="Who?\nA) Ali\nB) Ben", **fields):
    return Item(**{"id": "a", "messages": (user(text),), **fields})


SCHEMA_WORDS = "'objekt' is not valid under any of the given schemas"
CHOICE = {"options": {"A": "Ali", "B": "Ben"}, "format": "choice", "key": "A"}


def found(item):
    return [
        (each.field, each.expected, each.found, each.nearest) for each in item_problems(item, "my.jsonl:1")
    ]


def test_nothing():
    assert found(asked(**CHOICE, expected_language="ms", answer="Ali.\nAnswer: A")) == []


@pytest.mark.parametrize(
    ("item", "field", "named"),
    [
        (asked(id=" "), "id", "nothing"),
        (asked(messages=()), "messages", "0 messages"),
        (asked(messages=(user("?"), Message(role="assistant", content="!"))), "messages", "one of assistant"),
        (asked(messages=(user("?"), user("\n"))), "messages[1]", "nothing"),
        (asked(messages=(user("?"), Message(role="system", content="x"), user("?"))), "messages[1]", "at position 2"),
        (asked(answer=" "), "answer", "nothing"),
        (asked(max_tokens=0), "max_tokens", "0"),
        (asked(expected_language="zz"), "expected_language", "'zz'"),
        (asked(**{**CHOICE, "options": {"A": "Ali"}}), "options", "1"),
        (asked(**{**CHOICE, "options": {"A": "Ali", "the second": "Ben"}}), "options", "'the second'"),
        (asked(**{**CHOICE, "options": {"A": "Ali", "B": "ali "}}), "options", "'ali' twice"),
        (asked(**{**CHOICE, "key": "C"}), "key", "'C'"),
        (asked(**{**CHOICE, "key": None}), "key", "nothing"),
        (asked(**{**CHOICE, "options": {"A": "Ali", "B": "Chong"}}), "options", "B: 'Chong'"),
        (asked(key="x", format="number"), "key", "'x'"),
        (asked(format="exact"), "key", "nothing"),
        (asked(context="It rains."), "context", "'It rains.'"),
        (asked(recalls=("X-1",)), "recalls", "'X-1'"),
        (asked(eval_type="teaching"), "key", "nothing"),
        (asked(schema={}, format="text"), "schema", "format text"),
        (asked(schema={"type": "objekt"}, format="json"), "schema", SCHEMA_WORDS),
    ],
)  # fmt: skip
def test_each_fault_is_found_alone(item, field, named):
    (problem,) = found(item)
    assert (problem[0], problem[2]) == (field, named)


@pytest.mark.parametrize(
    ("code", "nearest"), [("English", "en"), ("malay", "ms"), ("EN", "en"), ("ms-MY", "ms")]
)
def test_the_nearest_language(code, nearest):
    assert found(asked(expected_language=code))[0][3] == (nearest,)


def test_a_key_that_is_the_text_of_an_option():
    assert found(asked(**{**CHOICE, "key": "Ben"}))[0][3] == ("B",)


def test_a_context_may_be_wrapped_in_the_messages():
    assert found(asked("It\n  rains.\n\nDoes it?", context="It rains.")) == []


def test_the_path_names_line_and_field():
    assert item_problems(asked(id=""), "my.jsonl:7")[0].path == "my.jsonl:7 id"
