"""One line as people write it, and the item that it means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.exchange import Item, Message
from servemark.errors import InputError
from servemark.quality.item_lines import item_of, line_of, line_text


def item(**fields):
    return item_of(line_of(fields, where="my.jsonl:1"), where="my.jsonl:1")


def refusal(**fields):
    with pytest.raises(InputError) as caught:
        item(**fields)
    return caught.value


def test_a_question_with_context_and_options_becomes_one_user_message():
    found = item(
        id="a", system="Reply in English.", context="It rains.", question="Does it?", options=["Yes", "No"]
    )
    assert found.messages == (
        Message(role="system", content="Reply in English."),
        Message(role="user", content="It rains.\n\nDoes it?\nA) Yes\nB) No"),
    )
    assert found.options == {"A": "Yes", "B": "No"}
    assert found.format == "choice"


def test_what_stands_in_the_question_is_not_put_there_again():
    written = "It rains.\nDoes it?\n(A) Yes\n(B) No"
    found = item(id="a", context="It rains.", question=written, options=["Yes", "No"])
    assert found.messages == (Message(role="user", content=written),)


def test_labels_without_texts():
    found = item(id="a", question="Which?", options={"1": "", "2": ""}, key="2")
    assert found.messages[0].content == "Which?\n1)\n2)"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "text"),
        ({"options": ["Yes", "No"]}, "choice"),
        ({"schema": {"type": "object"}}, "json"),
        ({"options": ["Yes", "No"], "format": "exact"}, "exact"),
    ],
)
def test_the_format_that_is_not_said(fields, expected):
    assert item(id="a", question="?", **fields).format == expected


def test_friendly_forms():
    found = item(id="a", question="?", key=36, recalls="X-1", eval_type=" Teaching", tags=["one"])
    assert (found.key, found.recalls, found.eval_type, found.tags) == ("36", ("X-1",), "teaching", ("one",))
    assert json.loads(item(id="a", question="?", key={"b": [1, 2]}).key) == {"b": [1, 2]}


USER = {"role": "user", "content": "?"}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"id": "a", "optoins": []},
            "optoins: expected a field of an item, found 'optoins'; nearest: options, max_tokens",
        ),
        ({"id": 7, "question": "?"}, "id: expected text, found a whole number"),
        ({"id": "a", "max_tokens": "5"}, "max_tokens: expected a whole number or null, found text"),
        ({"question": "?"}, "id: expected a value, found nothing"),
        (
            {"id": "a", "messages": [{"role": "bot", "content": "?"}]},
            "messages[0].role: expected one of system, user, assistant, found bot",
        ),
        (
            {"id": "a", "eval_type": "teach"},
            "eval_type: expected one of answer, teaching, found teach; nearest: teaching",
        ),
        (
            {"id": "a", "format": "jason"},
            "format: expected one of text, choice, exact, number, json, found jason; nearest: json",
        ),
        (
            {"id": "a", "messages": [{"role": "user"}]},
            "messages[0].content: expected a value, found nothing",
        ),
        ({"id": "a"}, "question: expected either question or messages, found neither"),
        (
            {"id": "a", "question": "?", "messages": [USER]},
            "question: expected either question or messages, found both",
        ),
        (
            {"id": "a", "system": "x", "messages": [{"role": "system", "content": "y"}]},
            "system: expected one system prompt, found another one in messages",
        ),
        (
            {"id": "a", "question": "?", "options": ["x"] * 27},
            "options: expected at most 26 in a list, found 27",
        ),
    ],
)
def test_what_is_refused(fields, line):
    assert str(refusal(**fields)) == f"my.jsonl:1 {line}"


def test_no_object():
    with pytest.raises(InputError, match="expected one JSON object a line, found \\[1, 2\\]"):
        line_of([1, 2], where="my.jsonl:1")


TEXT = st.text(min_size=1, max_size=20)
ITEMS = st.builds(
    Item,
    id=TEXT,
    messages=st.lists(
        st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=TEXT),
        min_size=1,
        max_size=3,
    ).map(tuple),
    key=st.none() | TEXT,
    expected_language=st.none() | st.sampled_from(["en", "ms"]),
    answer=st.none() | TEXT,
    tags=st.lists(TEXT, max_size=2).map(tuple),
    context=TEXT,
    options=st.dictionaries(TEXT, TEXT, max_size=3),
    eval_type=st.sampled_from(["answer", "teaching"]),
    format=st.sampled_from(["text", "choice", "exact", "number", "json"]),
    schema=st.none() | st.just({"type": "object"}),
    recalls=st.lists(TEXT, max_size=2).map(tuple),
    max_tokens=st.none() | st.integers(1, 9),
)


@given(ITEMS)
def test_what_is_written_is_read_back(written):
    line = line_text(written)
    assert "\n" not in line
    assert item_of(line_of(json.loads(line), where="x"), where="x") == written
