"""`check`: a file or a stored run, from Python and from the command line."""

import json
from pathlib import Path

import pytest

import servemark as sm
from servemark.domain.exchange import CHECKS
from servemark.errors import InputError, StoreError
from servemark.faces.checked_words import PRESENTERS, checked_document, sentence
from servemark.faces.cli import main

TRAPS = Path(__file__).parents[1] / "quality" / "data"


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    rows = [
        {"id": 7, "answer": "Answer: B", "options": ["A", "B"], "key": "B", "finish_reason": "stop"},
        {"id": "x", "answer": "The final response which ends this conversation", "note": 1},
        {"id": "y", "answer": '{"a": 1} is it', "format": "json"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_file_gives_the_contract(answers, capsys):
    with pytest.raises(SystemExit) as done:
        main(["check", "--exchanges", str(answers), "--json"])
    assert done.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "servemark.check/1"
    assert [each["id"] for each in document["results"]] == [7, "x", "y"]
    assert document["results"][0] == {"id": 7, "findings": [], "notes": []}
    (finding,) = document["results"][1]["findings"]
    assert set(finding) == {"check", "severity", "excerpt", "detail"}
    assert (finding["check"], finding["severity"]) == ("framework_text", "critical")
    summary = document["summary"]
    assert (summary["exchanges"], summary["with_findings"], summary["useful"]) == (3, 2, 2)
    assert list(summary["checks"]) == list(CHECKS)
    assert summary["checks"]["framework_text"] == {"applied": 3, "failed": 1}
    assert "'note'" in summary["notes"][0]


def test_the_terminal_shows_the_words_that_prove_it(answers, capsys):
    with pytest.raises(SystemExit) as done:
        main(["check", "--exchanges", str(answers), "--strict"])
    assert done.value.code == 3
    shown = capsys.readouterr().out
    assert "2 of 3 answers" in shown
    assert "framework_text (critical): default description of the output tool" in shown
    assert "The final response which ends this conversation" in shown


def test_clean_answers_break_no_promise(capsys):
    checked = sm.check(exchanges=TRAPS / "clean.jsonl", strict=True)
    assert sentence(checked).startswith("No defect in")
    assert PRESENTERS["check"].exit_code(checked, None) == 0
    assert checked_document(checked)["summary"]["with_findings"] == 0


@pytest.mark.parametrize("given", [{}, {"run": "last", "exchanges": "x.jsonl"}])
def test_either_a_run_or_a_file(given):
    with pytest.raises(InputError, match=r"either a run or --exchanges"):
        sm.check(**given)


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        sm.check(exchanges=tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": 1, "answer": "caf\xe9"}\n')
    with pytest.raises(InputError, match="UTF-8"):
        sm.check(exchanges=tmp_path / "latin.jsonl")
    with pytest.raises(StoreError):
        sm.check("last", runs=tmp_path)
