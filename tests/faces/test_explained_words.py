import json
from io import StringIO

from rich.console import Console

from servemark.domain.finding import Evidence, Excerpt, Finding
from servemark.domain.published_test import Explanation
from servemark.domain.workload import Users
from servemark.faces.explained_words import NOTHING, explain_document, print_explanations

FINDING = Finding(
    key="cross_talk",
    claim="Answers hold what belongs to another request.",
    confidence="certain",
    weight=1.0,
    evidence=(Evidence(text="code 7 in item b", source="requests", level=1, requests=(3, 9)),),
    refuted_by="one client per process",
    next_step="stop serving",
    consequence="one user reads another's",
    excerpts=(Excerpt(item="b", load=Users(users=8), alone="B.", under_load="code 7"),),
)


def printed(*explanations):
    console = Console(width=120, record=True, file=StringIO())
    print_explanations(explanations, console)
    return console.export_text()


def test_everything_that_a_finding_says_is_printed():
    text = printed(Explanation(title="T", source="0001-x", findings=(FINDING,), notes=("a note",)))
    for words in (
        "T\n0001-x", "1. Answers hold", "certain; cross_talk", "code 7 in item b [requests: requests 3, 9]",
        "alone: B.",
        "8 users: code 7", "would refute it: one client", "next: stop serving", "what it means: one user", "a note",
    ):  # fmt: skip
        assert words in text


def test_nothing_found_is_said():
    assert NOTHING in printed(Explanation(title="T", source="", findings=()))


def test_the_document_is_json_with_a_schema():
    document = json.loads(
        json.dumps(explain_document((Explanation(title="T", source="s", findings=(FINDING,)),)))
    )
    assert document["schema"] == "servemark.explain/1"
    finding = document["explanations"][0]["findings"][0]
    assert finding["key"] == "cross_talk" and finding["evidence"][0]["requests"] == [3, 9]


def test_the_command_line_gives_one_object(capsys):
    from servemark.faces.cli import main

    try:
        main(["explain", "stress-test", "--json"])
    except SystemExit as done:
        assert done.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "servemark.explain/1" and len(document["explanations"][0]["findings"]) == 8
