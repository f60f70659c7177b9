"""The right answers of a suite, held against its checks."""

import pytest

from servemark.domain.exchange import Item, Message
from servemark.quality.model_answers import answer_problems
from servemark.quality.suite_files import SuiteLine


def line(**fields):
    messages = (
        Message(role="system", content="Reply in English only, with a reason and a last line."),
        Message(role="user", content="Where does the shop stand?\nA) In Ipoh\nB) In Muar"),
    )
    usual = {
        "options": {"A": "In Ipoh", "B": "In Muar"},
        "key": "A",
        "format": "choice",
        "expected_language": "en",
        "answer": "The shop has always stood in the old town of Ipoh.\nAnswer: A",
    }
    item = Item(**{"id": "a", "messages": messages, **usual, **fields})
    return SuiteLine(where="my.jsonl:1", item=item)


def found(item_line, max_tokens=50):
    return [(each.field, each.found) for each in answer_problems([item_line], max_tokens=max_tokens)]


def test_a_right_answer():
    assert found(line()) == []


def test_an_item_without_answer_is_left_alone():
    assert found(line(answer=None)) == []


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        ("The shop has always stood in the old town of Muar.\nAnswer: B", "wrong_answer"),
        ("Kedai itu memang sudah lama terletak di pekan lama di Ipoh.\nJawapan: A", "wrong_language"),
        ("The shop has always stood in the old town of Ipoh.\nAnswer: F", "invalid_choice"),
    ],
)
def test_an_answer_that_its_own_checks_fault(answer, check):
    assert any(field == "answer" and text.startswith(check) for field, text in found(line(answer=answer)))


def test_an_answer_that_its_cap_would_cut():
    assert ("max_tokens", "5") in found(line(max_tokens=5))
    assert ("max_tokens", "5") in found(line(), max_tokens=5)
