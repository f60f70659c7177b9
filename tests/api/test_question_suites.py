"""`suite`: list, show, check, write."""

import json

import pytest

from servemark.api.question_suites import suite
from servemark.errors import InputError, UnknownName


def test_the_list_has_every_shipped_suite_with_its_figures():
    found = suite()
    assert {each.key: each.items for each in found.entries} == {
        "exam": 240, "needles": 120, "memory": 120, "tasks": 120, "tiny": 400, "tiny-short": 64,
    }  # fmt: skip
    exam = found.entries[0]
    assert (exam.languages, exam.formats, exam.answered) == ({"en": 120, "ms": 120}, {"choice": 240}, 240)
    assert 50 < exam.mean_prompt_words < 200


def test_one_item_in_full():
    found = suite("show", "exam", item="en-science-03")
    assert found.item.id == "en-science-03"
    with pytest.raises(UnknownName) as caught:
        suite("show", "exam", item="en-sience-03")
    assert "en-science-03" in caught.value.nearest


@pytest.mark.parametrize(
    ("arguments", "options", "path"),
    [
        (("lst",), {}, "action"),
        (("list", "exam"), {}, "arguments"),
        (("show",), {}, "reference"),
        (("check", "exma"), {}, "suite"),
        (("check", "exam"), {"item": "x"}, "item"),
        (("show", "exam"), {"output": "x.jsonl"}, "output"),
    ],
)
def test_what_is_refused(arguments, options, path):
    with pytest.raises(InputError) as caught:
        suite(*arguments, **options)
    assert caught.value.path == path


@pytest.mark.parametrize("key", ["exam", "tiny", "tiny-short"])
def test_what_ships_is_in_order(key):
    found = suite("check", key)
    assert (found.problems, found.notes) == ((), ())


def test_a_written_file_is_in_order_and_is_not_overwritten(tmp_path):
    path = tmp_path / "my.jsonl"
    suite("write", "tiny", output=path)
    assert json.loads(path.read_text().splitlines()[0])["suite"]["nonce"] is False
    assert suite("check", str(path)).problems == ()
    with pytest.raises(InputError, match="which exists"):
        suite("write", "tiny", output=path)
    with pytest.raises(InputError, match=r"ending in \.jsonl"):
        suite("write", "tiny", output=tmp_path / "my.json")
    with pytest.raises(InputError, match="can be written"):
        suite("write", "tiny", output=tmp_path / "no" / "my.jsonl")


def test_problems_come_line_by_line_with_those_of_the_answers(tmp_path):
    path = tmp_path / "my.jsonl"
    right = {"system": "Reply in English.", "question": "Who came?", "options": ["Ali", "Ben"], "key": "A"}
    lines = [
        {"id": "a", **right, "answer": "It was Ben who came to the house.\nAnswer: B"},
        {"id": "b", **right, "key": "C"},
        {"id": "c", "question": "Say something."},
        {"id": "a", **right},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    found = suite("check", str(path))
    assert [each.path for each in found.problems] == [
        "my.jsonl:1 answer",
        "my.jsonl:2 key",
        "my.jsonl:4 id",
    ]
    assert found.notes == (
        "3 of 4 items have no answer: a twin cannot give one, an endpoint can.",
        "1 item has neither key, recalls nor schema: right or wrong stays open.",
    )
