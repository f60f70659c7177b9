"""Recorded lines: every form that a field may have, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.exchange import Message
from servemark.errors import InputError
from servemark.quality.recordings import FIELDS, exchange_of_row, read_recordings


def read(**fields):
    return exchange_of_row({"id": "q", "answer": "B", **fields}, "f.jsonl:1")


@pytest.mark.parametrize(
    ("written", "options"),
    [
        (["A", "B", "C"], {"A": "", "B": "", "C": ""}),
        (["Paris", "Rome"], {"A": "Paris", "B": "Rome"}),
        (["A) Paris", "B) Rome"], {"A": "Paris", "B": "Rome"}),
        (["(a) Paris", "(b) Rome"], {"A": "Paris", "B": "Rome"}),
        (["1. Paris", "2. Rome"], {"1": "Paris", "2": "Rome"}),
        ("A. Paris\nB. Rome", {"A": "Paris", "B": "Rome"}),
        ({"A": "Paris", "F": None}, {"A": "Paris", "F": ""}),
        ([{"label": "A", "text": "Paris"}, {"label": "B", "text": 3}], {"A": "Paris", "B": "3"}),
        ([1815, 1914], {"A": "1815", "B": "1914"}),
        (None, {}),
        ([], {}),
    ],
)
def test_options_in_every_form(written, options):
    assert read(options=written).options == options


def test_null_is_the_same_as_absent():
    assert read(**dict.fromkeys(set(FIELDS) - {"id", "answer"})) == read()


def test_the_system_message_may_stand_among_the_messages():
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Which?"}]},
        {"role": "assistant", "content": "B"},
    ]
    exchange = read(messages=messages)
    assert exchange.system == "Be brief."
    assert exchange.messages == (Message(role="user", content="Which?"),)
    assert read(messages=messages, system="Be brief.").system == "Be brief."
    assert read(question="Which?").messages == exchange.messages


def test_answer_reasoning_and_text():
    assert (read(text="Since B.").answer, read(text="Since B.").reasoning) == ("B", "Since B.")
    both = read(reasoning="Since B.", text="Since B. So B.")
    assert both.reasoning == "Since B. So B."
    alone = exchange_of_row({"id": 1, "text": "B"}, "")
    assert (alone.id, alone.answer, alone.reasoning) == ("1", "B", None)
    assert exchange_of_row({"id": 1, "reasoning": "Since B."}, "").answer is None
    assert exchange_of_row({"id": 1, "answer": None}, "").answer == ""


def test_formats_counts_and_kinds():
    assert read(options=["A", "B"]).format == "choice"
    assert read(schema={"type": "object"}).format == "json"
    assert read(format="Number", key=12.5).key == "12.5"
    assert read(max_tokens=64.0, completion_tokens="12").completion_tokens == 12
    assert read(eval_type="TEACHING").eval_type == "teaching"
    assert read(recalls="KX-4471").recalls == ("KX-4471",)


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        ("not json", "f:2", "one JSON object"),
        ("[1]", "f:2", "one JSON object"),
        ('{"answer": "B"}', "f:2: id", "an exchange with an id"),
        ('{"id": true, "answer": "B"}', "f:2: id", "a text or a number"),
        ('{"id": 1}', "f:2", "at least one of answer, reasoning, text"),
        ('{"id": 1, "answer": "B", "eval_type": "exam"}', "f:2: eval_type", "answer or teaching"),
        ('{"id": 1, "answer": "B", "max_tokens": -1}', "f:2: max_tokens", "a whole number of tokens, or null"),
        ('{"id": 1, "answer": "B", "messages": {}}', "f:2: messages", "a list of chat messages"),
        ('{"id": 1, "text": "", "messages": [{"role": "usr"}]}', "f:2: messages[0].role", "system, user or assistant"),
        ('{"id": 1, "answer": "B", "options": 4}', "f:2: options", "a list of options, or label -> text"),
        ('{"id": 1, "answer": "B", "schema": []}', "f:2: schema", "a JSON schema"),
        ('{"id": 1, "answer": "B", "format": "jsn"}', "f:2: format", "text, choice, exact, number, json"),
        ('{"id": 1, "answer": "B", "context": 7}', "f:2: context", "a text"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_field(line, path, expected):
    with pytest.raises(InputError) as error:
        read_recordings(['{"id": 0, "answer": "A"}', line], "f")
    assert (error.value.path, error.value.expected) == (path, expected)


def test_unknown_fields_are_left_alone_and_named():
    lines = ['{"id": 1, "answer": "B", "finish_resaon": "stop"}', "", '{"id": 1, "answer": "C"}']
    read = read_recordings(lines, "f")
    assert read.ids == (1, 1)
    assert "'finish_resaon'" in read.notes[0]
    assert "nearest: finish_reason" in read.notes[0]
    assert read.notes[1].startswith("1 id stand")
    with pytest.raises(InputError, match="at least one exchange"):
        read_recordings(["", "\n"], "f")


@pytest.mark.parametrize(
    ("answer", "fields", "broken"),
    [
        ("The turtles come to the beach and the", {}, True),
        ("The turtles come to the beach at Rantau", {}, True),
        ("The turtles come to the beach.", {}, False),
        ("The turtles come to the beach.", {"max_tokens": 64, "completion_tokens": None}, True),
        ("B. The turtles come to the beach", {"options": ["The turtles come to the beach", "They do not"]}, False),
        ("It is right because they come.\nAnswer: B", {}, False),
        ("- turtles of the sea\n- jellyfish of the sea\n- crabs of the sea", {}, False),
        ("1. Turtles come to the beach.\n2. Crabs walk on", {}, True),
        ("Kuala Lumpur", {}, False),
    ],
)  # fmt: skip
def test_an_end_of_null_counts_beside_a_text_without_an_end(answer, fields, broken):
    assert bool(read(answer=answer, finish_reason=None, **fields).error) is broken
    assert not read(answer=answer, **fields).error


@given(st.dictionaries(st.sampled_from(FIELDS), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=5,
)))  # fmt: skip
def test_any_line_is_read_or_refused(row):
    try:
        read_recordings([json.dumps(row)], "f")
    except InputError as error:
        assert str(error).startswith("f")
