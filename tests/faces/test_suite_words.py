"""`servemark suite` as people and programs see it."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "suites.md"


def test_the_list(servemark):
    ran = servemark("suite")
    assert ran.code == 0
    assert all(key in ran.out for key in ("exam", "needles", "memory", "tasks", "tiny", "tiny-short"))
    document = servemark("suite list --json").document
    assert document["schema"] == "servemark.suite/1"
    assert [each["key"] for each in document["suites"]] == [
        "exam",
        "needles",
        "memory",
        "tasks",
        "tiny",
        "tiny-short",
    ]
    assert document["items"] == []


def test_show(servemark):
    ran = servemark("suite show exam")
    assert "240 items (en 120, ms 120)" in ran.out
    assert "220 more" in ran.out
    assert len(servemark("suite show exam --json").document["items"]) == 240


def test_one_item(servemark):
    ran = servemark("suite show exam --item ms-geography-01")
    assert "Apakah ibu negeri Sarawak?" in ran.out
    assert re.search(r"a right answer\n.*Kuching.*", ran.out)
    assert [
        each["id"] for each in servemark("suite show exam --item ms-geography-01 --json").document["items"]
    ] == ["ms-geography-01"]


def test_problems_are_shown_and_exit_with_2(servemark, tmp_path):
    (tmp_path / "my.jsonl").write_text('{"id": "a", "qestion": "?"}\n{"id": "b", "question": "?"}\n')
    ran = servemark("suite check my.jsonl")
    assert ran.code == 2
    assert "1 item, 1 problem" in ran.out
    assert "my.jsonl:1 qestion: expected a field of an item, found 'qestion'; nearest: question" in ran.out
    ran = servemark("suite check my.jsonl --json")
    assert ran.code == 2
    assert [each["path"] for each in ran.document["problems"]] == ["my.jsonl:1 qestion"]


def test_no_problem_exits_with_0(servemark):
    ran = servemark("suite check tasks --seed 4")
    assert (ran.code, ran.out) == (0, "120 items, no problem\n")


def test_write_to_a_file_or_to_standard_output(servemark, tmp_path):
    ran = servemark("suite write tasks -o my.jsonl")
    assert ran.code == 0
    assert "next: servemark suite check my.jsonl" in ran.out
    lines = (tmp_path / "my.jsonl").read_text().splitlines()
    assert len(lines) == 121
    assert servemark("suite write tasks").out.splitlines() == lines
    assert servemark("suite write tasks -o my.jsonl").code == 2


def test_output_is_of_write_only(servemark, tmp_path):
    ran = servemark("suite show exam -o my.jsonl")
    assert ran.code == 2
    assert not (tmp_path / "my.jsonl").exists()


def test_the_example_of_the_page_is_in_order(servemark, tmp_path):
    example = re.findall(r'^    (\{"(?:suite|id)".*)$', DOCS.read_text("utf-8"), re.M)
    assert len(example) == 5
    assert all(json.loads(line) for line in example)
    (tmp_path / "page.jsonl").write_text("\n".join(example), encoding="utf-8")
    ran = servemark("suite check page.jsonl")
    assert ran.code == 0, ran.out
